"""What the index says of files, providers and fields, as rows."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, distinct, func, select

from services.g3_index.levels import TICKS
from services.g3_index.schema import Status, files, frames, series, timelines
from services.g3_scanner.walking import shown

_WILD = "*?["


class Listing(NamedTuple):
    """A table: names of its columns, and its rows."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def matching(
    connection: Connection, pattern: str | None, status: Collection[str] = (), query: Select[Any] | None = None
) -> Iterator[Row[Any]]:
    """Rows of files by path.

    Parameters
    ----------
    connection
        To the index.
    pattern
        As in a shell; without wildcards, any part of a path. None for all.
    status
        Only with one of these, if there are any.
    query
        What to select of each, instead of everything; with its path.
    """
    chosen = (select(files) if query is None else query).order_by(files.c.path)
    for row in connection.execute(chosen.where(files.c.status.in_(status)) if status else chosen):
        if pattern is None or _matches(shown(row.path), pattern):
            yield row


def _matches(path: str, pattern: str) -> bool:
    return fnmatchcase(path, pattern) if any(each in pattern for each in _WILD) else pattern in path


def states(connection: Connection, pattern: str | None, status: Collection[str]) -> Listing:
    """State of files, for people who look after them."""
    columns = ("path", "status", "size", "indexed", "problem")
    rows = [
        (shown(row.path), row.status, row.size, row.indexed, row.problem or "")
        for row in matching(connection, pattern, status)
    ]
    return Listing(columns, rows)


def file_list(connection: Connection, pattern: str | None) -> Listing:
    """Files with their bytes, and those of them in whole frames; as so3g's list-files."""
    rows = [
        (shown(row.path), row.size, row.indexed, "YES" if row.status == Status.FAILED else "no")
        for row in matching(connection, pattern)
        if row.status != Status.MISSING
    ]
    return Listing(("filename", "size_bytes", "usable_bytes", "error"), rows)


def provider_list(connection: Connection, pattern: str | None) -> Listing:
    """Feeds with the bytes of their frames, together and on average; as so3g's list-provs."""
    once = (
        select(timelines.c.feed, frames.c.file_id, frames.c.byte_offset, frames.c.size)
        .join(frames, frames.c.timeline_id == timelines.c.id)
        .distinct()
        .subquery()
    )
    query = select(once.c.feed, func.sum(once.c.size), func.avg(once.c.size)).group_by(once.c.feed)
    rows = [
        (feed, int(total), round(float(mean), 1))
        for feed, total, mean in connection.execute(query.order_by(once.c.feed))
        if pattern is None or _matches(feed, pattern)
    ]
    return Listing(("provider_name", "total_bytes", "frame_bytes"), rows)


def field_list(connection: Connection, pattern: str | None) -> Listing:
    """Fields, as they are named in the files, with the stamps of their blocks; as so3g's list-fields."""
    name = func.concat(timelines.c.feed, ".", series.c.field)
    query = (
        select(name, func.sum(timelines.c.samples))
        .join(series, series.c.timeline_id == timelines.c.id)
        .group_by(name)
        .order_by(name)
    )
    rows = [(each, int(n)) for each, n in connection.execute(query) if pattern is None or _matches(each, pattern)]
    return Listing(("field_name", "samples"), rows)


def summary(connection: Connection, now: float) -> Listing:
    """The archive in a few numbers; `now` is in UNIX seconds."""
    counted = select(files.c.status, func.count(), func.coalesce(func.sum(files.c.size), 0)).group_by(files.c.status)
    found = {status: (number, int(size)) for status, number, size in connection.execute(counted)}
    rows: list[tuple[Any, ...]] = [(f"files {each}", found.get(each, (0, 0))[0]) for each in Status]
    rows.append(("files to be read", connection.scalar(select(func.count()).where(files.c.due))))
    rows.append(("MB", round(sum(size for status, (_, size) in found.items() if status != Status.MISSING) / 1e6, 1)))
    feeds, newest = connection.execute(select(func.count(distinct(timelines.c.feed)), _newest())).one()
    rows += [("feeds", feeds), ("fields", connection.scalar(select(func.count()).select_from(series)))]
    if newest is not None:
        stamp = datetime.fromtimestamp(newest / TICKS, UTC).isoformat(timespec="milliseconds")
        rows += [("newest sample", stamp), ("its age in seconds", round(now - newest / TICKS, 1))]
    return Listing(("what", "value"), rows)


def _newest() -> Any:
    return select(func.max(series.c.last)).scalar_subquery()
