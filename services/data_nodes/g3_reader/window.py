"""A look at the index for one query: what it holds of some series between two times, as of one moment."""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import chain, repeat
from typing import NamedTuple

import numpy as np
from sqlalchemy import Connection, Engine, func, select

from services.data_nodes.g3_reader.files import Place, bytes_of
from services.data_nodes.g3_reader.memory import Remembers
from services.data_nodes.g3_reader.zoom import Span
from services.g3_index.levels import DAY, HOUR, LEVELS, Level
from services.g3_index.merging import Ticks
from services.g3_index.pyramid import empty, read_tiles
from services.g3_index.schema import Kind, frames
from services.g3_index.summary import SUMMARY, Rows, chosen, joined


class FrameRow(NamedTuple):
    """A frame of a timeline in one hour: where it is, its first and last stamp there (ticks)."""

    place: Place
    first: int
    last: int


_ROW_BYTES = 500
"""What a `FrameRow` takes of memory, roughly."""
_MANY_HOURS = 2000
"""Hours of one question that are remembered one by one."""
_LARGEST_SHARE = 0.1
"""Of what can be remembered, for one question; a greater one would drive all others out, and take as much once more."""
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
    version, layout
        Of which ones it is; see `services.g3_index.schema.state`.
    standings
        Of each timeline.
    spans
        Timeline -> series -> first and last stamp, ticks.
    """

    version: int
    layout: int
    standings: dict[int, "Standing"]
    spans: dict[int, dict[int, tuple[int, int]]]


class Standing(NamedTuple):
    """How far the index is with a timeline.

    Attributes
    ----------
    settled_until
        The day up to which its coarse levels are filled.
    revision
        While it is the same, what was there before that day still is, and nothing else.
    """

    settled_until: int
    revision: int


Age = tuple[int, int]
"""The revision of a timeline, and, of days that are not settled, the version of the index."""


class Look:
    """The index as it is at one moment, and what is remembered of it.

    Attributes
    ----------
    state
        How far it is.
    memory
        For what has been read of it, by its age.
    """

    def __init__(self, state: State, memory: Remembers, connect: Callable[[], Connection]) -> None:
        """Look at the index; `connect` gives a connection that sees what `state` says, once something is asked."""
        self.state, self.memory, self._connect = state, memory, connect

    def standing(self, timeline_ids: Iterable[int]) -> tuple[str, int]:
        """The revision of some timelines together (see `still_holds`), and until when they all are settled, ticks."""
        standings = {each: self.state.standings[each] for each in timeline_ids if each in self.state.standings}
        revisions = ",".join(f"{each}.{standing.revision}" for each, standing in sorted(standings.items()))
        settled = min((standing.settled_until for standing in standings.values()), default=0)
        return f"{self.state.layout}:{revisions}", settled * DAY

    def age(self, timeline_id: int, end: int) -> Age:
        """How old what a timeline has in a day before `end`, ticks, is: the same again as long as this is the same."""
        standing = self.state.standings[timeline_id]
        return standing.revision, 0 if end <= standing.settled_until * DAY else self.state.version + 1

    @cached_property
    def connection(self) -> Connection:
        """All of whose queries see the same."""
        return self._connect()


def state_of(connection: Connection, timeline_ids: Collection[int]) -> State:
    """Look up how far the index is with some timelines, of which there must be one."""
    state = State(-1, -1, {}, defaultdict(dict))
    rows = connection.exec_driver_sql(
        # Here as below, what is put in is whole numbers only.
        "SELECT version, layout, timeline_id, settled_until, revision, series.id, first, last"  # noqa: S608
        " FROM state, series JOIN timelines ON timelines.id = timeline_id"
        f" WHERE timeline_id IN ({_listed(timeline_ids)})"
    ).all()
    for version, layout, timeline_id, settled_until, revision, series_id, first, last in rows:
        state = state._replace(version=version, layout=layout)
        state.standings[timeline_id] = Standing(settled_until, revision)
        state.spans[timeline_id][series_id] = first, last
    return state


_REVISION = re.compile(r"(\d{1,18}):(\d{1,18}\.\d{1,18}(?:,\d{1,18}\.\d{1,18})*)")


def still_holds(connection: Connection, revisions: Iterable[str]) -> list[bool]:
    """Whether each of some revisions of timelines, as `Look.standing` has given them, is still so.

    ``"7:12.0,15.3"``: of layout 7, timeline 12 at its revision 0 and timeline 15 at 3. As the layout is the same, no
    series has come to the field that could have samples elsewhere.
    """
    read = [_REVISION.fullmatch(each) for each in revisions]
    ids = {int(each.partition(".")[0]) for match in read if match for each in match[2].split(",")} or {0}
    rows = connection.exec_driver_sql(
        "SELECT layout, timelines.id, revision FROM state, timelines"  # noqa: S608
        f" WHERE timelines.id IN ({_listed(ids)})"
    ).all()
    now = {(str(layout), f"{timeline_id}.{revision}") for layout, timeline_id, revision in rows}
    return [match is not None and now >= {(match[1], each) for each in match[2].split(",")} for match in read]


class _HourOf(NamedTuple):
    """An hour of a timeline, as of some age."""

    timeline_id: int
    age: Age
    hour: int


class FramesOf(NamedTuple):
    """A question: the frames of some timelines that have samples in some spans of hours, [first, end)."""

    timeline_ids: Sequence[int]
    hours: Sequence[tuple[int, int]]

    def covers(self, timeline_id: int, hour: int) -> bool:
        """Whether it asks for this one."""
        return timeline_id in self.timeline_ids and any(first <= hour < end for first, end in self.hours)


def frames_of(look: Look, questions: Sequence[FramesOf], most: int) -> list[list[FrameRow]]:
    """Answer questions for frames all at once, with up to `most` of them for each, and somewhat more."""
    few = [_hours_of(look, question) for question in questions]
    known: dict[_HourOf, tuple[FrameRow, ...]] = look.memory.recall(chain.from_iterable(few))
    unknown = [each for listed in few for each in listed if each not in known]
    asked: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for each in unknown:
        asked[each.timeline_id].append((each.hour, each.hour + 1))
    for question, listed in zip(questions, few, strict=True):
        for timeline_id in question.timeline_ids if not listed else ():
            asked[timeline_id] += [(first, end) for first, end in question.hours if first < end]
    found, whole = _looked_up(look, asked, most * len(questions) + 1)
    for each in unknown:
        known[each] = tuple(found.get((each.timeline_id, each.hour), ()))
        if whole:
            look.memory.keep(each, known[each], _ROW_BYTES * (1 + len(known[each])))
    return [
        [row for each in listed for row in known[each]]
        if listed
        else [row for (each, hour), rows in found.items() if question.covers(each, hour) for row in rows]
        for question, listed in zip(questions, few, strict=True)
    ]


def _hours_of(look: Look, question: FramesOf) -> list[_HourOf]:
    """All that a question asks for; none where that is too much to remember."""
    if sum(end - first for first, end in question.hours) > _MANY_HOURS:
        return []
    hours = list(chain.from_iterable(range(first, end) for first, end in question.hours))
    there = [each for each in question.timeline_ids if each in look.state.standings]
    return [_HourOf(each, look.age(each, (hour + 1) * HOUR), hour) for each in there for hour in hours]


def _looked_up(
    look: Look, asked: Mapping[int, Sequence[tuple[int, int]]], most: int
) -> tuple[dict[tuple[int, int], list[FrameRow]], bool]:
    """At most so many frames, by timeline and hour, in spans of hours, [first, end), and whether these are all."""
    # Timelines that are asked for the same hours go together, so that the server looks each up by the table's key.
    together: dict[str, list[int]] = defaultdict(list)
    for timeline_id, hours in asked.items():
        spans = " OR ".join(f"hour BETWEEN {int(first)} AND {int(end) - 1}" for first, end in _distinct(hours))
        if spans:
            together[spans].append(timeline_id)
    if not together:
        return {}, True
    where = " OR ".join(f"(timeline_id IN ({_listed(ids)}) AND ({spans}))" for spans, ids in together.items())
    rows = look.connection.exec_driver_sql(
        "SELECT timeline_id, hour, path, byte_offset, block, frames.size, first, last"  # noqa: S608
        # Straight, as the server may think it cheaper to begin with all files.
        f" FROM frames STRAIGHT_JOIN files ON files.id = file_id WHERE {where} LIMIT {most}"
    ).all()
    found: dict[tuple[int, int], list[FrameRow]] = defaultdict(list)
    for timeline_id, hour, path, offset, block, size, first, last in rows:
        place = Place(path, offset, block, size, (timeline_id, look.state.standings[timeline_id].revision))
        found[timeline_id, hour].append(FrameRow(place, first, last))
    return dict(found), len(rows) < most


def _distinct(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same spans, [first, end), those that touch made one."""
    joined_up: list[tuple[int, int]] = []
    for first, end in sorted(spans):
        if joined_up and first <= joined_up[-1][1]:
            joined_up[-1] = joined_up[-1][0], max(end, joined_up[-1][1])
        else:
            joined_up.append((first, end))
    return joined_up


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


