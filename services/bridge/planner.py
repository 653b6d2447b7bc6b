"""From names of fields to samples: calls to data servers, side by side, each with its deadline."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import txaio
from twisted.internet.defer import CancelledError, Deferred, FirstError, gatherResults, succeed

from services.bridge.catalogue import SEPARATOR
from services.bridge.reading import Window
from services.bridge.servers import Servers
from sisock.errors import NodeError, NodeFailed, RouterAbsent, TooMuchData
from sisock.shapes import DataReply, Field, FieldsReply
from sisock.uris import NODE_NAME

_MOST_APART = 20
"""Fields that are asked one by one after they failed together; more of them would be a flood."""


@dataclass(frozen=True)
class Stream:
    """Samples of a field as its data server sent them.

    Attributes
    ----------
    field
        What get_fields said of it.
    t
        Stamps, UNIX seconds.
    values
        As many values.
    interval
        Mean seconds between samples; None when the server did not say.
    """

    field: Field
    t: list[float]
    values: list[Any]
    interval: float | None


@dataclass(frozen=True)
class Missing:
    """Why there are no samples of a field; `severity` is "error", or "info" where nothing is wrong."""

    why: str
    severity: str = "error"


Outcome = Stream | Missing


class Planner:
    """Asks each data server for the fields of a request. Lives in the reactor's thread."""

    def __init__(
        self,
        servers: Servers,
        now: Callable[[], float],
        server_deadline: float,
        request_deadline: float,
        search_deadline: float,
    ) -> None:
        self._servers = servers
        self._now = now
        self._server_deadline = server_deadline
        self._request_deadline = request_deadline
        self._search_deadline = search_deadline
        self._log = txaio.make_logger()

    def known(self) -> Deferred[frozenset[str]]:
        """Names of all fields, freshly listed; fails when neither hub nor memory knows any."""
        return Deferred.fromCoroutine(self._servers.listing(self._search_deadline))

    def attached(self) -> Deferred[bool]:
        """Whether the router is joined."""
        return succeed(self._servers.consumer.is_attached())

    def remembered(self) -> Deferred[frozenset[str]]:
        """Names of all fields that any data server has listed so far, without asking."""
        return succeed(self._servers.catalogue.names())

    def query(self, names: Iterable[str], window: Window, started: float) -> Deferred[dict[str, Outcome]]:
        """Ask for samples.

        Parameters
        ----------
        names
            Fields, as ``node::field``.
        window
            Time range and least spacing of the points.
        started
            When the request began, by the clock of the reactor.

        Returns
        -------
        What became of each name. It fails with `RouterAbsent` when nobody could be asked for that reason.
        """
        return Deferred.fromCoroutine(self._query(list(dict.fromkeys(names)), window, started))

    async def _query(self, names: list[str], window: Window, started: float) -> dict[str, Outcome]:
        outcomes: dict[str, Outcome] = {}
        by_node: dict[str, list[str]] = defaultdict(list)
        for name in names:
            node, separator, field = name.partition(SEPARATOR)
            if not (separator and field and NODE_NAME.fullmatch(node)):
                # It must not reach the router either: an ill-formed URI ends the session.
                outcomes[name] = Missing(f"{name[:200]!r} names no field; write <server>{SEPARATOR}<field>")
            elif window.end <= window.start:
                outcomes[name] = Missing("the time range is empty", "info")
            else:
                by_node[node].append(field)
        until = min(self._now() + self._server_deadline, started + self._request_deadline)
        answers = [Deferred.fromCoroutine(self._ask(node, fields, window, until)) for node, fields in by_node.items()]
        try:
            answered = await gatherResults(answers, consumeErrors=True)
        except FirstError as error:
            error.subFailure.raiseException()  # That the client has gone; `_ask` lets nothing else out.
        absent = 0
        for node, answer in zip(by_node, answered, strict=True):
            absent += isinstance(answer, RouterAbsent)
            became = (
                {field: Missing(str(answer)) for field in by_node[node]} if isinstance(answer, Exception) else answer
            )
            outcomes.update((f"{node}{SEPARATOR}{field}", outcome) for field, outcome in became.items())
        if absent and absent == len(by_node):
            raise RouterAbsent
        return outcomes

    async def _ask(
        self, node: str, fields: list[str], window: Window, until: float
    ) -> Mapping[str, Outcome] | RouterAbsent:
        try:
            async with self._servers.waiting_for(node):
                return await self._ask_in_turn(node, fields, window, until)
        except RouterAbsent as error:
            return error
        except NodeError as error:
            return dict.fromkeys(fields, Missing(str(error)))
        except CancelledError:
            raise  # The client has gone.
        except Exception:  # The one place where a fault that nobody foresaw is kept from the other panels.
            self._log.failure("bridge: the answer of {node} could not be used", node=node)
            return dict.fromkeys(fields, Missing(f"the answer of data server {node!r} could not be used; see the log"))

    async def _ask_in_turn(self, node: str, fields: list[str], window: Window, until: float) -> dict[str, Outcome]:
        if recalled := self._servers.recall(node, fields):
            with suppress(NodeFailed, TooMuchData):
                outcomes = await self._data(node, fields, recalled, window, until)
                if not any(isinstance(outcome, Missing) for outcome in outcomes.values()):
                    return outcomes
            # Other ranges may have other fields on other timelines: hear what there is in this one.
        listed = await self._servers.fields(node, window.start, window.end, until - self._now())
        due = [field for field in fields if field in listed[0]]
        outcomes = {field: self._unlisted(node, field) for field in fields if field not in listed[0]}
        try:
            return outcomes | await self._data(node, due, listed, window, until) if due else outcomes
        except (NodeFailed, TooMuchData) as error:
            if not 1 < len(due) <= _MOST_APART:
                raise
            self._log.debug("bridge: asking {node} field by field: {error}", node=node, error=error)
        for field in due:
            try:
                outcomes |= await self._data(node, [field], listed, window, until)
            except (NodeFailed, TooMuchData) as error:
                outcomes[field] = Missing(str(error))
        return outcomes

    async def _data(
        self, node: str, fields: list[str], listed: FieldsReply, window: Window, until: float
    ) -> dict[str, Outcome]:
        left = until - self._now()
        reply = await self._servers.data(node, fields, window.start, window.end, window.stride, left)
        return {field: _stream(field, listed, reply) for field in fields}

    def _unlisted(self, node: str, field: str) -> Missing:
        known = self._servers.catalogue.fields(node)
        if field in known:
            return Missing(without_samples(node, field), "info")
        alike = next((name for name in known if name.lower() == field.lower()), None)
        hint = f"; did you mean {alike!r}?" if alike else ""
        return Missing(f"data server {node!r} has no field {field[:200]!r}{hint}")


def without_samples(node: str, field: str) -> str:
    """Say that a field is there, but not in this time range."""
    return f"data server {node!r} has no samples of {field!r} in this time range"


def _stream(field: str, listed: FieldsReply, reply: DataReply) -> Outcome:
    fields, timelines = listed
    interval = timelines[fields[field]["timeline"]]["interval"]
    values = reply["data"][field]
    # Old servers name timelines of a reply otherwise than those of get_fields, and list the fields of each.
    name = next((name for name, each in reply["timeline"].items() if field in each.get("fields", ())), None)
    timeline = reply["timeline"].get(fields[field]["timeline"] if name is None else name)
    if timeline is None and len(reply["timeline"]) == 1:
        timeline = next(iter(reply["timeline"].values()))
    if not values:
        return Stream(fields[field], [], [], interval)
    if timeline is None or len(timeline["t"]) != len(values):
        return Missing(f"the reply does not say the times of {field!r}; its data server needs a correction")
    return Stream(fields[field], timeline["t"], values, interval)
