"""The data servers as the bridge sees them: what each has listed, how it answers, and how many wait for it."""

import math
from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Protocol

import txaio
from twisted.internet import defer
from twisted.internet.defer import Deferred, gatherResults

from services.bridge.catalogue import Catalogue
from services.bridge.conduct import Conduct, Conducts
from services.bridge.held import Held
from services.bridge.memory import Memory
from services.bridge.sharing import Sharing
from sisock.errors import NodeError, NodeFailed
from sisock.shapes import DataReply, FieldsReply

LISTED_SECONDS = 10.0
"""How old the list of all fields may be before whoever asks waits for a new one; from half as old, it is renewed."""
PATIENCE = 1.0
"""Seconds that he waits, when there is an old one; what takes longer is in the list of the next one who asks."""
RENEWAL_DEADLINE = 3.0
"""Seconds that a data server has to list its fields after news of the hub, before the list is made without it."""
RECALLED_SECONDS = 30.0
"""How long a list of fields, of whatever range, says of a field that it is there and what it is."""
GATHER_SECONDS = 1.0
"""How long a data server may take for each part of what is to be held; the panel waits meanwhile."""
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

    def holds(self, node: str, revisions: list[str], deadline: float = ...) -> Deferred[list[bool]]:
        """Ask a data server which revisions of its replies still hold."""


