"""The data servers as the bridge sees them: what each has listed, how it answers, and how many wait for it."""

import math
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

import txaio
from twisted.internet import defer
from twisted.internet.defer import Deferred, gatherResults
from twisted.python.failure import Failure

from services.bridge.catalogue import Catalogue
from sisock.errors import NodeError, NodeFailed, NodeLate, NodeUnknown, RouterAbsent, TooMuchData
from sisock.shapes import DataReply, FieldsReply

REMEMBERED_SECONDS = 1.0
"""How long an answer to get_fields serves all panels that ask for the same range."""
RECALLED_SECONDS = 30.0
"""How long a list of fields, of whatever range, says of a field that it is there and what it is."""
ALL_TIME = (1, 0)
_LISTING_SECONDS = 60.0
"""How long a data server may take to list the fields of all time; nobody waits so long for it."""


class Consumer(Protocol):
    """What the bridge needs of `sisock.client.Consumer`; each failure is a `NodeError`."""

    on_nodes_changed: Callable[[], None] | None

    def is_attached(self) -> bool:
        """Whether the router is joined."""

    def nodes(self, deadline: float = ...) -> Deferred[list[dict[str, str]]]:
        """List the data servers that are online."""

    def get_fields(self, node: str, start: float, end: float, deadline: float = ...) -> Deferred[FieldsReply]:
        """Ask a data server for its fields."""

    def get_data(
        self,
        node: str,
        fields: list[str],
        start: float,
        end: float,
        min_stride: float | None = ...,
        operator: str | None = ...,
        deadline: float = ...,
    ) -> Deferred[DataReply]:
        """Ask a data server for data."""


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


