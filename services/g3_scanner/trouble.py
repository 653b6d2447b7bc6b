"""Troubles from outside, said once when they begin or change, and once when they are over."""

import time
from collections.abc import Callable
from typing import Any


class Trouble:
    """What is wrong at the moment.

    Parameters
    ----------
    log
        Logger of txaio.
    clock
        Seconds.
    """

    def __init__(self, log: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._log, self._clock = log, clock
        self._now: dict[str, dict[object, str]] = {}
        self._since: dict[str, float] = {}

    def tell(self, what: str, problem: str, who: object = None) -> None:
        """Take note of the state of `what`, as `who` sees it.

        Parameters
        ----------
        what
            A thing of which several may complain: the database, the directory.
        problem
            A sentence; "" when all is well.
        who
            Tells those who complain apart.
        """
        complaints = self._now.setdefault(what, {})
        if not problem:
            if complaints.pop(who, None) and not complaints:
                lasted = self._clock() - self._since.pop(what)
                self._log.info("scanner: {what}: all is well again after {lasted:.0f} s", what=what, lasted=lasted)
            return
        self._since.setdefault(what, self._clock())
        if problem not in complaints.values():
            self._log.warn("scanner: {problem}", problem=problem)
        complaints[who] = problem
