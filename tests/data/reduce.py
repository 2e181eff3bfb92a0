"""Writes reduce.json: what scikit-learn and numpy make of rows that tests/reduce.rs builds too.

Made with Python 3.11, scikit-learn 1.9.1, numpy 2.4.6, scipy 1.17.1, in the repository's root:
`python tests/data/reduce.py`.
"""

import json
from pathlib import Path

import numpy as np
import scipy
import scipy.sparse
import sklearn
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA, KernelPCA, TruncatedSVD

i = np.arange(160)[:, None]
j = np.arange(12)[None, :]
x = (((i * 37 + j * 101 + i * j * 7) % 211) / 211 * 10 / (j + 1) + 3).astype(np.float32).astype(float)
ink = np.where((i * 31 + j * 17 + i * j) % 29 < 6, x, 0)  # mostly zero
fit, new = slice(0, 150), slice(150, 160)


def diffusion(x, new, n):
    """Coifman, Lafon 2006: alpha = 1, one step; the kernel as wide as the median distance."""
    squared = cdist(x, x, "sqeuclidean")
    gamma = 1 / np.sort(squared[np.triu_indices(len(x), 1)])[len(x) * (len(x) - 1) // 2 // 2]
    kernel = np.exp(-gamma * squared)
    weights = 1 / kernel.sum(1)
    walk = kernel * weights
    degrees = walk.sum(1) * weights
    values, vectors = np.linalg.eigh(kernel * np.outer(weights, weights) / np.sqrt(np.outer(degrees, degrees)))
    values, vectors = values[::-1][1 : n + 1], vectors[:, ::-1][:, 1 : n + 1]
    coordinates = vectors * np.sqrt(degrees.sum() / degrees)[:, None]
    steps = np.exp(-gamma * cdist(new, x, "sqeuclidean")) * weights
    return values, coordinates * values, steps / steps.sum(1, keepdims=True) @ coordinates


out = {"scikit_learn": sklearn.__version__, "numpy": np.__version__, "scipy": scipy.__version__}
for name, model, rows in [
    ("pca", PCA(4, svd_solver="full"), x),
    ("whiten", PCA(4, svd_solver="full", whiten=True), x),
    ("svd", TruncatedSVD(4, algorithm="arpack"), x),
    ("sparse pca", PCA(4, svd_solver="full"), ink),
    ("sparse svd", TruncatedSVD(4, algorithm="arpack"), scipy.sparse.csr_matrix(ink)),
    ("kernel-pca", KernelPCA(4, kernel="rbf"), x),
]:
    fitted = model.fit_transform(rows[fit])
    figures = getattr(model, "explained_variance_ratio_", getattr(model, "eigenvalues_", None))
    out[name] = {"figures": list(figures), "fit": fitted.tolist(), "new": model.transform(rows[new]).tolist()}
values, fitted, moved = diffusion(x[fit], x[new], 4)
out["diffusion"] = {"figures": list(values), "fit": fitted.tolist(), "new": moved.tolist()}
for part in out.values():
    if isinstance(part, dict):
        part["fit"] = part["fit"][::15]
Path("tests/data/reduce.json").write_text(json.dumps(out) + "\n")
