"""How far the work has come: a line now and then while there is much of it, and one when it is done."""

import time
from collections.abc import Callable
from typing import Any, TextIO

_QUIET = 3.0
"""Seconds of work that are worth no line."""
_EVERY = 5.0
_FEW = 10
"""Files that are worth no line."""
_MB = 1e6


class Progress:
    """Adds up what is done.

    Parameters
    ----------
    log
        Logger of txaio.
    terminal
        Where to keep one line up to date; None when nobody watches, and lines go to the log.
    clock
        Seconds.
    """

    def __init__(self, log: Any, terminal: TextIO | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._log, self._terminal, self._clock = log, terminal, clock
        self._begun: float | None = None
        self._said: float | None = None
        self._files = self._bytes = 0

    def begin(self) -> None:
        """Take note that there is work, unless that is known."""
        if self._begun is None:
            self._begun, self._said, self._files, self._bytes = self._clock(), None, 0, 0

    def add(self, files: int, size: int) -> None:
        """Count what a step has done: files, and bytes of them."""
        self.begin()
        self._files += files
        self._bytes += size

    @property
    def wanted(self) -> bool:
        """Whether it is time to say how much is left."""
        if self._begun is None:
            return False
        now = self._clock()
        return now - self._begun >= _QUIET and (self._said is None or now - self._said >= self._pace)

    @property
    def _pace(self) -> float:
        return _EVERY if self._terminal is None else _EVERY / 10

    def left(self, files: int, size: int) -> None:
        """Say how far it is, when so many files and bytes are left."""
        rate = self._rate()
        self._said = self._clock()
        time_left = f", {_span(size / rate)} left" if files and rate else ""
        doing = f"{files} files and {size / _MB:.0f} MB to go{time_left}" if files else "rolling up finished days"
        line = f"{self._sum()} at {rate / _MB:.1f} MB/s; {doing}"
        if self._terminal is None:
            self._log.info("scanner: {line}", line=line)
        else:
            self._terminal.write(f"\r\x1b[K{line}")
            self._terminal.flush()

    def end(self) -> None:
        """Say that nothing is left, if there was much."""
        if self._begun is None:
            return
        if self._terminal is not None and self._said is not None:
            self._terminal.write("\r\x1b[K")
            self._terminal.flush()
        if self._said is not None or self._files >= _FEW:
            lasted, rate = _span(self._clock() - self._begun), self._rate() / _MB
            self._log.info("scanner: {sum} in {lasted} ({rate:.1f} MB/s); nothing is left to do",
                           sum=self._sum(), lasted=lasted, rate=rate)  # fmt: skip
        self._begun = None

    def _sum(self) -> str:
        return f"indexed {self._files} files, {self._bytes / _MB:.0f} MB"

    def _rate(self) -> float:
        lasted = self._clock() - (self._begun or 0.0)
        return self._bytes / lasted if lasted > 0 else 0.0


def _span(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"
