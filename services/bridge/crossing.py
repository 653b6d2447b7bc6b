"""Where Bottle's threads and Twisted's reactor meet: here and nowhere else."""

from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure


class Departure:
    """Knows whether the HTTP client has gone away before its answer; then what is asked for it is cancelled.

    Lives in the reactor's thread.

    Attributes
    ----------
    gone
        Whether it has.
    """

    def __init__(self, finished: Deferred[None]) -> None:
        self.gone = False
        self._work: Deferred[Any] | None = None
        finished.addErrback(self._depart)

    def watch(self, work: Deferred[Any]) -> None:
        """Cancel `work` as soon as the client has gone."""
        self._work = work
        if self.gone:
            work.cancel()

    def _depart(self, _reason: Failure) -> None:
        self.gone = True
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
        answers: SimpleQueue[Any] = SimpleQueue()

        def start() -> None:
            work = maybeDeferred(question, *args)
            client.watch(work)
            work.addBoth(answers.put)

        self._reactor.callFromThread(start)
        result = answers.get()
        if isinstance(result, Failure):
            result.raiseException()
        return result
