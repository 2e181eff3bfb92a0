"""scipy beside `cargo bench --bench raster`: the same classification, its sums by fftconvolve and, better, by oaconvolve.

alike synth lattice --out lattice.npy; pip install scipy==1.17.1; python benches/raster/rival.py lattice.npy [threads]
"""

import sys
from pathlib import Path

import numpy as np
import scipy.fft
from scipy import ndimage, signal

sys.path.insert(0, str(Path(__file__).parents[1]))
from timing import median  # noqa: E402

SIDE, WINDOW, LOOPS, CLASSES = 400, 20, 3, 5

path = Path(sys.argv[1])
points = np.load(path).astype(np.float64)
classes = np.loadtxt(path.with_suffix(".labels.csv"), delimiter=",", skiprows=1, usecols=1, dtype=int)
cells = np.floor((points - np.trunc(points) + 1) * SIDE / 2).astype(int)
drawn = np.full((SIDE, SIDE), -1)
drawn[cells[:, 0], cells[:, 1]] = classes
u = np.arange(-WINDOW, WINDOW + 1)
inverse = 1 / np.sqrt(1 + u[:, None] ** 2 + u**2)


def classify(sums):
    labels = drawn
    for _ in range(LOOPS):
        labels = sums(np.stack([labels == c for c in range(CLASSES)]).astype(np.float64)).argmax(0)
    return labels


def convolved(convolve):
    pad = ((0, 0), (WINDOW, WINDOW), (WINDOW, WINDOW))
    return lambda x: convolve(np.pad(x, pad, mode="wrap"), inverse[None], mode="valid", axes=(1, 2))


def equal(x):
    return ndimage.uniform_filter(x, (0, 2 * WINDOW + 1, 2 * WINDOW + 1), mode="grid-wrap")


with scipy.fft.set_workers(int(sys.argv[2]) if len(sys.argv) > 2 else 2):
    for name, sums in [
        ("inverse distance, fftconvolve", convolved(signal.fftconvolve)),
        ("inverse distance, oaconvolve", convolved(signal.oaconvolve)),
        ("equal, uniform_filter", equal),
    ]:
        areas = np.bincount(classify(sums).ravel(), minlength=CLASSES)
        print(f"{name}: {median(lambda: classify(sums)):.1f} ms, {areas.tolist()} cells of each class")
    x = (np.random.default_rng(0).random((SIDE, SIDE)) < 0.06).astype(np.float64)
    for window in (2, 20, 100):
        width = 2 * window + 1
        print(f"box, window {window}: {median(lambda: ndimage.uniform_filter(x, width, mode='grid-wrap')):.2f} ms")
        print(f"maximum, window {window}: {median(lambda: ndimage.maximum_filter(x, width, mode='grid-wrap')):.2f} ms")
    print(f"Gaussian of 3: {median(lambda: ndimage.gaussian_filter(x, 3, mode='grid-wrap')):.2f} ms")
    print(f"median, window 2: {median(lambda: ndimage.median_filter(x, 5, mode='grid-wrap')):.2f} ms")
