"""Writes hdbscan.json: what scikit-learn 1.9.1's HDBSCAN finds in twenty small sets, for src/cluster/hdbscan.rs.

python tests/data/hdbscan.py > tests/data/hdbscan.json

Edges of equal mutual reachability are cut in some order there, at once here. Where a cluster has hardly more rows than
`min_samples`, that can decide whether it has enough: no such sets are among these.
"""
import json

import numpy as np
from sklearn.cluster import HDBSCAN
from sklearn.datasets import make_blobs, make_circles, make_moons, make_s_curve, make_swiss_roll

rng = np.random.default_rng(0)


def with_noise(x, n):
    return np.vstack([x, rng.uniform(x.min(0) - 0.5, x.max(0) + 0.5, (n, x.shape[1]))])


def blobs(n, d, centers, std, seed):
    return make_blobs(n, d, centers=centers, cluster_std=std, random_state=seed)[0]


leaf = {"cluster_selection_method": "leaf"}
sets = [
    (blobs(120, 2, 3, 1.0, 0), {}),
    (blobs(150, 2, 5, 0.6, 1), {"min_cluster_size": 8}),
    (blobs(150, 2, 4, [0.3, 0.6, 1.2, 2.4], 2), {"min_cluster_size": 10, "min_samples": 4}),
    (blobs(140, 3, 4, 1.0, 3), leaf),
    (blobs(150, 5, 6, 1.0, 4), {"min_cluster_size": 6, "min_samples": 3}),
    (blobs(120, 10, 4, 2.0, 5), {"min_cluster_size": 7}),
    (with_noise(blobs(110, 2, 3, 0.7, 6), 40), {}),
    (with_noise(blobs(110, 3, 4, 0.7, 7), 40), {"min_cluster_size": 12, "min_samples": 5}),
    (with_noise(make_moons(120, noise=0.05, random_state=0)[0], 30), {}),
    (with_noise(make_moons(120, noise=0.08, random_state=1)[0], 20), leaf),
    (make_circles(150, noise=0.04, factor=0.4, random_state=2)[0], {"min_cluster_size": 10}),
    (make_circles(140, noise=0.06, factor=0.5, random_state=3)[0], {"min_samples": 2}),
    (make_s_curve(140, noise=0.05, random_state=4)[0], {"min_cluster_size": 8}),
    (make_swiss_roll(150, noise=0.2, random_state=5)[0], {"min_cluster_size": 8, "min_samples": 3}),
    (rng.uniform(size=(130, 2)), {}),
    (rng.uniform(size=(120, 4)), {"min_cluster_size": 4, "min_samples": 2, **leaf}),
    (rng.normal(size=(140, 2)), {"min_cluster_size": 10}),
    (np.vstack([rng.normal(size=(80, 2)), rng.normal(size=(60, 2)) * 0.1 + 3]), {"min_samples": 10}),
    (blobs(150, 2, 8, 0.5, 8), {"min_cluster_size": 15, "min_samples": 1}),
    (blobs(150, 2, 6, 0.8, 9), {"min_cluster_size": 8, "min_samples": 6, **leaf}),
]
found = []
for x, params in sets:
    x = np.round(x, 3).astype(np.float32)
    fit = HDBSCAN(copy=True, **params).fit(x.astype(float))
    found.append({
        "params": params,
        "rows": [[float(f"{v:.3f}") for v in row] for row in x],
        "labels": fit.labels_.tolist(),
        "probabilities": [float(f"{v:.6f}") for v in fit.probabilities_],
    })
print("[" + ",\n".join(json.dumps(f, separators=(",", ":")) for f in found) + "]")