def buckets_of(look: Look, questions: Sequence[BucketsOf]) -> list[dict[int, Buckets]]:
    """Answer questions for buckets all at once."""
    parts: list[dict[int, list[Buckets]]] = [{each: [] for each in question.kinds} for question in questions]
    for level in LEVELS:
        alike: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for at, question in enumerate(questions):
            alike[_numbers(look, question, level)].append(at)
        for numbers, places in alike.items():
            kinds = {each: kind for at in places for each, kind in questions[at].kinds.items()}
            tiles = _tiles_of(look, kinds, level, numbers) if numbers else {}
            for at in places:
                mine = [span for span in questions[at].spans if span.level is level]
                for series_id in questions[at].kinds.keys() & tiles.keys():
                    parts[at][series_id].append(_within(*tiles[series_id], level, mine))
    return [
        {each: _in_order(listed, question.kinds[each]) for each, listed in mine.items()}
        for question, mine in zip(questions, parts, strict=True)
    ]


class _TileOf(NamedTuple):
    """A tile of a series, as of some age of its timeline."""

    series_id: int
    age: Age
    level: int
    number: int


def _tiles_of(
    look: Look, kinds: Mapping[int, Kind], level: Level, numbers: Sequence[int]
) -> dict[int, tuple[Ticks, Rows]]:
    """Tiles of several series, as `read_tiles` gives them; those that are remembered are not read."""
    if len(kinds) * len(numbers) * level.size * SUMMARY.itemsize > look.memory.most * _LARGEST_SHARE:
        return read_tiles(look.connection, kinds, level, numbers)
    timeline_of = {each: timeline for timeline, listed in look.state.spans.items() for each in listed}
    # Many series share their timeline, and so the ages of their tiles.
    ages = {each: [look.age(each, (number + 1) * level.tile) for number in numbers] for each in look.state.standings}
    wanted = {
        each: list(map(_TileOf, repeat(each), ages[timeline_of[each]], repeat(level.number), numbers))
        for each in kinds
        if each in timeline_of
    }
    known = look.memory.recall(chain.from_iterable(wanted.values()))
    missing = {each: [tile for tile in tiles if tile not in known] for each, tiles in wanted.items()}
    lacking = {each: kinds[each] for each, tiles in missing.items() if tiles}
    read = {}
    if lacking:
        read = read_tiles(look.connection, lacking, level, {tile.number for each in lacking for tile in missing[each]})
    for each in lacking:
        there = dict(zip(read[each][0].tolist(), read[each][1], strict=True)) if each in read else {}
        for tile in missing[each]:
            rows = known[tile] = there.get(tile.number)
            # By itself, as otherwise all that has been read with it would stay, too.
            kept = None if rows is None else rows.copy()
            look.memory.keep(tile, kept, _ROW_BYTES + (0 if kept is None else bytes_of(kept)))
    found = {}
    for each, tiles in wanted.items():
        filled = [(tile.number, rows) for tile in tiles if (rows := known[tile]) is not None]
        if filled:
            rows = joined([rows for _, rows in filled]).reshape(-1, level.size)
            found[each] = np.array([number for number, _ in filled]), rows
    return found


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


def _numbers(look: Look, question: BucketsOf, level: Level) -> tuple[int, ...]:
    """The tiles of a level that a question needs."""
    spans = [span for span in question.spans if span.level is level]
    wanted = [(span.first // level.size, -(-span.end // level.size)) for span in spans]
    if sum(end - first for first, end in wanted) <= _MANY_TILES:
        return tuple(sorted({number for first, end in wanted for number in range(first, end)}))
    # More than a dense record would fill: ask where there is something.
    hours = [
        hour
        for span in spans
        for hour in hours_in(look.connection, question.timeline_ids, span.first * level.bucket, span.end * level.bucket)
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
