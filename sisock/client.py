"""Read from data servers: the session that the bridge holds, and a blocking client for people.

>>> with connect() as client:
...     fields, timelines = client.get_fields("apex_archive", 1, 0)
...     reply = client.get_data("apex_archive", ["apex_windspeed"], 1500000000, 1500003600)
"""

from collections.abc import Callable
from threading import Thread
from types import TracebackType
from typing import Any, Self

from autobahn.wamp.exception import ApplicationError, TransportLost
from autobahn.wamp.types import ComponentConfig, SessionDetails
from twisted.internet.defer import CancelledError, Deferred, inlineCallbacks
from twisted.internet.defer import TimeoutError as DeferredTimeoutError
from twisted.internet.threads import blockingCallFromThread

from sisock.config import Router
from sisock.errors import NodeFailed, NodeLate, NodeUnknown, OperatorUnknown, RouterAbsent, ShapeError, TooMuchData
from sisock.packing import unpack
from sisock.session import RouterSession, problem_of
from sisock.session import connect as connect_session
from sisock.shapes import DataReply, FieldsReply, check_data, check_fields
from sisock.uris import (
    ERROR_OPERATOR,
    GET_DATA_NODE,
    NODE_ADDED,
    NODE_SUBTRACTED,
    get_data_packed_uri,
    get_data_uri,
    get_fields_uri,
    holds_uri,
)

DEADLINE = 10.0
"""Seconds that a data server has for an answer, unless the caller says otherwise."""

_HUB = "hub"


class Consumer(RouterSession):
    """Session that asks the hub and the data servers. Each question is a Deferred with a deadline.

    Any of them fails with `RouterAbsent`, `NodeUnknown`, `NodeLate` or `NodeFailed`. Cancelling one cancels the call.
    """

    on_nodes_changed: Callable[[], None] | None = None
    """Called, when set, after a data server has come or gone, and after each join."""

    def __init__(self, config: ComponentConfig | None = None) -> None:
        super().__init__(config)
        self._unpacked: set[str] = set()

    @inlineCallbacks
    def begin(self, details: SessionDetails) -> Any:
        """Hear of data servers that come and go."""
        self._unpacked.clear()
        for topic in (NODE_ADDED, NODE_SUBTRACTED):
            yield self.subscribe(self._nodes_changed, topic)
        self._nodes_changed()

    def _nodes_changed(self, *_event: object) -> None:
        self._unpacked.clear()
        if self.on_nodes_changed is not None:
            self.on_nodes_changed()

    @inlineCallbacks
    def nodes(self, deadline: float = DEADLINE) -> Any:
        """List the data servers that are online: ``[{"name": .., "description": ..}]``."""
        listed = yield self._ask(_HUB, deadline, GET_DATA_NODE)
        if not isinstance(listed, list) or not all(isinstance(node, dict) and "name" in node for node in listed):
            raise NodeFailed(_HUB, "its list of data servers has another shape")
        return listed

    @inlineCallbacks
    def get_fields(self, node: str, start: float, end: float, deadline: float = DEADLINE) -> Any:
        """Ask the server `node` for its fields and timelines between two sisock times: `sisock.shapes.FieldsReply`."""
        reply = yield self._ask(node, deadline, get_fields_uri(node), start, end)
        try:
            return check_fields(reply)
        except ShapeError as error:
            raise NodeFailed(node, str(error)) from error

    @inlineCallbacks
    def get_data(
        self,
        node: str,
        fields: list[str],
        start: float,
        end: float,
        min_stride: float | None = None,
        operator: str | None = None,
        deadline: float = DEADLINE,
    ) -> Any:
        """Ask the server `node` for data between two sisock times: `sisock.shapes.DataReply`.

        Numbers and booleans are arrays where the server sends them so (`sisock.shapes.column`), else lists. It fails
        with `TooMuchData`, besides, when the server holds more than it sends at once, and with `OperatorUnknown` when
        it does not offer the operator; see `sisock.base.DataNodeServer.get_data`.
        """
        # As few arguments as serve: servers of others take no more.
        keywords = {} if operator is None else {"operator": operator}
        question = (fields, start, end, min_stride)
        plain = node in self._unpacked
        if not plain:
            try:
                reply = yield self._ask(node, deadline, get_data_packed_uri(node), *question, **keywords)
            except NodeUnknown:
                plain = True
        if plain:
            if operator is not None:
                # A server of others might not look at it, and answer samples.
                raise OperatorUnknown(node, operator)
            self._unpacked.add(node)
            try:
                reply = yield self._ask(node, deadline, get_data_uri(node), *question)
            except NodeUnknown:
                self._unpacked.discard(node)  # It is not there at all; what will be, nobody knows.
                raise
        if reply is False:
            raise TooMuchData(node)
        try:
            return check_data(reply if plain else unpack(reply), fields, ordered=False, arrays=True)
        except ShapeError as error:
            raise NodeFailed(node, str(error)) from error

    @inlineCallbacks
    def holds(self, node: str, revisions: list[str], deadline: float = DEADLINE) -> Any:
        """Ask the server `node` which revisions of its replies still hold: a list of as many truth values."""
        reply = yield self._ask(node, deadline, holds_uri(node), revisions)
        if not isinstance(reply, list) or len(reply) != len(revisions):
            raise NodeFailed(node, "what it says of its revisions has another shape")
        return list(map(bool, reply))

    def _ask(self, node: str, deadline: float, procedure: str, *args: object, **keywords: object) -> Deferred[Any]:
        from twisted.internet import reactor

        def explain(failure: Any) -> Any:
            error = failure.value
            if failure.check(DeferredTimeoutError):
                raise NodeLate(node, deadline) from error
            if failure.check(TransportLost):
                raise RouterAbsent from error
            if failure.check(CancelledError) or not failure.check(ApplicationError):
                return failure
            if error.error == ApplicationError.NO_SUCH_PROCEDURE:
                raise NodeUnknown(node, group) from error
            if error.error == ERROR_OPERATOR:
                offered = [name for name in _second(error.args) if isinstance(name, str)]
                raise OperatorUnknown(node, keywords.get("operator"), offered) from error
            raise NodeFailed(node, problem_of(error)) from error

        group = "sisock:hub" if node == _HUB else "servers:"
        if not self.is_attached():
            raise RouterAbsent
        call: Deferred[Any] = self.call(procedure, *args, **keywords)
        return call.addTimeout(deadline, reactor).addErrback(explain)


