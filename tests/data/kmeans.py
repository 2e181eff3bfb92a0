"""Writes kmeans.json: where scikit-learn's k-means ends from given starts on five sets that tests/kmeans.rs builds too.

Made with Python 3.11, scikit-learn 1.9.1, numpy 2.4.6, Pillow 13.0.0, in the repository's root:
`python tests/data/kmeans.py`.
"""

import json
from pathlib import Path

import numpy as np
import sklearn
from PIL import Image
from sklearn.cluster import KMeans

i = np.arange(3000)[:, None]
j = np.arange(12)[None, :]
digits = np.stack([np.asarray(Image.open(p)) for p in sorted(Path("data/digits").glob("*/*.png"))])
profiles = np.concatenate([digits.sum(1, dtype=int), digits.sum(2, dtype=int)], 1)  # columns, then rows
sets = {
    "digits": (digits.reshape(-1, 64) / 255, 10),
    "digits' profiles": (profiles / 2040, 25),
    "waves": (((i * 37 + j * 101 + i * j * 7) % 211) / 211 * 10 / (j + 1) + 1000, 7),
    "rings": ((1 + i % 3) * np.concatenate([np.cos(i * 0.7), np.sin(i * 0.7)], 1), 9),
    "cube": (i * np.sqrt(j[:, :5] + 2.5) % 1, 12),
}
out = {"scikit_learn": sklearn.__version__, "sets": {}}
for name, (x, k) in sets.items():
    x = x.astype(np.float32)
    start = [int(row) for row in np.random.default_rng(k).choice(len(x), k, replace=False)]
    fit = KMeans(k, init=x[start].astype(float), n_init=1, tol=0, max_iter=1000).fit(x.astype(float))
    labels = "".join(chr(ord("A") + label) for label in fit.labels_)
    out["sets"][name] = {"start": start, "inertia": fit.inertia_, "n_iterations": fit.n_iter_, "labels": labels}
Path("tests/data/kmeans.json").write_text(json.dumps(out, indent=1) + "\n")
