"""One question for all that ask the same at about the same time."""

import math
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

REMEMBERED_SECONDS = 1.0
"""How long an answer serves all that ask the same."""


class Sharing:
    """Answers that are awaited, and those of the last second. Lives in the reactor's thread."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._remembered: dict[object, _Shared] = {}

    def asked_at(self, key: object) -> float | None:
        """When a question was put, by the clock of the reactor; None when it is due to be put."""
        return self._remembered[key].since if key in self._remembered else None

    async def once(self, key: object, make: Callable[[], Deferred[Any]]) -> Any:
        """Give the answer to the question `key`, which `make` puts unless it was put already.

        A failure is not remembered. Who stops waiting does not stop the others.
        """
        now = self._clock.seconds()
        for old in [old for old, shared in self._remembered.items() if shared.until <= now]:
            del self._remembered[old]
        shared = self._remembered.get(key)
        if shared is None:
            shared = self._remembered[key] = _Shared(now)
            make().addBoth(self._answered, key, shared)
        return await shared.wait()

    def _answered(self, result: Any, key: object, shared: "_Shared") -> None:
        if isinstance(result, Failure):
            del self._remembered[key]  # The next one asks again.
        shared.until = self._clock.seconds() + REMEMBERED_SECONDS
        shared.fire(result)


class _Shared:
    """One result for many; who stops waiting does not stop the others."""

    until = math.inf

    def __init__(self, since: float) -> None:
        self.since = since
        self._waiting: list[Deferred[Any]] = []
        self._results: list[Any] = []

    def fire(self, result: Any) -> None:
        self._results.append(result)
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(result)

    def wait(self) -> Deferred[Any]:
        mine: Deferred[Any] = Deferred(self._waiting.remove)
        if self._results:
            mine.callback(self._results[0])
        else:
            self._waiting.append(mine)
        return mine
