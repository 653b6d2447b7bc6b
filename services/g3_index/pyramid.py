"""Tiles in the database: read, written, and rolled up from level to level."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, select

from services.g3_index.bulk import write_rows
from services.g3_index.levels import DAY, FINEST, LEVELS, Level
from services.g3_index.schema import Kind, tiles
from services.g3_index.summary import SUMMARY, TEXTS, Rows, merge, starts_of
from services.g3_index.tiles import pack, pack_texts, unpack, unpack_texts

T = TypeVar("T")
Buckets = NDArray[np.int64]
Place = tuple[int, int]
"""Series id and number of a tile."""

_MOST_SERIES = 32
_MOST_ROWS = 1000
"""Series that are worked on together, and rows of one statement: bounds of memory."""


def empty(kind: Kind, size: int) -> Rows:
    """Make buckets that hold nothing."""
    return np.zeros(size, dtype=TEXTS if kind is Kind.STRING else SUMMARY)


def read_tiles(
    connection: Connection, kinds: Mapping[int, Kind], level: Level, numbers: Sequence[int]
) -> dict[Place, Rows]:
    """Read tiles of several series.

    Parameters
    ----------
    connection
        The database.
    kinds
        Id of each series -> what it holds.
    level
        The level of the tiles.
    numbers
        Which tiles.

    Returns
    -------
    The buckets of each tile that there is, shape (level.size,).
    """
    found: dict[Place, Rows] = {}
    query = select(tiles.c.series_id, tiles.c.tile, tiles.c.data).where(tiles.c.level == level.number)
    for some in _portions(numbers, _MOST_ROWS):
        rows = connection.execute(query.where(tiles.c.series_id.in_(list(kinds)), tiles.c.tile.in_(some))).all()
        texts = [row for row in rows if kinds[row.series_id] is Kind.STRING]
        others = [row for row in rows if kinds[row.series_id] is not Kind.STRING]
        for chosen, read in ((texts, unpack_texts), (others, unpack)):
            if chosen:
                unpacked = read([row.data for row in chosen], level.size)
                found |= {(row.series_id, row.tile): each for row, each in zip(chosen, unpacked, strict=True)}
    return found


def write_tiles(connection: Connection, level: Level, changed: Mapping[Place, Rows]) -> None:
    """Write tiles; those without any value go."""
    full = {place: rows for place, rows in changed.items() if rows["count"].any()}
    for is_text, packed in ((False, pack), (True, pack_texts)):
        mine = {place: rows for place, rows in full.items() if (rows.dtype == TEXTS) is is_text}
        if mine:
            data = packed(np.stack(list(mine.values())))
            lines = ((place[0], level.number, place[1], each) for place, each in zip(mine, data, strict=True))
            write_rows(connection, tiles, lines, "data = VALUES(data)")
    hollow = changed.keys() - full.keys()
    for series_id in {series_id for series_id, _ in hollow}:
        gone = [tile for each, tile in hollow if each == series_id]
        connection.execute(
            delete(tiles).where(tiles.c.series_id == series_id, tiles.c.level == level.number, tiles.c.tile.in_(gone))
        )


def replace_buckets(
    connection: Connection,
    kinds: Mapping[int, Kind],
    changed: Mapping[int, Sequence[tuple[Buckets, Rows]]],
    kept: Iterable[int],
) -> None:
    """Put buckets of the finest level in the place of what is there.

    Parameters
    ----------
    connection
        The database.
    kinds
        Id of each series -> what it holds.
    changed
        Id -> pieces: numbers of buckets since 1970, and their content, empty ones included.
    kept
        Tiles that may hold other buckets than these; of the others there is nothing to read.
    """
    standing = read_tiles(connection, {each: kinds[each] for each in changed}, FINEST, list(kept)) if changed else {}
    written: dict[Place, Rows] = {}
    for series_id, buckets, rows in ((each, *part) for each, parts in changed.items() for part in parts):
        numbers = buckets // FINEST.size
        starts = starts_of(numbers)
        for tile, start, end in zip(numbers[starts].tolist(), starts, [*starts[1:], buckets.size], strict=True):
            place = (series_id, tile)
            if place not in written:
                # What was read may be a view of something that must not change.
                written[place] = standing[place].copy() if place in standing else empty(kinds[series_id], FINEST.size)
            written[place][buckets[start:end] - tile * FINEST.size] = rows[start:end]
    write_tiles(connection, FINEST, written)


def roll_up(
    connection: Connection, kinds: Mapping[int, Kind], since: int, until: int, finished: int | None = None
) -> None:
    """Make the coarse levels of some days anew from the finest one.

    Parameters
    ----------
    connection
        The database.
    kinds
        Id of each series -> what it holds.
    since, until
        Days since 1970, the last one excluded.
    finished
        Days from this one on are left empty; None for no such.
    """
    last = until if finished is None else min(until, finished)
    per_day = DAY // FINEST.tile
    hours = list(range(since * per_day, last * per_day))
    for ids in _portions(list(kinds), _MOST_SERIES):
        mine = {series_id: kinds[series_id] for series_id in ids}
        found = read_tiles(connection, mine, FINEST, hours) if hours else {}
        current = {series_id: _dense(found, series_id, kind, hours) for series_id, kind in mine.items()}
        finer = FINEST
        for level in LEVELS[1:]:
            written: dict[Place, Rows] = {}
            numbers = range(since * DAY // level.tile, (until * DAY - 1) // level.tile + 1)
            edges = [n for n in numbers if n * level.tile < since * DAY or (n + 1) * level.tile > until * DAY]
            standing = read_tiles(connection, mine, level, edges) if edges else {}
            first, end = since * DAY // level.bucket, until * DAY // level.bucket
            for series_id, kind in mine.items():
                buckets, rows = current[series_id]
                coarse = buckets * finer.bucket // level.bucket
                starts = starts_of(coarse)
                current[series_id] = buckets, rows = coarse[starts], merge(rows, starts)
                for number in numbers:
                    place = (series_id, number)
                    content = standing[place].copy() if place in standing else empty(kind, level.size)
                    origin = number * level.size
                    content[max(first - origin, 0) : max(end - origin, 0)] = 0
                    within = slice(*np.searchsorted(buckets, (origin, origin + level.size)))
                    content[buckets[within] - origin] = rows[within]
                    written[place] = content
            write_tiles(connection, level, written)
            finer = level


def _dense(found: Mapping[Place, Rows], series_id: int, kind: Kind, numbers: Sequence[int]) -> tuple[Buckets, Rows]:
    """Buckets of the finest level that hold something: their numbers, and what they hold."""
    mine = [number for number in numbers if (series_id, number) in found]
    if not mine:
        return np.zeros(0, dtype=np.int64), empty(kind, 0)
    rows = np.concatenate([found[series_id, number] for number in mine])
    buckets = (np.array(mine, dtype=np.int64)[:, None] * FINEST.size + np.arange(FINEST.size)).ravel()
    full = rows["count"] > 0
    return buckets[full], rows[full]


def _portions(listed: Sequence[T], most: int) -> Iterator[list[T]]:
    for at in range(0, len(listed), most):
        yield list(listed[at : at + most])
