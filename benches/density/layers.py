"""Layers of `alike cluster` beside evoc's, in turns, with their defaults.

pip install evoc==0.3.2 scikit-learn==1.9.1
python benches/density/layers.py rows.npy labels.npy [--threads 2] [--turns 1]

Rows are given as they are, without a reducer. Seconds are of the fit; those of processor time, for alike, of the whole
process, which reads the rows and scores the clusters too. Noise counts as one cluster in the adjusted Rand index.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("rows")
parser.add_argument("labels")
parser.add_argument("--threads", default="2")
parser.add_argument("--turns", type=int, default=1)
parser.add_argument("--alike", default="target/release/alike")
args = parser.parse_args()
for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[name] = args.threads

import numpy as np  # noqa: E402
from evoc import EVoC  # noqa: E402
from sklearn.metrics import adjusted_rand_score  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[1]))
from timing import processor_seconds  # noqa: E402


def alike(seed):
    with tempfile.TemporaryDirectory() as directory:
        out = os.path.join(directory, "labels.csv")
        options = ["--algorithm", "layers", "--reduce", "none", "--seed", str(seed), "--quiet", "--format", "json"]
        run = subprocess.run([args.alike, "cluster", args.rows, "--out", out, *options], check=True, stdout=subprocess.PIPE)
        labels = [int(row["cluster"]) if row["cluster"].isdigit() else -1 for row in csv.DictReader(open(out))]
        return np.array(labels), json.loads(run.stdout)["seconds"]["fit"]


def evoc(seed):
    start = time.perf_counter()
    labels = EVoC(random_state=seed).fit_predict(rows)
    return labels, time.perf_counter() - start


rows, truth = np.load(args.rows).astype(np.float32), np.load(args.labels)
EVoC(random_state=0).fit_predict(rows[:5000])  # numba compiles
for seed in range(args.turns):
    for rival in (alike, evoc):
        before = processor_seconds()
        labels, wall = rival(seed)
        processor = processor_seconds() - before
        print(f"{rival.__name__}, seed {seed}: {wall:.1f} s ({processor:.1f} s of processor time), {labels.max() + 1} clusters, "
              f"noise {(labels < 0).mean():.4f}, ARI {adjusted_rand_score(truth, labels):.4f}", flush=True)
