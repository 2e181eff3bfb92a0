"""Writes optics.json: what scikit-learn 1.9.1's OPTICS finds in five sets, for src/cluster/optics/tests.rs.

python tests/data/optics.py > tests/data/optics.json

Each set has its rows, their order and reachability, the labels by two steepnesses, and those of two cuts.
"""
import json

import numpy as np
from sklearn.cluster import OPTICS, cluster_optics_dbscan, cluster_optics_xi
from sklearn.datasets import make_blobs, make_moons, make_swiss_roll

rng = np.random.default_rng(0)


def with_noise(x, n):
    return np.vstack([x, rng.uniform(x.min(0) - 0.5, x.max(0) + 0.5, (n, x.shape[1]))])


nested = np.vstack([rng.normal(size=(80, 2)) * 2, rng.normal(size=(60, 2)) * 0.1 + 1, rng.normal(size=(60, 2)) * 0.3 - 9])
sets = [
    (make_blobs(200, 2, centers=4, cluster_std=[0.3, 0.6, 1.2, 2.4], random_state=2)[0], 5),
    (with_noise(make_moons(160, noise=0.05, random_state=0)[0], 40), 5),
    (make_blobs(180, 3, centers=5, cluster_std=0.8, random_state=3)[0], 8),
    (make_swiss_roll(200, noise=0.2, random_state=5)[0], 4),
    (nested, 10),
]
found = []
for x, n in sets:
    x = np.round(x, 3).astype(np.float32)
    fit = OPTICS(min_samples=n).fit(x.astype(float))
    plot = {"reachability": fit.reachability_, "ordering": fit.ordering_}
    finite = fit.reachability_[np.isfinite(fit.reachability_)]
    found.append({
        "rows": [[float(f"{v:.3f}") for v in row] for row in x],
        "min_points": n,
        "order": fit.ordering_.tolist(),
        "reachability": [round(float(min(r, 1e9)), 6) for r in fit.reachability_[fit.ordering_]],
        "xi": [[xi, least, cluster_optics_xi(predecessor=fit.predecessor_, min_samples=n, xi=xi,
                                             min_cluster_size=least, **plot)[0].tolist()]
               for xi, least in ((0.05, n), (0.2, n), (0.05, 3 * n))],
        "eps": [[eps, cluster_optics_dbscan(core_distances=fit.core_distances_, eps=eps, **plot).tolist()]
                for eps in (round(float(np.quantile(finite, q)), 3) for q in (0.6, 0.95))],
    })
print("[" + ",\n".join(json.dumps(f, separators=(",", ":")) for f in found) + "]")
