"""Writes seeding.json: what scikit-learn's greedy k-means++ leaves of the digits (tests/kmeans.rs), on average.

Made with Python 3.11, scikit-learn 1.9.1, numpy 2.4.6, Pillow 13.0.0, in the repository's root:
`python tests/data/seeding.py`.
"""

import json
from pathlib import Path

import numpy as np
import sklearn
from PIL import Image
from sklearn.cluster import kmeans_plusplus
from sklearn.metrics import pairwise_distances_argmin_min

digits = np.stack([np.asarray(Image.open(p)) for p in sorted(Path("data/digits").glob("*/*.png"))])
x = (digits.reshape(-1, 64) / 255).astype(np.float32).astype(float)
out = {"scikit_learn": sklearn.__version__, "potentials": {}}
for k in [10, 50, 300]:
    left = [
        (pairwise_distances_argmin_min(x, kmeans_plusplus(x, k, random_state=seed)[0])[1] ** 2).sum()
        for seed in range(100)
    ]
    out["potentials"][k] = {"mean": np.mean(left), "deviation": np.std(left)}
Path("tests/data/seeding.json").write_text(json.dumps(out, indent=1) + "\n")
