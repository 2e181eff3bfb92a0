"""Writes metrics.json: the scores that scikit-learn gives to 200 random labellings, and internal ones on small data.

Made with Python 3.11, scikit-learn 1.9.1, scipy 1.17.1, numpy 2.4.6: `python tests/data/metrics.py`.
Labels: -1 is noise. `noise`: whether the scores take it as one cluster or leave it out.
"""

import json
import pathlib

import numpy as np
import sklearn
from scipy.optimize import linear_sum_assignment
from sklearn import datasets, metrics
from sklearn.metrics.cluster import contingency_matrix, pair_confusion_matrix

EXTERNAL = ["purity", "purity_mean", "ari", "ami", "nmi", "homogeneity", "completeness", "v_measure",
            "fowlkes_mallows", "accuracy", "pairwise_precision", "pairwise_recall", "pairwise_f1",
            "bcubed_precision", "bcubed_recall", "bcubed_f1"]


def ratio(a, b):
    return float(a / b) if b else None


def bcubed(truth, labels):
    """By the definition, row by row."""
    same_cluster, same_class = labels[:, None] == labels[None], truth[:, None] == truth[None]
    both = (same_cluster & same_class).sum(1)
    p, r = (both / same_cluster.sum(1)).mean(), (both / same_class.sum(1)).mean()
    return [float(p), float(r), float(2 * p * r / (p + r))]


def external(truth, labels):
    if len(labels) == 0:
        return [None] * len(EXTERNAL)
    table = contingency_matrix(truth, labels)
    rows, columns = linear_sum_assignment(table, maximize=True)
    (_, fp), (fn, tp) = pair_confusion_matrix(truth, labels).tolist()
    n = len(labels)
    return [
        float(table.max(0).sum() / n), float((table.max(0) / table.sum(0)).mean()),
        metrics.adjusted_rand_score(truth, labels), metrics.adjusted_mutual_info_score(truth, labels),
        metrics.normalized_mutual_info_score(truth, labels), *metrics.homogeneity_completeness_v_measure(truth, labels),
        metrics.fowlkes_mallows_score(truth, labels), float(table[rows, columns].sum() / n),
        ratio(tp, tp + fp), ratio(tp, tp + fn), ratio(2 * tp, 2 * tp + fp + fn), *bcubed(truth, labels),
    ]


def labelling(rng, case):
    """Truth and labels; the first ones are the edge cases."""
    n = int(rng.integers(2, 90))
    k, l = int(rng.integers(1, 12)), int(rng.integers(1, 12))
    truth = rng.integers(0, l, n)
    labels = rng.integers(0, k, n)
    if case % 4 == 1:  # mostly right
        labels = np.where(rng.random(n) < 0.3, labels, truth)
    if case % 4 == 2:  # noise
        labels = np.where(rng.random(n) < 0.2, -1, labels)
    edge = {
        0: (np.zeros(n), np.zeros(n)), 1: (np.arange(n), np.arange(n)), 2: (np.zeros(n), np.arange(n)),
        3: (np.arange(n), np.zeros(n)), 4: (truth, np.zeros(n)), 5: (truth, np.arange(n)), 6: (np.zeros(n), labels),
        7: (np.arange(n), labels), 8: (truth, truth), 9: (truth, truth[::-1]), 10: (truth, np.full(n, -1)),
        11: (truth, np.where(np.arange(n) % 2, -1, np.arange(n))), 12: ([0], [0]), 13: ([0], [-1]),
        14: ([0, 1], [0, 0]), 15: ([0, 0], [0, 1]), 16: (truth, l - 1 - truth), 17: (np.arange(n) % 2, np.arange(n) // 2),
        18: (np.repeat([0, 1], n), np.tile([0, 1], n)), 19: (truth, truth * 1000),
    }
    truth, labels = edge.get(case, (truth, labels))
    return np.asarray(truth, int), np.asarray(labels, int)


def internal(data, labels):
    data, keep = np.float32(data).astype(float), labels >= 0
    x, y = data[keep], labels[keep]
    values = metrics.silhouette_samples(x, y)
    distances = metrics.pairwise_distances(x)
    same = y[:, None] == y[None]
    return {
        "silhouette": float(values.mean()), "values": values.round(9).tolist(),
        "calinski_harabasz": metrics.calinski_harabasz_score(x, y),
        "davies_bouldin": metrics.davies_bouldin_score(x, y),
        "dunn": float(distances[~same].min() / distances[same].max()),
        "inertia": float(sum(((x[y == c] - x[y == c].mean(0)) ** 2).sum() for c in np.unique(y))),
    }


rng = np.random.default_rng(0)
out = {"scikit_learn": sklearn.__version__, "external_keys": EXTERNAL, "external": [], "internal": []}
for case in range(200):
    truth, labels = labelling(rng, case)
    rules = ["one_cluster", "excluded"] if (labels < 0).any() else ["one_cluster"]
    for rule in rules:
        keep = labels >= (0 if rule == "excluded" else -1)
        out["external"].append({"noise": rule, "truth": truth.tolist(), "labels": labels.tolist(),
                                "scores": external(truth[keep], labels[keep])})

iris = datasets.load_iris().data
blobs, blob_labels = datasets.make_blobs(200, 6, centers=7, cluster_std=2.0, random_state=1)
# Farther apart, scikit-learn's own distances lose the sixth digit.
far = np.concatenate([rng.normal(c, 1e-2, (30, 3)) for c in (-50, 1, 90)])
for name, data, labels in [
    ("iris", iris, datasets.load_iris().target),
    ("iris, random", iris, rng.integers(0, 5, 150)),
    ("iris, a singleton and noise", iris,
     np.where(np.arange(150) == 7, 3, np.where(np.arange(150) % 10 == 3, -1, datasets.load_iris().target))),
    ("blobs", blobs.round(3), blob_labels),
    ("blobs, gaps in the numbers", blobs.round(3), blob_labels * 10 + 5),
    ("tight clusters far apart", far.round(5), np.repeat([0, 1, 2], 30)),
]:
    out["internal"].append({"name": name, "data": data.tolist(), "labels": labels.tolist(), **internal(data, labels)})

path = pathlib.Path(__file__).with_name("metrics.json")
text = json.dumps(out, separators=(",", ":"))
path.write_text(text.replace('},{', '},\n{') + "\n")
print(path, len(text))
