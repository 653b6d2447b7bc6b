"""Series as Graphite's clients expect them: one value, or null, for each place of an even grid of time."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from services.bridge.reading import EARLIEST, Exact, round_stride
from services.bridge.series import GAP, Series, Stamps, draw
from services.bridge.streams import Missing, Outcome, Stream
from sisock.thinning import aggregate

_BRIEF = 60.0
"""Ranges shorter than so many seconds may have points less than a second apart.

Grafana's backend, which evaluates alerts, drops fractions of a second from stamps; its browser part keeps them.
"""
_TOLERANCE = 1e-6
_ADDED_UP = {"count": "sum", "sum": "sum"}
"""Operators whose value of two cells together is a sum; where they have no sample, nothing is repeated."""


@dataclass(frozen=True)
class Line:
    """A series on an even grid.

    Attributes
    ----------
    name
        As the client sees it.
    path
        Of the field, or of the first of several.
    first
        Number of the first place, counted from the UNIX epoch.
    step
        Seconds from place to place, each of which begins at its number times the step.
    values
        Shape (n,), float64, NaN for none.
    notices
        What the person should be told.
    failure
        Why there are no values, when something is wrong.
    """

    name: str
    path: str
    first: int
    step: float
    values: NDArray[np.float64]
    notices: tuple[str, ...] = ()
    failure: str | None = None

    def named(self, name: str) -> "Line":
        """The same under another name."""
        return replace(self, name=name)

    def told(self, sentences: Iterable[str]) -> "Line":
        """The same with more notices."""
        return replace(self, notices=(*self.notices, *sentences))

    def stamps(self) -> NDArray[np.float64]:
        """UNIX seconds of the places, shape (n,)."""
        return np.round((self.first + np.arange(self.values.size)) * self.step, 6)

    def within(self, start: float, end: float) -> "Line":
        """The places that [start, end) touches."""
        first, last = place_of(start, self.step), math.ceil((end - _TOLERANCE) / self.step)
        first = max(first, self.first)
        return replace(self, first=first, values=self.values[first - self.first : max(last - self.first, 0)])


def place_of(t: float, step: float) -> int:
    """Number of the place in which a time lies."""
    return math.floor((t + _TOLERANCE) / step)


def grid(start: float, end: float, points: int) -> Exact:
    """Choose a grid of at most so many places, but two at least, that covers [start, end): round and on the epoch."""
    step = round_stride((end - start) / max(points - 1, 1))
    if end - start >= _BRIEF:
        step = max(step, 1.0)
    return even(start, end, step)


def even(start: float, end: float, step: float) -> Exact:
    """The window of all places that [start, end) touches."""
    begin = max(place_of(start, step) * step, EARLIEST)
    return Exact(begin, max(math.ceil((end - _TOLERANCE) / step) * step, begin), interval=step)


def line(name: str, path: str, outcome: Outcome, window: Exact, operator: str | None) -> Line | None:
    """Put samples on a grid: that of the window, or one as much coarser as the samples are; None for text.

    A place between two samples that belong together, so that the distance is no gap, repeats the earlier of them.
    """
    if isinstance(outcome, Missing):
        return nothing(name, path, window, None if outcome.severity == "info" else outcome.why)
    series = draw(outcome, window)
    if series.type == "string" or (outcome.field["type"] == "string" and operator != "count"):
        return None
    notices = tuple(sentence for _, sentence in (*outcome.notices, *series.notices))
    usual = _usual(series.t, outcome.interval, window.interval)
    step = _step(usual, window.interval)
    if np.diff(series.t).min(initial=math.inf) < step - _TOLERANCE:
        series = _coarser(series, outcome, window, step, operator)
    first, last = place_of(window.start, step), math.ceil((window.end - _TOLERANCE) / step)
    values = np.full(max(last - first, 0), np.nan)
    places = np.floor((series.t + _TOLERANCE) / step).astype(np.int64) - first
    held = (places >= 0) & (places < values.size)
    places, t = places[held], series.t[held]
    values[places] = series.values[held]
    if operator not in _ADDED_UP:
        _bridge(values, places, t, GAP * max(usual, step) + _TOLERANCE)
    return Line(name, path, first, step, values, notices)


def nothing(name: str, path: str, window: Exact, failure: str | None = None) -> Line:
    """A line without a value."""
    first = place_of(window.start, window.interval)
    count = place_of(window.end, window.interval) - first
    return Line(name, path, first, window.interval, np.full(max(count, 0), np.nan), failure=failure)


def together(lines: Sequence[Line]) -> tuple[int, float, NDArray[np.float64]]:
    """Lines on the finest grid of any of them: first place, step, and values of shape (lines, places).

    A place of a coarser grid gives its value to all finer ones that begin in it.
    """
    step = min(each.step for each in lines)
    first = min(place_of(each.first * each.step, step) for each in lines)
    last = max(math.ceil(((each.first + each.values.size) * each.step - _TOLERANCE) / step) for each in lines)
    stamps = (first + np.arange(last - first)) * step
    values = np.full((len(lines), stamps.size), np.nan)
    for row, each in zip(values, lines, strict=True):
        places = np.floor((stamps + _TOLERANCE) / each.step).astype(np.int64) - each.first
        held = (places >= 0) & (places < each.values.size)
        row[held] = each.values[places[held]]
    return first, step, values


def regrouped(each: Line, step: float, operator: str) -> Line:
    """Make one value of the values in each place of a coarser grid."""
    t, made = aggregate(each.stamps(), {"": each.values}, step, operator, -math.inf)
    first = place_of(each.first * each.step, step)
    count = math.ceil(((each.first + each.values.size) * each.step - _TOLERANCE) / step) - first
    values = np.full(max(count, 0), np.nan)
    values[np.floor((t + _TOLERANCE) / step).astype(np.int64) - first] = made[""].astype(np.float64)
    return replace(each, first=first, step=step, values=values)


def notices(lines: Iterable[Line]) -> tuple[str, ...]:
    """What is to be told of several lines, failures included, each sentence once."""
    told = (sentence for each in lines for sentence in (*each.notices, *([each.failure] if each.failure else ())))
    return tuple(dict.fromkeys(told))


def _usual(t: NDArray[np.float64], interval: float | None, step: float) -> float:
    """Usual seconds between samples, as far as can be told from few."""
    distances = np.diff(t)
    if distances.size < 3 and interval:
        return max(interval, step)
    return max(float(np.median(distances)), step) if distances.size else step


def _step(usual: float, least: float) -> float:
    """As long as samples are usually apart, or a little less: whole seconds, or two digits of a shorter step."""
    digit = 1.0 if least >= 1 else 10.0 ** (math.floor(math.log10(usual)) - 1)
    return max(round(math.floor(usual / digit + _TOLERANCE) * digit, 9), least)


def _coarser(series: Series, stream: Stream, window: Exact, step: float, operator: str | None) -> Series:
    """The same at least `step` apart, so that no two samples are in one place."""
    if operator is None:
        return draw(stream, replace(window, interval=step))
    t, made = aggregate(series.t, {"": series.values}, step, _ADDED_UP.get(operator, operator), -math.inf)
    return replace(series, stamps=Stamps(t), values=made[""])


def _bridge(values: NDArray[np.float64], places: NDArray[np.int64], t: NDArray[np.float64], longest: float) -> None:
    """Repeat a sample up to the next one that is not too far away."""
    if places.size:
        steps = np.diff(places)
        near = np.repeat(np.diff(t) <= longest, steps)
        values[places[0] : places[-1]][near] = np.repeat(values[places[:-1]], steps)[near]
