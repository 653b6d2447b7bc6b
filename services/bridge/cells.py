"""Operators over a seam: one value of a cell of time whose samples lie in two data servers."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.bridge.reading import Window
from services.bridge.seam import Course, Part, as_array, joined
from services.bridge.streams import Missing, Outcome, Stream
from sisock.shapes import Column, plain
from sisock.thinning import aggregate

_CLOSE = 1e-5
"""Seconds by which two lengths of a cell may differ that mean the same."""

_ROUNDING = 1e-6
"""Stamps of today, as double precision, are true to a quarter of a microsecond."""

_FOLD: Mapping[str, Callable[[Any, Any], Any]] = {
    "sum": lambda earlier, later: earlier + later,
    "count": lambda earlier, later: earlier + later,
    "min": min,
    "max": max,
    "first": lambda earlier, _later: earlier,
    "last": lambda _earlier, later: later,
}


class Seam(NamedTuple):
    """Where an archive ends.

    Attributes
    ----------
    edge
        Begin of the cell of time that holds its newest sample, UNIX seconds; perhaps before the range.
    begin
        From when on the next server has samples, UNIX seconds.
    cell
        Seconds of a cell.
    """

    edge: float
    begin: float
    cell: float


def seam_of(course: Course, whole: Stream, window: Window) -> Seam | None:
    """The seam after the newest sample of the archive; none when it has no sample, or no other server is to go on.

    Cells are those of the archive, which may make them longer than was asked.
    """
    if not (course.open and course.parts and course.parts[0].t.size):
        return None
    t = np.asarray(whole.t, dtype=np.float64)
    begun = t[t <= course.begin]
    steps = np.diff(t[1:])  # The range may have cut the first cell.
    cell = _length(float(steps.min()), window.stride) if steps.size else window.stride
    edge = float(begun[-1]) if begun.size > 1 else math.floor(window.start / cell) * cell
    return Seam(edge, course.begin, cell)


def _length(step: float, asked: float) -> float:
    """Length of a cell from the least step between two: where cells are empty, that is a multiple of what was asked.

    Stamps are rounded, which over thousands of cells would add up, so that a length near whole seconds is taken as
    such.
    """
    if abs(step - round(step / asked) * asked) < _CLOSE:
        return asked
    return float(round(step)) if abs(step - round(step)) < _CLOSE else step


def ingredients(operator: str) -> tuple[str, ...]:
    """What to ask of the samples on both sides of a seam, to make one value of them."""
    return ("sum", "count") if operator == "mean" else (operator,)


def operated(
    operator: str,
    course: Course,
    whole: Outcome | None,
    seam: Seam | None,
    sides: Mapping[str, Outcome],
    window: Window,
) -> Outcome:
    """What an operator makes of a field that may have a seam.

    Parameters
    ----------
    operator
        One of `sisock.shapes.OPERATORS`.
    course
        The newest sample of the archive, and the samples of others after it.
    whole
        What the archive makes of the whole range; none when it did not answer, or has no such field.
    seam
        Where the archive ends.
    sides
        What the archive makes of its samples in the seam's cell: each of `ingredients`.
    window
        The range, and the length of a cell that was asked.
    """
    made: Stream | None = whole if isinstance(whole, Stream) else None
    others = course.parts[1:] if made else course.parts
    live = joined(others, 0.0) if others else None
    notices = list(course.notices)
    failed = next((side for side in sides.values() if isinstance(side, Missing)), None)
    seam = seam or Seam(math.floor(window.start / window.stride) * window.stride, window.start, window.stride)
    if live is not None and live.t.size:
        if failed is None:
            earlier = {name: side for name, side in sides.items() if isinstance(side, Stream)}
            made = _folded(operator, made, earlier, live, seam, window.start)
        else:
            notices.append(("warning", f"the samples after the archive's newest are not shown: {failed.why}"))
    if made is None:
        return course.missing()
    until = course.finalized_until
    if until is not None:  # A cell is final when its last sample is.
        until = min(until, seam.edge + math.floor((until - seam.edge) / seam.cell) * seam.cell)
    return replace(made, operator=operator, finalized_until=until, notices=tuple(notices))


def _folded(
    operator: str, whole: Stream | None, earlier: Mapping[str, Stream], live: Part, seam: Seam, start: float
) -> Stream:
    """Put what the archive made before the seam's cell, and one value of each cell from there on."""
    cells = {each: _cells(each, earlier.get(each), live, seam) for each in ingredients(operator)}
    places = sorted(set().union(*cells.values()))
    if operator == "mean":
        sums, counts = cells["sum"], cells["count"]
        values = [sums[place] / counts[place] if counts.get(place) else None for place in places]
    else:
        values = [cells[operator][place] for place in places]
    stamps = [max(seam.edge + place * seam.cell, start) for place in places]
    if whole is not None:
        before = int(np.count_nonzero(np.asarray(whole.t, dtype=np.float64) < seam.edge))
        stamps = [*plain(whole.t)[:before], *stamps]
        values = [*plain(whole.values)[:before], *values]
    return replace(whole or live.stream, t=np.array(stamps), values=as_array(values))


def _cells(ingredient: str, earlier: Stream | None, live: Part, seam: Seam) -> dict[float, Any]:
    """Value of each cell, by its place from the seam's edge on."""
    places, values = aggregate(_places(live.t, seam), {"": live.values}, 1.0, ingredient, -np.inf)
    sides: list[tuple[Column, Column]] = [(places, values[""])]
    if earlier is not None:
        # An archive may have cells of its own, and each counts where it begins.
        sides.insert(0, (_places(earlier.t, seam), earlier.values))
    made: dict[float, Any] = {}
    for where, column in sides:
        for place, value in zip(plain(where), plain(column), strict=True):
            known = made.get(place)
            made[place] = value if known is None else known if value is None else _FOLD[ingredient](known, value)
    return made


def _places(t: Column, seam: Seam) -> NDArray[np.float64]:
    return np.floor((np.asarray(t, dtype=np.float64) - seam.edge + _ROUNDING) / seam.cell)
