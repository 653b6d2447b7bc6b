"""Threads for work that waits, apart from the reactor's own, which name resolution needs."""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure


class DaemonThreads:
    """At most so many threads, made as they are needed; work beyond that waits for its turn.

    They do not hold up the end of the program: one may wait for a dead disk, or for a stopped reactor.
    """

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._made = 0
        self._unfinished = 0
        self._work: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def call(self, reactor: Any, function: Callable[..., Any], *args: object) -> Deferred[Any]:
        """Call ``function(*args)`` in one of the threads; to be called in the reactor's, where the Deferred fires.

        To cancel the Deferred stops nobody who works already.
        """
        answered: Deferred[Any] = Deferred()

        def work() -> None:
            try:
                result = function(*args)
            except BaseException:
                result = Failure()
            reactor.callFromThread(self._finished, answered, result)

        self._unfinished += 1
        if self._made < min(self._unfinished, self._most):
            Thread(target=self._run, name=f"{self._name}-{self._made}", daemon=True).start()
            self._made += 1
        self._work.put(work)
        return answered

    def _finished(self, answered: Deferred[Any], result: object) -> None:
        self._unfinished -= 1
        answered.callback(result)

    def _run(self) -> None:
        while True:
            self._work.get()()
