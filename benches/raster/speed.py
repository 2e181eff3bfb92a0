"""Scikit-learn's k-means and Gaussian mixture at growing numbers of points, beside `cargo run --release --example plane --
speed`: ten blobs of deviation 4 in a box of 256, as Naous et al. timed them.

pip install scikit-learn==1.9; python benches/raster/speed.py [N...]
"""

import sys
import time

import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.mixture import GaussianMixture

for n in [int(arg) for arg in sys.argv[1:]] or [10_000, 50_000, 100_000, 500_000, 1_000_000, 2_000_000]:
    x, truth = make_blobs(n, centers=10, cluster_std=4, center_box=(0, 256), random_state=0)
    x = x.astype(np.float32)
    for name, model in [
        ("k-means", KMeans(10, init="random", n_init=10, random_state=0)),
        ("gaussian mixture", GaussianMixture(10, random_state=0)),
    ]:
        start = time.perf_counter()
        labels = model.fit_predict(x)
        seconds = time.perf_counter() - start
        print(f"{n:>9} {name:<17} {seconds:8.3f} s  AMI {adjusted_mutual_info_score(truth, labels):.4f}", flush=True)
