"""Layers of `alike cluster` beside evoc's, in turns, with their defaults.

pip install evoc==0.3.2 scikit-learn==1.9.1
python benches/density/layers.py rows.npy labels.npy [--threads 2] [--turns 1]

Rows are given as they are, without a reducer. Seconds of processor time are of the whole process for alike, which reads the
rows, and of the fit for evoc. Noise counts as one cluster in the adjusted Rand index.
"""

import argparse
import csv
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
        options = ["--algorithm", "layers", "--reduce", "none", "--seed", str(seed), "--quiet"]
        subprocess.run([args.alike, "cluster", args.rows, "--out", out, *options], check=True, stdout=subprocess.DEVNULL)
        return np.array([int(row["cluster"]) if row["cluster"].isdigit() else -1 for row in csv.DictReader(open(out))])


def evoc(seed):
    return EVoC(random_state=seed).fit_predict(rows)


rows, truth = np.load(args.rows).astype(np.float32), np.load(args.labels)
EVoC(random_state=0).fit_predict(rows[:5000])  # numba compiles
for seed in range(args.turns):
    for rival in (alike, evoc):
        start, before = time.perf_counter(), processor_seconds()
        labels = rival(seed)
        wall, processor = time.perf_counter() - start, processor_seconds() - before
        print(f"{rival.__name__}, seed {seed}: {wall:.1f} s ({processor:.1f} s of processor time), {labels.max() + 1} clusters, "
              f"noise {(labels < 0).mean():.4f}, ARI {adjusted_rand_score(truth, labels):.4f}", flush=True)
