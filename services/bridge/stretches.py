"""Samples around a range, from which answers for ranges near by can be made, exactly.

Of a short range these are all samples. Of a long one, they are the samples around both of its ends and, between them,
points of an envelope: as these are of whole cells (`sisock.thinning`), the envelope of both is that of all samples.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.bridge.reading import EARLIEST
from sisock.moments import LATEST
from sisock.shapes import Column, DataReply, DataTimeline
from sisock.thinning import envelope

MOST_SAMPLES = 20_000
"""Samples of a timeline that are worth to be thinned anew for each answer."""
_MOST_VALUES = 500_000
"""The same of all fields together."""
_AT_AN_END = 0.4
"""How many of these may be around either end of the range, where they are not all."""
_MOST_CELLS = 32
"""Cells of the envelope for which there are samples around an end: as far as the range may move."""
_MARGIN = 3
"""Cells that parts overlap by: the first and the last of an envelope take their neighbours along."""
_LONGER = 1.5
"""How many times the stride that was asked points may lie apart; a data server may have its own cells."""
_TEXT_BYTES = 100
"""What a value takes that is no number, roughly."""


class Span(NamedTuple):
    """All samples of [first, left) and [right, last), UNIX seconds; of [left, right) points.

    Where there is no such middle, `first`, `left` and `right` are the same.
    """

    first: float
    left: float
    right: float
    last: float

    @property
    def whole(self) -> bool:
        """Whether it is all samples."""
        return self.left == self.right

    def parts(self, stride: float) -> list[tuple[float, float, float]]:
        """What to ask for, in this order: begin, end, stride. They overlap."""
        if self.whole:
            return [(self.first, self.last, 0.0)]
        margin = _MARGIN * 2 * stride
        return [
            (self.first, self.left + margin, 0.0),
            (self.left - margin, self.right + margin, stride),
            (self.right - margin, self.last, 0.0),
        ]


class Stretch:
    """Samples of some fields which follow one timeline.

    Attributes
    ----------
    span
        Which they are.
    revision
        They are good as long as this holds.
    bytes
        What they take.
    """

    def __init__(
        self,
        span: Span,
        strides: tuple[float, float],
        timeline: tuple[str, str],
        t: NDArray[np.float64],
        values: dict[str, NDArray[Any]],
    ) -> None:
        """Take samples, shape (n,) each; strides are those asked and answered in the middle, seconds.

        `timeline` is its name and its revision.
        """
        self.span = span
        self._asked, self._apart = strides
        self._name, self.revision = timeline
        self._t, self._values = t, values
        self.bytes = t.nbytes + sum(
            each.size * (_TEXT_BYTES if each.dtype == object else each.itemsize) for each in values.values()
        )

    def serves(self, start: float, end: float, stride: float) -> bool:
        """Whether an answer for [start, end) can be made of them."""
        first, left, right, last = self.span
        if self.span.whole or not first <= start < end <= last:
            return first <= start and end <= last
        # The newest sample of an answer is at its own time: it must not be one of the middle.
        ends = self._t.searchsorted(end) > self._t.searchsorted(right)
        return start <= left and stride == self._asked and bool(ends)

    def between(self, start: float, end: float, stride: float) -> DataReply:
        """Answer for [start, end), UNIX seconds, as the data server would."""
        inside = slice(*self._t.searchsorted((start, end)))
        if inside.start >= inside.stop:
            return DataReply(data={name: [] for name in self._values}, timeline={})
        values = {name: each[inside] for name, each in self._values.items()}
        t, values = envelope(self._t[inside], values, stride if self.span.whole else self._apart)
        data: dict[str, Column] = {n: each.tolist() if each.dtype == object else each for n, each in values.items()}
        timeline = DataTimeline(t=t, finalized_until=None, fields=list(values))
        return DataReply(data=data, timeline={self._name: timeline})


def around(start: float, end: float, stride: float, interval: float, fields: int) -> Span | None:
    """What to ask for around a range: somewhat more, which it shares with those near by; None where that is too much.

    `interval` is the usual distance of samples in seconds, of so many `fields`.
    """
    most = interval * min(MOST_SAMPLES, _MOST_VALUES // max(fields, 1))
    piece = 2.0 ** (math.frexp(end - start)[1] - 2)  # A quarter to a half of it.
    first, last = max(start // piece * piece, EARLIEST), min(-(-end // piece) * piece, LATEST)
    if last - first <= most:
        return Span(first, first, first, last)
    if stride < 1:
        return None  # Its multiples are not known to the last bit.
    cell = 2 * stride
    piece = min(_AT_AN_END * most // cell, (end - start) / 4 // cell, _MOST_CELLS) * cell
    if piece < _MARGIN * cell:
        return None
    left, right = -(-start // piece) * piece, end // piece * piece
    first, last = left - piece, right + piece
    return Span(first, left, right, last) if first >= EARLIEST and last <= LATEST else None


def put_together(replies: Sequence[DataReply], span: Span, stride: float) -> tuple[Stretch | None, float]:
    """Make a stretch of the answers for the parts of a span.

    Returns
    -------
    The stretch, None where they are such that none can be made; and until when samples are settled, UNIX seconds.
    """
    names = [list(reply["timeline"]) for reply in replies]
    if any(each != names[0] for each in names) or len(names[0]) != 1:
        return None, -math.inf
    (name,) = names[0]
    timelines = [reply["timeline"][name] for reply in replies]
    oldest, newest = timelines[0], timelines[-1]
    # When both ends are of one revision, so is what was asked in between.
    if "revision" not in newest or oldest.get("revision") != newest["revision"]:
        return None, -math.inf
    stamps = [np.asarray(timeline["t"], dtype=np.float64) for timeline in timelines]
    columns = [{field: _as_array(values) for field, values in reply["data"].items()} for reply in replies]
    apart = stride
    if not span.whole:
        apart = _apart(stamps[1])
        if not stride <= apart <= _LONGER * stride:
            return None, -math.inf
        cell = 2 * apart
        span = span._replace(left=-(-span.left // cell) * cell, right=span.right // cell * cell)
        if stamps[1][0] >= span.left or stamps[1][-1] < span.right + cell:
            return None, -math.inf  # At its ends, a cell of the middle and its neighbour are one.
        for at in range(len(stamps)):
            inside = slice(*stamps[at].searchsorted(span[at : at + 2]))
            stamps[at], columns[at] = stamps[at][inside], {f: values[inside] for f, values in columns[at].items()}
    t = np.concatenate(stamps)
    values = {field: np.concatenate([each[field] for each in columns]) for field in columns[0]}
    if np.any(t[1:] <= t[:-1]) or any(each.size != t.size for each in values.values()):
        return None, -math.inf
    settled = newest["settled_until"]
    span = span._replace(last=min(span.last, settled))
    return Stretch(span, (stride, apart), (name, newest["revision"]), t, values), settled


def _apart(points: NDArray[np.float64]) -> float:
    """How far apart the points of an envelope lie, all but the newest on multiples of it; 0 where they do not."""
    grid = points[:-1]
    apart = float(np.diff(grid).min(initial=math.inf))
    return apart if apart.is_integer() and not np.any(grid % apart) else 0.0


def _as_array(values: Column) -> NDArray[Any]:
    if isinstance(values, np.ndarray):
        return values
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
