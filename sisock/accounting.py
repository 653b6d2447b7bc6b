"""What a data server counts of its own work, for the server `health` to show and for the log."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


class Accounts:
    """How many questions were answered and failed since the server was started, and the time that took."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing; `clock` gives seconds."""
        self._clock = clock
        self._answered = self._failed = 0
        self._seconds = self._slowest = 0.0

    @contextmanager
    def of_question(self) -> Iterator[None]:
        """Count the question that is answered meanwhile, or that fails."""
        began = self._clock()
        try:
            yield
        except Exception:
            self._failed += 1
            raise
        else:
            self._answered += 1
        finally:
            taken = self._clock() - began
            self._seconds += taken
            self._slowest = max(self._slowest, taken)

    def figures(self) -> dict[str, float]:
        """Give the counts; `slowest` is of the time since this was last called."""
        slowest, self._slowest = self._slowest, 0.0
        return {
            "answered": self._answered,
            "failed": self._failed,
            "seconds": self._seconds,
            "slowest": slowest,
            **resident_memory(),
        }


def resident_memory(statm: Path = Path("/proc/self/statm")) -> dict[str, float]:
    """Memory that the process holds, bytes; nothing where the kernel does not tell."""
    try:
        return {"memory": float(statm.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")}
    except (OSError, IndexError, ValueError):
        return {}
