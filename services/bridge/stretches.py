"""Samples around a range, of which answers for ranges near by can be made, exactly.

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
_STRETCH_BYTES = 4000
"""What a stretch takes besides its samples, roughly."""


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
        self.bytes = _STRETCH_BYTES + t.nbytes + sum(map(_bytes_of, values.values()))

    def serves(self, start: float, end: float, stride: float) -> bool:
        """Whether an answer for [start, end) can be made of them."""
        first, left, right, last = self.span
        if self.span.whole or not first <= start < end <= last:
            return first <= start and end <= last
        if start > left or stride != self._asked:
            return False
        begin, seam, stop = self._t.searchsorted((start, right, end)).tolist()
        # The newest sample of an answer is at its own time: it must not be one of the middle. And samples that lie far
        # enough apart would not be thinned beside points of others that do not.
        return stop > seam and float(np.diff(self._t[begin:stop]).min(initial=math.inf)) < self._apart

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
    if end <= start:
        return None
    most = interval * min(MOST_SAMPLES, _MOST_VALUES // max(fields, 1))
    piece = 2.0 ** (math.frexp(end - start)[1] - 2)  # A quarter to a half of it.
    first, last = max(start // piece * piece, EARLIEST), min(-(-end // piece) * piece, LATEST)
    if last - first <= most:
        return Span(first, first, first, last)
    if stride < 1:
        return None  # Its multiples are not known to the last bit.
    cell = 2 * stride
    piece = min(_AT_AN_END * most / 2 // cell, (end - start) / 4 // cell, _MOST_CELLS) * cell
    if piece < _MARGIN * cell:
        return None
    # There must be samples between the middle and the end.
    left, right = -(-start // piece) * piece, (end // piece - 1) * piece
    first, last = left - piece, right + 2 * piece
    return Span(first, left, right, last) if first >= EARLIEST and last <= LATEST else None


def put_together(replies: Sequence[DataReply], span: Span, stride: float) -> Stretch | None:
    """Make a stretch of the answers for the parts of a span, of the time that is settled; None where they do not do."""
    names = {name for reply in replies for name in reply["timeline"]}
    timelines = [timeline for reply in replies for timeline in reply["timeline"].values()]
    revisions = {timeline.get("revision", "") for timeline in timelines}
    if len(names) != 1 or len(timelines) != len(replies) or len(revisions) != 1 or "" in revisions:
        return None
    if not all(_is_plain(values) for reply in replies for values in reply["data"].values()):
        return None
    parts = [
        (
            np.asarray(timeline["t"], dtype=np.float64),
            {field: _as_array(values) for field, values in reply["data"].items()},
        )
        for timeline, reply in zip(timelines, replies, strict=True)
    ]
    apart = stride
    if not span.whole:
        apart = _apart(parts[1][0])
        cell = 2 * apart
        if not stride <= apart <= _LONGER * stride:
            return None
        span = span._replace(left=-(-span.left // cell) * cell, right=span.right // cell * cell)
        if parts[1][0][0] >= span.left or parts[1][0][-1] < span.right + cell:
            return None  # At its ends, a cell of the middle and its neighbour are one.
        parts = [_within(*part, span[at], span[at + 1]) for at, part in enumerate(parts)]
    t = np.concatenate([stamps for stamps, _ in parts])
    values = {field: np.concatenate([columns[field] for _, columns in parts]) for field in parts[0][1]}
    kinds = [{columns[field].dtype.kind for _, columns in parts} - {"O"} for field in values]
    if np.any(t[1:] <= t[:-1]) or any(each.size != t.size for each in values.values()) or max(map(len, kinds)) > 1:
        return None
    # What was settled when the first was asked had all its samples, whatever has come and was settled meanwhile.
    span = span._replace(last=min(span.last, *(timeline["settled_until"] for timeline in timelines)))
    return Stretch(span, (stride, apart), (names.pop(), revisions.pop()), t, values)


def _within(
    t: NDArray[np.float64], values: dict[str, NDArray[Any]], start: float, end: float
) -> tuple[NDArray[np.float64], dict[str, NDArray[Any]]]:
    inside = slice(*t.searchsorted((start, end)))
    return t[inside], {field: each[inside] for field, each in values.items()}


def same(one: DataReply, other: DataReply) -> bool:
    """Whether two answers have the same stamps and values."""
    if one["data"].keys() != other["data"].keys() or one["timeline"].keys() != other["timeline"].keys():
        return False
    columns = [(one["data"][field], other["data"][field]) for field in one["data"]]
    columns += [(one["timeline"][name]["t"], other["timeline"][name]["t"]) for name in one["timeline"]]
    return all(_equal(mine, yours) for mine, yours in columns)


def _apart(points: NDArray[np.float64]) -> float:
    """How far apart the points of an envelope lie, all but the newest on multiples of it; 0 where they do not."""
    grid = points[:-1]
    apart = float(np.diff(grid).min(initial=math.inf))
    return apart if apart.is_integer() and not np.any(grid % apart) else 0.0


def _equal(one: Column, other: Column) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other, equal_nan="f" in (one.dtype.kind, other.dtype.kind))
    return list(one) == list(other)


def _bytes_of(column: NDArray[Any]) -> int:
    return column.size * _TEXT_BYTES if column.dtype == object else column.nbytes


def _is_plain(values: Column) -> bool:
    """Whether a list has text, or truth values; numbers, of a server that sends them so, are not worth to be held."""
    return isinstance(values, np.ndarray) or all(value is None or isinstance(value, str | bool) for value in values)


def _as_array(values: Column) -> NDArray[Any]:
    if isinstance(values, np.ndarray):
        return values
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