class Servers:
    """Asks data servers, and remembers their fields and their conduct. Lives in the reactor's thread."""

    def __init__(
        self,
        consumer: Consumer,
        clock: Any,
        now: Callable[[], float],
        most_waiting: int,
        catalogue: Catalogue | None = None,
    ) -> None:
        """Know of no data server yet.

        Parameters
        ----------
        consumer
            Asks them.
        clock
            The reactor, whose seconds are those of no calendar.
        now
            Gives the UNIX time.
        most_waiting
            Requests that may wait for one data server.
        catalogue
            Memory of their fields; a new one when not given.
        """
        self.consumer = consumer
        self.catalogue = catalogue or Catalogue()
        self._clock = clock
        self._now = now
        self._most_waiting = most_waiting
        self._conduct: dict[str, Conduct] = {}
        self._remembered: dict[object, _Shared] = {}
        self._recalled: dict[str, tuple[float, FieldsReply]] = {}
        self._listed: dict[str, float] = {}
        self._hub_heard = False
        self._log = txaio.make_logger()
        consumer.on_nodes_changed = self._nodes_changed

    @asynccontextmanager
    async def waiting_for(self, node: str) -> AsyncIterator[None]:
        """Hold a place among those that wait for `node`, and note how it behaves.

        A data server that has not answered in time gets one request at a time until it answers, so that it holds up
        one thread and not all.

        Raises
        ------
        Busy
            There is no place.
        """
        conduct = self._conduct.setdefault(node, Conduct())
        if conduct.waiting >= (1 if conduct.late else self._most_waiting):
            raise Busy(node, conduct.waiting)
        conduct.waiting += 1
        try:
            yield
        finally:
            conduct.waiting -= 1
            if conduct == Conduct():
                self._conduct.pop(node, None)

    async def fields(self, node: str, start: float, end: float, deadline: float) -> FieldsReply:
        """Fields of a data server in a time range (sisock times); one call serves all that ask at the same time."""
        reply: FieldsReply = await self._once(
            (node, start, end), lambda: Deferred.fromCoroutine(self._ask_fields(node, start, end, deadline))
        )
        return reply

    def recall(self, node: str, fields: Collection[str]) -> FieldsReply | None:
        """What the data server last listed, for whatever range, if that was lately and has all of `fields`."""
        since, listed = self._recalled.get(node, (-math.inf, ({}, {})))
        lately = self._clock.seconds() < since + RECALLED_SECONDS
        return listed if lately and all(field in listed[0] for field in fields) else None

    async def data(
        self,
        node: str,
        fields: list[str],
        start: float,
        end: float,
        min_stride: float,
        operator: str | None,
        deadline: float,
    ) -> DataReply:
        """Data of a data server in a time range (sisock times)."""
        stride = min_stride or None
        call = self.consumer.get_data(node, fields, start, end, stride, operator, deadline=_tenths(deadline))
        reply: DataReply = await self._noting(node, call)
        return reply

    async def joins(self, node: str, deadline: float) -> bool:
        """Whether `node` is the name of the joined fields; a data server that bears it, too, goes before them."""
        if node != self.catalogue.joined:
            return False
        if not self._hub_heard:
            with suppress(NodeError):  # Who does not show up does not claim the name.
                await self._once("nodes", lambda: Deferred.fromCoroutine(self._hear_hub(deadline)))
            self._hub_heard = True
        return node == self.catalogue.joined

    def lacks(self, node: str, field: str) -> bool:
        """Whether the data server has listed its fields of all time lately, and `field` is not among them.

        When it has not, it is asked to, for the next time.
        """
        if field in self.catalogue.fields(node):
            return False
        if self._clock.seconds() < self._listed.get(node, -math.inf) + RECALLED_SECONDS:
            return True
        if ("listing", node) not in self._remembered:
            Deferred.fromCoroutine(self._await_list(node, _LISTING_SECONDS))
        return False

    async def listing(self, deadline: float) -> frozenset[str]:
        """Names of all fields, as now listed by the data servers online; those of the others as they last were.

        Raises
        ------
        NodeError
            The hub could not be asked, and nothing is remembered.
        """
        names: frozenset[str] = await self._once("listing", lambda: Deferred.fromCoroutine(self._list(deadline)))
        return names

    def conduct(self, node: str) -> Conduct:
        """How a data server has behaved."""
        return self._conduct.get(node, Conduct())

    async def _list(self, deadline: float) -> frozenset[str]:
        try:
            nodes = await self._hear_hub(deadline)
        except NodeError:
            if not self.catalogue.nodes():
                raise
            return self.catalogue.names()
        asked = [Deferred.fromCoroutine(self._await_list(str(node["name"]), deadline)) for node in nodes]
        await gatherResults(asked, consumeErrors=True)
        return self.catalogue.names()

    async def _hear_hub(self, deadline: float) -> list[dict[str, str]]:
        nodes: list[dict[str, str]] = await self.consumer.nodes(deadline=deadline)
        if self.catalogue.joined in {node["name"] for node in nodes}:
            self._log.warn(
                "bridge: a data server has the name {name} of the joined fields (JOINED_NAME); it goes before them",
                name=self.catalogue.joined,
            )
            self.catalogue.part()
        return nodes

    def _nodes_changed(self) -> None:
        self._hub_heard = False

    async def _await_list(self, node: str, patience: float) -> None:
        """Wait for a data server's list, `patience` from when it was asked; one that takes longer is heard later."""
        listing = Deferred.fromCoroutine(
            self._once(("listing", node), lambda: Deferred.fromCoroutine(self._list_one(node)))
        )
        since = self._remembered[("listing", node)].since if ("listing", node) in self._remembered else 0.0
        listing.addTimeout(max(since + patience - self._clock.seconds(), 0.0), self._clock)
        with suppress(NodeError, defer.TimeoutError):
            # A failure is noted in its conduct; what it listed before stays.
            await listing

    async def _list_one(self, node: str) -> None:
        try:
            fields, _ = await self._ask_fields(node, *ALL_TIME, _LISTING_SECONDS)
            self.catalogue.replace(node, fields)
            self._listed[node] = self._clock.seconds()
        except NodeError:
            raise
        except Exception as fault:  # One that nobody foresaw must not keep the other servers from being listed.
            self._log.failure("bridge: the list of {node} could not be used", node=node)
            error = NodeFailed(node, "its list of fields could not be used; see the log of the bridge")
            self._note(node, error)
            raise error from fault

    async def _ask_fields(self, node: str, start: float, end: float, deadline: float) -> FieldsReply:
        call = self.consumer.get_fields(node, start, end, deadline=_tenths(deadline))
        reply: FieldsReply = await self._noting(node, call)
        self.catalogue.extend(node, reply[0])
        self._recalled[node] = (self._clock.seconds(), reply)
        return reply

    async def _noting(self, node: str, call: Deferred[Any]) -> Any:
        try:
            reply = await call
        except NodeError as error:
            self._note(node, error)
            raise
        self._note(node, None)
        return reply

    def _note(self, node: str, error: NodeError | None) -> None:
        conduct = self._conduct.setdefault(node, Conduct())
        if isinstance(error, RouterAbsent) or (isinstance(error, NodeUnknown) and conduct.answered is None):
            return  # It says nothing of this server; and a name that was never served needs no memory.
        if not isinstance(error, NodeUnknown | NodeLate):
            conduct.answered = self._now()
        conduct.late = isinstance(error, NodeLate)
        conduct.problem = None if error is None or isinstance(error, TooMuchData) else str(error)

    async def _once(self, key: object, make: Callable[[], Deferred[Any]]) -> Any:
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


def _tenths(deadline: float) -> float:
    """Seconds as they read well in a sentence, and above zero."""
    return max(round(deadline, 1), 0.1)
