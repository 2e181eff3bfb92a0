#!/usr/bin/env python3
"""Times `alike cluster` against the usual Python tools: the same data, start, threads and stopping rule, one after the
other in turns, the median of each. Prints a Markdown table; see README.md beside it for the commands.

k-means problems compare inertias, and the run fails where they disagree; those of FAISS and of spherical k-means are told
where they differ.
"""
import argparse
import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("problems", nargs="*", help="some of: limits mnist-10 mnist-100 mnist-1000 mixture seeding pca svd spherical spherical-1")
parser.add_argument("--alike", default="target/release/alike", help="the binary")
parser.add_argument("--mnist", metavar="DIR", help="directory of train-images-idx3-ubyte.gz")
parser.add_argument("--scratch", default=os.path.join(tempfile.gettempdir(), "alike-bench"), help="where made data is kept")
parser.add_argument("--threads", type=int, default=os.cpu_count())
parser.add_argument("--repeats", type=int, default=3)
parser.add_argument("--scale", type=float, default=1.0, help="share of the rows of every problem, to try the script")
args = parser.parse_args()

for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(variable, None)
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[variable] = str(args.threads)

import numpy as np  # noqa: E402  (reads the number of threads while loading)

AGREE = 1e-5


def scratch(name, make):
    """The path of a file, made once."""
    path = os.path.join(args.scratch, name if args.scale == 1 else f"{args.scale}-{name}")
    if not os.path.exists(path):
        os.makedirs(args.scratch, exist_ok=True)
        make(path)
    return path


def rows(n):
    return max(2000, int(n * args.scale))


def mnist():
    def make(path):
        import gzip

        if not args.mnist:
            sys.exit("this problem needs --mnist DIR")
        with gzip.open(os.path.join(args.mnist, "train-images-idx3-ubyte.gz")) as file:
            pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784)
        np.save(path, pixels[: rows(60_000)].astype(np.float32) / 255)

    return scratch("mnist.npy", make)


def mixture():
    """1,000 round Gaussians of unit spread, their means drawn with a spread of 2 in 128 dimensions."""

    def make(path):
        rng = np.random.default_rng(0)
        means = 2 * rng.standard_normal((1000, 128), dtype=np.float32)
        n = rows(1_000_000)
        x = rng.standard_normal((n, 128), dtype=np.float32)
        x += means[rng.integers(0, 1000, n)]
        np.save(path, x)

    return scratch("mixture.npy", make)


def dots():
    def make(path):
        run = [args.alike, "synth", "dots", "--out", path, "--count", str(rows(32_000)), "-q"]
        subprocess.run(run, check=True)

    return scratch("dots-images-idx3-ubyte", make)


def dots_csr():
    import scipy.sparse

    def make(path):
        with open(dots(), "rb") as file:
            file.seek(16)
            blocks = []
            while block := file.read(1000 * 40_000):
                blocks.append(scipy.sparse.csr_matrix(255 - np.frombuffer(block, np.uint8).reshape(-1, 40_000), dtype=np.float32))
        x = scipy.sparse.vstack(blocks, format="csr")
        x.data /= 255
        scipy.sparse.save_npz(path, x, compressed=False)

    return scipy.sparse.load_npz(scratch("dots.npz", make))


def start(x, k, name):
    """k distinct rows of x."""

    def make(path):
        chosen = x[np.random.default_rng(0).choice(x.shape[0], k, replace=False)]
        np.save(path, np.ascontiguousarray(chosen.toarray() if hasattr(chosen, "toarray") else chosen))

    return scratch(f"{name}-{k}.npy", make)


def alike(path, *options):
    """The JSON object of a run; its labels are thrown away."""
    with tempfile.TemporaryDirectory() as out:
        run = [args.alike, "cluster", path, "--out", os.path.join(out, "labels.npy"), "--threads", str(args.threads)]
        run += ["--no-cache", "--restarts", "1", "--format", "json", "-q", *options]
        return json.loads(subprocess.run(run, check=True, stdout=subprocess.PIPE).stdout)


def inertia(x, centroids):
    """Nearest by f32 products, the distances to those in f64."""
    total, half = 0.0, (centroids.astype(np.float64) ** 2).sum(1) / 2
    for first in range(0, len(x), 8192):
        block = x[first : first + 8192]
        nearest = (half.astype(np.float32) - block @ centroids.T).argmin(1)
        total += ((block.astype(np.float64) - centroids[nearest]) ** 2).sum()
    return total