class Servers:
    """Asks data servers, and remembers their fields and their conduct. Lives in the reactor's thread."""

    def __init__(
        self,
        consumer: Consumer,
        clock: Any,
        now: Callable[[], float],
        most_waiting: int,
        catalogue: Catalogue | None = None,
        memory: Memory | None = None,
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
            Their fields; a new one when not given.
        memory
            Keeps the catalogue over a restart; nothing does when not given.
        """
        self.consumer = consumer
        self.clock = clock
        self.catalogue = catalogue or Catalogue(now=now)
        self._memory = memory
        self._conducts = Conducts(most_waiting, now)
        self._sharing = Sharing(clock)
        self._held = Held(consumer, clock, now)
        self._recalled: dict[str, tuple[float, FieldsReply]] = {}
        self._listed: dict[str, float] = {}
        self._hub_heard = False
        self._news = 0
        self._heard = (-1, -math.inf)
        self._log = txaio.make_logger()
        consumer.on_nodes_changed = self._nodes_changed

    def waiting_for(self, node: str) -> AbstractAsyncContextManager[None]:
        """Hold a place among those that wait for `node`; see `Conducts.waiting_for`."""
        return self._conducts.waiting_for(node)

    async def fields(self, node: str, start: float, end: float, deadline: float) -> FieldsReply:
        """Fields of a data server in a time range (sisock times); one call serves all that ask at the same time."""
        reply: FieldsReply = await self._sharing.once(
            (node, start, end), lambda: Deferred.fromCoroutine(self._ask_fields(node, start, end, deadline))
        )
        return reply

    def recall(self, node: str, fields: Collection[str]) -> FieldsReply | None:
        """What the data server last listed, for whatever range, if that was lately and has all of `fields`."""
        since, listed = self._recalled.get(node, (-math.inf, ({}, {})))
        lately = self.clock.seconds() < since + RECALLED_SECONDS
        return listed if lately and all(field in listed[0] for field in fields) else None

    async def data(
        self,
        node: str,
        fields: list[str],
        start: float,
        end: float,
        min_stride: float,
        operator: str | None,
        interval: float | None,
        until: float,
    ) -> DataReply:
        """Data of a data server in a time range (UNIX seconds), due at `until` by the clock of the reactor.

        `interval` is the usual distance in seconds of the samples of all the fields, where it is known.
        """

        def left() -> float:
            return until - float(self.clock.seconds())

        def call(start: float, end: float, stride: float, deadline: float) -> Deferred[DataReply]:
            options = stride or None, operator
            return self.consumer.get_data(node, fields, start, end, *options, deadline=_tenths(deadline))

        async def ask() -> DataReply:
            reply: DataReply = await self._noting(node, call(start, end, min_stride, left()))
            return reply

        def gather(start: float, end: float, stride: float) -> Deferred[DataReply]:
            # It is not what the server's conduct is judged by.
            return call(start, end, stride, min(GATHER_SECONDS, left() / 2))

        if operator is not None:
            return await ask()
        return await self._held.data(node, fields, (start, end, min_stride), interval, ask, gather)

    async def joins(self, node: str, deadline: float) -> bool:
        """Whether `node` is the name of the joined fields; a data server that bears it, too, goes before them."""
        if node != self.catalogue.joined:
            return False
        if not self._hub_heard:
            with suppress(NodeError):  # Who does not show up does not claim the name.
                await self._sharing.once("nodes", lambda: Deferred.fromCoroutine(self._hear_hub(deadline)))
            self._hub_heard = True
        return node == self.catalogue.joined

    def lacks(self, node: str, field: str) -> bool:
        """Whether the data server has listed its fields of all time lately, and `field` is not among them.

        When it has not, it is asked to, for the next time.
        """
        if field in self.catalogue.fields(node):
            return False
        if self.clock.seconds() < self._listed.get(node, -math.inf) + RECALLED_SECONDS:
            return True
        if self._sharing.asked_at(("listing", node)) is None:
            Deferred.fromCoroutine(self._await_list(node, _LISTING_SECONDS))
        return False

    async def listing(self, deadline: float) -> frozenset[str]:
        """Names of all fields, as lately listed by the data servers online; those of the others as they last were.

        While it is asked for now and then, nobody waits: it is renewed beside the requests, and after news of the hub.

        Raises
        ------
        NodeError
            The hub could not be asked, and nothing is remembered.
        """
        news, since = self._heard
        age = self.clock.seconds() - since
        if since == -math.inf:
            await self._renewed(deadline)
        elif news != self._news or age > LISTED_SECONDS:
            with suppress(defer.TimeoutError, NodeError):
                await Deferred.fromCoroutine(self._renewed(deadline)).addTimeout(PATIENCE, self.clock)
        elif age > LISTED_SECONDS / 2:
            self._renew(deadline)
        return self.catalogue.names()

    def conduct(self, node: str) -> Conduct:
        """How a data server has behaved."""
        return self._conducts.of(node)

    async def _renewed(self, deadline: float) -> None:
        # Whoever asks after news of the hub does not get a list that was begun before.
        await self._sharing.once(("all", self._news), lambda: Deferred.fromCoroutine(self._list(deadline)))

    def _renew(self, deadline: float) -> None:
        """Renew the list beside what else is done."""
        Deferred.fromCoroutine(self._renewed(deadline)).addErrback(lambda failure: failure.trap(NodeError) and None)

    async def _list(self, deadline: float) -> None:
        news = self._news
        try:
            nodes = await self._hear_hub(deadline)
        except NodeError:
            if not self.catalogue.nodes():
                raise
            return
        asked = [Deferred.fromCoroutine(self._await_list(str(node["name"]), deadline)) for node in nodes]
        await gatherResults(asked, consumeErrors=True)
        self._heard = news, self.clock.seconds()
        if self._memory is not None:
            self._memory.keep(self.catalogue)

    async def _hear_hub(self, deadline: float) -> list[dict[str, str]]:
        nodes: list[dict[str, str]] = await self.consumer.nodes(deadline=deadline)
        self.catalogue.online = frozenset(str(node["name"]) for node in nodes)
        if self.catalogue.joined in self.catalogue.online:
            self._log.warn(
                "bridge: a data server has the name {name} of the joined fields (JOINED_NAME); it goes before them",
                name=self.catalogue.joined,
            )
            self.catalogue.part()
        return nodes

    def _nodes_changed(self) -> None:
        self._hub_heard = False
        self._news += 1
        self._renew(RENEWAL_DEADLINE)

    async def _await_list(self, node: str, patience: float) -> None:
        """Wait for a data server's list, `patience` from when it was asked; one that takes longer is heard later."""
        listing = Deferred.fromCoroutine(
            self._sharing.once(("listing", node), lambda: Deferred.fromCoroutine(self._list_one(node)))
        )
        since = self._sharing.asked_at(("listing", node)) or 0.0
        listing.addTimeout(max(since + patience - self.clock.seconds(), 0.0), self.clock)
        with suppress(NodeError, defer.TimeoutError):
            # A failure is noted in its conduct; what it listed before stays.
            await listing

    async def _list_one(self, node: str) -> None:
        try:
            fields, _ = await self._ask_fields(node, *ALL_TIME, _LISTING_SECONDS)
            self.catalogue.replace(node, fields)
            self._listed[node] = self.clock.seconds()
        except NodeError:
            raise
        except Exception as fault:  # One that nobody foresaw must not keep the other servers from being listed.
            self._log.failure("bridge: the list of {node} could not be used", node=node)
            error = NodeFailed(node, "its list of fields could not be used; see the log of the bridge")
            self._conducts.note(node, error)
            raise error from fault

    async def _ask_fields(self, node: str, start: float, end: float, deadline: float) -> FieldsReply:
        call = self.consumer.get_fields(node, start, end, deadline=_tenths(deadline))
        reply: FieldsReply = await self._noting(node, call)
        self.catalogue.extend(node, reply[0])
        self._recalled[node] = (self.clock.seconds(), reply)
        return reply

    async def _noting(self, node: str, call: Deferred[Any]) -> Any:
        try:
            reply = await call
        except NodeError as error:
            self._conducts.note(node, error)
            raise
        self._conducts.note(node, None)
        return reply


def _tenths(deadline: float) -> float:
    """Seconds as they read well in a sentence, and above zero."""
    return max(round(deadline, 1), 0.1)
