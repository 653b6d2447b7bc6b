"""Samples as they are drawn: in the range, in order, not more than asked, and gaps shown as gaps."""

from dataclasses import dataclass, field, replace
from typing import Any

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


@dataclass(frozen=True)
class Series:
    """One series.

    Attributes
    ----------
    type
        What the values are.
    t
        Stamps, shape (n,), UNIX seconds, ascending and unique.
    values
        Shape (n,): float64 for numbers and booleans (NaN where there is none), else objects.
    notices
        What the person should be told, as (severity, sentence).
    """

    type: FieldType
    t: NDArray[np.float64]
    values: NDArray[Any]
    notices: list[tuple[str, str]] = field(default_factory=list)

    def plain(self) -> list[Any]:
        """Values as a table shows them: booleans as such, None where there is no value."""
        if self.type == "bool":
            return [None if np.isnan(value) else bool(value) for value in self.values]
        values: list[Any] = self.values.tolist()
        return values


def draw(stream: Stream, window: Window) -> Series:
    """Make a series of the samples of a data server.

    A server may ignore the range, the order or the stride, and old ones do; all are enforced here, the last so that
    no extreme is lost. What an operator made is not thinned.
    """
    declared = "number" if stream.operator in _MAKE_NUMBERS else stream.field["type"]
    kind, values, notices = _column(stream.values, declared)
    t = np.asarray(stream.t, dtype=np.float64)
    if stream.operator is not None:
        # The cell that the range cuts begins, by whatever clock or rounding, at most a cell before it.
        t = np.where((t < window.start) & (t > window.start - window.stride), window.start, t)
    inside = (t >= window.start) & (t < window.end)
    if not inside.all():
        t, values = t[inside], values[inside]
    least = np.diff(t).min(initial=np.inf)
    if least <= 0:
        t, order = np.unique(t, return_index=True)
        values = values[order]
        least = np.diff(t).min(initial=np.inf)
    if stream.operator is None and least < window.stride - _TOLERANCE:
        t, thinned = envelope(t, {"": values}, window.stride)
        values = thinned[""]
    return Series(kind, t, values, notices)


def holes(series: Series, window: Window, interval: float | None) -> list[tuple[float, float]]:
    """Where samples are more than `GAP` times further apart than usual: UNIX seconds of the samples on both sides.

    `interval` is the usual distance in seconds as the data server says, and not believed when most samples are further
    apart.
    """
    places, _ = _holes(series.t, window, interval)
    return list(zip(series.t[places - 1].tolist(), series.t[places].tolist(), strict=True))


def broken(series: Series, window: Window, interval: float | None) -> Series:
    """The same with no value in each hole (see `holes`), so that no line is drawn over it."""
    places, usual = _holes(series.t, window, interval)
    if not places.size:
        return series
    nothing: Any = None if series.values.dtype == object else np.nan
    return replace(
        series,
        t=np.insert(series.t, places, series.t[places - 1] + usual),
        values=np.insert(series.values, places, nothing),
    )


def datapoints(series: Series) -> NDArray[np.float64]:
    """Pairs of value and UNIX milliseconds, shape (n, 2)."""
    points = np.empty((series.t.size, 2))
    points[:, 0], points[:, 1] = series.values, milliseconds(series.t)
    return points


def within(series: Series, start: float, end: float) -> Series:
    """The samples in [start, end), with the one before and the one after them."""
    first, last = np.searchsorted(series.t, [start, end])
    kept = slice(max(int(first) - 1, 0), int(last) + 1)
    return replace(series, t=series.t[kept], values=series.values[kept])


def milliseconds(t: NDArray[np.float64]) -> NDArray[np.float64]:
    """UNIX milliseconds to the microsecond, which is what a double of this size tells apart."""
    return np.round(t * 1e3, 3)


def _holes(t: NDArray[np.float64], window: Window, interval: float | None) -> tuple[NDArray[np.intp], float]:
    """Places of the first sample after each hole, and the usual distance between samples in seconds."""
    steps = np.diff(t)
    if not steps.size:
        return np.zeros(0, dtype=np.intp), 0.0
    middle = (steps.size - 1) // 2
    usual = max(interval or 0.0, float(np.partition(steps, middle)[middle]), window.stride)
    return np.flatnonzero(steps > GAP * usual + _TOLERANCE) + 1, usual


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