def kmeans(name, path, k, iterations):
    from sklearn.cluster import KMeans

    x = np.load(path)
    init = start(x, k, name)
    c = np.load(init)
    rounds = {}

    def ours():
        options = ("--algorithm", "kmeans", "--reduce", "none", "--tolerance", "0", "--max-iterations", str(iterations))
        run = alike(path, "--clusters", str(k), "--init", init, *options)
        rounds["alike"] = run["iterations"]
        return run["seconds"]["fit"], run["inertia"]

    def sklearn(algorithm):
        began = time.perf_counter()
        fit = KMeans(k, init=c, n_init=1, max_iter=iterations, tol=0, algorithm=algorithm).fit(x)
        seconds = time.perf_counter() - began
        rounds[algorithm] = fit.n_iter_
        return seconds, lambda: inertia(x, fit.cluster_centers_)

    def faiss():
        import faiss

        faiss.omp_set_num_threads(args.threads)
        # It has no rule to stop by.
        fit = faiss.Kmeans(
            x.shape[1], k, niter=int(rounds["lloyd"]), max_points_per_centroid=10**9, min_points_per_centroid=1
        )
        began = time.perf_counter()
        fit.train(x, init_centroids=c)
        return time.perf_counter() - began, lambda: inertia(x, fit.centroids)

    rivals = {"scikit-learn lloyd": lambda: sklearn("lloyd")}
    if x.shape[0] * k < 10**8:  # Elkan keeps a bound for every pair, which is 4 GB at 10^9.
        rivals["scikit-learn elkan"] = lambda: sklearn("elkan")
    rounds["size"] = (*x.shape, k)
    return {"alike": ours, **rivals, "FAISS": faiss}, rounds


def seeding(path, k):
    """The draws differ, so that only time is compared."""
    from sklearn.cluster import kmeans_plusplus

    x = np.load(path)
    seeds = iter(range(10**6))

    def ours():
        run = alike(
            path, "--algorithm", "kmeans", "--reduce", "none", "--clusters", str(k), "--init", "kmeans++",
            "--max-iterations", "1", "--seed", str(next(seeds)),
        )  # fmt: skip
        return run["fit"]["seconds"]["start"], None

    def sklearn():
        began = time.perf_counter()
        kmeans_plusplus(x, k, random_state=next(seeds))
        return time.perf_counter() - began, None

    return {"alike": ours, "scikit-learn kmeans_plusplus": sklearn}, {}


def reducer(path, x, option, fits, *more):
    def ours():
        run = alike(path, "--reduce", option, "--algorithm", "kmeans", "--clusters", "2", "--max-iterations", "1", *more)
        return run["seconds"]["reduce"], None

    def theirs(make):
        began = time.perf_counter()
        make().fit_transform(x)
        return time.perf_counter() - began, None

    return {"alike": ours, **{name: functools.partial(theirs, make) for name, make in fits.items()}}, {}


def pca(path):
    from sklearn.decomposition import PCA

    solvers = ("covariance_eigh", "randomized", "arpack")
    fits = {f"scikit-learn {solver}": lambda solver=solver: PCA(50, svd_solver=solver) for solver in solvers}
    return reducer(path, np.load(path), "pca:50", fits)


def svd():
    from sklearn.decomposition import TruncatedSVD

    fits = {f"scikit-learn {name}": lambda name=name: TruncatedSVD(100, algorithm=name) for name in ("randomized", "arpack")}
    return reducer(dots(), dots_csr(), "svd:100", fits, "--model", "pixels", "--size", "200x200")


def spherical(k, iterations, rival):
    from sklearn.preprocessing import normalize

    x = dots_csr()
    init = start(x, k, "dots")
    unit = normalize(x)
    c = normalize(np.load(init))
    rounds = {}

    def spread(centroids):
        return float((1 - (unit @ normalize(centroids).T).max(1)).sum())

    def ours():
        run = alike(
            dots(), "--model", "pixels", "--size", "200x200", "--algorithm", "spherical", "--reduce", "none", "--clusters",
            str(k), "--init", init, "--tolerance", "0", "--max-iterations", str(iterations),
        )  # fmt: skip
        rounds["alike"] = run["iterations"]
        return run["seconds"]["fit"], run["inertia"]

    def sklearn():
        from sklearn.cluster import KMeans

        began = time.perf_counter()
        fit = KMeans(k, init=c, n_init=1, max_iter=iterations, tol=0, algorithm="lloyd").fit(unit)
        return time.perf_counter() - began, lambda: spread(fit.cluster_centers_)

    def soyclustering():
        np.int = int  # It asks for this name, which NumPy has dropped.
        from soyclustering import SphericalKMeans

        began = time.perf_counter()
        fit = SphericalKMeans(k, init=c, max_iter=iterations, tol=0).fit(unit)
        return time.perf_counter() - began, lambda: spread(fit.cluster_centers_)

    rivals = {"scikit-learn on unit rows": sklearn, "soyclustering": soyclustering}
    return {"alike": ours, rival: rivals[rival]}, rounds


