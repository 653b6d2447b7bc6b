"""How each data server behaves, and how many requests wait for it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sisock.errors import NodeError, NodeLate, NodeUnknown, RouterAbsent, TooMuchData


class Busy(NodeError):
    """Too many requests wait for this data server already."""

    def __init__(self, node: str, waiting: int) -> None:
        super().__init__(f"data server {node!r} is not answering, and {waiting} requests wait for it; look at its log")


@dataclass
class Conduct:
    """How a data server has behaved.

    Attributes
    ----------
    waiting
        Requests that wait for it now.
    late
        Whether the last answer did not come in time.
    answered
        UNIX seconds of its last answer, of whatever kind.
    problem
        The sentence of its last failure; None since it answered well.
    """

    waiting: int = 0
    late: bool = False
    answered: float | None = None
    problem: str | None = None


class Conducts:
    """The conduct of all data servers. Lives in the reactor's thread."""

    def __init__(self, most_waiting: int, now: Callable[[], float]) -> None:
        """Know of no data server yet; `most_waiting` requests may wait for one, and `now` gives the UNIX time."""
        self._most_waiting = most_waiting
        self._now = now
        self._of: dict[str, Conduct] = {}

    def of(self, node: str) -> Conduct:
        """How a data server has behaved."""
        return self._of.get(node, Conduct())

    @asynccontextmanager
    async def waiting_for(self, node: str) -> AsyncIterator[None]:
        """Hold a place among those that wait for `node`, and note how it behaves.

        A data server that has not answered in time gets one request at a time until it answers, so that it holds up
        one handler and not all.

        Raises
        ------
        Busy
            There is no place.
        """
        conduct = self._of.setdefault(node, Conduct())
        if conduct.waiting >= (1 if conduct.late else self._most_waiting):
            raise Busy(node, conduct.waiting)
        conduct.waiting += 1
        try:
            yield
        finally:
            conduct.waiting -= 1
            if conduct == Conduct():
                self._of.pop(node, None)

    def note(self, node: str, error: NodeError | None) -> None:
        """Note an answer: the error that it was, or None."""
        conduct = self._of.setdefault(node, Conduct())
        if isinstance(error, RouterAbsent) or (isinstance(error, NodeUnknown) and conduct.answered is None):
            return  # It says nothing of this server; and a name that was never served needs no memory.
        if not isinstance(error, NodeUnknown | NodeLate):
            conduct.answered = self._now()
        conduct.late = isinstance(error, NodeLate)
        conduct.problem = None if error is None or isinstance(error, TooMuchData) else str(error)
