#!/usr/bin/env python3
"""How the time of ten rounds of k-means grows with n, d and k: alike, scikit-learn and FAISS on the same data and start.

Writes growth.svg beside it, and the slopes in log-log. `--threads`, `--alike` as for rivals.py.
"""
import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--alike", default="target/release/alike")
parser.add_argument("--threads", type=int, default=os.cpu_count())
parser.add_argument("--repeats", type=int, default=3)
parser.add_argument("--out", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "growth.svg"))
args = parser.parse_args()
for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(variable, None)
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(args.threads)

import faiss  # noqa: E402
import matplotlib  # noqa: E402
import matplotlib.ticker  # noqa: E402
import numpy as np  # noqa: E402
from sklearn.cluster import KMeans  # noqa: E402

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "alike"
import matplotlib.pyplot as plt  # noqa: E402

ROUNDS = 10
# One of n, d and k at a time around (40,000, 128, 100).
SWEEPS = {
    "rows (n), d = 128, k = 100": [(n, 128, 100) for n in (10_000, 40_000, 160_000)],
    "features (d), n = 40,000, k = 100": [(40_000, d, 100) for d in (32, 128, 512)],
    "clusters (k), n = 40,000, d = 128": [(40_000, 128, k) for k in (10, 100, 1000)],
}


def mixture(n, d):
    """200 round Gaussians that overlap."""
    rng = np.random.default_rng(0)
    means = rng.standard_normal((200, d), dtype=np.float32)
    return means[rng.integers(0, 200, n)] + rng.standard_normal((n, d), dtype=np.float32)


def seconds(n, d, k):
    x = mixture(n, d)
    c = x[np.random.default_rng(1).choice(n, k, replace=False)]
    took = {"alike": [], "scikit-learn lloyd": [], "FAISS": []}
    with tempfile.TemporaryDirectory() as scratch:
        data, init, out = (os.path.join(scratch, name) for name in ("x.npy", "c.npy", "labels.npy"))
        np.save(data, x)
        np.save(init, c)
        run = [args.alike, "cluster", data, "--out", out, "--threads", str(args.threads), "--no-cache", "--restarts", "1"]
        run += ["--algorithm", "kmeans", "--reduce", "none", "--clusters", str(k), "--init", init, "--tolerance", "0"]
        run += ["--max-iterations", str(ROUNDS), "--format", "json", "-q"]
        for _ in range(args.repeats):
            took["alike"].append(json.loads(subprocess.run(run, check=True, stdout=subprocess.PIPE).stdout)["seconds"]["fit"])
            began = time.perf_counter()
            KMeans(k, init=c, n_init=1, max_iter=ROUNDS, tol=0).fit(x)
            took["scikit-learn lloyd"].append(time.perf_counter() - began)
            fit = faiss.Kmeans(d, k, niter=ROUNDS, max_points_per_centroid=10**9, min_points_per_centroid=1)
            began = time.perf_counter()
            fit.train(x, init_centroids=c)
            took["FAISS"].append(time.perf_counter() - began)
    return {tool: statistics.median(runs) for tool, runs in took.items()}


def main():
    faiss.omp_set_num_threads(args.threads)
    known = {}
    figure, panels = plt.subplots(1, 3, figsize=(12, 4), sharey=True)
    for panel, (title, problems) in zip(panels, SWEEPS.items()):
        varied = next(i for i in range(3) if len({problem[i] for problem in problems}) == 3)
        for problem in problems:
            known[problem] = known.get(problem) or seconds(*problem)
        for tool, marker in (("alike", "o"), ("scikit-learn lloyd", "s"), ("FAISS", "^")):
            at = np.array([problem[varied] for problem in problems], float)
            y = np.array([known[problem][tool] for problem in problems])
            slope = np.polyfit(np.log(at), np.log(y), 1)[0]
            panel.loglog(at, y, marker=marker, label=f"{tool}, slope {slope:.2f}")
            print(f"{title}: {tool} {' '.join(f'{value:.3f}' for value in y)} s, slope {slope:.2f}", flush=True)
        panel.set_xlabel(title)
        panel.xaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
        panel.legend(frameon=False, fontsize=8)
    panels[0].set_ylabel(f"seconds of {ROUNDS} rounds")
    figure.tight_layout()
    figure.savefig(args.out, metadata={"Date": None})


main()