def limits():
    """GB/s of one pass over memory, GFLOP/s of an f32 product."""
    x = np.ones(1 << 28, np.float32)
    from concurrent.futures import ThreadPoolExecutor

    parts = np.array_split(x, args.threads)
    with ThreadPoolExecutor(args.threads) as pool:

        def read():
            began = time.perf_counter()
            list(pool.map(np.max, parts))
            return x.nbytes / (time.perf_counter() - began) / 1e9

        reading = max(read() for _ in range(5))
    a, b = np.ones((8192, 784), np.float32), np.ones((784, 1024), np.float32)

    def multiply():
        began = time.perf_counter()
        a @ b
        return 2 * 8192 * 784 * 1024 / (time.perf_counter() - began) / 1e9

    multiplying = max(multiply() for _ in range(10))
    print(f"\nLimits with {args.threads} threads: {reading:.0f} GB/s read, {multiplying:.0f} GFLOP/s multiplied.\n")
    return reading, multiplying


PROBLEMS = {
    "mnist-10": ("60,000 x 784, k = 10, to the end", lambda: kmeans("mnist", mnist(), 10, 300)),
    "mnist-100": ("60,000 x 784, k = 100, 25 rounds", lambda: kmeans("mnist", mnist(), 100, 25)),
    "mnist-1000": ("60,000 x 784, k = 1000, 10 rounds", lambda: kmeans("mnist", mnist(), 1000, 10)),
    "mixture": ("1,000,000 x 128, k = 1000, 10 rounds", lambda: kmeans("mixture", mixture(), 1000, 10)),
    "seeding": ("greedy k-means++, 60,000 x 784, k = 100", lambda: seeding(mnist(), 100)),
    "pca": ("PCA to 50 of 60,000 x 784", lambda: pca(mnist())),
    "svd": ("truncated SVD to 100 of 32,000 x 40,000, sparse", svd),
    "spherical": (
        "spherical k-means, 32,000 x 40,000, sparse, k = 30, 10 rounds",
        lambda: spherical(30, 10, "scikit-learn on unit rows"),
    ),
    # It moves centroids value by value in Python: one round is as much as one cares to wait for.
    "spherical-1": ("the same, one round", lambda: spherical(30, 1, "soyclustering")),
}


def at_the_limit(rounds, reading, multiplying):
    """Seconds of plain Lloyd where every round reads all rows once, or multiplies every pair, as fast as can be."""
    n, d, k = rounds["size"]
    return rounds["alike"] * max(4 * n * d / reading, 2 * n * d * k / multiplying) / 1e9


def measure(name, limit):
    title, make = PROBLEMS[name]
    tools, rounds = make()
    seconds, ends = {tool: [] for tool in tools}, {}
    order = sorted(tools, key=lambda tool: tool == "FAISS")  # It takes its number of rounds from another.
    for _ in range(args.repeats):
        for tool in order:
            took, end = tools[tool]()
            seconds[tool].append(took)
            if tool not in ends:
                ends[tool] = end() if callable(end) else end
    times = {tool: statistics.median(took) for tool, took in seconds.items()}
    print(json.dumps({"problem": name, "seconds": seconds, "ends": ends, "rounds": rounds}, default=float), file=sys.stderr)
    rivals = {tool: took for tool, took in times.items() if tool != "alike"}
    best = min(rivals, key=rivals.get)
    told = ", ".join(f"{tool} {took:.3f}" for tool, took in sorted(rivals.items(), key=lambda item: item[1]))
    known = {tool: end for tool, end in ends.items() if end is not None}
    apart = [tool for tool, end in known.items() if abs(end - known["alike"]) > AGREE * known["alike"]]
    inertias = ", ".join(f"{tool} {end:.1f}" for tool, end in known.items() if tool == "alike" or tool in apart)
    plain = f"{at_the_limit(rounds, *limit):.3f}" if limit and "size" in rounds else ""
    ratio = rivals[best] / times["alike"]
    print(f"| {title} | {times['alike']:.3f} | {told} | {ratio:.1f} | {inertias} | {plain} |", flush=True)
    # Unit rows about means of any length are not quite spherical k-means, and FAISS ends a little above the others.
    told = [] if name.startswith("spherical") else [tool for tool in apart if tool != "FAISS"]
    return [f"{name}: {tool} ends elsewhere: {inertias}" for tool in told]


def main():
    chosen = args.problems or ["limits", *PROBLEMS]
    if unknown := set(chosen) - {"limits", *PROBLEMS}:
        sys.exit(f"no such problem: {', '.join(sorted(unknown))}")
    limit = limits() if "limits" in chosen else None
    if args.scale != 1:
        print(f"With {args.scale} of the rows:\n")
    print("| problem | alike, s | rivals, s | ratio to the best | inertia | plain Lloyd at the limits, s |\n|---|---|---|---|---|---|")
    apart = [line for name in chosen if name != "limits" for line in measure(name, limit)]
    if apart:
        sys.exit("\n".join(apart))


main()
