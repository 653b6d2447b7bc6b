"""What a function takes, as Grafana's editor is told, and the arguments of a call held against it."""

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.bridge.graphite.durations import read_duration
from services.bridge.graphite.expression import Expression, Invocation, Path
from services.bridge.graphite.lines import Line
from services.bridge.refusal import Refused, unreadable

OPERATORS = {
    "envelope": None, "average": "mean", "avg": "mean", "mean": "mean", "min": "min", "max": "max", "sum": "sum",
    "first": "first", "last": "last", "current": "last", "count": "count",
}  # fmt: skip
"""Graphite's names for what can be made of the samples of a place, and the planner's."""


@dataclass(frozen=True)
class Parameter:
    """One argument of a function, in Graphite's own words.

    `kind` is ``seriesList``, ``seriesLists`` (any number of them), ``float``, ``integer``, ``node``, ``string``,
    ``interval``, ``intOrInterval`` or ``aggFunc``.
    """

    name: str
    kind: str
    default: object = None
    required: bool = True
    suggestions: tuple[object, ...] = ()

    @property
    def several(self) -> bool:
        """Whether it takes all arguments that are left."""
        return self.kind in ("seriesLists", "node")

    @property
    def is_series(self) -> bool:
        """Whether it takes series."""
        return self.kind.startswith("series")


@dataclass(frozen=True)
class Function:
    """A function that may stand in a target.

    Attributes
    ----------
    name, group, description
        As Grafana's editor shows them.
    parameters
        What it takes.
    make
        Is called with the window and the arguments by name; gives the series.
    operator
        What is made of the samples of each place below it; "" leaves that to whoever stands around it.
    joins
        Whether it makes one series of several, so that none of them may be left out.
    looks_back
        Name of the argument that says how much of the time before the range it needs; empty for none.
    regroups
        Names of the arguments that say how long its points are to be and what is made of the samples of each; empty
        when it leaves them as they are.
    """

    name: str
    group: str
    description: str
    parameters: tuple[Parameter, ...]
    make: Callable[..., list[Line]]
    operator: str | None = ""
    joins: bool = False
    looks_back: str = ""
    regroups: tuple[str, str] | tuple[()] = ()


def described(function: Function) -> dict[str, Any]:
    """What ``/functions`` says of a function."""
    shown = [
        {"name": each.name, "type": each.kind, "required": each.required}
        | ({"multiple": True} if each.several else {})
        | ({} if each.default is None else {"default": each.default})
        | ({"options": list(OPERATORS)} if each.kind == "aggFunc" else {})
        | ({"suggestions": list(each.suggestions)} if each.suggestions else {})
        for each in function.parameters
    ]
    signature = ", ".join(f"*{each.name}" if each.several else each.name for each in function.parameters)
    return {
        "name": function.name,
        "function": f"{function.name}({signature})",
        "description": function.description,
        "module": "sisock",
        "group": function.group,
        "params": shown,
    }


def find(name: str, functions: Mapping[str, Function]) -> Function:
    """Find a function by its name.

    Raises
    ------
    Refused
        There is none; the sentence names it, and the likeliest.
    """
    if name in functions:
        return functions[name]
    alike = difflib.get_close_matches(name, functions, 1)
    hint = f"did you mean {alike[0]!r}?" if alike else f"{', '.join(functions)} are known"
    raise Refused(400, "unknown_function", f"there is no function {name[:80]!r}; {hint}")


def bind(call: Invocation, function: Function) -> tuple[list[Expression], dict[str, Any]]:
    """Hold the arguments of a call against what its function takes.

    Returns
    -------
    The expressions of its series, and its other arguments by name, each of the kind that is due.

    Raises
    ------
    Refused
        An argument is missing, unknown, or of another kind.
    """
    due = list(call.arguments)
    named = dict(call.named)
    series: list[Expression] = []
    others: dict[str, Any] = {}
    for each in function.parameters:
        given: Sequence[Expression]
        if each.several:
            given, due = due, []
        else:
            given, due = due[:1], due[1:]
        if each.name in named:
            if given:
                raise unreadable(f"{function.name}: {each.name!r} is given twice")
            given = [named.pop(each.name)]
        if not given and each.required:
            raise unreadable(f"{function.name}: {each.name!r} is missing; write {described(function)['function']}")
        if each.is_series:
            for one in given:
                if not isinstance(one, Path | Invocation):
                    raise unreadable(f"{function.name}: {each.name!r} is {one!r}; give a path or a call")
            series += given
        elif each.several:
            others[each.name] = [_read(function, each, one) for one in given]
        else:
            others[each.name] = _read(function, each, given[0]) if given else each.default
    if due or named:
        extra = ", ".join([*named, *(repr(one)[:40] for one in due)])
        raise unreadable(f"{function.name} does not take {extra}; write {described(function)['function']}")
    return series, others


def _read(function: Function, parameter: Parameter, given: Expression) -> Any:
    kinds: dict[str, Callable[[Expression], Any]] = {
        "float": _float, "integer": _integer, "node": _integer, "string": _text,
        "interval": _interval, "intOrInterval": _integer_or_interval, "aggFunc": _operator,
    }  # fmt: skip
    try:
        return kinds[parameter.kind](given)
    except TypeError:
        shown = given.text if isinstance(given, Path) else given
        problem = f"{function.name}: {parameter.name!r} is {shown!r:.80}"
        raise unreadable(f"{problem}; give {_DUE[parameter.kind]}") from None


_DUE = {
    "float": "a number", "integer": "a whole number", "node": "a whole number: 0 for the first level",
    "string": "a text in quotes", "interval": "a duration in quotes, such as '5min'",
    "intOrInterval": "a number of points, above 0, or a duration in quotes, such as '5min'",
    "aggFunc": f"one of {', '.join(OPERATORS)} in quotes",
}  # fmt: skip


def _float(given: Expression) -> float:
    if isinstance(given, bool) or not isinstance(given, float) or not math.isfinite(given):
        raise TypeError
    return given


def _integer(given: Expression) -> int:
    number = _float(given)
    if not number.is_integer() or abs(number) > 2**31:
        raise TypeError
    return int(number)


def _text(given: Expression) -> str:
    if not isinstance(given, str):
        raise TypeError
    return given


def _interval(given: Expression) -> float:
    return read_duration(_text(given))


def _integer_or_interval(given: Expression) -> int | float:
    if isinstance(given, str):
        return read_duration(given)
    points = _integer(given)
    if points < 1:
        raise TypeError
    return points


def _operator(given: Expression) -> str:
    name = _text(given)
    if name not in OPERATORS:
        raise TypeError
    return name
