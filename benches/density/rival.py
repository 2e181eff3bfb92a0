"""HDBSCAN* of `alike cluster` beside fast_hdbscan's and scikit-learn's, in turns.

pip install fast_hdbscan==0.3.4 scikit-learn==1.9.1
python benches/density/rival.py rows.npy [labels.npy] [--min-cluster-size 100] [--min-samples 10] [--threads 2] [--all]

Rows are given as they are, without a reducer. The rows' neighbourhoods count themselves, as in scikit-learn and alike;
fast_hdbscan counts one less. scikit-learn is left out without --all.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("rows")
parser.add_argument("labels", nargs="?")
parser.add_argument("--min-cluster-size", type=int, default=100)
parser.add_argument("--min-samples", type=int, default=10)
parser.add_argument("--threads", default="2")
parser.add_argument("--turns", type=int, default=3)
parser.add_argument("--alike", default="target/release/alike")
parser.add_argument("--all", action="store_true")
args = parser.parse_args()
for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[name] = args.threads

import numpy as np  # noqa: E402
from sklearn.metrics import adjusted_rand_score  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[1]))
from timing import processor_seconds  # noqa: E402

SIZE, SAMPLES = args.min_cluster_size, args.min_samples


def alike(rows):
    with tempfile.TemporaryDirectory() as directory:
        out = os.path.join(directory, "labels.csv")
        options = ["--min-cluster-size", str(SIZE), "--min-samples", str(SAMPLES), "--reduce", "none"]
        command = [args.alike, "cluster", args.rows, "--out", out, "--algorithm", "hdbscan", "--format", "json"]
        said = json.loads(subprocess.run(command + options, capture_output=True, check=True).stdout)
        labels = [int(row["cluster"]) if row["cluster"].isdigit() else -1 for row in csv.DictReader(open(out))]
    return np.array(labels), said["seconds"]["fit"]


def fast_hdbscan(rows):
    from fast_hdbscan import HDBSCAN

    start = time.perf_counter()
    labels = HDBSCAN(min_cluster_size=SIZE, min_samples=SAMPLES - 1).fit(rows).labels_
    return labels, time.perf_counter() - start


def scikit_learn(rows):
    from sklearn.cluster import HDBSCAN

    start = time.perf_counter()
    labels = HDBSCAN(min_cluster_size=SIZE, min_samples=SAMPLES, copy=True).fit(rows).labels_
    return labels, time.perf_counter() - start


rows = np.load(args.rows)
truth = np.load(args.labels) if args.labels else None
fast_hdbscan(rows[:5000])  # numba compiles
rivals = [alike, fast_hdbscan] + [scikit_learn] * args.all
found = {rival: [] for rival in rivals}
for _ in range(args.turns):
    for rival in rivals:
        before = processor_seconds()
        labels, seconds = rival(rows)
        found[rival].append((labels, seconds, processor_seconds() - before))
ours = found[alike][0][0]
for rival, turns in found.items():
    labels = turns[0][0]
    wall, processor = (statistics.median(turn[at] for turn in turns) for at in (1, 2))
    print(f"{rival.__name__}: {wall:.2f} s ({processor:.2f} s of processor time), {labels.max() + 1} clusters, "
          f"noise {(labels < 0).mean():.4f}, ARI with alike {adjusted_rand_score(ours, labels):.4f}"
          + (f", with the classes {adjusted_rand_score(truth, labels):.4f}" if truth is not None else ""))
