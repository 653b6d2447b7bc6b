"""Samples as they are drawn: in the range, in order, not more than asked, and gaps shown as gaps."""

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.bridge.reading import Window
from services.bridge.streams import Stream
from sisock.shapes import Column, FieldType
from sisock.thinning import envelope

GAP = 3.0
"""Samples further apart than so many times the usual have a gap between them."""
_EXACT = 2.0**53
_MAKE_NUMBERS = {"mean", "count", "sum"}
"""Operators whose result is a number whatever the samples are."""
_TOLERANCE = 1e-6


class Stamps:
    """Times, ascending and unique, and what follows from them, which series that share them work out once.

    Attributes
    ----------
    t
        Shape (n,), UNIX seconds.
    """

    def __init__(self, t: NDArray[np.float64]) -> None:
        self.t = t

    @cached_property
    def steps(self) -> NDArray[np.float64]:
        """Seconds from each to the next, shape (n - 1,)."""
        return self.t[1:] - self.t[:-1]

    @cached_property
    def least(self) -> float:
        """The shortest step; infinite without any."""
        return float(self.steps.min(initial=np.inf))

    @cached_property
    def longest(self) -> float:
        """The longest step; 0 without any."""
        return float(self.steps.max(initial=0.0))

    @cached_property
    def median(self) -> float:
        """The step that half of them do not exceed; 0 without any."""
        middle = (self.steps.size - 1) // 2
        return float(np.partition(self.steps, middle)[middle]) if self.steps.size else 0.0

    @cached_property
    def milliseconds(self) -> NDArray[np.float64]:
        """UNIX milliseconds to the microsecond, which is what a double of this size tells apart."""
        return np.round(self.t * 1e3, 3)

    @cached_property
    def written_milliseconds(self) -> bytes:
        """The same for `services.bridge.encoders.written`."""
        return self.milliseconds.tobytes()


@dataclass(frozen=True)
class Series:
    """One series.

    Attributes
    ----------
    type
        What the values are.
    stamps
        n of them.
    values
        Shape (n,): float64 for numbers and booleans (NaN where there is none), else objects.
    notices
        What the person should be told, as (severity, sentence).
    """

    type: FieldType
    stamps: Stamps
    values: NDArray[Any]
    notices: list[tuple[str, str]] = field(default_factory=list)

    @property
    def t(self) -> NDArray[np.float64]:
        """The stamps, shape (n,), UNIX seconds, ascending and unique."""
        return self.stamps.t

    def plain(self) -> list[Any]:
        """Values as a table shows them: booleans as such, None where there is no value."""
        if self.type == "bool":
            return [None if np.isnan(value) else bool(value) for value in self.values]
        values: list[Any] = self.values.tolist()
        return values


class Drawing:
    """Makes series of the samples of data servers, for one reply: fields of one timeline share what is done to it."""

    def __init__(self) -> None:
        self._placed: dict[tuple[int, Window, bool], _Placed] = {}

    def draw(self, stream: Stream, window: Window) -> Series:
        """Make a series; see `draw`."""
        declared = "number" if stream.operator in _MAKE_NUMBERS else stream.field["type"]
        kind, values, notices = _column(stream.values, declared)
        of_cells = stream.operator is not None
        key = id(stream.t), window, of_cells
        placed = self._placed.get(key)
        if placed is None:
            placed = self._placed[key] = _placed(stream.t, window, of_cells)
        stamps = placed.stamps
        for chosen in placed.chosen:
            values = values[chosen]
        if not of_cells and stamps.least < window.stride - _TOLERANCE:
            t, thinned = envelope(stamps.t, {"": values}, window.stride)
            stamps, values = Stamps(t), thinned[""]
        return Series(kind, stamps, values, notices)


class _Placed(NamedTuple):
    """Stamps as they are drawn, what chooses the values that go with them, and where they were taken from.

    The last keeps what it is called by, its id, from being another's.
    """

    stamps: Stamps
    chosen: list[NDArray[Any]]
    source: Column


