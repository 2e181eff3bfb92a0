"""Writes neighbours.json: accuracies by nearest neighbours and clusters of DBSCAN in the plane (src/evaluate).

Made with Python 3.11, scikit-learn 1.9.1, numpy 2.4.6, in the repository's root: `python tests/data/neighbours.py`.
"""

import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn.cluster import DBSCAN
from sklearn.datasets import make_blobs, make_circles, make_moons
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

rng = np.random.default_rng(0)


def accuracy():
    x, y = make_blobs(120, 3, centers=4, cluster_std=3.0, random_state=3)
    k = 40
    neighbours = NearestNeighbors(n_neighbors=k).fit(x).kneighbors(return_distance=False)
    votes = [
        cross_val_predict(KNeighborsClassifier(n_neighbors=n), x, y, cv=LeaveOneOut()) for n in range(1, k + 1)
    ]
    return {
        "neighbours": neighbours.tolist(),
        "classes": y.tolist(),
        "precision": [(y[neighbours[:, :n]] == y[:, None]).mean() for n in range(1, k + 1)],
        "majority_vote": [(vote == y).mean() for vote in votes],
    }


def dbscan(points, radii, numbers):
    points = np.asarray(points, dtype=np.float32)

    def labels(eps, n):
        return DBSCAN(eps=eps, min_samples=n).fit_predict(points.astype(float)).tolist()

    return {
        "points": points.tolist(),
        "runs": [[eps, n, labels(eps, n)] for eps in radii for n in numbers],
    }


out = {
    "scikit_learn": sklearn.__version__,
    "accuracy": accuracy(),
    "dbscan": [
        dbscan(make_blobs(300, 2, centers=6, cluster_std=1.5, random_state=1)[0], [0.4, 1.0, 2.0], [1, 5, 20, 50]),
        dbscan(10 * make_moons(200, noise=0.08, random_state=2)[0], [0.7, 1.5, 3.0], [3, 5, 15]),
        dbscan(make_circles(200, noise=0.03, factor=0.5, random_state=3)[0], [0.1, 0.2], [2, 5, 10]),
        dbscan(rng.integers(0, 15, (200, 2)), [1.0, 2.0], [4, 5, 9, 30]),
        dbscan(30 * rng.standard_normal((200, 2)), [2, 3], [5, 10]),
    ],
}
Path("tests/data/neighbours.json").write_text(json.dumps(out) + "\n")
