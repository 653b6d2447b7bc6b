"""Tiles in the database: read, written, and rolled up from level to level."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, delete

from services.g3_index.bulk import write_rows
from services.g3_index.levels import DAY, FINEST, LEVELS, Level
from services.g3_index.schema import Kind, tiles
from services.g3_index.summary import SUMMARY, TEXTS, Rows, chosen, joined, lumps, merge, starts_of
from services.g3_index.tiles import pack, pack_texts, unpack, unpack_texts

T = TypeVar("T")
Buckets = NDArray[np.int64]

_NONE = np.zeros(0, dtype=np.int64)
MOST_DAYS = 32
"""Days to roll up at a time; a bound of memory, as the next two."""
_MOST_SERIES = 32
_MOST_ROWS = 2000
"""Series that are worked on together, and rows of one statement."""


def empty(kind: Kind, size: int) -> Rows:
    """Make buckets that hold nothing."""
    return np.zeros(size, dtype=TEXTS if kind is Kind.STRING else SUMMARY)


def read_tiles(
    connection: Connection, kinds: Mapping[int, Kind], level: Level, numbers: Collection[int]
) -> dict[int, tuple[Buckets, Rows]]:
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
    For each series that has any: the numbers of its tiles, ascending, and their buckets, shape (tiles, level.size).
    """
    found: dict[int, list[tuple[int, bytes]]] = defaultdict(list)
    series_ids = ",".join(str(int(each)) for each in kinds)
    for some in _portions(sorted(numbers), max(1, _MOST_ROWS // max(len(kinds), 1))):
        # Each tile by its whole key: between two of them lie those of all other series. Whole numbers only are put in.
        rows = connection.exec_driver_sql(
            f"SELECT series_id, tile, data FROM tiles WHERE level = {level.number}"  # noqa: S608
            f" AND tile IN ({','.join(str(int(each)) for each in some)}) AND series_id IN ({series_ids})"
        )
        for series_id, number, data in rows:
            found[series_id].append((number, data))
    read = {}
    for series_id, listed in found.items():
        listed.sort()
        unpacked = unpack_texts if kinds[series_id] is Kind.STRING else unpack
        read[series_id] = np.array([n for n, _ in listed]), unpacked([data for _, data in listed], level.size)
    return read


@dataclass(frozen=True)
class Packed:
    """Tiles as they go to the database.

    Attributes
    ----------
    lines
        Rows of the table.
    hollow
        Level, and numbers of tiles -> series of which these have no value, and go.
    """

    lines: list[tuple[int, int, int, bytes]]
    hollow: dict[tuple[int, tuple[int, ...]], list[int]]


def packed(level: Level, changed: Mapping[int, tuple[Buckets, Rows]]) -> Packed:
    """Pack tiles of a level, which are as `read_tiles` gives them."""
    made = Packed([], defaultdict(list))
    for dtype, write in ((SUMMARY, pack), (TEXTS, pack_texts)):
        places: list[tuple[int, int]] = []
        filled: list[Rows] = []
        for series_id, (numbers, rows) in changed.items():
            if rows.dtype != dtype:
                continue
            full = rows["count"].any(axis=1)
            places += [(number, series_id) for number in numbers[full].tolist()]
            if full.all():
                filled.append(rows)
            else:
                filled.append(chosen(rows, full))
                made.hollow[level.number, tuple(numbers[~full].tolist())].append(series_id)
        if places:
            data = write(joined(filled))
            made.lines.extend((level.number, *place, each) for place, each in zip(places, data, strict=True))
    return made


def write_tiles(connection: Connection, *parts: Packed) -> None:
    """Write tiles; those without any value go."""
    write_rows(connection, tiles, sorted(line for part in parts for line in part.lines), "data = VALUES(data)")
    for part in parts:
        for (level, gone), ids in part.hollow.items():
            where = (tiles.c.level == level, tiles.c.tile.in_(gone), tiles.c.series_id.in_(ids))
            connection.execute(delete(tiles).where(*where))


def pack_buckets(buckets: Buckets, every: Sequence[Rows]) -> list[dict[int, bytes]]:
    """Pack tiles of the finest level that hold some buckets and nothing else.

    Parameters
    ----------
    buckets
        Their numbers since 1970, shape (n,), ascending.
    every
        What they hold: of each of some series, SUMMARY or TEXTS, shape (n,).

    Returns
    -------
    Of each series, number of a tile -> its content; without those that have no value.
    """
    numbers = np.unique(buckets // FINEST.size)
    places = np.searchsorted(numbers, buckets // FINEST.size) * FINEST.size + buckets % FINEST.size
    made = []
    for rows in every:
        content = np.zeros(numbers.size * FINEST.size, dtype=rows.dtype)
        lumps(content)[places] = lumps(rows)
        tiles_of = content.reshape(-1, FINEST.size)
        packed = pack_texts(tiles_of) if rows.dtype == TEXTS else pack(tiles_of)
        full = np.flatnonzero(tiles_of["count"].any(axis=1))
        made.append({int(numbers[at]): packed[at] for at in full.tolist()})
    return made


def replace_buckets(
    connection: Connection,
    kinds: Mapping[int, Kind],
    changed: Mapping[int, Sequence[tuple[Buckets, Rows]]],
    kept: Collection[int],
) -> dict[int, tuple[Buckets, Rows]]:
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

    Returns
    -------
    The tiles as they are now to be written.
    """
    standing = read_tiles(connection, kinds, FINEST, kept) if kept else {}
    places: dict[tuple[int, ...], tuple[Buckets, list[Buckets]]] = {}
    written: dict[int, tuple[Buckets, Rows]] = {}
    for series_id, parts in changed.items():
        # Most series share their buckets with all others of their timeline, so this is found out once for them.
        shared = tuple(id(part) for part, _ in parts)
        if shared not in places:
            numbers = np.unique(np.concatenate([part for part, _ in parts]) // FINEST.size)
            places[shared] = (
                numbers,
                [np.searchsorted(numbers, part // FINEST.size) * FINEST.size + part % FINEST.size for part, _ in parts],
            )
        numbers, places_of = places[shared]
        content = empty(kinds[series_id], numbers.size * FINEST.size).reshape(-1, FINEST.size)
        if series_id in standing:
            there, rows = standing[series_id]
            same = np.isin(there, numbers)
            lumps(content)[np.searchsorted(numbers, there[same])] = lumps(rows)[same]
        for place, (_, rows) in zip(places_of, parts, strict=True):
            lumps(content.reshape(-1))[place] = lumps(rows)
        written[series_id] = numbers, content
    return written


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
    for part in rolled_up(connection, kinds, since, until, finished):
        write_tiles(connection, part)


def rolled_up(
    connection: Connection, kinds: Mapping[int, Kind], since: int, until: int, finished: int | None = None
) -> Iterator[Packed]:
    """Do the same without writing it: some tiles at a time."""
    for texts in (False, True):
        alike = [series_id for series_id, kind in kinds.items() if (kind is Kind.STRING) == texts]
        for ids in _portions(alike, _MOST_SERIES):
            mine = {series_id: kinds[series_id] for series_id in ids}
            yield from _rolled_up(connection, mine, since, until, until if finished is None else min(until, finished))


def _rolled_up(connection: Connection, kinds: dict[int, Kind], since: int, until: int, last: int) -> Iterator[Packed]:
    """Roll up series that are all text, or all none, at once; days from `last` on are left empty."""
    kind = next(iter(kinds.values()))
    per_day = DAY // FINEST.tile
    found = read_tiles(connection, kinds, FINEST, range(since * per_day, last * per_day)) if since < last else {}
    filled = [_full(*found[series_id]) if series_id in found else (_NONE, empty(kind, 0)) for series_id in kinds]
    owners = np.repeat(np.arange(len(kinds)), [buckets.size for buckets, _ in filled])
    buckets, rows = np.concatenate([each for each, _ in filled]), joined([each for _, each in filled])
    finer = FINEST
    for level in LEVELS[1:]:
        numbers = np.arange(since * DAY // level.tile, (until * DAY - 1) // level.tile + 1)
        cut = (numbers * level.tile < since * DAY) | ((numbers + 1) * level.tile > until * DAY)
        standing = read_tiles(connection, kinds, level, numbers[cut].tolist()) if cut.any() else {}
        origin, size = int(numbers[0]) * level.size, numbers.size * level.size
        content = empty(kind, len(kinds) * size).reshape(len(kinds), size)
        for mine, series_id in zip(content, kinds, strict=True):
            if series_id in standing:
                there, old = standing[series_id]
                lumps(mine.reshape(-1, level.size))[there - numbers[0]] = lumps(old)
        if standing:
            content[:, since * DAY // level.bucket - origin : until * DAY // level.bucket - origin] = 0
        places = buckets * finer.bucket // level.bucket - origin
        starts = starts_of(owners * size + places)
        rows, owners, places = merge(rows, starts), owners[starts], places[starts]
        lumps(content)[owners, places] = lumps(rows)
        tiles_of = content.reshape(len(kinds), numbers.size, level.size)
        yield packed(level, {each: (numbers, mine) for each, mine in zip(kinds, tiles_of, strict=True)})
        buckets, finer = places + origin, level


def _full(numbers: Buckets, rows: Rows) -> tuple[Buckets, Rows]:
    """Buckets of the finest level that hold something: their numbers, and what they hold."""
    full = rows["count"] > 0
    return (numbers[:, None] * FINEST.size + np.arange(FINEST.size))[full], chosen(rows, full)


def _portions(listed: Sequence[T], most: int) -> Iterator[list[T]]:
    for at in range(0, len(listed), most):
        yield list(listed[at : at + most])
