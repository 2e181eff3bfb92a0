"""pynndescent and scikit-learn's brute force beside `cargo bench --bench neighbors`.

pip install pynndescent==0.7.0 scikit-learn==1.9.1
python benches/neighbors/rival.py make embeddings.npy      # 200,000 x 384: see `embeddings`
python benches/neighbors/rival.py descent|exact rows.npy [threads]
"""

import os
import resource
import sys
import time

THREADS = sys.argv[3] if len(sys.argv) > 3 else "2"
for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = THREADS

import numpy as np  # noqa: E402

K, SAMPLE = 15, 2000


def embeddings(n=200_000, d=384, clusters=1000, dimensions=12, seed=0):
    """As of pictures: clusters of uneven size, each about a space of few dimensions, a little noise in all, unit length."""
    rng = np.random.default_rng(seed)
    share = 1 / np.arange(1, clusters + 1) ** 0.5
    cluster = rng.choice(clusters, n, p=share / share.sum())
    centers = rng.standard_normal((clusters, d)) / d**0.5
    x = np.empty((n, d), np.float32)
    for c in range(clusters):
        rows = np.flatnonzero(cluster == c)
        inside = rng.standard_normal((len(rows), dimensions)) * 0.5 / dimensions**0.5
        spread = rng.standard_normal((dimensions, d)) / d**0.5
        x[rows] = centers[c] + inside @ spread + rng.standard_normal((len(rows), d)) * 0.1 / d**0.5
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def timed(what, work):
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    print(f"{what}: {time.perf_counter() - wall:.2f} s, {time.process_time() - cpu:.2f} s of processor time", flush=True)
    return result


def descent(x):
    from pynndescent import NNDescent
    from sklearn.neighbors import NearestNeighbors

    NNDescent(x[:5000], n_neighbors=K + 1, random_state=0)  # numba compiles
    # Its rows are their own neighbours.
    index = timed("pynndescent", lambda: NNDescent(x, n_neighbors=K + 1, random_state=0))
    distances = index.neighbor_graph[1]
    some = np.arange(0, len(x), len(x) // SAMPLE)
    exact = NearestNeighbors(n_neighbors=K + 1, algorithm="brute").fit(x).kneighbors(x[some])[0]
    found = (distances[some, 1:] <= exact[:, -1:] * (1 + 1e-5)).sum()
    print(f"recall {found / (len(some) * K):.4f}")


def exact(x):
    from sklearn.neighbors import NearestNeighbors

    timed("scikit-learn", lambda: NearestNeighbors(n_neighbors=K, algorithm="brute").fit(x).kneighbors())


if __name__ == "__main__":
    if sys.argv[1] == "make":
        np.save(sys.argv[2], embeddings())
    else:
        rows = np.load(sys.argv[2])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        {"descent": descent, "exact": exact}[sys.argv[1]](rows)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"{rows.shape}: peak {after / 1024:.0f} MB, {(after - before) / 1024:.0f} of them on top of the rows")
