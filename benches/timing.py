"""How the rivals are timed."""

import resource
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


def processor_seconds():
    """Of this process and of those that it has waited for."""
    of = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in of)
