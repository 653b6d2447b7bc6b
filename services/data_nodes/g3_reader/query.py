"""One query: some fields of one timeline between two times.

Zoomed out, it is answered from buckets of the pyramid; where the range cuts a bucket, and where the newest sample
lies, from the samples themselves. Zoomed in, all of it is. So the answer is that of a loop over all samples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from services.data_nodes.g3_reader.catalogue import Recorded
from services.data_nodes.g3_reader.files import FrameCache, samples_of
from services.data_nodes.g3_reader.window import FrameRow, buckets_in, frames_in, newest_hour, state_of, times_of
from services.data_nodes.g3_reader.zoom import Span, cover, level_for, rounded
from services.g3_index.levels import DAY, FINEST, HOUR, TICKS, Level
from services.g3_index.merging import Ticks
from services.g3_index.schema import Kind
from services.g3_index.summary import TEXTS, Rows, means, merge, starts_of, summarize, summarize_texts
from sisock.thinning import envelope, stride_for

OPERATORS = frozenset({"mean", "min", "max", "first", "last", "count", "sum"})

_MOST_FRAMES = 50_000
"""Frames that are decoded for one answer."""
_MOST_BYTES = 2**26
"""Bytes of frames that are decoded rather than to answer more coarsely than was asked."""

Values = NDArray[Any]
Samples = tuple[Ticks, Values]


@dataclass(frozen=True)
class Answer:
    """Points of fields that share their stamps.

    Attributes
    ----------
    t
        UNIX seconds, shape (n,).
    values
        Field -> shape (n,).
    finalized_until
        UNIX seconds before which nothing changes any more; None where nothing does.
    """

    t: NDArray[np.float64]
    values: dict[str, Values]
    finalized_until: float | None


@dataclass(frozen=True)
class _Cells:
    """How time is cut: into cells of so many ticks on multiples of that; one cell for all when it is None."""

    length: int | None
    level: Level | None

    def of(self, t: Ticks) -> Ticks:
        return np.zeros(t.size, dtype=np.int64) if self.length is None else t // self.length


class Query:
    """Asks for the samples of `fields`, which follow the timelines `ids` of the index, in [start, end), ticks."""

    def __init__(
        self,
        connection: Connection,
        cache: FrameCache,
        ids: tuple[int, ...],
        fields: Mapping[str, Recorded],
        start: int,
        end: int,
        operator: str | None,
    ) -> None:
        self._connection = connection
        self._cache = cache
        self._ids = ids
        self._fields = fields
        self._wanted = {name: (recorded.ocs_name, recorded.kind) for name, recorded in fields.items()}
        self._start, self._end = start, end
        self._operator = operator
        self._settled, self._newest = state_of(connection, ids)

    def answer(self, min_stride: float | None, max_points: int, room: int) -> Answer | None:
        """Choose where to take it from, and answer.

        Parameters
        ----------
        min_stride
            Least seconds between points, or, with an operator, the length of a cell; None for every sample, or one
            cell.
        max_points
            Most points; 0 for no cap.
        room
            Most values, stamps counted, that the reply has room for.

        Returns
        -------
        The points, or None when they are more than there is room for.
        """
        nothing = Answer(np.zeros(0), {}, None)
        first = max(self._start, min(each.first for f in self._fields.values() for each in f.series))
        last = min(self._end, self._newest + 1)
        if first >= last:
            return nothing
        interval = min((f.interval for f in self._fields.values() if f.interval), default=1.0)
        expected = (last - first) / TICKS / interval + 1
        stride = stride_for(int(expected), first / TICKS, last / TICKS, min_stride, max_points)
        if stride is not None:
            expected = min(expected, (last - first) / TICKS / stride + 1)
        if self._operator is None and expected * (1 + len(self._fields)) > room:
            return None
        cells = self._cells(stride)
        if cells.level is None:
            frames = self._frames(first, last)
            if len(frames) > _MOST_FRAMES or (stride and sum(row.place.size for row in frames) > _MOST_BYTES):
                if stride is None:
                    return None
                cells = _Cells(rounded(float(cells.length or 1), FINEST), FINEST)
            else:
                samples = self._samples(frames, self._start, self._end)
                return self._finish(self._reduce([], {}, samples, {}, cells, stride), cells, stride, max_points, room)
        parts = self._parts(cells)
        if parts is None:
            return nothing
        if self._operator is None and cells.length is not None:
            stride = cells.length / 2 / TICKS
        return self._finish(self._reduce(*parts, cells, stride), cells, stride, max_points, room)

    def _cells(self, stride: float | None) -> _Cells:
        if stride is None:
            return _Cells(None, level_for(self._end - self._start) if self._operator else None)
        length = stride * TICKS * (1 if self._operator else 2)
        level = level_for(length)
        return _Cells(max(round(length), 1), None) if level is None else _Cells(rounded(length, level), level)

    def _frames(self, start: int, end: int) -> list[FrameRow]:
        rows = frames_in(self._connection, self._ids, [(start // HOUR, (end - 1) // HOUR + 1)], _MOST_FRAMES)
        return [row for row in rows if row.first < end and row.last >= start]

    def _samples(self, frames: Sequence[FrameRow], start: int, end: int) -> dict[str, Samples]:
        places = [row.place for row in frames if row.first < end and row.last >= start]
        return samples_of(self._cache.blocks(places), self._wanted, start, end)

    def _parts(
        self, cells: _Cells
    ) -> tuple[list[Span], dict[str, Rows], dict[str, Samples], dict[str, Samples]] | None:
        """The range laid out: spans of buckets and what they hold, and the samples before and after them."""
        assert cells.level is not None  # noqa: S101 - who asks has chosen one
        hour = (min(self._end, self._newest + 1) - 1) // HOUR
        near = [row for row in self._of_hour(hour) if row.first < self._end]
        if not near:
            earlier = newest_hour(self._connection, self._ids, hour)
            near = [] if earlier is None else self._of_hour(earlier)
        newest = self._newest_of(near)
        if newest < self._start:
            return None
        left = -(-self._start // FINEST.bucket) * FINEST.bucket
        right = max(newest // FINEST.bucket * FINEST.bucket, self._start)
        if left >= right:
            samples = self._samples(self._frames(self._start, newest + 1), self._start, self._end)
            return [], {}, samples, {}
        head = self._of_hour(self._start // HOUR) if self._start < left else []
        settled = min(max(self._settled * DAY, left), right)
        spans = [*cover(left, settled, cells.level), *cover(settled, right, FINEST)]
        kinds = {each.id: f.kind for f in self._fields.values() for each in f.series}
        buckets = buckets_in(self._connection, kinds, spans)
        return (
            spans,
            {name: _joined([buckets[each.id] for each in f.series]) for name, f in self._fields.items()},
            self._samples(head, self._start, left),
            self._samples(near, right, self._end),
        )

    def _of_hour(self, hour: int) -> list[FrameRow]:
        return frames_in(self._connection, self._ids, [(hour, hour + 1)], _MOST_FRAMES)

    def _newest_of(self, rows: Sequence[FrameRow]) -> int:
        """The newest stamp before the end of the range; 0 when there is none."""
        newest = 0
        for row in sorted(rows, key=lambda row: min(row.last, self._end - 1), reverse=True):
            if min(row.last, self._end - 1) <= newest:
                break
            if row.last < self._end:
                newest = row.last
            else:
                for block in self._cache.blocks([row.place]):
                    before = block.t[block.t < self._end]
                    newest = max(newest, int(before.max())) if before.size else newest
        return newest

    def _reduce(
        self,
        spans: list[Span],
        buckets: dict[str, Rows],
        head: dict[str, Samples],
        tail: dict[str, Samples],
        cells: _Cells,
        stride: float | None,
    ) -> tuple[Ticks, dict[str, Values]]:
        begin, length = times_of(spans)
        if self._operator is not None:
            made = {
                name: _operated(
                    self._operator, f.kind, [head.get(name), tail.get(name)], begin, buckets.get(name), cells
                )
                for name, f in self._fields.items()
            }
            return _aligned(
                {name: (np.maximum(t * (cells.length or 1), self._start), v) for name, (t, v) in made.items()}
            )
        t, values = _aligned(head)
        if begin.size:
            middle, drawn = _drawn(begin, length, buckets)
            later, newer = _aligned(tail)
            t = np.concatenate([t, middle, later])
            values = {
                name: np.concatenate([_column(each, name, kind, n) for each, n in
                                      ((values, t.size - middle.size - later.size), (drawn, middle.size),
                                       (newer, later.size))])
                for name, (_, kind) in self._wanted.items()
            }  # fmt: skip
        return t, values

    def _finish(
        self, points: tuple[Ticks, dict[str, Values]], cells: _Cells, stride: float | None, max_points: int, room: int
    ) -> Answer | None:
        ticks, values = points
        t = ticks / TICKS
        if self._operator is None:
            t, values = envelope(t, values, stride)
            if max_points and t.size > max_points:
                t, values = envelope(t, values, float(t[-1] - t[0]) / max_points)
        if t.size * (1 + len(values)) > room:
            return None
        until = None
        if self._end > self._newest and ticks.size:
            until = self._newest / TICKS
            if cells.length is not None:
                # The cell of the newest sample is not full yet, and the envelope takes the one before along.
                before = 0 if self._operator else 1
                until = max((self._newest // cells.length - before) * cells.length, 0) / TICKS
            elif self._operator is not None:
                until = self._start / TICKS
        return Answer(
            t, {name: _spoken(v, self._fields[name].kind, self._operator) for name, v in values.items()}, until
        )


def _joined(parts: Sequence[Rows]) -> Rows:
    """The buckets of a field that several series make up; where two of them have one, merged."""
    whole = parts[0]
    for part in parts[1:]:
        both = np.flatnonzero((whole["count"] > 0) & (part["count"] > 0))
        pairs = np.stack([whole[both], part[both]], axis=1).ravel()
        whole = np.where(whole["count"] > 0, whole, part)
        whole[both] = merge(pairs, np.arange(0, pairs.size, 2))
    return whole


def _drawn(begin: Ticks, length: Ticks, buckets: Mapping[str, Rows]) -> tuple[Ticks, dict[str, Values]]:
    """Two points for each bucket, its least and its greatest value in the order in which they came, or one if alone."""
    most = np.max([rows["count"] for rows in buckets.values()], axis=0)
    taken = np.stack([most > 0, most > 1], axis=1)
    alone = most == 1
    t = np.stack([begin + np.where(alone, length // 2, length // 4), begin + 3 * length // 4], axis=1)
    drawn = {}
    for name, rows in buckets.items():
        if rows.dtype == TEXTS:
            points = np.stack([rows["first"], rows["last"]], axis=1)
            points[rows["count"] == 0] = None
        else:
            swapped = ~rows["low_first"]
            points = np.stack([rows["low"], rows["high"]], axis=1)
            points[swapped] = points[swapped, ::-1]
            points[rows["count"] == 0] = np.nan
        drawn[name] = points[taken]
    return t[taken], drawn


def _operated(
    operator: str, kind: Kind, samples: Sequence[Samples | None], begin: Ticks, buckets: Rows | None, cells: _Cells
) -> Samples:
    """Cells and their values."""
    head, tail = (_summarized(each, kind, cells) for each in samples)
    parts = [head, tail]
    if buckets is not None and buckets.size:
        full = buckets["count"] > 0
        parts.insert(1, (cells.of(begin[full]), buckets[full]))
    index = np.concatenate([index for index, _ in parts])
    rows = np.concatenate([rows for _, rows in parts])
    starts = starts_of(index)
    merged = merge(rows, starts)
    return index[starts], _value_of(operator, merged)


def _summarized(samples: Samples | None, kind: Kind, cells: _Cells) -> tuple[Ticks, Rows]:
    t, values = samples if samples is not None else (np.zeros(0, dtype=np.int64), np.zeros(0))
    index = cells.of(t)
    starts = starts_of(index)
    rows = summarize_texts(values, starts) if kind is Kind.STRING else summarize(values[None], starts)[0]
    return index[starts], rows


def _value_of(operator: str, rows: Rows) -> Values:
    if operator == "count":
        return rows["count"].astype(np.float64)
    if operator in {"first", "last"}:
        return np.asarray(rows[operator])
    if rows.dtype == TEXTS:
        return np.full(rows.size, None)
    if operator == "mean":
        return means(rows)
    return np.asarray(rows[{"min": "low", "max": "high", "sum": "sum"}[operator]])


def _aligned(samples: Mapping[str, Samples]) -> tuple[Ticks, dict[str, Values]]:
    """Bring fields on common stamps; NaN or None where a field has no value."""
    stamps = [t for t, _ in samples.values()]
    if not stamps:
        return np.zeros(0, dtype=np.int64), {}
    if all(np.array_equal(stamps[0], each) for each in stamps[1:]):
        return stamps[0], {name: values for name, (_, values) in samples.items()}
    t = np.unique(np.concatenate(stamps))
    aligned = {}
    for name, (own, values) in samples.items():
        aligned[name] = np.full(t.size, None if values.dtype.kind == "O" else np.nan)
        aligned[name][np.searchsorted(t, own)] = values
    return t, aligned


def _column(values: Mapping[str, Values], name: str, kind: Kind, size: int) -> Values:
    """Values of a field, empty ones where it has none."""
    column = values.get(name)
    return np.full(size, None if kind is Kind.STRING else np.nan) if column is None else column


def _spoken(values: Values, kind: Kind, operator: str | None) -> Values:
    """Values as they leave: truth values as such, where they still are."""
    if kind is not Kind.BOOL or operator in {"mean", "sum", "count"}:
        return values
    absent = np.isnan(values)
    truths = values > 0
    if not absent.any():
        return np.asarray(truths)
    spoken = truths.astype(object)
    spoken[absent] = None
    return spoken
