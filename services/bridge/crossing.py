"""Where Bottle and Twisted's reactor meet: here and nowhere else.

Bottle's handlers are plain functions, which ask for something and go on with the answer. Most run in threads. Those of
panels run in the reactor's thread, each as a greenlet, which lets the reactor go on while it waits for its answer: to
hand a question and its answer from thread to thread takes longer than all that is done with them.
"""

from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from greenlet import getcurrent, greenlet
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure

from sisock.threads import DaemonThreads

_ASIDE = 4
"""Threads for work that would hold up the reactor."""


def in_place(handler: Callable[[], None]) -> None:
    """Let a handler run in the reactor's thread, until it is done or waits for an answer; it must not raise."""
    greenlet(handler).switch()


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
    """Lets a thread, or a greenlet of the reactor's thread, ask something that lives in the reactor."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._threads = DaemonThreads(_ASIDE, "aside")

    def ask(self, client: Departure, question: Callable[..., Deferred[Any]], *args: Any) -> Any:
        """Call ``question(*args)`` in the reactor's thread and wait for its result, or raise its error.

        Raises
        ------
        CancelledError
            The client has gone away.
        """

        def start() -> Deferred[Any]:
            work = maybeDeferred(question, *args)
            client.watch(work)
            return work

        if _in_reactor():
            return self._awaited(start())
        answers: SimpleQueue[Any] = SimpleQueue()
        self._reactor.callFromThread(lambda: start().addBoth(answers.put))
        return _result(answers.get())

    def aside(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call ``function(*args)``, which may take long, in a thread, and wait for its result or raise its error."""
        if _in_reactor():
            return self._awaited(self._threads.call(self._reactor, function, *args))
        return function(*args)

    def _awaited(self, work: Deferred[Any]) -> Any:
        """Let the reactor go on until there is a result."""
        here, answers, waiting = getcurrent(), list[Any](), False

        def answered(result: Any) -> None:
            answers.append(result)
            if not waiting:
                return
            if _in_reactor():  # Another greenlet, which must go on before it is the reactor's turn.
                self._reactor.callLater(0, here.switch)
            else:
                here.switch()

        work.addBoth(answered)
        waiting = True
        if not answers and here.parent is not None:
            here.parent.switch()
        # The request before, of a client that does not wait for its answers, is done, and is to go.
        while here.parent is not None and here.parent.dead and here.parent.parent is not None:
            here.parent = here.parent.parent
        return _result(answers[0])


def _in_reactor() -> bool:
    """Whether this is a greenlet of the reactor's thread; no other thread has any."""
    return getcurrent().parent is not None


def _result(answer: Any) -> Any:
    if isinstance(answer, Failure):
        answer.raiseException()
    return answer
