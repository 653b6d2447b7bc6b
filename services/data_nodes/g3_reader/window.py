"""A look at the index for one query: what it holds of some series between two times, as of one moment."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from sqlalchemy import Connection, Engine, func, select

from services.data_nodes.g3_reader.files import Place
from services.data_nodes.g3_reader.zoom import Span
from services.g3_index.levels import HOUR, LEVELS, Level
from services.g3_index.merging import Ticks
from services.g3_index.pyramid import empty, read_tiles
from services.g3_index.schema import Kind, frames
from services.g3_index.summary import Rows, chosen, joined


class FrameRow:
    """A frame of a timeline in one hour: where it is, its first and last stamp there (ticks), and how many."""

    __slots__ = ("count", "first", "last", "place")

    def __init__(self, path: bytes, byte_offset: int, block: int, size: int, first: int, last: int, count: int) -> None:
        self.place = Place(path, byte_offset, block, size)
        self.first, self.last, self.count = first, last, count


_MANY_TILES = 2000
"""Tiles of one query without a look at where there is something."""


@contextmanager
def as_of_now(engine: Engine) -> Iterator[Connection]:
    """A connection whose queries all see the index as it is at the first of them; it is REPEATABLE READ."""
    with engine.connect() as connection:
        yield connection  # Closing it ends the transaction.


class State(NamedTuple):
    """How far the index is.

    Attributes
    ----------
    layout
        Of which layout it is; see `services.g3_index.schema.state`.
    settled_until
        Timeline -> the day up to which its coarse levels are filled.
    spans
        Timeline -> series -> first and last stamp, ticks.
    """

    layout: int
    settled_until: dict[int, int]
    spans: dict[int, dict[int, tuple[int, int]]]


def state_of(connection: Connection, timeline_ids: Collection[int]) -> State:
    """Look up how far the index is with some timelines, of which there must be one."""
    state = State(-1, {}, defaultdict(dict))
    rows = connection.exec_driver_sql(
        # Here as below, what is put in is whole numbers only.
        "SELECT (SELECT layout FROM state), timeline_id, settled_until, series.id, first, last"  # noqa: S608
        f" FROM series JOIN timelines ON timelines.id = timeline_id WHERE timeline_id IN ({_listed(timeline_ids)})"
    )
    for layout, timeline_id, settled_until, series_id, first, last in rows:
        state = state._replace(layout=layout)
        state.settled_until[timeline_id] = settled_until
        state.spans[timeline_id][series_id] = first, last
    return state


class FramesOf(NamedTuple):
    """A question: the frames of some timelines that have samples in some spans of hours, [first, end)."""

    timeline_ids: Sequence[int]
    hours: Sequence[tuple[int, int]]

    def covers(self, hour: int) -> bool:
        """Whether it asks for this one."""
        return any(first <= hour < end for first, end in self.hours)


def frames_of(connection: Connection, questions: Sequence[FramesOf], most: int) -> list[list[FrameRow]]:
    """Answer questions for frames all at once, with up to `most` of them for each, and one more."""
    # Timelines that are asked for the same hours go together, so that the server looks each up by the table's key.
    together: dict[str, set[int]] = defaultdict(set)
    for ids, hours in questions:
        spans = " OR ".join(f"hour BETWEEN {int(first)} AND {int(end) - 1}" for first, end in hours if first < end)
        if spans:
            together[spans].update(ids)
    asked = " OR ".join(f"(timeline_id IN ({_listed(ids)}) AND ({spans}))" for spans, ids in together.items())
    if not asked:
        return [[] for _ in questions]
    rows = connection.exec_driver_sql(
        "SELECT timeline_id, hour, path, byte_offset, block, frames.size, first, last, count"  # noqa: S608
        # Straight, as the server may think it cheaper to begin with all files.
        f" FROM frames STRAIGHT_JOIN files ON files.id = file_id WHERE {asked} LIMIT {most * len(questions) + 1}"
    )
    if len(questions) == 1:
        return [[FrameRow(*row[2:]) for row in rows]]
    known: dict[int, list[tuple[int, FrameRow]]] = defaultdict(list)
    for timeline_id, hour, *row in rows:
        known[timeline_id].append((hour, FrameRow(*row)))
    return [
        [row for each in question.timeline_ids for hour, row in known.get(each, ()) if question.covers(hour)]
        for question in questions
    ]


def count_in(connection: Connection, timeline_ids: Sequence[int], start: int, end: int) -> int:
    """Stamps of the timelines in the hours of [start, end), ticks."""
    counted = select(func.sum(frames.c.count)).where(
        frames.c.timeline_id.in_(timeline_ids), frames.c.hour.between(start // HOUR, (end - 1) // HOUR)
    )
    return int(connection.scalar(counted) or 0)


def hours_in(connection: Connection, timeline_ids: Sequence[int], start: int, end: int) -> list[int]:
    """The hours of [start, end), ticks, in which any of the timelines has samples."""
    distinct = select(frames.c.hour).where(
        frames.c.timeline_id.in_(timeline_ids), frames.c.hour.between(start // HOUR, (end - 1) // HOUR)
    )
    return list(connection.scalars(distinct.distinct()))


def newest_hour(connection: Connection, timeline_ids: Sequence[int], before: int) -> int | None:
    """The last hour before the hour `before` in which any of the timelines has samples."""
    found = [
        connection.scalar(select(func.max(frames.c.hour)).where(frames.c.timeline_id == each, frames.c.hour < before))
        for each in timeline_ids
    ]
    hours = [hour for hour in found if hour is not None]
    return max(hours) if hours else None


class Buckets(NamedTuple):
    """Buckets of one series that hold something: begin and length (ticks), and content, shape (n,) each, in order."""

    begin: Ticks
    length: Ticks
    rows: Rows

    def before(self, end: int) -> "Buckets":
        """Those that begin before a time, ticks."""
        count = int(np.searchsorted(self.begin, end))
        return Buckets(self.begin[:count], self.length[:count], self.rows[:count])


class BucketsOf(NamedTuple):
    """A question: what some series of some timelines (id -> what it holds) have in spans of the pyramid."""

    timeline_ids: Sequence[int]
    kinds: Mapping[int, Kind]
    spans: Sequence[Span]


def buckets_of(connection: Connection, questions: Sequence[BucketsOf]) -> list[dict[int, Buckets]]:
    """Answer questions for buckets all at once."""
    parts: list[dict[int, list[Buckets]]] = [{each: [] for each in question.kinds} for question in questions]
    for level in LEVELS:
        alike: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for at, question in enumerate(questions):
            alike[_numbers(connection, question, level)].append(at)
        for numbers, places in alike.items():
            kinds = {each: kind for at in places for each, kind in questions[at].kinds.items()}
            tiles = read_tiles(connection, kinds, level, numbers)
            for at in places:
                mine = [span for span in questions[at].spans if span.level is level]
                for series_id in questions[at].kinds.keys() & tiles.keys():
                    parts[at][series_id].append(_within(*tiles[series_id], level, mine))
    return [
        {each: _in_order(listed, question.kinds[each]) for each, listed in mine.items()}
        for question, mine in zip(questions, parts, strict=True)
    ]


def _within(numbers: Ticks, tiles: Rows, level: Level, spans: Sequence[Span]) -> Buckets:
    """The buckets of tiles that lie in the spans, and hold something."""
    index = (numbers[:, None] * level.size + np.arange(level.size)).ravel()
    rows = tiles.ravel()
    within = np.zeros(index.size, dtype=bool)
    for span in spans:
        within |= (index >= span.first) & (index < span.end)
    within &= rows["count"] > 0
    begin = index[within] * level.bucket
    return Buckets(begin, np.full(begin.size, level.bucket), chosen(rows, within))


def _numbers(connection: Connection, question: BucketsOf, level: Level) -> tuple[int, ...]:
    """The tiles of a level that a question needs."""
    spans = [span for span in question.spans if span.level is level]
    wanted = [(span.first // level.size, -(-span.end // level.size)) for span in spans]
    if sum(end - first for first, end in wanted) <= _MANY_TILES:
        return tuple(sorted({number for first, end in wanted for number in range(first, end)}))
    # More than a dense record would fill: ask where there is something.
    hours = [
        hour
        for span in spans
        for hour in hours_in(connection, question.timeline_ids, span.first * level.bucket, span.end * level.bucket)
    ]
    return tuple(sorted({hour * HOUR // level.tile for hour in hours}))


def _in_order(parts: Sequence[Buckets], kind: Kind) -> Buckets:
    if not parts:
        none = np.zeros(0, dtype=np.int64)
        return Buckets(none, none, empty(kind, 0))
    if len(parts) == 1:
        return parts[0]
    begin, length = np.concatenate([part.begin for part in parts]), np.concatenate([part.length for part in parts])
    rows = joined([part.rows for part in parts])
    if bool(np.all(begin[1:] > begin[:-1])):
        return Buckets(begin, length, rows)
    order = np.argsort(begin, kind="stable")
    return Buckets(begin[order], length[order], chosen(rows, order))


def _listed(numbers: Iterable[int]) -> str:
    return ",".join(str(int(number)) for number in numbers)