def draw(stream: Stream, window: Window) -> Series:
    """Make a series of the samples of a data server.

    A server may ignore the range, the order or the stride, and old ones do; all are enforced here, the last so that
    no extreme is lost. What an operator made is not thinned.
    """
    return Drawing().draw(stream, window)


def holes(series: Series, window: Window, interval: float | None) -> list[tuple[float, float]]:
    """Where samples are more than `GAP` times further apart than usual: UNIX seconds of the samples on both sides.

    `interval` is the usual distance in seconds as the data server says, and not believed when most samples are further
    apart.
    """
    places, _ = _holes(series.stamps, window, interval)
    return list(zip(series.t[places - 1].tolist(), series.t[places].tolist(), strict=True))


def broken(series: Series, window: Window, interval: float | None) -> Series:
    """The same with no value in each hole (see `holes`), so that no line is drawn over it."""
    places, usual = _holes(series.stamps, window, interval)
    if not places.size:
        return series
    nothing: Any = None if series.values.dtype == object else np.nan
    return replace(
        series,
        stamps=Stamps(np.insert(series.t, places, series.t[places - 1] + usual)),
        values=np.insert(series.values, places, nothing),
    )


def within(series: Series, start: float, end: float) -> Series:
    """The samples in [start, end), with the one before and the one after them."""
    first, last = np.searchsorted(series.t, [start, end])
    kept = slice(max(int(first) - 1, 0), int(last) + 1)
    return replace(series, stamps=Stamps(series.t[kept]), values=series.values[kept])


def _placed(source: Column, window: Window, of_cells: bool) -> _Placed:
    t = np.asarray(source, dtype=np.float64)
    chosen: list[NDArray[Any]] = []
    if of_cells:
        # The cell that the range cuts begins, by whatever clock or rounding, at most a cell before it.
        t = np.where((t < window.start) & (t > window.start - window.stride), window.start, t)
    inside = (t >= window.start) & (t < window.end)
    if not inside.all():
        t = t[inside]
        chosen.append(inside)
    stamps = Stamps(t)
    if stamps.least <= 0:
        t, order = np.unique(t, return_index=True)
        chosen.append(order)
        stamps = Stamps(t)
    return _Placed(stamps, chosen, source)


def _holes(stamps: Stamps, window: Window, interval: float | None) -> tuple[NDArray[np.intp], float]:
    """Places of the first sample after each hole, and, where there are any, the usual distance in seconds."""
    usual = max(interval or 0.0, window.stride)
    if stamps.longest <= GAP * usual + _TOLERANCE:
        return np.zeros(0, dtype=np.intp), usual
    usual = max(usual, stamps.median)
    return np.flatnonzero(stamps.steps > GAP * usual + _TOLERANCE) + 1, usual


def _column(values: Column, declared: FieldType) -> tuple[FieldType, NDArray[Any], list[tuple[str, str]]]:
    """Values by what they are; a server of before declares everything a number."""
    array = values if isinstance(values, np.ndarray) else None
    if declared == "string" or (array is None and any(isinstance(value, str) for value in values)):
        column = np.empty(len(values), dtype=object)
        column[:] = values
        return "string", column, []
    numbers = _numbers(values)
    if declared == "bool":
        return "bool", numbers, []
    if (array is None or array.dtype.kind in "iu") and _beyond_exact(values, numbers):
        return "number", numbers, [("info", "integers beyond 2^53 are rounded")]
    return "number", numbers, []


def _numbers(values: Column) -> NDArray[np.float64]:
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except OverflowError:
        numbers = np.array([_float(value) for value in values])
    with np.errstate(over="ignore"):
        finite = math.isfinite(numbers @ numbers)
    if finite:
        return numbers  # As nearly always, which this finds out several times as fast.
    infinite = np.isinf(numbers)
    return np.where(infinite, np.nan, numbers) if infinite.any() else numbers


def _beyond_exact(values: Column, numbers: NDArray[np.float64]) -> bool:
    if not np.any(np.abs(numbers) > _EXACT):
        return False
    return any(isinstance(value, int | np.integer) and abs(int(value)) > _EXACT for value in values)


def _float(value: float | None) -> float:
    try:
        return np.nan if value is None else float(value)
    except OverflowError:
        return np.nan
