"""One query: some fields of one timeline between two times.

Zoomed out, it is answered from buckets of the pyramid; where the range cuts a bucket, and where the newest sample
lies, from the samples themselves. Zoomed in, all of it is. So the answer is that of a loop over all samples.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from services.data_nodes.g3_reader.catalogue import Recorded
from services.data_nodes.g3_reader.files import blocks_of, samples_of
from services.data_nodes.g3_reader.window import (
    Buckets,
    BucketsOf,
    FrameRow,
    FramesOf,
    Look,
    buckets_of,
    count_in,
    frames_of,
    newest_hour,
)
from services.data_nodes.g3_reader.zoom import cover, level_for, rounded
from services.g3_index.levels import DAY, FINEST, HOUR, TICKS, Level
from services.g3_index.merging import Ticks
from services.g3_index.schema import Kind
from services.g3_index.summary import (
    TEXTS,
    Rows,
    chosen,
    joined,
    lumps,
    means,
    merge,
    starts_of,
    summarize,
    summarize_texts,
)
from sisock.errors import SisockError
from sisock.thinning import envelope, stride_for

OPERATORS = frozenset({"mean", "min", "max", "first", "last", "count", "sum"})

_IN_FRAMES = {"first", "last"}
"""Operators that the pyramid knows nothing of: the samples themselves are read."""
_PATIENCE = 4
"""How many times as much may be decoded for them: there is no coarser answer."""
_MOST_FRAMES = 50_000
"""Frames that are decoded for one answer."""
_MOST_BYTES = 2**26
"""Bytes of frames that are decoded rather than to answer more coarsely than was asked."""

T = TypeVar("T")
Values = NDArray[Any]
Samples = tuple[Ticks, Values]
Parts = tuple[dict[str, Buckets], dict[str, Samples], dict[str, Samples]]
"""The range laid out: buckets, and the samples before and after them."""
Asking = Generator[FramesOf | BucketsOf, Any, T]
"""Work that stops at each question to the index and goes on with the answer."""


def ask_together(look: Look, askings: Sequence[Asking[T]]) -> list[T]:
    """Do several works side by side, and put their questions to the index together; their results."""
    results: dict[int, T] = {}
    answers: dict[int, Any] = dict.fromkeys(range(len(askings)))
    while answers:
        asked: dict[int, FramesOf | BucketsOf] = {}
        for at, answer in answers.items():
            try:
                asked[at] = askings[at].send(answer)
            except StopIteration as done:
                results[at] = done.value
        frames = {at: question for at, question in asked.items() if isinstance(question, FramesOf)}
        buckets = {at: question for at, question in asked.items() if isinstance(question, BucketsOf)}
        answers = dict(zip(frames, frames_of(look, list(frames.values()), _MOST_FRAMES), strict=True))
        answers |= dict(zip(buckets, buckets_of(look, list(buckets.values())), strict=True))
    return [results[at] for at in range(len(askings))]


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
    standing
        Of the timelines, see `Look.standing`; None where a file could not be read, which may be over at once.
    """

    t: NDArray[np.float64]
    values: dict[str, Values]
    finalized_until: float | None
    standing: tuple[str, int] | None = None


@dataclass(frozen=True)
class _Cells:
    """How time is cut: into cells of so many ticks on multiples of that; one cell for all when it is None."""

    length: int | None
    level: Level | None

    def of(self, t: Ticks) -> Ticks:
        return np.zeros(t.size, dtype=np.int64) if self.length is None else t // self.length


class TooLongError(SisockError):
    """An operator that needs every sample is asked for too many of them."""

    def __init__(self, operator: str) -> None:
        super().__init__(f"{operator!r} needs every sample of the range, and these are too many; ask for a shorter one")


