"""Questions to one data server: what it must have listed first, and what is to be heard when it fails."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import txaio
from twisted.internet.defer import CancelledError, Deferred, FirstError, gatherResults

from services.bridge.servers import Servers
from services.bridge.streams import Missing, Outcome, Question, Stream, without_samples
from sisock.errors import NodeError, NodeFailed, RouterAbsent, TooMuchData
from sisock.shapes import DataReply, FieldsReply

PATIENCE = 1.0
"""Seconds that a request waits for a data server that was late the last time."""
_MOST_APART = 20
"""Fields that are asked one by one after they failed together; more of them would be a flood."""

_Result = TypeVar("_Result")
Answer = Mapping[str, Outcome] | RouterAbsent
"""What became of each field of a question."""


class Asking:
    """Asks a data server questions, side by side. Lives in the reactor's thread."""

    def __init__(self, servers: Servers, now: Callable[[], float]) -> None:
        self.servers = servers
        self._now = now
        self._log = txaio.make_logger()

    async def ask(self, node: str, questions: Sequence[Question], until: float, *, alone: bool = False) -> list[Answer]:
        """Ask `node`, which takes one place among those that wait for it.

        Parameters
        ----------
        node
            The data server.
        questions
            Each with at least one field.
        until
            When the answers are due, by the clock of the reactor.
        alone
            Whether nobody else is asked for the same request.

        Returns
        -------
        One answer to each question, in their order. Only that the client has gone is raised.

        A data server that was late the last time holds up no other again: after `PATIENCE` s the answer is made without
        it. The question goes on, and once one is answered in time, the next waits as for any other server.
        """
        was_late = self.servers.conduct(node).late
        answering = Deferred.fromCoroutine(self._ask_in_its_place(node, questions, until))
        if was_late and not alone:
            why = f"data server {node!r} was late before, and did not answer within {PATIENCE:g} s now; look at its log"
            answering = _or_else(
                answering, [dict.fromkeys(each.fields, Missing(why)) for each in questions], self.servers.clock
            )
        answers: list[Answer] = await answering
        return answers

    async def _ask_in_its_place(self, node: str, questions: Sequence[Question], until: float) -> list[Answer]:
        try:
            async with self.servers.waiting_for(node):
                return await together([self._answer(node, question, until) for question in questions])
        except NodeError as error:
            return [dict.fromkeys(question.fields, Missing.of(error)) for question in questions]

    async def _answer(self, node: str, question: Question, until: float) -> Answer:
        try:
            return await self._answer_in_turn(node, question, until)
        except RouterAbsent as error:
            return error
        except NodeError as error:
            return dict.fromkeys(question.fields, Missing.of(error))
        except CancelledError:
            raise  # The client has gone.
        except Exception:  # The one place where a fault that nobody foresaw is kept from the other panels.
            self._log.failure("bridge: the answer of {node} could not be used", node=node)
            why = f"the answer of data server {node!r} could not be used; see the log"
            return dict.fromkeys(question.fields, Missing(why))

    async def _answer_in_turn(self, node: str, question: Question, until: float) -> dict[str, Outcome]:
        fields = question.fields
        if recalled := self.servers.recall(node, fields):
            with suppress(NodeFailed, TooMuchData):
                outcomes = await self._data(node, fields, question, recalled, until)
                if not any(isinstance(outcome, Missing) for outcome in outcomes.values()):
                    return outcomes
            # Other ranges may have other fields on other timelines: hear what there is in this one.
        listed = await self.servers.fields(node, question.start, question.end, until - self._now())
        due = [field for field in fields if field in listed[0]]
        outcomes = {field: self.unlisted(node, field) for field in fields if field not in listed[0]}
        try:
            return outcomes | await self._data(node, due, question, listed, until) if due else outcomes
        except (NodeFailed, TooMuchData) as error:
            if not 1 < len(due) <= _MOST_APART:
                raise
            self._log.debug("bridge: asking {node} field by field: {error}", node=node, error=error)
        for field in due:
            try:
                outcomes |= await self._data(node, [field], question, listed, until)
            except (NodeFailed, TooMuchData) as error:
                outcomes[field] = Missing.of(error)
        return outcomes

    async def _data(
        self, node: str, fields: Sequence[str], question: Question, listed: FieldsReply, until: float
    ) -> dict[str, Outcome]:
        intervals = {_interval(field, listed) for field in fields}
        interval = intervals.pop() if len(intervals) == 1 else None
        reply = await self.servers.data(
            node, list(fields), question.start, question.end, question.stride, question.operator, interval, until
        )
        return {field: _stream(field, listed, reply, question.operator) for field in fields}

    def unlisted(self, node: str, field: str) -> Missing:
        """Say that a data server does not list a field, at least not in this time range."""
        known = self.servers.catalogue.fields(node)
        if field in known:
            return Missing(without_samples(node, field), "info", unlisted=True)
        alike = next((name for name in known if name.lower() == field.lower()), None)
        hint = f"; did you mean {alike!r}?" if alike else ""
        return Missing(f"data server {node!r} has no field {field[:200]!r}{hint}", unlisted=True)


async def together(work: Sequence[Coroutine[Deferred[Any], Any, _Result]]) -> list[_Result]:
    """Run coroutines side by side; when one fails, its error is raised, and when this is cancelled, all are."""
    if len(work) == 1:
        return [await work[0]]
    try:
        results: list[_Result] = await gatherResults(map(Deferred.fromCoroutine, work), consumeErrors=True)
    except FirstError as error:
        raise error.subFailure.value from None
    return results


def _or_else(work: Deferred[Any], instead: object, clock: Any) -> Deferred[Any]:
    """The result of some work, or after `PATIENCE` something else, and then the work goes on for itself."""
    awaited: Deferred[Any] = Deferred(lambda _: work.cancel())
    timeout = clock.callLater(PATIENCE, awaited.callback, instead)

    def done(result: Any) -> None:
        if timeout.active():
            timeout.cancel()
            awaited.callback(result)  # A failure, too.

    work.addBoth(done)
    return awaited


def _interval(field: str, listed: FieldsReply) -> float | None:
    fields, timelines = listed
    return timelines[fields[field]["timeline"]]["interval"]


def _stream(field: str, listed: FieldsReply, reply: DataReply, operator: str | None) -> Outcome:
    fields, _ = listed
    interval = _interval(field, listed)
    values = reply["data"][field]
    # Old servers name timelines of a reply otherwise than those of get_fields, and list the fields of each.
    name = next((name for name, each in reply["timeline"].items() if field in each.get("fields", ())), None)
    timeline = reply["timeline"].get(fields[field]["timeline"] if name is None else name)
    if timeline is None and len(reply["timeline"]) == 1:
        timeline = next(iter(reply["timeline"].values()))
    until = timeline["finalized_until"] if timeline else None
    if not len(values):
        return Stream(fields[field], [], [], interval, until, operator)
    if timeline is None or len(timeline["t"]) != len(values):
        return Missing(f"the reply does not say the times of {field!r}; its data server needs a correction")
    return Stream(fields[field], timeline["t"], values, interval, until, operator)