def _second(args: tuple[Any, ...]) -> list[Any]:
    return args[1] if len(args) > 1 and isinstance(args[1], list) else []


class Client:
    """The same for a script: each method waits for its answer. Made by `connect`."""

    def __init__(self, router: Router, timeout: float) -> None:
        from twisted.internet import reactor

        self._reactor: Any = reactor
        self._consumer = Consumer()
        if not self._reactor.running:
            Thread(target=self._reactor.run, kwargs={"installSignalHandlers": False}, daemon=True).start()
        blockingCallFromThread(self._reactor, self._join, router, timeout)

    def _join(self, router: Router, timeout: float) -> Deferred[None]:
        joined: Deferred[None] = Deferred()
        self._consumer.on_nodes_changed = lambda: None if joined.called else joined.callback(None)
        self._service = connect_session(self._consumer, router, self._reactor)

        def absent(failure: Any) -> Any:
            failure.trap(DeferredTimeoutError)
            self._service.stopService()
            raise RouterAbsent

        return joined.addTimeout(timeout, self._reactor).addErrback(absent)

    def nodes(self) -> list[dict[str, str]]:
        """List the data servers that are online; see `Consumer.nodes`."""
        listed: list[dict[str, str]] = blockingCallFromThread(self._reactor, self._consumer.nodes)
        return listed

    def get_fields(self, node: str, start: float, end: float) -> FieldsReply:
        """Ask for fields; see `Consumer.get_fields`."""
        reply: FieldsReply = blockingCallFromThread(self._reactor, self._consumer.get_fields, node, start, end)
        return reply

    def get_data(
        self,
        node: str,
        fields: list[str],
        start: float,
        end: float,
        min_stride: float | None = None,
        operator: str | None = None,
    ) -> DataReply:
        """Ask for data, as plain lists; see `Consumer.get_data`."""
        reply: DataReply = blockingCallFromThread(
            self._reactor, self._consumer.get_data, node, fields, start, end, min_stride, operator
        )
        listed = check_data(reply, fields, ordered=False)
        if listed is False:
            raise TooMuchData(node)
        return listed

    def close(self) -> None:
        """Leave the router."""
        blockingCallFromThread(self._reactor, self._service.stopService)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def connect(router: Router | None = None, timeout: float = 10.0) -> Client:
    """Join the router, waiting at most `timeout` seconds; the settings come from the environment when not given.

    Raises
    ------
    RouterAbsent
        It could not be joined in time.
    SettingError
        A setting is missing or of the wrong kind.
    """
    return Client(Router.from_environ() if router is None else router, timeout)
