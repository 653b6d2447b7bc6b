"""Buckets of the finest level, made anew wherever samples came or went."""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, update

from services.g3_index.frames import BrokenFrameError, read_blocks
from services.g3_index.levels import DAY, FINEST, HOUR
from services.g3_index.merging import Ticks, Values, merged
from services.g3_index.pyramid import (
    Buckets,
    Packed,
    empty,
    pack_buckets,
    packed,
    replace_buckets,
    roll_up,
    write_tiles,
)
from services.g3_index.schema import Kind, Status, files
from services.g3_index.summary import Rows, chosen, lumps, starts_of, summarize, summarize_texts
from services.g3_index.vectors import lay_out
from services.g3_scanner.bookkeeping import revise
from services.g3_scanner.reading import Piece, SeriesKey, piece_of

_MOST_VALUES = 1000
"""Values of one IN list."""
_MOST_NUMBERS = 2**21
"""Numbers that are summarized together."""
_NONE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Group:
    """Series that occur in the same pieces, summarized as if there were nothing else.

    Attributes
    ----------
    pieces, keys
        The pieces, in the order in which they were written, and the series.
    buckets
        The buckets that they have samples in, ascending.
    rows
        Those of each series; none where the samples are not in order.
    packed
        The tiles of each series, as they are where nothing else is in them: number -> content.
    """

    pieces: list[Piece]
    keys: list[SeriesKey]
    buckets: Buckets = field(default_factory=lambda: _NONE)
    rows: list[Rows] = field(default_factory=list)
    packed: list[dict[int, bytes]] = field(default_factory=list)


@dataclass(frozen=True)
class Arrival:
    """New pieces of one timeline (feed and block), of frames that are not in the table yet, and what they make."""

    timeline: tuple[str, str]
    pieces: list[Piece]
    groups: list[Group]

    @cached_property
    def touched(self) -> Buckets:
        """The buckets that it has samples in, ascending."""
        return _distinct([group.buckets for group in self.groups])


@dataclass(frozen=True)
class Renewal:
    """What is to be written of one timeline.

    Attributes
    ----------
    ids
        Series that are concerned -> id of each.
    tiles
        The tiles of the finest level that are concerned, ascending.
    changed
        Id of a series -> buckets that take the place of what is there, as `replace_buckets` takes them.
    kept
        Tiles that may hold other buckets than these.
    ready
        Tiles that nothing else is in: rows of the table.
    """

    ids: dict[SeriesKey, int]
    tiles: Buckets
    changed: dict[int, list[tuple[Buckets, Rows]]]
    kept: set[int]
    ready: list[tuple[int, int, int, bytes]]


def arrived(pieces: Iterable[Piece]) -> list[Arrival]:
    """Summarize new pieces; this needs no database."""
    by_timeline: dict[tuple[str, str], list[Piece]] = defaultdict(list)
    for piece in pieces:
        by_timeline[piece.feed, piece.block_name].append(piece)
    arrivals = []
    for timeline, listed in by_timeline.items():
        listed.sort(key=attrgetter("order"))
        arrivals.append(Arrival(timeline, listed, [_summarized(*each) for each in _alike(listed)]))
    return arrivals


