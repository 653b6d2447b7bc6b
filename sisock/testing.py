"""Hold a data server against the contract of `sisock.shapes` and the manual, without a router.

>>> def test_my_server_keeps_the_contract():
...     check_contract(MyServer())

The server must have data: at best a few timelines of some ten samples, closer together than they are to now.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sisock.packing import pack, unpack
from sisock.shapes import OPERATORS, DataReply, FieldsReply, check_data, check_fields

_Reply = TypeVar("_Reply")

_NO_SUCH_FIELD = "no such field, surely"


class ContractError(AssertionError):
    """A server breaks the contract.

    Attributes
    ----------
    breaches
        Rule -> what the server did against it.
    """

    def __init__(self, breaches: Mapping[str, str]) -> None:
        lines = [f"  {rule}: {breach}" for rule, breach in breaches.items()]
        super().__init__("\n".join(["the server breaks the contract of sisock:", *lines]))
        self.breaches = dict(breaches)


def check_contract(
    server: Any, *, start: float = 1.0, end: float = 0.0, clock: Callable[[], float] = time.time
) -> None:
    """Ask a server what consumers ask, and hold every answer against the contract.

    Parameters
    ----------
    server
        A `sisock.base.DataNodeServer` of either kind, blocking or not, or any object with its `get_fields` and
        `get_data`. A Deferred must fire without a running reactor.
    start, end
        The range to try, sisock times; all time when not given.
    clock
        Gives the UNIX time from which the server counts relative times.

    Raises
    ------
    ContractError
        Naming every rule that is broken, what it wants and what the server did.
    """
    asking = _Asking(server, clock)
    try:
        case = _whole(asking, start, end)
    except _Breach as breach:
        raise ContractError({breach.rule: str(breach)}) from breach.__cause__
    breaches = {rule.__name__.lstrip("_"): said for rule in _RULES if (said := _first_breach(rule, case))}
    if breaches:
        raise ContractError(breaches)


def _first_breach(rule: "_Rule", case: "_Case") -> str | None:
    try:
        return next(rule(case), None)
    except _Breach as breach:
        return str(breach)


class _Breach(Exception):
    """An answer that leaves nothing to look at."""

    def __init__(self, rule: str, sentence: str) -> None:
        super().__init__(sentence)
        self.rule = rule


class _Asking:
    """Puts questions to the server as the router would."""

    def __init__(self, server: Any, clock: Callable[[], float]) -> None:
        from sisock.base import DataNodeServer  # brings Twisted, which the rest of this file does without

        self.clock = clock
        self.operators: frozenset[str] = getattr(server, "operators", frozenset())
        self._get_fields, self._get_data = server.get_fields, server.get_data
        if isinstance(server, DataNodeServer):
            # Of a server that answers some of it at once, this is what answers all.
            if type(server).get_fields_blocking is not DataNodeServer.get_fields_blocking:
                self._get_fields = server.get_fields_blocking
            if type(server).get_data_blocking is not DataNodeServer.get_data_blocking:
                self._get_data = server.get_data_blocking

    def fields(self, start: float, end: float) -> FieldsReply:
        question = f"get_fields({start!r}, {end!r})"
        return _answer("fields_have_their_shape", question, lambda: check_fields(self.raw_fields(start, end)))

    def raw_fields(self, start: float, end: float) -> Any:
        return _fired(self._get_fields(start, end))

    def data(
        self,
        names: Sequence[str],
        start: float,
        end: float,
        min_stride: float | None = None,
        follows: Mapping[str, str] | None = None,
        operator: str | None = None,
    ) -> DataReply:
        question = (
            f"get_data({list(names)!r:.80}, {start!r}, {end!r}, {min_stride!r}{(operator and ', ' + operator) or ''})"
        )
        raw = _answer("data_have_their_shape", question,
                      lambda: self.raw_data(names, start, end, min_stride, operator))  # fmt: skip
        reply = _answer("data_have_their_shape", question, lambda: check_data(raw, names, follows))
        if reply is False:
            raise _Breach("too_much", f"{question} was answered by False, too much data; give check_contract a start "
                                      "and an end between which there is less")  # fmt: skip
        return reply

    def raw_data(
        self,
        names: Sequence[str],
        start: float,
        end: float,
        min_stride: float | None = None,
        operator: str | None = None,
    ) -> Any:
        keywords = {} if operator is None else {"operator": operator}
        return _fired(self._get_data(list(names), start, end, min_stride, **keywords))


def _answer(rule: str, question: str, ask: Callable[[], _Reply]) -> _Reply:
    try:
        return ask()
    except Exception as error:
        raise _Breach(rule, f"{question}: {type(error).__name__}: {error}") from error


def _fired(answer: Any) -> Any:
    if not hasattr(answer, "addBoth"):
        return answer
    fired: list[Any] = []
    answer.addBoth(fired.append)
    if not fired:
        raise RuntimeError("the Deferred waits for a reactor; override get_fields_blocking and get_data_blocking")
    if hasattr(fired[0], "raiseException"):
        fired[0].raiseException()
    return fired[0]


@dataclass(frozen=True)
class _Case:
    """A server, what it says of its fields, and all its data in the range that is tried."""

    asking: _Asking
    fields: Mapping[str, Any]
    timelines: Mapping[str, Any]
    whole: DataReply
    range: tuple[float, float]

    @property
    def follows(self) -> dict[str, str]:
        return {name: field["timeline"] for name, field in self.fields.items()}

    def data(
        self,
        names: Sequence[str],
        start: float,
        end: float,
        min_stride: float | None = None,
        operator: str | None = None,
    ) -> DataReply:
        return self.asking.data(names, start, end, min_stride, self.follows, operator)

    def stretches(self) -> Iterator[tuple[list[str], NDArray[np.float64], int, int]]:
        """Each timeline with data: its fields that have some, its stamps, and two places well within them."""
        for timeline, content in self.whole["timeline"].items():
            names = [name for name, values in self.whole["data"].items()
                     if len(values) and self.follows[name] == timeline]  # fmt: skip
            t = np.asarray(content["t"], dtype=float)
            if names:
                yield names, t, t.size // 4, max(t.size // 4, t.size * 3 // 4)


def _whole(asking: _Asking, start: float, end: float) -> _Case:
    fields, timelines = asking.fields(start, end)
    if not fields:
        raise _Breach("fields_have_their_shape", f"get_fields({start!r}, {end!r}) lists no field: there is nothing to "
                                                 "try; give the server data first")  # fmt: skip
    follows = {name: field["timeline"] for name, field in fields.items()}
    whole = asking.data(list(fields), start, end, follows=follows)
    case = _Case(asking, fields, timelines, whole, (start, end))
    if not any(len(values) for values in whole["data"].values()):
        raise _Breach("data_have_their_shape", f"get_data of all fields in {start!r}, {end!r} holds no sample: there "
                                               "is nothing to try; give the server data first")  # fmt: skip
    strangers = set(whole["timeline"]) - set(timelines)
    if strangers:
        raise _Breach("data_have_their_shape", f"get_data answers with the timelines {sorted(strangers)}, which "
                                               "get_fields does not list")  # fmt: skip
    return case


def _only_asked_fields(case: _Case) -> Iterator[str]:
    """Answer the fields that were asked, and no others."""
    names = list(case.fields)[:1]
    raw = case.asking.raw_data(names, 1.0, 0.0)
    if raw is not False and set(raw["data"]) != set(names):
        yield f"get_data({names}) must answer that field alone, not {sorted(raw['data'])}"


def _unknown_field(case: _Case) -> Iterator[str]:
    """An unknown field is an empty stream, and no error."""
    known, _, _, _ = next(case.stretches())
    try:
        reply = case.data([_NO_SUCH_FIELD, known[0]], 1.0, 0.0)
    except _Breach as breach:
        yield f"a field that does not exist must be answered by an empty list beside the others; {breach}"
        return
    if len(reply["data"][_NO_SUCH_FIELD]):
        yield "a field that does not exist must be answered by an empty list"
    elif not len(reply["data"][known[0]]):
        yield f"a field that does not exist must leave the others their data; {known[0]!r} has none"


def _timeline_with_data(case: _Case) -> Iterator[str]:
    """A reply holds a timeline only where a field of it has data."""
    replies = {"all fields": case.whole, "an unknown field": case.data([_NO_SUCH_FIELD], 1.0, 0.0),
               "no field": case.data([], 1.0, 0.0)}  # fmt: skip
    for asked, reply in replies.items():
        for timeline in reply["timeline"]:
            if not any(len(values) for name, values in reply["data"].items() if case.follows.get(name) == timeline):
                yield f"get_data of {asked} must leave out the timeline {timeline!r}, as no field of it has data there"


def _half_open(case: _Case) -> Iterator[str]:
    """A range is [start, end): it has the sample at its start and not the one at its end."""
    for names, t, first, last in case.stretches():
        if first == last:
            continue
        reply = case.data(names, float(t[first]), float(t[last]))
        got = _stamps(reply, case.follows[names[0]])
        for holds, wish in (
            (got.size > 0 and got[0] == t[first], f"must begin with the sample at its start, {t[first]!r}"),
            (not np.any(got == t[last]), f"must not hold the sample at its end, {t[last]!r}: a range is half-open"),
            (np.array_equal(got, t[first:last]), f"must hold {last - first} samples, and holds {got.size}"),
        ):
            if not holds:
                yield f"get_data({names[:1]}, {float(t[first])!r}, {float(t[last])!r}) {wish}"
        for name in names:
            if list(reply["data"][name]) not in (list(case.whole["data"][name][first:last]), []):
                yield f"field {name!r} has other values in a part of the range than in the whole of it"


def _empty_range(case: _Case) -> Iterator[str]:
    """Between two samples there is nothing: every array is empty."""
    for names, t, first, _ in case.stretches():
        for start, end, where in ((t[first], t[first], "of no length"), (t[-1] + 1e6, t[-1] + 2e6, "after all data")):
            reply = case.data(names, float(start), float(end))
            if any(len(values) for values in reply["data"].values()) or reply["timeline"]:
                yield f"a range {where}, {float(start)!r} to {float(end)!r}, must be answered by empty lists only"


def _relative_times(case: _Case) -> Iterator[str]:
    """A time of zero or below is so many seconds before now."""
    for names, t, first, last in case.stretches():
        if last - first < 2:
            continue
        # Between samples, so that what passes on the clock meanwhile makes no difference.
        begin, end = float(t[first] + t[first + 1]) / 2, float(t[last - 1] + t[last]) / 2
        due, now = _stamps(case.data(names, begin, end), case.follows[names[0]]), case.asking.clock()
        if end >= now:
            continue
        got = _stamps(case.data(names, begin - now, end - now), case.follows[names[0]])
        if not np.array_equal(due, got):
            yield (f"the range from {now - begin:.6g} s to {now - end:.6g} s before now, given as negative times, must "
                   f"hold the {due.size} samples of the same range in UNIX times, and holds {got.size}")  # fmt: skip


def _listed(case: _Case) -> Iterator[str]:
    """get_fields lists every field with a sample in the range."""
    for names, t, first, last in case.stretches():
        listed, _ = case.asking.fields(float(t[first]), float(t[last]) + 1e-3)
        for name in names:
            values = case.whole["data"][name][first : last + 1]
            if name not in listed and any(value is not None for value in values):
                yield f"get_fields({float(t[first])!r}, ..) must list {name!r}, which has samples there"


def _min_stride(case: _Case) -> Iterator[str]:
    """min_stride keeps points at least so far apart, without losing all of them."""
    for names, t, stride in _strides(case):
        got = _stamps(case.data(names, float(t[0]), float(t[-1]) + 1e-3, stride), case.follows[names[0]])
        if not got.size:
            yield f"min_stride={stride:g} must thin {names[0]!r}, and leaves nothing of it"
        elif np.any(np.diff(got) < stride * (1 - 1e-6)):
            yield (f"min_stride={stride:g} must keep points of {names[0]!r} at least so many seconds apart; "
                   f"some are {np.min(np.diff(got)):g} s")  # fmt: skip
        elif got[0] < t[0] or got[-1] > t[-1] + 1e-3:
            yield f"min_stride={stride:g} must keep the points of {names[0]!r} within the range that was asked"


def _extremes(case: _Case) -> Iterator[str]:
    """Thinning keeps the least and the greatest value of a field, be it one sample."""
    for names, t, stride in _strides(case):
        reply = case.data(names, float(t[0]), float(t[-1]) + 1e-3, stride)
        for name in (name for name in names if case.fields[name]["type"] == "number"):
            due, got = _numbers(case.whole["data"][name]), _numbers(reply["data"][name])
            if due.size and (not got.size or got.min() != due.min() or got.max() != due.max()):
                yield (f"min_stride={stride:g} must keep the extremes of {name!r}, {due.min():g} and {due.max():g}; "
                       "see sisock.thinning.envelope")  # fmt: skip


def _operators(case: _Case) -> Iterator[str]:
    """Each operator that the server offers makes of the samples of each cell what its name says."""
    for operator in sorted(case.asking.operators):
        if operator not in OPERATORS:
            yield f"operators are of {', '.join(OPERATORS)}, not {operator!r}"
            continue
        for names, t, stride in _strides(case):
            end = float(t[-1]) + 1e-3
            reply = case.data(names, float(t[0]), end, stride, operator)
            stamps = _stamps(reply, case.follows[names[0]])
            asked = f"get_data of {names[0]!r} with min_stride={stride:g} and operator={operator!r}"
            # The first cell may be cut by the range, and then its stamp lies closer to the next.
            if not stamps.size or stamps[0] < t[0] or stamps[-1] >= end or np.any(
                np.diff(stamps)[1:] < stride * (1 - 1e-6)
            ):  # fmt: skip
                yield f"{asked} must have stamps in the range that was asked, at least so many seconds apart"
            for name in (name for name in names if case.fields[name]["type"] == "number"):
                due, got = _numbers(case.whole["data"][name]), _numbers(reply["data"][name])
                if due.size and not _is_made_of(operator, due, got):
                    yield f"{asked} does not make of {name!r} what it should; see sisock.base.DataNodeServer.get_data"


def _is_made_of(operator: str, due: NDArray[np.float64], got: NDArray[np.float64]) -> bool:
    if not got.size:
        return False
    match operator:
        case "count" | "sum":
            whole = due.size if operator == "count" else due.sum()
            return bool(np.isclose(got.sum(), whole, rtol=1e-9, atol=1e-9 * np.abs(due).sum()))
        case "min" | "first":
            return bool(got.min() == due.min()) if operator == "min" else bool(got[0] == due[0])
        case "max" | "last":
            return bool(got.max() == due.max()) if operator == "max" else bool(got[-1] == due[-1])
    slack = 1e-9 * np.abs(due).max()
    return bool(got.min() >= due.min() - slack and got.max() <= due.max() + slack)


def _packed(case: _Case) -> Iterator[str]:
    """What is answered is the same when it travels as bytes."""
    start, end = case.range
    raw = case.asking.raw_data(list(case.fields), start, end)
    bytewise = unpack(pack(check_data(raw, case.fields, case.follows, arrays=True)))
    if check_data(bytewise, case.fields, case.follows) != check_data(raw, case.fields, case.follows):
        yield "the answer to get_data is another one when its arrays travel as bytes; answer float64, int64 or bool"


def _finalized_until(case: _Case) -> Iterator[str]:
    """Samples before finalized_until are the same when they are asked again."""
    for names, t, first, _ in case.stretches():
        timeline = case.follows[names[0]]
        until = case.whole["timeline"][timeline]["finalized_until"]
        if until is not None and until < t[0] - 1e9:
            yield f"finalized_until of {timeline!r} is a UNIX time, not {until!r}"
        begin, end = float(t[first]), float(t[-1]) + 1e-3 if until is None else until
        before, after = (case.data(names, begin, end) for _ in range(2))
        if end > begin and before["data"] != after["data"]:
            yield f"samples of {timeline!r} before {until} are final, but differ when they are asked twice"


def _types(case: _Case) -> Iterator[str]:
    """Values are of the type that get_fields says, or None."""
    kinds = {"number": (int, float), "string": (str,), "bool": (bool,)}
    for name, values in case.whole["data"].items():
        said = case.fields[name]["type"]
        strange = [value for value in values if value is not None and type(value) not in kinds[said]]
        if strange:
            yield f"field {name!r} is said to be a {said}, but holds {strange[0]!r:.40}"


def _json(case: _Case) -> Iterator[str]:
    """Whatever is answered is JSON: no NaN, no infinity."""
    for what, reply in (("get_fields", (case.fields, case.timelines)), ("get_data", case.whole)):
        try:
            json.dumps(reply, allow_nan=False)
        except (TypeError, ValueError) as error:
            yield f"the answer to {what} must be JSON: {error}"


_Rule = Callable[[_Case], Iterator[str]]
_RULES: tuple[_Rule, ...] = (
    _only_asked_fields,
    _unknown_field,
    _timeline_with_data,
    _half_open,
    _empty_range,
    _relative_times,
    _listed,
    _min_stride,
    _extremes,
    _operators,
    _packed,
    _finalized_until,
    _types,
    _json,
)


def _stamps(reply: DataReply, timeline: str) -> NDArray[np.float64]:
    content = reply["timeline"].get(timeline)
    return np.asarray(content["t"] if content else [], dtype=float)


def _numbers(values: Sequence[Any]) -> NDArray[np.float64]:
    return np.array([value for value in values if isinstance(value, int | float)], dtype=float)


def _strides(case: _Case) -> Iterator[tuple[list[str], NDArray[np.float64], float]]:
    for names, t, _, _ in case.stretches():
        if t.size > 2:
            for part in (2.5, 7.0):
                yield names, t, float(t[-1] - t[0]) / (t.size - 1) * part
