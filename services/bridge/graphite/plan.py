"""From expressions to what must be asked of the planner, and from its answers to series."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from services.bridge.graphite.calls import OPERATORS, Function, bind, find
from services.bridge.graphite.expression import Expression, Invocation, Path
from services.bridge.graphite.functions import FUNCTIONS
from services.bridge.graphite.lines import Line
from services.bridge.reading import Exact
from services.bridge.refusal import unreadable


class Leaf(NamedTuple):
    """A path, perhaps with globs, and how its samples are needed.

    Attributes
    ----------
    path
        As it stands in the target.
    operator
        What is made of the samples of each point; None for an envelope of them.
    seconds, points
        How much of the time before the range is needed: both together.
    interval
        Seconds of a point; 0 for those of the grid.
    whole
        Whether none of the fields may be left out.
    """

    path: str
    operator: str | None = None
    seconds: float = 0.0
    points: int = 0
    interval: float = 0.0
    whole: bool = False


@dataclass(frozen=True)
class Step:
    """A call whose arguments have been read."""

    function: Function
    inputs: tuple["Plan", ...]
    arguments: dict[str, Any]


Plan = Leaf | Step


def plan(expression: Expression) -> Plan:
    """Find out what a target needs.

    Raises
    ------
    Refused
        It calls an unknown function, or one with other arguments than it takes; or it is a mere number or text.
    """
    if not isinstance(expression, Path | Invocation):
        raise unreadable(f"the target {str(expression)[:80]!r} is no path; write such as weather.*, or function(path)")
    return _plan(expression, Leaf(""), settled=False)


def leaves(made: Plan) -> Iterator[Leaf]:
    """All paths of a plan."""
    if isinstance(made, Leaf):
        yield made
    else:
        for each in made.inputs:
            yield from leaves(each)


def constants(made: Plan) -> int:
    """How many series it makes of no path."""
    if isinstance(made, Leaf):
        return 0
    return sum(map(constants, made.inputs)) if made.inputs else 1


def evaluate(made: Plan, lines: Callable[[Leaf], list[Line]], window: Exact) -> list[Line]:
    """Make the series of a plan, of those of its leaves."""
    if isinstance(made, Leaf):
        return lines(made)
    inputs = [line for each in made.inputs for line in evaluate(each, lines, window)]
    return made.function.make(window, inputs, **made.arguments)


def _plan(expression: Expression, needs: Leaf, *, settled: bool) -> Plan:
    """Plan an expression; `needs` is what stands around it, `settled` whether a person has said the operator."""
    if isinstance(expression, Path):
        return needs._replace(path=expression.text)
    if not isinstance(expression, Invocation):
        raise unreadable(f"{str(expression)[:80]!r} is no path; write such as weather.*")
    function = find(expression.function, FUNCTIONS)
    series, arguments = bind(expression, function)
    below = needs
    if function.name == "consolidateBy":
        below, settled = below._replace(operator=OPERATORS[arguments["consolidationFunc"]]), True
    elif function.operator != "" and not settled:
        below = below._replace(operator=function.operator)
    if function.looks_back:
        back = arguments[function.looks_back]
        below = (
            below._replace(points=below.points + back)
            if isinstance(back, int)
            else below._replace(seconds=below.seconds + back)
        )
    if function.joins:
        below = below._replace(whole=True)
    if function.regroups:
        interval, name = (arguments[each] for each in function.regroups)
        if all(isinstance(each, Path) for each in series):
            below = below._replace(interval=interval, operator=OPERATORS[name])
        elif not settled and name != "count":
            below = below._replace(operator=OPERATORS[name])
    return Step(function, tuple(_plan(each, below, settled=settled) for each in series), arguments)
