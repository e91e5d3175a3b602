"""One line per finished item on standard error, with the time the rest will probably take; turns with other benchmarks.

In:  how many items there are.  Out: text.  Not here: results.
"""

import contextlib
import fcntl
import os
import sys
import time


class Progress:
    """Assumes the items still to come take as long as the average so far."""

    def __init__(self, total, stream=None, clock=time.monotonic):
        self.total, self.done, self.stream, self.clock = total, 0, stream or sys.stderr, clock
        self.start = clock()

    def finished(self, what):
        self.done += 1
        spent = self.clock() - self.start
        left = spent / self.done * (self.total - self.done)
        line = f"[{self.done}/{self.total}] {what}, {minutes(spent)} so far, {minutes(left)} left"
        print(line, file=self.stream, flush=True)


def minutes(seconds):
    return f"{int(seconds + 0.5) // 60}:{int(seconds + 0.5) % 60:02d}"


@contextlib.contextmanager
def alone():
    """Holds the file lock that $OCTILE_BENCH_LOCK names, so that benchmarks of one machine take turns."""
    path = os.environ.get("OCTILE_BENCH_LOCK")
    if not path:
        yield
        return
    with open(path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
