"""How the rivals are timed."""

import statistics
import time


def median(work, seconds=4.0):
    """Milliseconds: once to warm up, then for so many seconds, five times at least."""
    work()
    times, start = [], time.perf_counter()
    while time.perf_counter() - start < seconds or len(times) < 5:
        before = time.perf_counter()
        work()
        times.append(time.perf_counter() - before)
    return 1e3 * statistics.median(times)
