"""Scikit-learn's ten methods on points in the plane, with the settings of its own comparison of clusterers, which Naous
et al. ran too; their row "spectral" timed DBSCAN, this one is spectral clustering.

    for set in circles moons varied aniso blobs uniform; do for draw in 1 2 3; do
      alike synth $set --seed $draw --out FOLDER/$set-$draw.npy
    done; done
    pip install scikit-learn==1.9
    python benches/raster/methods.py FOLDER [DRAWS]

Prints the mean AMI and the median seconds of each method; `cargo run --release --example plane -- sets` does the same for
ours.
"""

import sys
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn import cluster, mixture
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.neighbors import kneighbors_graph
from sklearn.preprocessing import StandardScaler

SETS = ["circles", "moons", "varied", "aniso", "blobs", "uniform"]
DEFAULT = dict(quantile=0.3, eps=0.3, damping=0.9, preference=-200, n_neighbors=3, n_clusters=3, min_samples=7, xi=0.05,
               min_cluster_size=0.1)
OWN = {
    "circles": dict(damping=0.77, preference=-240, quantile=0.2, n_clusters=2, min_samples=7, xi=0.08),
    "moons": dict(damping=0.75, preference=-220, n_clusters=2, min_samples=7, xi=0.1),
    "varied": dict(eps=0.18, n_neighbors=2, min_samples=7, xi=0.01, min_cluster_size=0.2),
    "aniso": dict(eps=0.15, n_neighbors=2, min_samples=7, xi=0.1, min_cluster_size=0.2),
}


def methods(name, x):
    p = DEFAULT | OWN.get(name, {})
    k = p["n_clusters"]
    graph = kneighbors_graph(x, n_neighbors=p["n_neighbors"], include_self=False)
    graph = 0.5 * (graph + graph.T)
    bandwidth = cluster.estimate_bandwidth(x, quantile=p["quantile"], random_state=0)
    return {
        "k-means": cluster.KMeans(k, n_init=10, random_state=0),
        "affinity propagation": cluster.AffinityPropagation(
            damping=p["damping"], preference=p["preference"], random_state=0),
        "mean shift": cluster.MeanShift(bandwidth=bandwidth, bin_seeding=True),
        "spectral": cluster.SpectralClustering(
            k, eigen_solver="arpack", affinity="nearest_neighbors", random_state=0),
        "ward": cluster.AgglomerativeClustering(k, linkage="ward", connectivity=graph),
        "agglomerative": cluster.AgglomerativeClustering(
            k, linkage="average", metric="cityblock", connectivity=graph),
        "dbscan": cluster.DBSCAN(eps=p["eps"]),
        "optics": cluster.OPTICS(min_samples=p["min_samples"], xi=p["xi"], min_cluster_size=p["min_cluster_size"]),
        "birch": cluster.Birch(n_clusters=k),
        "gaussian mixture": mixture.GaussianMixture(k, random_state=0),
    }


def main(folder, draws):
    warnings.filterwarnings("ignore")
    scores, seconds = {}, {}
    for name in SETS:
        for draw in range(1, draws + 1):
            x = StandardScaler().fit_transform(np.load(folder / f"{name}-{draw}.npy"))
            truth = np.loadtxt(folder / f"{name}-{draw}.labels.csv", delimiter=",", skiprows=1, usecols=1, dtype=int)
            for method, model in methods(name, x).items():
                start = time.perf_counter()
                labels = model.fit_predict(x)
                seconds.setdefault(method, []).append(time.perf_counter() - start)
                score = adjusted_mutual_info_score(truth, labels) if name != "uniform" else len(set(labels))
                scores.setdefault(method, {}).setdefault(name, []).append(score)
    print(f"{'method':<22}" + "".join(f"{name:>9}" for name in SETS) + "  seconds   (of uniform: clusters)")
    for method, found in scores.items():
        row = "".join(f"{np.mean(found[name]):9.3f}" for name in SETS)
        print(f"{method:<22}{row}{np.median(seconds[method]):9.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3)
