"""From frames on disk to rows of the index, one transaction at a time.

What the index holds is a function of the whole frames on disk, and of nothing else: neither of the order in which
files were read, nor of how many steps it took. So each bucket of the finest level that a step touches is made anew of
all samples in it. Most of them lie in the frames at hand; where frames that are indexed already reach into the same
bucket, those are read again.
"""

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, Row, delete, func, select, update
from sqlalchemy.dialects.mysql import insert

from services.g3_index.frames import Block, BrokenFrameError, Stream, kind_of, read_blocks
from services.g3_index.levels import DAY, EARLIEST, FINEST, HOUR, LATEST
from services.g3_index.merging import merged
from services.g3_index.pyramid import Buckets, empty, replace_buckets, roll_up
from services.g3_index.schema import (
    LONGEST_FEED,
    LONGEST_NAME,
    Kind,
    Status,
    files,
    frames,
    presence,
    series,
    sources,
    state,
    tiles,
    timelines,
)
from services.g3_index.summary import Rows, starts_of, summarize, summarize_texts

MOST_FILES = 24
MOST_BYTES = 2**26
"""Files and bytes that one step takes at most: what is lost when it is killed, and what it needs of memory."""

_LEAVING = {Status.REPLACED, Status.MISSING}
_MOST_VALUES = 1000
"""Values of one IN list."""

Ticks = NDArray[np.int64]
SeriesKey = tuple[str, Kind]


@dataclass(frozen=True)
class Step:
    """What one transaction has done: files it came to the end of, bytes and data frames that it read."""

    files: int
    bytes: int
    frames: int


@dataclass(frozen=True)
class Piece:
    """One block of one frame, and where it is.

    `columns` has values by series; `order` sorts pieces as they were written.
    """

    path: bytes
    file_id: int
    prov_id: int
    feed: str
    block_name: str
    byte_offset: int
    block: int
    size: int
    t: Ticks
    columns: dict[SeriesKey, NDArray[Any]]

    @property
    def order(self) -> tuple[bytes, int, int]:
        """Where it was written: path, offset, block."""
        return self.path, self.byte_offset, self.block


@dataclass
class Reading:
    """What was read of one file."""

    row: Row[Any]
    stream: Stream
    size: int
    mtime_ns: int
    begin: int
    status: Status = Status.DONE
    problem: str | None = None
    frames: int = 0
    unread: bool = False
    pieces: list[Piece] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """How much was read."""
        return self.stream.reached - self.begin


def index_next(
    engine: Engine, claimed: Callable[[Sequence[int]], None] = lambda _: None, most_bytes: int = MOST_BYTES
) -> Step | None:
    """Take what is due next into the index, in one transaction.

    Several programs may do this at the same time, on several hosts: each takes files that no other has.

    Parameters
    ----------
    engine
        The database, READ COMMITTED.
    claimed
        Told the ids of the files before they are opened.
    most_bytes
        How much to read at most.

    Returns
    -------
    What was done, or None when nothing is due.

    Raises
    ------
    sqlalchemy.exc.DBAPIError
        The database did not do its part; then nothing has changed.
    """
    with engine.begin() as connection:
        rows = _claim(connection, most_bytes)
        if not rows:
            return None
        claimed([row.id for row in rows])
        readings = [_read(row, most_bytes) for row in rows if row.status != Status.MISSING]
        connection.execute(select(state.c.version).where(state.c.id == 1).with_for_update())
        for row in rows:
            if row.status in _LEAVING or (row.status == Status.NEW and row.indexed):
                _forget(connection, row)
        _add(connection, [piece for reading in readings for piece in reading.pieces])
        for reading in readings:
            _write_file(connection, reading)
        connection.execute(update(state).where(state.c.id == 1).values(version=state.c.version + 1))
    return Step(len(rows), sum(each.bytes for each in readings), sum(each.frames for each in readings))


