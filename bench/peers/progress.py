"""One line per finished item on standard error, with the time the rest will probably take; turns with other benchmarks.

In:  how many items there are.  Out: text.  Not here: results.
"""

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


class Turn:
    """Holds the file lock that $OCTILE_BENCH_LOCK names, so that the benchmarks of one machine take turns.

    with Turn() as turn: turn.over() after each item hands the lock on once it was held long enough.
    """

    HELD_SECONDS = 150

    def __init__(self, clock=time.monotonic):
        self.path, self.clock, self.file, self.since = os.environ.get("OCTILE_BENCH_LOCK"), clock, None, 0.0

    def __enter__(self):
        if self.path:
            self.file = open(self.path, "w")  # noqa: SIM115 (held until __exit__)
            fcntl.flock(self.file, fcntl.LOCK_EX)
            self.since = self.clock()
        return self

    def __exit__(self, *_):
        if self.file:
            self.file.close()
            self.file = None

    def over(self):
        if self.file and self.clock() - self.since > self.HELD_SECONDS:
            self.__exit__()
            time.sleep(0.1)  # whoever waits gets it first
            self.__enter__()
