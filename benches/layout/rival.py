"""Layouts of `cargo bench --bench layout` beside umap-learn's or openTSNE's, in turns, each in a process of its own.

pip install umap-learn==0.5.12 openTSNE==1.0.4 scikit-learn==1.9.1
python benches/layout/rival.py umap|tsne rows.npy [labels.npy] [--turns 3] [--threads 2]

umap-learn counts a row among its 15 neighbours, alike doesn't: it is given 16. It is not given a seed, or it would use one
thread only. numba compiles before the clock starts.
"""

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time

parser = argparse.ArgumentParser()
parser.add_argument("method", choices=["umap", "tsne"])
parser.add_argument("rows")
parser.add_argument("labels", nargs="?")
parser.add_argument("--turns", type=int, default=3)
parser.add_argument("--threads", default="2")
parser.add_argument("--alike", default="cargo bench --bench layout --")
parser.add_argument("--fit", help="one fit of the rival, its places to this file")
args = parser.parse_args()
for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[name] = args.threads

import numpy as np  # noqa: E402


def umap(rows):
    from umap import UMAP

    return UMAP(n_neighbors=16, min_dist=0, n_jobs=int(args.threads)).fit_transform(rows)


def tsne(rows):
    from openTSNE import TSNE

    return np.asarray(TSNE(perplexity=30, n_jobs=int(args.threads), random_state=0).fit(rows))


def fit(rows):
    work = {"umap": umap, "tsne": tsne}[args.method]
    work(rows[:5000])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    places = work(rows)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) // 1024
    print(f"{wall:.2f} s, {cpu:.2f} s of processor time, {memory} MB on top of the rows")
    np.save(args.fit, places.astype(np.float32))


def score(rows, places, labels):
    from sklearn.manifold import trustworthiness
    from sklearn.metrics import adjusted_rand_score
    from sklearn.mixture import GaussianMixture

    some = np.random.default_rng(0).choice(len(rows), min(3000, len(rows)), replace=False)
    found = {"trustworthiness": trustworthiness(rows[some], places[some], n_neighbors=15)}
    if labels is not None:
        # One start of a mixture finds one of several optima: the median of five.
        mixtures = [GaussianMixture(len(np.unique(labels)), random_state=seed) for seed in range(5)]
        aris = [adjusted_rand_score(labels, mixture.fit_predict(places.astype(np.float64))) for mixture in mixtures]
        found["ARI of a Gaussian mixture"] = statistics.median(aris)
    return found


rows = np.load(args.rows)
if args.fit:
    sys.exit(fit(rows))
labels = np.load(args.labels) if args.labels else None
theirs = [sys.executable, __file__, args.method, args.rows, "--threads", args.threads, "--fit"]
commands = {
    "alike": lambda to: [*args.alike.split(), args.rows, args.method, to],
    "rival": lambda to: [*theirs, to],
}
found = {name: [] for name in commands}
with tempfile.TemporaryDirectory() as directory:
    to = os.path.join(directory, "places.npy")
    for _ in range(args.turns):
        for name, command in commands.items():
            said = subprocess.run(command(to), stdout=subprocess.PIPE, check=True, text=True).stdout
            times = re.search(r"([\d.]+) s, ([\d.]+) s of processor time, (\d+) MB", said).groups()
            found[name].append((*map(float, times), score(rows, np.load(to), labels)))
for name, turns in found.items():
    wall, cpu, memory = (statistics.median(turn[at] for turn in turns) for at in range(3))
    print(f"{name}: {wall:.2f} s, {cpu:.2f} s of processor time, {memory:.0f} MB on top of the rows")
    for key in turns[0][3]:
        print(f"  {key}: " + ", ".join(f"{turn[3][key]:.4f}" for turn in turns))
