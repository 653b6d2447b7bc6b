"""Where Bottle's threads and Twisted's reactor meet: here and nowhere else."""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import blockingCallFromThread
from twisted.python.failure import Failure


class Departure:
    """Knows whether the HTTP client has gone away before its answer; then what is asked for it is cancelled.

    Lives in the reactor's thread.
    """

    def __init__(self, finished: Deferred[None]) -> None:
        self._gone = False
        self._work: Deferred[Any] | None = None
        finished.addErrback(self._depart)

    def watch(self, work: Deferred[Any]) -> None:
        """Cancel `work` as soon as the client has gone."""
        self._work = work
        if self._gone:
            work.cancel()

    def _depart(self, _reason: Failure) -> None:
        self._gone = True
        if self._work is not None:
            self._work.cancel()


class Crossing:
    """Lets a thread ask something that lives in the reactor."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def ask(self, client: Departure, question: Callable[..., Deferred[Any]], *args: Any) -> Any:
        """Call ``question(*args)`` in the reactor's thread and wait for its result, or raise its error.

        Raises
        ------
        CancelledError
            The client has gone away.
        """

        def start() -> Deferred[Any]:
            work = question(*args)
            client.watch(work)
            return work

        return blockingCallFromThread(self._reactor, start)
