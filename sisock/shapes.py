"""What a data server answers, and the check that every answer passes before it leaves.

`get_fields` answers a pair of dictionaries: the fields (`Field`) and the timelines (`Timeline`), each by name.
`get_data` answers a `DataReply`, or `False` when the range holds more than the server sends at once.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from operator import lt
from typing import Any, Literal, NotRequired, TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from sisock.errors import ShapeError

FieldType = Literal["number", "string", "bool"]
_PLAIN_KINDS = {float, int, bool, str, type(None)}
_NO_TIME = "'t' holds something that is no UNIX time"
_LONGEST_REVISION = 1000
_DISORDER = "'t' is not ascending and unique"
FIELD_TYPES: tuple[FieldType, ...] = ("number", "string", "bool")
OPERATORS = ("mean", "min", "max", "first", "last", "count", "sum")
"""What a data server may offer to do with the samples of each cell of time."""

Column = NDArray[Any] | list[Any]
"""Values of one field, or stamps."""


class Field(TypedDict):
    """One field: what it is, the name of the timeline that it follows, the type of its values, and their units."""

    description: str | None
    timeline: str
    type: FieldType
    units: str | None


class Timeline(TypedDict):
    """One timeline: mean seconds between samples (None when aperiodic), and the names of the fields that follow it."""

    interval: float | None
    field: list[str]


class DataTimeline(TypedDict):
    """Stamps of a timeline, UNIX seconds, ascending and unique.

    Samples before `finalized_until` (UNIX seconds) will not change any more; None when none of them will. `fields`
    says which fields of the reply follow the timeline.

    A server whose samples may change after all, as an archive's do when another file turns up, can say more: of the
    time before `settled_until` (UNIX seconds) it answers the same for as long as `revision` holds, which it is asked
    for (`sisock.base.DataNodeServer.holds`). It gives both or none.
    """

    t: Any
    finalized_until: float | None
    fields: NotRequired[list[str]]
    settled_until: NotRequired[float]
    revision: NotRequired[str]


class DataReply(TypedDict):
    """Values by field and stamps by timeline; a field without data is an empty list and needs no timeline."""

    data: dict[str, Any]
    timeline: dict[str, DataTimeline]


FieldsReply = tuple[dict[str, Field], dict[str, Timeline]]


def check_fields(reply: object) -> FieldsReply:
    """Hold an answer to get_fields against the contract.

    Returns
    -------
    The pair (fields, timelines), as plain dictionaries ready for the wire.

    Raises
    ------
    ShapeError
        Naming the field or timeline and what is wrong with it.
    """
    if not isinstance(reply, list | tuple) or len(reply) != 2 or not all(isinstance(part, Mapping) for part in reply):
        raise ShapeError("get_fields", f"a pair of dictionaries (fields, timelines) is due, not {_brief(reply)}")
    fields, timelines = reply
    followers: dict[object, set[str]] = {}
    for name, timeline in timelines.items():
        where = f"get_fields, timeline {name!r}"
        _demand(
            isinstance(timeline, Mapping) and isinstance(timeline.get("field"), list | tuple),
            where,
            "a dictionary with 'interval' and a list 'field' is due",
        )
        interval = timeline.get("interval")
        _demand(interval is None or _is_number(interval), where, f"'interval' is seconds or None, not {interval!r}")
        _demand(_are_names(timeline["field"]), where, "'field' is a list of names")
        followers[name] = set(timeline["field"])
        for stranger in followers[name] - fields.keys():
            raise ShapeError(where, f"lists the field {stranger!r}, which is not among the fields")
    for name, field in fields.items():
        where = f"get_fields, field {name!r}"
        _demand(isinstance(name, str) and bool(name), where, "a name is a string of at least one character")
        _demand(isinstance(field, Mapping), where, "a dictionary is due")
        _demand(
            field.get("type") in FIELD_TYPES,
            where,
            f"'type' is one of {', '.join(FIELD_TYPES)}, not {field.get('type')!r}",
        )
        for key in ("description", "units"):
            _demand(field.get(key) is None or isinstance(field[key], str), where, f"'{key}' is a string or None")
        _demand(
            isinstance(field.get("timeline"), str), where, f"'timeline' is a name, not {field.get('timeline')!r:.80}"
        )
        _demand(
            field["timeline"] in followers, where, f"follows the timeline {field['timeline']!r}, which is not listed"
        )
        _demand(
            name in followers[field["timeline"]], where, f"is missing in 'field' of its timeline {field['timeline']!r}"
        )
    return (
        {
            name: Field(description=f.get("description"), timeline=f["timeline"], type=f["type"], units=f.get("units"))
            for name, f in fields.items()
        },
        {
            name: Timeline(interval=None if t.get("interval") is None else float(t["interval"]), field=list(t["field"]))
            for name, t in timelines.items()
        },
    )


def check_data(
    reply: object,
    requested: Iterable[str],
    known_timelines: Mapping[str, str] | None = None,
    *,
    ordered: bool = True,
    arrays: bool = False,
) -> DataReply | Literal[False]:
    """Hold an answer to get_data against the contract.

    Parameters
    ----------
    reply
        What the server made: arrays or lists, or `False` for "too much".
    requested
        The fields that were asked.
    known_timelines
        Field -> timeline, where get_fields has said so; a timeline's own `fields` goes before it.
    ordered
        Whether stamps must ascend. Servers of others are heard without; their reader puts them in order.
    arrays
        Whether arrays of numbers and booleans may stay arrays, for a reader that can use them.

    Returns
    -------
    The reply with plain lists, ready for the wire: a number that is NaN or infinite is None. With `arrays`, columns
    are as `column` makes them.

    Raises
    ------
    ShapeError
        Naming the field or timeline and what is wrong with it.
    """
    if reply is False:
        return False
    if not isinstance(reply, Mapping) or not all(isinstance(reply.get(k), Mapping) for k in ("data", "timeline")):
        raise ShapeError("get_data", f"a dictionary of 'data' and 'timeline' (or False) is due, not {_brief(reply)}")
    shaped: Callable[..., Column] = column if arrays else plain
    follows = dict(known_timelines or {})
    timelines: dict[str, DataTimeline] = {}
    for name, timeline in reply["timeline"].items():
        where = f"get_data, timeline {name!r}"
        _demand(isinstance(timeline, Mapping) and "t" in timeline, where, "a dictionary with 't' is due")
        until = timeline.get("finalized_until")
        _demand(until is None or _is_number(until), where, f"'finalized_until' is UNIX seconds or None, not {until!r}")
        timelines[name] = DataTimeline(
            t=_stamps(timeline["t"], where, ordered, shaped), finalized_until=None if until is None else float(until)
        )
        if "fields" in timeline:
            named = timeline["fields"]
            _demand(isinstance(named, list | tuple) and _are_names(named), where, "'fields' is a list of names")
            timelines[name]["fields"] = list(timeline["fields"])
            follows.update(dict.fromkeys(timeline["fields"], name))
        if "revision" in timeline:
            revision, settled = timeline["revision"], timeline.get("settled_until")
            _demand(
                isinstance(revision, str) and len(revision) <= _LONGEST_REVISION,
                where,
                f"'revision' is a string of at most {_LONGEST_REVISION} characters, not {revision!r:.80}",
            )
            _demand(_is_number(settled), where, f"with 'revision' goes 'settled_until', UNIX seconds, not {settled!r}")
            timelines[name] |= {"revision": revision, "settled_until": float(settled)}
    lengths = {len(timeline["t"]) for timeline in timelines.values()}
    data = {}
    for name in requested:
        where = f"get_data, field {name!r}"
        _demand(name in reply["data"], where, "was asked and is missing; a field without data is an empty list")
        values = data[name] = shaped(reply["data"][name], where)
        if not len(values):
            continue
        due = {len(timelines[follows[name]]["t"])} if follows.get(name) in timelines else lengths
        _demand(
            len(values) in due,
            where,
            f"has {len(values)} values, but its timeline has {' or '.join(map(str, sorted(due))) or 'no'} stamps",
        )
    return DataReply(data=data, timeline=timelines)


def column(values: object, where: str = "values") -> Column:
    """Values as an array of float64 (NaN for none), integers or booleans where they came as one, else as `plain` does.

    Raises
    ------
    ShapeError
        As `plain`.
    """
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiub" or values.ndim != 1:
        return plain(values, where)
    if values.dtype.kind != "f":
        return values
    numbers = values.astype(np.float64, copy=False)
    infinite = np.isinf(numbers)
    return np.where(infinite, np.nan, numbers) if infinite.any() else numbers


def plain(values: object, where: str = "values") -> list[Any]:
    """Values as a plain list of numbers, strings, booleans or None; NaN and infinities become None.

    Raises
    ------
    ShapeError
        They are not a sequence of one dimension, or hold something else.
    """
    if isinstance(values, np.ndarray):
        _demand(values.ndim == 1, where, f"one dimension is due, not the shape {values.shape}")
        _demand(values.dtype.kind in "fiubUO", where, f"numbers, strings or booleans are due, not {values.dtype}")
        listed: list[Any] = values.tolist()
    elif isinstance(values, list | tuple):
        listed = list(values)
    else:
        raise ShapeError(where, f"a list or an array is due, not {_brief(values)}")
    # Replies of ten thousands of numbers are the rule, so the kinds are looked at all at once.
    kinds = set(map(type, listed))
    if not kinds <= _PLAIN_KINDS:
        return [_plain_one(value, where) for value in listed]
    if kinds == {float} and math.isfinite(sum(listed)):
        return listed
    if float in kinds:
        return [None if isinstance(value, float) and not math.isfinite(value) else value for value in listed]
    return listed


def _plain_one(value: object, where: str) -> object:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    _demand(
        value is None or isinstance(value, int | str | bool),
        where,
        f"numbers, strings, booleans or None are due, not {_brief(value)}",
    )
    return value


def _stamps(t: object, where: str, ordered: bool, shaped: Callable[..., Column]) -> Column:
    if isinstance(t, np.ndarray) and t.ndim == 1 and t.dtype.kind in "fiu":
        _demand(bool(np.isfinite(t).all()), where, _NO_TIME)
        _demand(not ordered or bool((t[1:] > t[:-1]).all()), where, _DISORDER)
        return shaped(t, where)
    listed = plain(t, where)
    _demand(set(map(type, listed)) <= {float, int}, where, _NO_TIME)
    _demand(not ordered or all(map(lt, listed, listed[1:])), where, _DISORDER)
    return listed


def _is_number(value: object) -> bool:
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    return number and math.isfinite(cast(float, value))


def _are_names(names: Iterable[object]) -> bool:
    return all(isinstance(name, str) for name in names)


def _brief(value: object) -> str:
    return f"{type(value).__name__} of {len(value)}" if isinstance(value, Collection) else repr(value)[:80]


def _demand(holds: bool, where: str, problem: str) -> None:
    if not holds:
        raise ShapeError(where, problem)
