"""Writes clusterers.json: what scikit-learn 1.9.1 finds in small sets, for src/cluster/oracle.rs.

python tests/data/clusterers.py > tests/data/clusterers.json
"""
import json

import numpy as np
from sklearn.cluster import DBSCAN, BisectingKMeans, MiniBatchKMeans
from sklearn.datasets import make_blobs, make_moons
from sklearn.metrics import pairwise_distances
from sklearn.mixture import GaussianMixture


def kept(x):
    return np.round(x, 3).astype(np.float32)


rng = np.random.default_rng(0)
moons = kept(np.vstack([make_moons(200, noise=0.08, random_state=0)[0], rng.uniform(-1.5, 2.5, (30, 2))]))
dbscan = DBSCAN(eps=0.2, min_samples=5).fit(moons.astype(float))
core = set(dbscan.core_sample_indices_.tolist())
# A border row belongs to the nearest core row: that rule does not depend on the order of the rows.
distances = pairwise_distances(moons.astype(float))
border = [i for i in range(len(moons)) if dbscan.labels_[i] >= 0 and i not in core]
labels = dbscan.labels_.copy()
for i in border:
    labels[i] = dbscan.labels_[min(core, key=lambda j: (distances[i, j], j))]

tilted = make_blobs(300, 3, centers=3, cluster_std=[1.8, 4.0, 2.5], random_state=3)[0]
tilted = kept(tilted @ np.array([[2.0, 0.6, 0.0], [0.0, 0.4, 0.3], [0.1, 0.0, 1.0]]))
mixture = GaussianMixture(3, tol=1e-6, max_iter=1000, random_state=0).fit(tilted.astype(float))

even = kept(rng.random((500, 5)))
bisecting = BisectingKMeans(8, n_init=10, random_state=0).fit(even.astype(float))
larger = BisectingKMeans(8, n_init=10, bisecting_strategy="largest_cluster", random_state=0).fit(even.astype(float))
batches = MiniBatchKMeans(8, batch_size=64, random_state=0).fit(even.astype(float))

rows = lambda x: [[float(f"{v:.3f}") for v in row] for row in x]
print(json.dumps({
    "moons": rows(moons),
    "dbscan": labels.tolist(),
    "dbscan_core": sorted(core),
    "tilted": rows(tilted),
    "mixture": mixture.predict(tilted.astype(float)).tolist(),
    "mixture_log_density": float(mixture.score(tilted.astype(float))),
    "mixture_means": mixture.means_.tolist(),
    "even": rows(even),
    "bisecting": bisecting.inertia_,
    "bisecting_largest": larger.inertia_,
    "minibatch": batches.inertia_,
}))