class Query:
    """Asks for the samples of `fields`, which follow the timelines `ids` of the index, in [start, end), ticks."""

    def __init__(
        self,
        look: Look,
        ids: tuple[int, ...],
        fields: Mapping[str, Recorded],
        span: tuple[int, int],
        operator: str | None,
    ) -> None:
        self._look = look
        self._ids = ids
        self._fields = fields
        self._wanted = {name: (recorded.ocs_name, recorded.kind) for name, recorded in fields.items()}
        self._start, self._end = span
        self._operator = operator
        self._complete = True
        state = look.state
        self._settled = min((state.standings[each].settled_until for each in ids if each in state.standings), default=0)
        standing = {series_id: each for timeline in ids for series_id, each in state.spans.get(timeline, {}).items()}
        self._spans = {
            name: [standing[each.id] for each in f.series if each.id in standing] for name, f in fields.items()
        }
        self._newest = max((last for _, last in standing.values()), default=0)

    def answer(self, min_stride: float | None, max_points: int, room: int) -> Asking[Answer | None]:
        """Choose where to take it from, and answer; `ask_together` puts the questions that come meanwhile.

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
        spans = [span for each in self._spans.values() for span in each]
        first = max(self._start, min((first for first, _ in spans), default=self._end))
        last = min(self._end, max((last for _, last in spans), default=0) + 1)
        if first >= last:
            return Answer(np.zeros(0), {}, None)
        seconds = (last - first) / TICKS
        expected = seconds / min((f.interval for f in self._fields.values() if f.interval), default=1.0) + 1
        stride = stride_for(int(expected), first / TICKS, last / TICKS, min_stride, max_points)
        width = 1 + len(self._fields)
        most = expected if stride is None else min(expected, seconds / stride + 1)
        if self._operator is not None and stride is None:
            most = 1
        # An estimate from the mean interval; one stray stamp makes it far too great, so then they are counted.
        if most * width > room and min(most, count_in(self._look.connection, self._ids, first, last)) * width > room:
            return None
        cells = self._cells(stride)
        if cells.level is None or self._operator in _IN_FRAMES:
            frames = yield from self._frames(first, last)
            if self._bearable(frames, stride):
                points = self._reduce({}, self._samples(frames, self._start, self._end), {}, cells)
                return self._finish(points, cells, stride, max_points, room)
            if self._operator in _IN_FRAMES:
                raise TooLongError(self._operator)
            if stride is None:
                return None
            cells = _Cells(rounded(float(cells.length or 1), FINEST), FINEST)
        if self._operator is None and cells.length is not None:
            stride = cells.length / 2 / TICKS
        parts = yield from self._parts(cells, first)
        return self._finish(self._reduce(*parts, cells), cells, stride, max_points, room)

    def _bearable(self, frames: Sequence[FrameRow], stride: float | None) -> bool:
        """Whether so many frames may be decoded; where a coarser answer would do, not as many."""
        most = _MOST_BYTES * (_PATIENCE if self._operator in _IN_FRAMES else 1)
        only_way = stride is None and self._operator is None
        return len(frames) <= _MOST_FRAMES and (only_way or sum(row.place.size for row in frames) <= most)

    def _cells(self, stride: float | None) -> _Cells:
        if stride is None:
            return _Cells(None, level_for(self._end - self._start) if self._operator else None)
        length = stride * TICKS * (1 if self._operator else 2)
        level = level_for(length)
        return _Cells(max(round(length), 1), None) if level is None else _Cells(rounded(length, level), level)

    def _frames(self, start: int, end: int) -> Asking[list[FrameRow]]:
        rows: list[FrameRow] = yield FramesOf(self._ids, [(start // HOUR, (end - 1) // HOUR + 1)])
        return [row for row in rows if row.first < end and row.last >= start]

    def _samples(self, frames: Sequence[FrameRow], start: int, end: int) -> dict[str, Samples]:
        places = {row.place for row in frames if row.first < end and row.last >= start}
        found = count()
        blocks = (block for block, _ in zip(blocks_of(self._look.memory, places), found))  # noqa: B905 - it has no end
        samples = samples_of(blocks, self._wanted, start, end)
        self._complete &= next(found) == len(places)
        return samples

    def _parts(self, cells: _Cells, first: int) -> Asking[Parts]:
        """The range laid out: buckets, and the samples before and after them. Nothing is before `first`."""
        assert cells.level is not None  # noqa: S101 - who asks has chosen one
        hour = (min(self._end, self._newest + 1) - 1) // HOUR
        head, near = yield from self._of_hours(first // HOUR, hour)
        near = [row for row in near if row.first < self._end]
        if not near:
            earlier = newest_hour(self._look.connection, self._ids, hour)
            near = [] if earlier is None else (yield from self._of_hours(earlier))[0]
        newest = self._newest_of(near)
        if newest < first:
            return {}, {}, {}
        left = -(-first // FINEST.bucket) * FINEST.bucket
        right = max(newest // FINEST.bucket * FINEST.bucket, first)
        if left >= right:
            frames = yield from self._frames(first, newest + 1)
            return {}, self._samples(frames, self._start, self._end), {}
        settled = min(max(self._settled * DAY, left), right)
        crossed = any(_overlap(spans) for spans in self._spans.values())
        spans = [*cover(left, settled, FINEST if crossed else cells.level), *cover(settled, right, FINEST)]
        kinds = {each.id: f.kind for f in self._fields.values() for each in f.series}
        buckets: dict[int, Buckets] = yield BucketsOf(self._ids, kinds, spans)
        middle = {}
        for name, field in self._fields.items():
            middle[name] = yield from self._joined(name, [buckets[each.id] for each in field.series])
        tail = self._samples(near, right, self._end)
        if not any(t.size for t, _ in tail.values()):
            middle, tail = yield from self._reopened(middle, tail)
        return middle, self._samples(head, first, left), tail

    def _reopened(
        self, buckets: dict[str, Buckets], tail: dict[str, Samples]
    ) -> Asking[tuple[dict[str, Buckets], dict[str, Samples]]]:
        """Where the newest frames hold no value, the newest sample is in the last bucket: take that apart."""
        ends = [(int(each.begin[-1]), int(each.length[-1])) for each in buckets.values() if each.begin.size]
        if not ends:
            return buckets, tail
        begin, length = max(ends)
        frames = yield from self._frames(begin, begin + length)
        if not self._bearable(frames, 1.0):
            return buckets, tail
        kept = {name: each.before(begin) for name, each in buckets.items()}
        return kept, self._samples(frames, begin, begin + length)

    def _joined(self, name: str, parts: Sequence[Buckets]) -> Asking[Buckets]:
        """The buckets of a field that several series make up; those that two of them have, from the samples."""
        if len(parts) == 1:
            return parts[0]
        begin, length = (np.concatenate(each) for each in ([p.begin for p in parts], [p.length for p in parts]))
        order = np.argsort(begin, kind="stable")
        begin, length, rows = begin[order], length[order], chosen(joined([part.rows for part in parts]), order)
        starts = starts_of(begin)
        shared = begin[starts[np.diff(np.append(starts, begin.size)) > 1]]
        begin, length, rows = begin[starts], length[starts], chosen(rows, starts)
        if shared.size:
            hours = np.unique(shared // HOUR)
            runs = np.split(hours, np.flatnonzero(np.diff(hours) > 1) + 1)
            frames = yield FramesOf(self._ids, [(int(run[0]), int(run[-1]) + 1) for run in runs])
            t, values = self._samples(frames, int(shared[0]), int(shared[-1]) + FINEST.bucket)[name]
            mine = np.isin(t // FINEST.bucket * FINEST.bucket, shared)
            kind = self._fields[name].kind
            index, made = _summarized((t[mine], values[mine]), kind, _Cells(FINEST.bucket, FINEST))
            lumps(rows)[np.searchsorted(begin, index * FINEST.bucket)] = lumps(made)
        return Buckets(begin, length, rows)

    def _of_hours(self, *hours: int) -> Asking[list[list[FrameRow]]]:
        """Frames that have samples in each of some hours."""
        rows = yield FramesOf(self._ids, [(hour, hour + 1) for hour in sorted(set(hours))])
        return [[row for row in rows if row.first // HOUR == hour] for hour in hours]

    def _newest_of(self, rows: Sequence[FrameRow]) -> int:
        """The newest stamp before the end of the range; 0 when there is none."""
        newest = 0
        for row in sorted(rows, key=lambda row: min(row.last, self._end - 1), reverse=True):
            if min(row.last, self._end - 1) <= newest:
                break
            if row.last < self._end:
                newest = row.last
            else:
                for block in blocks_of(self._look.memory, [row.place]):
                    before = block.t[block.t < self._end]
                    newest = max(newest, int(before.max())) if before.size else newest
        return newest

    def _reduce(
        self, buckets: dict[str, Buckets], head: dict[str, Samples], tail: dict[str, Samples], cells: _Cells
    ) -> tuple[Ticks, dict[str, Values]]:
        if self._operator in _IN_FRAMES:
            newest = self._operator == "last"
            return self._at_cells({name: _outermost(samples, cells, newest) for name, samples in head.items()}, cells)
        if self._operator is not None:
            made = {
                name: _operated(self._operator, f.kind, [head.get(name), tail.get(name)], buckets.get(name), cells)
                for name, f in self._fields.items()
            }
            return self._at_cells(made, cells)
        t, values = _aligned(head)
        if buckets:  # Of every field, if of any.
            middle, drawn = _drawn(buckets)
            later, newer = _aligned(tail)
            columns = ((values, t.size), (drawn, middle.size), (newer, later.size))
            t = np.concatenate([t, middle, later])
            values = {
                name: np.concatenate([_column(each, name, kind, size) for each, size in columns])
                for name, (_, kind) in self._wanted.items()
            }
        return t, values

    def _at_cells(self, made: dict[str, Samples], cells: _Cells) -> tuple[Ticks, dict[str, Values]]:
        """Values by the number of their cell, put at its begin, or at that of the range where this cuts it."""
        length = cells.length or 1
        return _aligned({name: (np.maximum(index * length, self._start), v) for name, (index, v) in made.items()})

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
        spoken = {name: _spoken(v, self._fields[name].kind, self._operator) for name, v in values.items()}
        return Answer(t, spoken, until, self._look.standing(self._ids) if self._complete else None)


def _overlap(spans: Sequence[tuple[int, int]]) -> bool:
    """Whether two of the spans [first, last] share a bucket of any level."""
    ordered = sorted(spans)
    return any(later[0] // DAY <= earlier[1] // DAY for earlier, later in pairwise(ordered))


def _drawn(buckets: Mapping[str, Buckets]) -> tuple[Ticks, dict[str, Values]]:
    """Two points for each bucket, its least and its greatest value in the order in which they came, or one if alone."""
    begins = [each.begin for each in buckets.values()]
    alike = all(np.array_equal(begins[0], each) for each in begins[1:])
    begin = begins[0] if alike else np.unique(np.concatenate(begins))
    length, most = np.zeros_like(begin), np.zeros_like(begin)
    places: dict[str, Any] = {
        name: slice(None) if alike else np.searchsorted(begin, each.begin) for name, each in buckets.items()
    }
    for name, each in buckets.items():
        length[places[name]] = each.length
        most[places[name]] = np.maximum(most[places[name]], each.rows["count"])
    alone = most == 1
    taken = np.stack([most > 0, ~alone], axis=1)
    # Nearer to each other than any stride that the buckets serve, so that they are thinned like samples.
    t = np.stack([begin + np.where(alone, length // 2, length // 3), begin + 2 * length // 3], axis=1)
    drawn = {}
    for name, each in buckets.items():
        if each.rows.dtype == TEXTS:
            points = np.full((begin.size, 2), None)
            points[places[name], 0], points[places[name], 1] = each.rows["first"], each.rows["last"]
        else:
            points = np.full((begin.size, 2), np.nan)
            low, high, low_first = (each.rows[column] for column in ("low", "high", "low_first"))
            points[places[name], 0] = np.where(low_first, low, high)
            points[places[name], 1] = np.where(low_first, high, low)
        drawn[name] = points[taken]
    return t[taken], drawn


def _operated(
    operator: str, kind: Kind, samples: Sequence[Samples | None], buckets: Buckets | None, cells: _Cells
) -> Samples:
    """Numbers of cells, and their values."""
    head, tail = (_summarized(each, kind, cells) for each in samples)
    parts = [head, tail]
    if buckets is not None:
        parts.insert(1, (cells.of(buckets.begin), buckets.rows))
    index = np.concatenate([index for index, _ in parts])
    rows = joined([rows for _, rows in parts])
    full = rows["count"] > 0
    index, rows = index[full], chosen(rows, full)
    starts = starts_of(index)
    return index[starts], _value_of(operator, merge(rows, starts))


def _summarized(samples: Samples | None, kind: Kind, cells: _Cells) -> tuple[Ticks, Rows]:
    t, values = samples if samples is not None else (np.zeros(0, dtype=np.int64), np.zeros(0))
    index = cells.of(t)
    starts = starts_of(index)
    rows = summarize_texts(values, starts) if kind is Kind.STRING else summarize(values[None], starts)[0]
    return index[starts], rows


def _outermost(samples: Samples, cells: _Cells, newest: bool) -> Samples:
    """Numbers of cells, and the first or newest sample of each."""
    t, values = samples
    index = cells.of(t)
    starts = starts_of(index)
    ends = np.append(starts[1:], index.size) - 1
    return index[starts], values[ends if newest else starts] if starts.size else values


def _value_of(operator: str, rows: Rows) -> Values:
    if operator == "count":
        return rows["count"].astype(np.float64)
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