def settle(engine: Engine, least_days: int = 1, most_days: int = 32) -> bool:
    """Roll the finished days of one timeline up into the coarse levels, in one transaction.

    Parameters
    ----------
    engine
        The database, READ COMMITTED.
    least_days
        Days that must wait before it is worth it.
    most_days
        Days to roll up at most.

    Returns
    -------
    Whether there was something to do.
    """
    with engine.begin() as connection:
        connection.execute(select(state.c.version).where(state.c.id == 1).with_for_update())
        # A day that has not come yet is never finished, whatever a wrong clock has stamped.
        finished = func.least(func.max(series.c.last) // DAY, func.floor(func.unix_timestamp() / 86400))
        waiting = connection.execute(
            select(timelines.c.id, finished.label("until"), timelines.c.settled_until.label("since"))
            .join(series, series.c.timeline_id == timelines.c.id)
            .group_by(timelines.c.id)
            .having(finished - timelines.c.settled_until >= least_days)
            .limit(1)
        ).first()
        if waiting is None:
            return False
        since, until = int(waiting.since), int(waiting.until)
        first_hour = connection.scalar(
            select(func.min(frames.c.hour)).where(frames.c.timeline_id == waiting.id, frames.c.hour >= since * 24)
        )
        if first_hour is not None and first_hour // 24 < until:
            since = int(first_hour) // 24
            until = min(until, since + most_days)
            names = connection.execute(select(series.c.id, series.c.kind).where(series.c.timeline_id == waiting.id))
            roll_up(connection, {row.id: Kind(row.kind) for row in names}, since, until)
        connection.execute(update(timelines).where(timelines.c.id == waiting.id).values(settled_until=until))
        connection.execute(update(state).where(state.c.id == 1).values(version=state.c.version + 1))
    return True


def _claim(connection: Connection, most_bytes: int) -> list[Row[Any]]:
    due = connection.execute(
        select(files).where(files.c.due).order_by(files.c.path).limit(MOST_FILES).with_for_update(skip_locked=True)
    ).all()
    # What goes, goes alone: it may touch anything.
    if due and due[0].status in _LEAVING:
        return list(due[:1])
    taken: list[Row[Any]] = []
    room = most_bytes
    for row in due:
        if row.status in _LEAVING or (taken and row.size - row.indexed > room):
            break
        taken.append(row)
        room -= row.size - row.indexed
    return taken


def _read(row: Row[Any], most_bytes: int) -> Reading:
    """Read the new frames of a file, as many as a step may."""
    begin = row.indexed if row.status not in {Status.REPLACED, Status.NEW} else 0
    resume = json.loads(row.resume) if row.resume and begin else {}
    stream = Stream(
        Path(os.fsdecode(row.path)),
        reached=begin,
        session=resume.get("session"),
        providers={int(prov_id): feed for prov_id, feed in resume.get("providers", {}).items()},
        strange=resume.get("strange", {}),
    )
    reading = Reading(row, stream, row.size, row.mtime_ns, begin)
    try:
        seen = stream.path.stat()
        reading.size, reading.mtime_ns = seen.st_size, seen.st_mtime_ns
        for frame in stream.frames():
            reading.frames += 1
            for block in frame.blocks:
                piece = _piece(
                    (row.path, row.id), frame.feed, frame.prov_id, block, (frame.offset, frame.size), stream.strange
                )
                if piece is not None:
                    reading.pieces.append(piece)
            if reading.bytes >= most_bytes:
                reading.unread = True
                break
        if not reading.unread and stream.end > stream.reached:
            reading.status = Status.PARTIAL
            reading.problem = f"it ends within a frame, {stream.end - stream.reached} bytes after the last whole one"
    except BrokenFrameError as error:
        reading.status, reading.problem = Status.FAILED, str(error)
    except FileNotFoundError:
        # The sweep decides whether the index forgets it.
        reading.status = Status(row.status) if begin else Status.MISSING
        reading.problem = "it has vanished"
    except OSError as error:
        reading.status, reading.problem = Status.FAILED, f"it cannot be read ({error.strerror})"
    if stream.strange:
        passed = "; ".join(f"passed over {count} {why}" for why, count in stream.strange.items())
        reading.problem = f"{reading.problem}; {passed}" if reading.problem else passed
    return reading


def _piece(
    file: tuple[bytes, int], feed: str, prov_id: int, block: Block, place: tuple[int, int], strange: dict[str, int]
) -> Piece | None:
    """A block without what cannot be kept; None when nothing of it can."""

    def strike(what: str, count: int = 1) -> None:
        strange[what] = strange.get(what, 0) + count

    if len(feed) > LONGEST_FEED or len(block.name) > LONGEST_NAME:
        strike(f"frames with a feed of over {LONGEST_FEED} or a block of over {LONGEST_NAME} characters")
        return None
    columns = {}
    for name, column in block.columns.items():
        if not 0 < len(name) <= LONGEST_NAME:
            strike(f"fields with a name of none or over {LONGEST_NAME} characters")
        else:
            columns[name, Kind(kind_of(column))] = column
    t = block.t
    possible = (t >= EARLIEST) & (t < LATEST)
    if not possible.all():
        strike("samples stamped before 1970 or after 4000", int(t.size - possible.sum()))
        t, columns = t[possible], {key: column[possible] for key, column in columns.items()}
    if not t.size or not columns:
        return None
    return Piece(*file, prov_id, feed, block.name, place[0], block.number, place[1], t, columns)


def _add(connection: Connection, pieces: list[Piece]) -> None:
    """Take new pieces into the index."""
    by_timeline: dict[tuple[str, str], list[Piece]] = defaultdict(list)
    for piece in pieces:
        by_timeline[piece.feed, piece.block_name].append(piece)
    standing = _timelines(connection, by_timeline)
    found: dict[tuple[int, int, str], list[tuple[int, int, int]]] = defaultdict(list)
    for key, mine in by_timeline.items():
        timeline_id, settled_until = standing[key]
        ids = _series(connection, timeline_id, mine)
        days = _renew(connection, timeline_id, ids, mine)
        _roll_up_again(connection, ids, days, settled_until)
        _write_frames(connection, timeline_id, mine)
        for piece in mine:
            first, last = int(piece.t.min()), int(piece.t.max())
            for each in piece.columns:
                found[piece.file_id, piece.prov_id, piece.feed].append((ids[each], first, last))
    _write_presence(connection, found)


def _timelines(connection: Connection, names: Iterable[tuple[str, str]]) -> dict[tuple[str, str], tuple[int, int]]:
    """Id and settled_until of each timeline; those that are new are made."""
    wanted = set(names)
    query = select(timelines).where(timelines.c.feed.in_({feed for feed, _ in wanted}))

    def look() -> dict[tuple[str, str], tuple[int, int]]:
        return {(row.feed, row.block): (row.id, row.settled_until) for row in connection.execute(query)}

    known = look() if wanted else {}
    missing = sorted(wanted - known.keys())
    if missing:
        nothing = {"samples": 0, "frames": 0, "covered": 0, "settled_until": 0}
        connection.execute(insert(timelines), [{"feed": feed, "block": block} | nothing for feed, block in missing])
        known = look()
    return known


def _series(connection: Connection, timeline_id: int, pieces: list[Piece]) -> dict[SeriesKey, int]:
    """Id of each series in the pieces; those that are new are made, and their spans widened."""
    spans: dict[SeriesKey, tuple[int, int]] = {}
    for piece in pieces:
        first, last = int(piece.t.min()), int(piece.t.max())
        for key in piece.columns:
            low, high = spans.get(key, (first, last))
            spans[key] = min(low, first), max(high, last)
    query = select(series.c.id, series.c.field, series.c.kind).where(series.c.timeline_id == timeline_id)

    def look() -> dict[SeriesKey, int]:
        return {(row.field, Kind(row.kind)): row.id for row in connection.execute(query)}

    known = look()
    statement = insert(series)
    rows: list[dict[str, Any]] = [
        {"timeline_id": timeline_id, "field": name, "kind": kind, "first": first, "last": last}
        for (name, kind), (first, last) in spans.items()
    ]
    # By their ids, so that no number is used up where a row is there already.
    wider = [row | {"id": known[row["field"], row["kind"]]} for row in rows if (row["field"], row["kind"]) in known]
    fresh = [row for row in rows if (row["field"], row["kind"]) not in known]
    if wider:
        connection.execute(
            statement.on_duplicate_key_update(
                first=func.least(series.c.first, statement.inserted.first),
                last=func.greatest(series.c.last, statement.inserted.last),
            ),
            wider,
        )
    if fresh:
        connection.execute(statement, fresh)
        known = look()
        _changed_layout(connection)
    return {key: known[key] for key in spans}


def _renew(
    connection: Connection,
    timeline_id: int,
    ids: dict[SeriesKey, int],
    pieces: list[Piece],
    gone: Buckets | None = None,
) -> set[int]:
    """Make anew the buckets of some series which new pieces, or samples that are `gone`, have touched.

    Frames of `pieces` are not in the table yet, those of samples that are gone not any more.

    Returns
    -------
    The days, since 1970, of these buckets.
    """
    parts = [_distinct(piece.t // FINEST.bucket) for piece in pieces]
    touched = np.unique(np.concatenate([*parts, *([] if gone is None else [gone])]))
    others, contested, hours = _others(connection, timeline_id, touched)
    if gone is not None:
        contested = touched
    kinds = {series_id: kind for (_, kind), series_id in ids.items()}
    changed: dict[int, list[tuple[Buckets, Rows]]] = defaultdict(list)
    pieces = sorted(pieces, key=attrgetter("order"))
    members: dict[tuple[int, ...], list[SeriesKey]] = defaultdict(list)
    for key in ids:
        members[tuple(at for at, piece in enumerate(pieces) if key in piece.columns)].append(key)
    for places, keys in members.items():
        mine = [pieces[at] for at in places]
        t = np.concatenate([piece.t for piece in mine]) if mine else np.zeros(0, dtype=np.int64)
        buckets = t // FINEST.bucket
        doubtful = contested if bool(np.all(t[1:] > t[:-1])) else np.union1d(contested, buckets)
        clear = ~np.isin(buckets, doubtful) if doubtful.size else np.ones(t.size, dtype=bool)
        chosen = buckets[clear]
        starts = starts_of(chosen)
        if chosen.size:
            for series_id, rows in _summaries(mine, keys, ids, clear, starts):
                changed[series_id].append((chosen[starts], rows))
        if doubtful.size:
            written = sorted(others + mine, key=attrgetter("order"))
            masks = [np.isin(piece.t // FINEST.bucket, doubtful) for piece in written]
            for key in keys:
                has = [(p.t[mask], _numbers(p.columns[key][mask]))
                       for p, mask in zip(written, masks, strict=True) if key in p.columns]  # fmt: skip
                changed[ids[key]].append((doubtful, _anew(key[1], has, doubtful)))
    joined = {
        series_id: (np.concatenate([b for b, _ in each]), np.concatenate([rows for _, rows in each]))
        for series_id, each in changed.items()
    }
    replace_buckets(connection, kinds, joined, hours)
    return set((touched * FINEST.bucket // DAY).tolist())


def _distinct(index: Buckets) -> Buckets:
    """Drop values that equal the one before."""
    return index[starts_of(index)]


def _summaries(
    pieces: list[Piece],
    keys: list[SeriesKey],
    ids: dict[SeriesKey, int],
    chosen: NDArray[np.bool_],
    starts: NDArray[np.intp],
) -> Iterator[tuple[int, Rows]]:
    """Summarize columns that lie in order."""
    numbers = [key for key in keys if key[1] is not Kind.STRING]
    if numbers:
        values = np.empty((len(numbers), int(chosen.sum())))
        for at, key in enumerate(numbers):
            column = np.concatenate([piece.columns[key] for piece in pieces])
            values[at] = column if chosen.all() else column[chosen]
        for key, rows in zip(numbers, summarize(values, starts), strict=True):
            yield ids[key], rows
    for key in keys:
        if key[1] is Kind.STRING:
            column = np.concatenate([piece.columns[key] for piece in pieces])
            yield ids[key], summarize_texts(column[chosen], starts)


def _anew(kind: Kind, parts: list[tuple[Ticks, NDArray[Any]]], wanted: Buckets) -> Rows:
    """The wanted buckets of one series, from samples in any order, in which a stamp may come twice."""
    t, values = merged(parts)
    buckets = t // FINEST.bucket
    starts = starts_of(buckets)
    rows = empty(kind, wanted.size)
    if t.size:
        made = summarize_texts(values, starts) if kind is Kind.STRING else summarize(values[None], starts)[0]
        rows[np.searchsorted(wanted, buckets[starts])] = made
    return rows


def _numbers(column: NDArray[Any]) -> NDArray[Any]:
    return column if column.dtype.kind == "O" else column.astype(np.float64, copy=False)


def _others(connection: Connection, timeline_id: int, touched: Buckets) -> tuple[list[Piece], Buckets, set[int]]:
    """Indexed frames that reach into the touched buckets.

    Returns
    -------
    Their pieces; the buckets that they may share; and the hours in which the timeline has any frames.
    """
    contested: list[Buckets] = []
    near: list[Row[Any]] = []
    hours: set[int] = set()
    wanted = np.unique(touched // FINEST.size).tolist()
    for at in range(0, len(wanted), _MOST_VALUES):
        query = (
            select(frames, files.c.path)
            .join(files, files.c.id == frames.c.file_id)
            .where(frames.c.timeline_id == timeline_id, frames.c.hour.in_(wanted[at : at + _MOST_VALUES]))
        )
        for row in connection.execute(query):
            hours.add(row.hour)
            first, end = np.searchsorted(touched, (row.first // FINEST.bucket, row.last // FINEST.bucket + 1))
            if first < end:
                near.append(row)
                contested.append(touched[first:end])
    pieces = list(_read_again(connection, near))
    return pieces, np.unique(np.concatenate(contested)) if contested else np.zeros(0, dtype=np.int64), hours


def _read_again(connection: Connection, rows: list[Row[Any]]) -> Iterator[Piece]:
    """Read indexed frames from their files."""
    rows.sort(key=attrgetter("path", "byte_offset", "block"))
    for path, of_file in groupby(rows, key=attrgetter("path")):
        listed = list(of_file)
        blocks_at = defaultdict(set)
        for row in listed:
            blocks_at[row.byte_offset, row.size].add(row.block)
        try:
            read = list(read_blocks(Path(os.fsdecode(path)), list(blocks_at)))
        except (OSError, BrokenFrameError):
            # It is not what it was: forget it, and read it from its beginning.
            connection.execute(update(files).where(files.c.path == path).values(status=Status.REPLACED, due=True))
            continue
        for ((byte_offset, size), wanted), blocks in zip(blocks_at.items(), read, strict=True):
            for block in blocks:
                if block.number in wanted:
                    piece = _piece((path, listed[0].file_id), "", 0, block, (byte_offset, size), {})
                    if piece is not None:
                        yield piece


def _roll_up_again(connection: Connection, ids: dict[SeriesKey, int], days: set[int], settled_until: int) -> None:
    """Bring the coarse levels of settled days in line with the finest one."""
    settled = sorted(day for day in days if day < settled_until)
    kinds = {series_id: kind for (_, kind), series_id in ids.items()}
    for _, run in groupby(enumerate(settled), key=lambda pair: pair[1] - pair[0]):
        listed = [day for _, day in run]
        roll_up(connection, kinds, listed[0], listed[-1] + 1)


def _write_frames(connection: Connection, timeline_id: int, pieces: list[Piece]) -> None:
    rows = []
    for piece in pieces:
        t = np.sort(piece.t)  # Nearly always in order, and then this costs next to nothing.
        hours = t // HOUR
        for each, part in zip(hours[starts_of(hours)].tolist(), np.split(t, starts_of(hours)[1:]), strict=True):
            rows.append({"timeline_id": timeline_id, "hour": each, "file_id": piece.file_id,
                         "byte_offset": piece.byte_offset, "block": piece.block, "size": piece.size,
                         "first": int(part[0]), "last": int(part[-1]), "count": part.size})  # fmt: skip
    connection.execute(insert(frames), rows)
    connection.execute(
        update(timelines)
        .where(timelines.c.id == timeline_id)
        .values(
            samples=timelines.c.samples + sum(row["count"] for row in rows),
            frames=timelines.c.frames + len(rows),
            covered=timelines.c.covered + sum(row["last"] - row["first"] for row in rows),
        )
    )


def _write_presence(connection: Connection, found: dict[tuple[int, int, str], list[tuple[int, int, int]]]) -> None:
    """Note which series each provider has in each file, and from when to when."""
    if not found:
        return
    query = select(sources).where(sources.c.file_id.in_({file_id for file_id, _, _ in found}))

    def look() -> dict[tuple[int, int, str], int]:
        return {(row.file_id, row.prov_id, row.description): row.id for row in connection.execute(query)}

    known = look()
    missing = sorted(found.keys() - known.keys())
    if missing:
        names = ("file_id", "prov_id", "description")
        connection.execute(insert(sources), [dict(zip(names, each, strict=True)) for each in missing])
        known = look()
    spans: dict[tuple[int, int], tuple[int, int]] = {}
    for source, listed in found.items():
        for series_id, first, last in listed:
            low, high = spans.get((known[source], series_id), (first, last))
            spans[known[source], series_id] = min(low, first), max(high, last)
    statement = insert(presence)
    connection.execute(
        statement.on_duplicate_key_update(
            first=func.least(presence.c.first, statement.inserted.first),
            last=func.greatest(presence.c.last, statement.inserted.last),
        ),
        [
            {"source_id": source_id, "series_id": series_id, "first": first, "last": last}
            for (source_id, series_id), (first, last) in spans.items()
        ],
    )


def _forget(connection: Connection, file: Row[Any]) -> None:
    """Take everything out of the index that came from a file."""
    touched: dict[int, list[Buckets]] = defaultdict(list)
    lost: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in connection.execute(select(frames).where(frames.c.file_id == file.id)):
        touched[row.timeline_id].append(np.arange(row.first // FINEST.bucket, row.last // FINEST.bucket + 1))
        for at, less in enumerate((row.count, 1, row.last - row.first)):
            lost[row.timeline_id][at] += less
    of_file = select(sources.c.id).where(sources.c.file_id == file.id)
    affected = connection.execute(
        select(series).where(series.c.id.in_(select(presence.c.series_id).where(presence.c.source_id.in_(of_file))))
    ).all()
    connection.execute(delete(presence).where(presence.c.source_id.in_(of_file)))
    connection.execute(delete(sources).where(sources.c.file_id == file.id))
    connection.execute(delete(frames).where(frames.c.file_id == file.id))
    for timeline_id, buckets in touched.items():
        ids = {(row.field, Kind(row.kind)): row.id for row in affected if row.timeline_id == timeline_id}
        days = _renew(connection, timeline_id, ids, [], np.concatenate(buckets))
        samples, count, covered = lost[timeline_id]
        connection.execute(
            update(timelines)
            .where(timelines.c.id == timeline_id)
            .values(
                samples=timelines.c.samples - samples,
                frames=timelines.c.frames - count,
                covered=timelines.c.covered - covered,
            )
        )
        _narrow(connection, timeline_id, ids, days)
    nothing = {"indexed": 0, "resume": None, "problem": None, "due": False}
    connection.execute(update(files).where(files.c.id == file.id).values(nothing))


def _narrow(connection: Connection, timeline_id: int, ids: dict[SeriesKey, int], days: set[int]) -> None:
    """Bring the spans of series in line with what is left of them; those without anything go, and their timeline."""
    spans = {
        row.series_id: row
        for row in connection.execute(
            select(
                presence.c.series_id, func.min(presence.c.first).label("first"), func.max(presence.c.last).label("last")
            )
            .where(presence.c.series_id.in_(ids.values()))
            .group_by(presence.c.series_id)
        )
    }
    for series_id in ids.values():
        mine = series.c.id == series_id
        if series_id in spans:
            values = {"first": spans[series_id].first, "last": spans[series_id].last}
            connection.execute(update(series).where(mine).values(values))
        else:
            connection.execute(delete(tiles).where(tiles.c.series_id == series_id))
            connection.execute(delete(series).where(mine))
            _changed_layout(connection)
    left = {key: series_id for key, series_id in ids.items() if series_id in spans}
    newest = connection.scalar(select(func.max(series.c.last)).where(series.c.timeline_id == timeline_id))
    if newest is None:
        connection.execute(delete(timelines).where(timelines.c.id == timeline_id))
        return
    row = connection.execute(select(timelines.c.settled_until).where(timelines.c.id == timeline_id)).one()
    finished = min(row.settled_until, newest // DAY)
    _roll_up_again(connection, left, days, finished)
    if finished < row.settled_until:
        every = connection.execute(select(series.c.id, series.c.kind).where(series.c.timeline_id == timeline_id))
        kinds = {each.id: Kind(each.kind) for each in every}
        roll_up(connection, kinds, finished, row.settled_until, finished)
        connection.execute(update(timelines).where(timelines.c.id == timeline_id).values(settled_until=finished))


def _changed_layout(connection: Connection) -> None:
    connection.execute(update(state).where(state.c.id == 1).values(layout=state.c.layout + 1))


def _write_file(connection: Connection, reading: Reading) -> None:
    stream = reading.stream
    resume = {"session": stream.session, "providers": stream.providers, "strange": stream.strange}
    connection.execute(
        update(files)
        .where(files.c.id == reading.row.id)
        .values(
            size=reading.size,
            mtime_ns=reading.mtime_ns,
            indexed=stream.reached,
            status=Status.PARTIAL if reading.unread else reading.status,
            problem=reading.problem,
            resume=json.dumps(resume) if stream.reached else None,
            due=reading.unread,
        )
    )
