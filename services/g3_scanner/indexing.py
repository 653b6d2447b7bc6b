"""From frames on disk to rows of the index, one transaction at a time.

What the index holds is a function of the whole frames on disk, and of nothing else: neither of the order in which
files were read, nor of how many steps it took. So each bucket of the finest level that a step touches is made anew of
all samples in it. Most of them lie in the frames at hand; where frames that are indexed already reach into the same
bucket, those are read again.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, select, update

from services.g3_index.frames import Forms
from services.g3_index.levels import DAY
from services.g3_index.pyramid import MOST_DAYS, Packed, rolled_up, write_tiles
from services.g3_index.schema import Kind, Status, files, frames, series, state, timelines
from services.g3_scanner.bookkeeping import find_series, find_timelines, write_frames, write_presence
from services.g3_scanner.forgetting import forget
from services.g3_scanner.reading import Reading, read_file
from services.g3_scanner.renewing import Arrival, arrived, near, renew, roll_up_again, write_renewed
from services.g3_scanner.walking import shown

MOST_FILES = 24
MOST_BYTES = 2**27
"""Files and bytes that one step takes at most: what is lost when it is killed, and what it needs of memory."""

_MOST_WAITING = 64
_MOST_SERIES_DAYS = 8192
"""Timelines that one looks through for one that nobody settles yet, and days of series that are rolled up at a time."""

_LEAVING = {Status.REPLACED, Status.MISSING}


@dataclass(frozen=True)
class Step:
    """What one transaction has done: files it came to the end of, bytes and data frames that it read."""

    files: int
    bytes: int
    frames: int
    failed: tuple[str, ...] = ()
    """A sentence for each file that could not be read to its end, and was not known to be so."""


def index_next(
    engine: Engine,
    claimed: Callable[[Sequence[int]], None] = lambda _: None,
    most_bytes: int = MOST_BYTES,
    forms: Forms | None = None,
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
    forms
        Of frames that were read before: they are read more quickly.

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
        known = Forms() if forms is None else forms
        readings = [read_file(row, most_bytes, known) for row in rows if row.status != Status.MISSING]
        # Whatever can be is done before the lock, which lets one worker at a time through.
        arrivals = arrived([piece for reading in readings for piece in reading.pieces])
        connection.execute(select(state.c.version).where(state.c.id == 1).with_for_update())
        for row in rows:
            if row.status in _LEAVING or (row.status == Status.NEW and row.indexed):
                forget(connection, row)
        if arrivals:
            _add(connection, arrivals)
        for reading in readings:
            _write_file(connection, reading)
        connection.execute(update(state).where(state.c.id == 1).values(version=state.c.version + 1))
    again = sum(each.due for each in readings)
    failed = tuple(
        f"{shown(each.row.path)} {each.problem}"
        for each in readings
        if each.status == Status.FAILED and each.problem != each.row.problem
    )
    return Step(len(rows) - again, sum(each.bytes for each in readings), sum(each.frames for each in readings), failed)


def settle(engine: Engine, least_days: int = 1, most_days: int = MOST_DAYS) -> bool:
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
    # A day that has not come yet is never finished, whatever a wrong clock has stamped.
    finished = func.least(func.max(series.c.last) // DAY, func.floor(func.unix_timestamp() / 86400))
    waiting = (
        select(timelines.c.id, timelines.c.settled_until, finished.label("until"))
        .join(series, series.c.timeline_id == timelines.c.id)
        .group_by(timelines.c.id)
        .having(finished - timelines.c.settled_until >= least_days)
    )
    with engine.connect() as connection:
        for row in connection.execute(waiting.limit(_MOST_WAITING)).all():
            with _alone_with(connection, row.id) as alone:
                if alone:
                    _settle(connection, row.id, int(row.settled_until), int(row.until), most_days)
                    return True
    return False


@contextmanager
def _alone_with(connection: Connection, timeline_id: int) -> Iterator[bool]:
    """Let nobody else settle a timeline meanwhile; False when somebody does already."""
    name = func.concat(func.database(), f".settle.{timeline_id}")
    alone = bool(connection.scalar(select(func.get_lock(name, 0))))
    try:
        yield alone
        if alone:
            connection.execute(select(func.release_lock(name)))
    except BaseException:
        connection.invalidate()  # The lock goes with it, also where the server is away.
        raise


def _settle(connection: Connection, timeline_id: int, since: int, until: int, most_days: int) -> None:
    """Roll up days of a timeline from `since` on, if they do not change meanwhile."""
    of_days = (frames.c.timeline_id == timeline_id, frames.c.hour >= since * 24, frames.c.hour < until * 24)
    # Frames come, and are counted; when any go, the revision grows.
    about = select(
        timelines.c.settled_until,
        timelines.c.revision,
        select(func.count()).where(*of_days).scalar_subquery(),
        select(func.min(frames.c.hour)).where(*of_days).scalar_subquery(),
    ).where(timelines.c.id == timeline_id)
    seen = connection.execute(about).one_or_none()
    if seen is None or seen.settled_until != since:  # Somebody else has just been here.
        return
    made: list[Packed] = []
    end = until
    if seen[-1] is not None:
        names = connection.execute(select(series.c.id, series.c.kind).where(series.c.timeline_id == timeline_id))
        kinds = {row.id: Kind(row.kind) for row in names}
        begin = int(seen[-1]) // 24
        end = min(until, begin + min(most_days, max(_MOST_SERIES_DAYS // max(len(kinds), 1), 1)))
        # Whatever can be is done before the lock.
        made = list(rolled_up(connection, kinds, begin, end))
    connection.execute(select(state.c.version).where(state.c.id == 1).with_for_update())
    if seen == connection.execute(about).one_or_none():
        write_tiles(connection, *made)
        connection.execute(update(timelines).where(timelines.c.id == timeline_id).values(settled_until=end))
        connection.execute(update(state).where(state.c.id == 1).values(version=state.c.version + 1))
    connection.commit()


def _claim(connection: Connection, most_bytes: int) -> list[Row[Any]]:
    # By any other way than this one the server would lock all rows that are due, and nobody else got one.
    due = connection.execute(
        select(files)
        .with_hint(files, "FORCE INDEX (files_due)")
        .where(files.c.due == 1)
        .order_by(files.c.path)
        .limit(MOST_FILES)
        .with_for_update(skip_locked=True)
    ).all()
    # What goes, goes alone: it may touch anything.
    if due and due[0].status in _LEAVING:
        return list(due[:1])
    taken: list[Row[Any]] = []
    room = most_bytes
    for row in due:
        left = max(row.size - row.indexed, 0)  # What is indexed of a compressed file counts as unpacked.
        if row.status in _LEAVING or (taken and left > room):
            break
        taken.append(row)
        room -= left
    return taken


def _add(connection: Connection, arrivals: list[Arrival]) -> None:
    """Take new pieces into the index."""
    known = find_timelines(connection, [arrival.timeline for arrival in arrivals])
    by_id = {known[arrival.timeline][0]: arrival for arrival in arrivals}
    ids = find_series(connection, {timeline_id: arrival.pieces for timeline_id, arrival in by_id.items()})
    standing = near(connection, {timeline_id: arrival.touched for timeline_id, arrival in by_id.items()})
    renewals = {each: renew(connection, ids[each], standing[each], arrival) for each, arrival in by_id.items()}
    write_renewed(connection, renewals.values())
    write_frames(connection, {timeline_id: arrival.pieces for timeline_id, arrival in by_id.items()})
    for timeline_id, arrival in by_id.items():
        roll_up_again(connection, timeline_id, renewals[timeline_id], known[arrival.timeline][1])
    write_presence(connection, [(piece, ids[each]) for each, arrival in by_id.items() for piece in arrival.pieces])


def _write_file(connection: Connection, reading: Reading) -> None:
    connection.execute(
        update(files)
        .where(files.c.id == reading.row.id)
        .values(
            size=reading.size,
            mtime_ns=reading.mtime_ns,
            indexed=reading.stream.reached,
            status=Status.PARTIAL if reading.unread else reading.status,
            problem=reading.problem,
            resume=reading.resume,
            due=reading.due,
            **reading.head,
        )
    )
