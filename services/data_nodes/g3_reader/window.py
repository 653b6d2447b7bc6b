"""A look at the index for one query: what it holds of some series between two times, as of one moment."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, func, select

from services.data_nodes.g3_reader.files import Place
from services.data_nodes.g3_reader.zoom import Span
from services.g3_index.levels import LEVELS
from services.g3_index.merging import Ticks
from services.g3_index.pyramid import empty
from services.g3_index.schema import Kind, frames
from services.g3_index.summary import Rows
from services.g3_index.tiles import unpack, unpack_texts


class FrameRow:
    """A frame of a timeline in one hour: where it is, its first and last stamp there (ticks), and how many."""

    __slots__ = ("count", "first", "last", "place")

    def __init__(self, path: bytes, byte_offset: int, block: int, size: int, first: int, last: int, count: int) -> None:
        self.place = Place(path, byte_offset, block, size)
        self.first, self.last, self.count = first, last, count


@contextmanager
def as_of_now(engine: Engine) -> Iterator[Connection]:
    """A connection whose queries all see the index as it is at the first of them."""
    with engine.connect() as connection:
        connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        yield connection  # Closing it ends the transaction.


def state_of(connection: Connection, timeline_ids: Sequence[int]) -> tuple[int, int]:
    """The day up to which the coarse levels are filled, and the newest stamp (ticks), of some timelines together."""
    row = connection.exec_driver_sql(
        # Here as below, what is put in is whole numbers only.
        f"SELECT MIN(settled_until), (SELECT MAX(last) FROM series WHERE timeline_id IN ({_listed(timeline_ids)}))"  # noqa: S608
        f" FROM timelines WHERE id IN ({_listed(timeline_ids)})"
    ).one()
    return int(row[0] or 0), int(row[1] or 0)


def frames_in(
    connection: Connection, timeline_ids: Sequence[int], hours: Sequence[tuple[int, int]], most: int
) -> list[FrameRow]:
    """Frames that have samples in some spans of hours [first, end), up to `most` of them and one more."""
    spans = " OR ".join(f"(hour >= {int(first)} AND hour < {int(end)})" for first, end in hours if first < end)
    if not spans:
        return []
    rows = connection.exec_driver_sql(
        "SELECT path, byte_offset, block, frames.size, first, last, count"  # noqa: S608
        " FROM frames JOIN files ON files.id = file_id"
        f" WHERE timeline_id IN ({_listed(timeline_ids)}) AND ({spans}) LIMIT {int(most) + 1}"
    )
    return [FrameRow(*row) for row in rows]


def newest_hour(connection: Connection, timeline_ids: Sequence[int], before: int) -> int | None:
    """The last hour before the hour `before` in which any of the timelines has samples."""
    found = [
        connection.scalar(select(func.max(frames.c.hour)).where(frames.c.timeline_id == each, frames.c.hour < before))
        for each in timeline_ids
    ]
    hours = [hour for hour in found if hour is not None]
    return max(hours) if hours else None


def buckets_in(connection: Connection, kinds: Mapping[int, Kind], spans: Sequence[Span]) -> dict[int, Rows]:
    """Read buckets.

    Parameters
    ----------
    connection
        The database.
    kinds
        Id of each series -> what it holds.
    spans
        What to read, in order of time.

    Returns
    -------
    For each series the buckets of all spans one behind the other, empty ones included.
    """
    places, total = [], 0
    for span in spans:
        places.append(total)
        total += span.end - span.first
    buckets = {series_id: empty(kind, total) for series_id, kind in kinds.items()}
    if not total:
        return buckets
    rows: list[Any] = []
    for level in LEVELS:
        numbers = {
            number
            for span in spans
            if span.level is level
            for number in range(span.first // level.size, -(-span.end // level.size))
        }
        if numbers:
            # Each tile by its whole key: between two of them lie those of all other series.
            rows += connection.exec_driver_sql(
                f"SELECT series_id, level, tile, data FROM tiles WHERE level = {level.number}"  # noqa: S608
                f" AND tile IN ({_listed(sorted(numbers))}) AND series_id IN ({_listed(kinds)})"
            ).all()
    for level in LEVELS:
        of_level = [row for row in rows if row[1] == level.number]
        for is_text, read in ((False, unpack), (True, unpack_texts)):
            mine = [row for row in of_level if (kinds[row[0]] is Kind.STRING) is is_text]
            if not mine:
                continue
            for row, tile in zip(mine, read([row[3] for row in mine], level.size), strict=True):
                origin = row[2] * level.size
                for span, place in zip(spans, places, strict=True):
                    first, end = max(span.first, origin), min(span.end, origin + level.size)
                    if span.level is level and first < end:
                        at = place + first - span.first
                        buckets[row[0]][at : at + end - first] = tile[first - origin : end - origin]
    return buckets


def times_of(spans: Sequence[Span]) -> tuple[Ticks, Ticks]:
    """Begin and length (ticks) of the buckets of all spans, shape (n,) each."""
    numbers = [np.arange(span.first, span.end, dtype=np.int64) * span.level.bucket for span in spans]
    lengths = [np.full(span.end - span.first, span.level.bucket, dtype=np.int64) for span in spans]
    none = np.zeros(0, dtype=np.int64)
    return np.concatenate([none, *numbers]), np.concatenate([none, *lengths])


def _listed(numbers: Sequence[int] | Mapping[int, Any]) -> str:
    return ",".join(str(int(number)) for number in numbers)