def near(connection: Connection, touched: Mapping[int, Buckets]) -> dict[int, list[Row[Any]]]:
    """Find indexed frames that reach into the hours of some buckets.

    Parameters
    ----------
    connection
        The database.
    touched
        Id of each timeline -> numbers of buckets of the finest level.

    Returns
    -------
    Their rows, for each timeline.
    """
    found: dict[int, list[Row[Any]]] = {timeline_id: [] for timeline_id in touched}
    wanted = [(each, int(hour)) for each, mine in touched.items() for hour in np.unique(mine * FINEST.bucket // HOUR)]
    for at in range(0, len(wanted), _MOST_VALUES):
        # Each timeline with its own hours, and nothing but whole numbers.
        where = " OR ".join(
            f"timeline_id = {timeline_id} AND hour IN ({','.join(str(hour) for _, hour in mine)})"
            for timeline_id, mine in groupby(wanted[at : at + _MOST_VALUES], key=itemgetter(0))
        )
        rows = connection.exec_driver_sql(
            "SELECT timeline_id, hour, file_id, byte_offset, block, frames.size, first, last, path"  # noqa: S608
            f" FROM frames JOIN files ON files.id = frames.file_id WHERE {where}"
        )
        for row in rows:
            found[row.timeline_id].append(row)
    return found


def renew(
    connection: Connection,
    ids: dict[SeriesKey, int],
    standing: list[Row[Any]],
    arrival: Arrival | None,
    gone: Buckets | None = None,
) -> Renewal:
    """Make anew the buckets of some series of a timeline which new pieces, or samples that are gone, have touched.

    Parameters
    ----------
    connection
        The database.
    ids
        Every series that is concerned -> its id.
    standing
        The frames that were there, as `near` finds them.
    arrival
        New samples, if there are any.
    gone
        Buckets that have lost samples, of frames that are not in the table any more.
    """
    groups = [Group([], list(ids))] if arrival is None else arrival.groups
    touched = _distinct([group.buckets for group in groups] + ([] if gone is None else [gone]))
    others, contested, kept = _others(connection, standing, touched)
    if gone is not None:
        contested = touched
    changed: dict[int, list[tuple[Buckets, Rows]]] = defaultdict(list)
    ready: list[tuple[int, int, int, bytes]] = []
    for group in groups:
        doubtful = contested if group.rows else np.union1d(contested, group.buckets)
        if group.rows:
            for key, made in zip(group.keys, group.packed, strict=True):
                level, series_id = FINEST.number, ids[key]
                ready += [(level, number, series_id, data) for number, data in made.items() if number not in kept]
            clear = np.isin(group.buckets // FINEST.size, list(kept)) & np.isin(group.buckets, doubtful, invert=True)
            certain = group.buckets[clear]
            for key, rows in zip(group.keys, group.rows, strict=True):
                if certain.size:
                    changed[ids[key]].append((certain, chosen(rows, clear)))
        if doubtful.size:
            written = _within(sorted([*others, *group.pieces], key=attrgetter("order")), doubtful)
            for key, rows in _anew(group.keys, written, doubtful):
                changed[ids[key]].append((doubtful, rows))
    return Renewal(ids, np.unique(touched // FINEST.size), changed, kept, ready)


def write_renewed(connection: Connection, renewals: Iterable[Renewal]) -> None:
    """Write the tiles of the finest level of some timelines."""
    kinds: dict[int, Kind] = {}
    changed: dict[int, list[tuple[Buckets, Rows]]] = {}
    kept: set[int] = set()
    ready: list[tuple[int, int, int, bytes]] = []
    for each in renewals:
        kinds |= _kinds(each.ids)
        changed |= each.changed
        kept |= each.kept
        ready += each.ready
    made_anew = packed(FINEST, replace_buckets(connection, kinds, changed, kept))
    write_tiles(connection, made_anew, Packed(ready, {}))


def roll_up_again(connection: Connection, timeline_id: int, renewal: Renewal, settled_until: int) -> None:
    """Bring the coarse levels of settled days in line with the finest one, which has been written."""
    days = [day for day in np.unique(renewal.tiles * FINEST.tile // DAY).tolist() if day < settled_until]
    kinds = _kinds(renewal.ids)
    if days:
        revise(connection, timeline_id)
    for _, run in groupby(enumerate(days), key=lambda pair: pair[1] - pair[0]):
        listed = [day for _, day in run]
        roll_up(connection, kinds, listed[0], listed[-1] + 1)


def _kinds(ids: Mapping[SeriesKey, int]) -> dict[int, Kind]:
    return {series_id: kind for (_, kind), series_id in ids.items()}


def _distinct(parts: list[Buckets]) -> Buckets:
    index = np.concatenate([_NONE, *parts])
    return np.unique(index[starts_of(index)])


def _alike(pieces: list[Piece]) -> Iterator[tuple[list[Piece], list[SeriesKey]]]:
    """Series that occur in the same pieces, with these."""
    if len({piece.keys for piece in pieces}) == 1:
        yield pieces, list(pieces[0].keys)
        return
    places: dict[SeriesKey, list[int]] = defaultdict(list)
    for at, piece in enumerate(pieces):
        for key in piece.keys:
            places[key].append(at)
    members: dict[tuple[int, ...], list[SeriesKey]] = defaultdict(list)
    for key, listed in places.items():
        members[tuple(listed)].append(key)
    for shared, keys in members.items():
        yield [pieces[at] for at in shared], keys


def _summarized(pieces: list[Piece], keys: list[SeriesKey]) -> Group:
    t = np.concatenate([piece.t for piece in pieces])
    buckets = t // FINEST.bucket
    if not _ascend(t):
        return Group(pieces, keys, np.unique(buckets))
    starts = starts_of(buckets)
    rows = _rows_of(keys, [piece.columns for piece in pieces], t.size, starts)
    return Group(pieces, keys, buckets[starts], rows, pack_buckets(buckets[starts], rows))


def _ascend(t: Ticks) -> bool:
    return bool(np.all(t[1:] > t[:-1]))


def _within(pieces: list[Piece], wanted: Buckets) -> list[tuple[Piece, NDArray[np.bool_]]]:
    """Pieces with samples in the wanted buckets, and which samples these are."""
    first, last = wanted[0] * FINEST.bucket, (wanted[-1] + 1) * FINEST.bucket
    near = [piece for piece in pieces if piece.span[0] < last and piece.span[1] >= first]
    return [(piece, np.isin(piece.t // FINEST.bucket, wanted)) for piece in near]


def _rows_of(
    keys: list[SeriesKey], parts: Sequence[Mapping[SeriesKey, Values]], size: int, starts: NDArray[np.intp]
) -> list[Rows]:
    """Summarize series that lie in order, `size` samples each, of which each part has some."""
    places = [at for at, (_, kind) in enumerate(keys) if kind is not Kind.STRING]
    made: dict[int, Rows] = {}
    some = max(1, _MOST_NUMBERS // size)
    for mine in (places[at : at + some] for at in range(0, len(places), some)):
        values = np.empty((len(mine), size))
        lay_out(parts, [keys[at] for at in mine], values)
        made |= zip(mine, summarize(values, starts), strict=True)
    return [
        made[at] if at in made else summarize_texts(np.concatenate([part[key] for part in parts]), starts)
        for at, key in enumerate(keys)
    ]


def _anew(
    keys: list[SeriesKey], written: list[tuple[Piece, NDArray[np.bool_]]], wanted: Buckets
) -> Iterator[tuple[SeriesKey, Rows]]:
    """The wanted buckets of some series, from samples in any order, in which a stamp may come twice."""
    t = np.concatenate([_NONE, *(piece.t[mask] for piece, mask in written)])
    if t.size and _ascend(t) and all(key in piece.columns for piece, _ in written for key in keys):
        buckets = t // FINEST.bucket
        starts = starts_of(buckets)
        parts = [{key: piece.columns[key][mask] for key in keys} for piece, mask in written]
        for key, rows in zip(keys, _rows_of(keys, parts, t.size, starts), strict=True):
            yield key, _placed(key[1], buckets[starts], rows, wanted)
        return
    for key in keys:
        listed = [
            (piece.t[mask], _numbers(piece.columns[key][mask])) for piece, mask in written if key in piece.columns
        ]
        stamps, values = merged(listed)
        buckets = stamps // FINEST.bucket
        starts = starts_of(buckets)
        made = summarize_texts(values, starts) if key[1] is Kind.STRING else summarize(values[None], starts)[0]
        yield key, _placed(key[1], buckets[starts], made, wanted)


def _placed(kind: Kind, buckets: Buckets, rows: Rows, wanted: Buckets) -> Rows:
    placed = empty(kind, wanted.size)
    lumps(placed)[np.searchsorted(wanted, buckets)] = lumps(rows)
    return placed


def _numbers(column: NDArray[Any]) -> NDArray[Any]:
    return column if column.dtype.kind == "O" else column.astype(np.float64, copy=False)


def _others(
    connection: Connection, standing: list[Row[Any]], touched: Buckets
) -> tuple[list[Piece], Buckets, set[int]]:
    """Of the frames that were there, those that reach into the touched buckets.

    Returns
    -------
    Their pieces; the buckets that they may share; and the tiles that may hold more than these buckets.
    """
    contested: list[Buckets] = []
    reaching: list[Row[Any]] = []
    for row in standing:
        first, end = np.searchsorted(touched, (row.first // FINEST.bucket, row.last // FINEST.bucket + 1))
        if first < end:
            reaching.append(row)
            contested.append(touched[first:end])
    hours = {row.hour for row in standing}
    pieces = list(_read_again(connection, reaching))
    tiles = np.unique(touched // FINEST.size)
    kept = set(tiles[np.isin(tiles * FINEST.tile // HOUR, list(hours))].tolist()) if hours else set()
    return pieces, np.unique(np.concatenate(contested)) if contested else _NONE, kept


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
                    piece = piece_of((path, listed[0].file_id), "", 0, block, (byte_offset, size), {})
                    if piece is not None:
                        yield piece
