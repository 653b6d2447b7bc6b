"""Buckets of the finest level, made anew wherever samples came or went."""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, select, update

from services.g3_index.frames import BrokenFrameError, read_blocks
from services.g3_index.levels import DAY, FINEST, HOUR
from services.g3_index.merging import Ticks, merged
from services.g3_index.pyramid import Buckets, empty, replace_buckets, roll_up
from services.g3_index.schema import Kind, Status, files, frames
from services.g3_index.summary import Rows, starts_of, summarize, summarize_texts
from services.g3_scanner.reading import Piece, SeriesKey, piece_of

_MOST_VALUES = 1000
"""Values of one IN list."""
_NONE = np.zeros(0, dtype=np.int64)
Tiles = dict[int, tuple[Buckets, Rows]]


def renew(
    connection: Connection,
    timeline_id: int,
    ids: dict[SeriesKey, int],
    pieces: Sequence[Piece],
    gone: Buckets | None = None,
) -> Tiles:
    """Make anew the buckets of some series which new pieces, or samples that are gone, have touched.

    Parameters
    ----------
    connection
        The database.
    timeline_id
        The timeline of all of them.
    ids
        Every series that is concerned -> its id.
    pieces
        New samples, of frames that are not in the table yet.
    gone
        Buckets that have lost samples, of frames that are not in the table any more.

    Returns
    -------
    The tiles of the finest level to be written, as `services.g3_index.pyramid.write_tiles` takes them.
    """
    pieces = sorted(pieces, key=attrgetter("order"))
    touched = _distinct([piece.t // FINEST.bucket for piece in pieces] + ([] if gone is None else [gone]))
    others, contested, kept = _others(connection, timeline_id, touched)
    if gone is not None:
        contested = touched
    changed: dict[int, list[tuple[Buckets, Rows]]] = defaultdict(list)
    for mine, keys in _alike(pieces, ids):
        t = np.concatenate([_NONE, *(piece.t for piece in mine)])
        buckets = t // FINEST.bucket
        doubtful = contested if bool(np.all(t[1:] > t[:-1])) else np.union1d(contested, buckets)
        clear = ~np.isin(buckets, doubtful) if doubtful.size else np.ones(t.size, dtype=bool)
        chosen = buckets[clear]
        starts = starts_of(chosen)
        if chosen.size:
            for series_id, rows in _summaries(mine, keys, ids, clear, starts):
                changed[series_id].append((chosen[starts], rows))
        if doubtful.size:
            written = _within(sorted([*others, *mine], key=attrgetter("order")), doubtful)
            for key in keys:
                parts = [(piece.t[mask], _numbers(piece.columns[key][mask]))
                         for piece, mask in written if key in piece.columns]  # fmt: skip
                changed[ids[key]].append((doubtful, _anew(key[1], parts, doubtful)))
    return replace_buckets(connection, {series_id: kind for (_, kind), series_id in ids.items()}, changed, kept)


def roll_up_again(connection: Connection, ids: dict[SeriesKey, int], written: Tiles, settled_until: int) -> None:
    """Bring the coarse levels of settled days in line with the finest one, which has been written."""
    tiles = np.unique(np.concatenate([_NONE, *(numbers for numbers, _ in written.values())]))
    days = [day for day in np.unique(tiles * FINEST.tile // DAY).tolist() if day < settled_until]
    kinds = {series_id: kind for (_, kind), series_id in ids.items()}
    for _, run in groupby(enumerate(days), key=lambda pair: pair[1] - pair[0]):
        listed = [day for _, day in run]
        roll_up(connection, kinds, listed[0], listed[-1] + 1)


def _distinct(parts: list[Buckets]) -> Buckets:
    index = np.concatenate([_NONE, *parts])
    return np.unique(index[starts_of(index)])


def _alike(pieces: Sequence[Piece], ids: dict[SeriesKey, int]) -> Iterator[tuple[list[Piece], list[SeriesKey]]]:
    """Series that occur in the same pieces, with these."""
    if pieces and all(piece.keys == pieces[0].keys for piece in pieces) and len(pieces[0].keys) == len(ids):
        yield list(pieces), list(ids)
        return
    members: dict[tuple[int, ...], list[SeriesKey]] = defaultdict(list)
    for key in ids:
        members[tuple(at for at, piece in enumerate(pieces) if key in piece.columns)].append(key)
    for places, keys in members.items():
        yield [pieces[at] for at in places], keys


def _within(pieces: list[Piece], wanted: Buckets) -> list[tuple[Piece, NDArray[np.bool_]]]:
    """Pieces with samples in the wanted buckets, and which samples these are."""
    first, last = wanted[0] * FINEST.bucket, (wanted[-1] + 1) * FINEST.bucket
    near = [piece for piece in pieces if piece.span[0] < last and piece.span[1] >= first]
    return [(piece, np.isin(piece.t // FINEST.bucket, wanted)) for piece in near]


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
        values = np.empty((len(numbers), chosen.size))
        for at, key in enumerate(numbers):
            np.concatenate([piece.columns[key] for piece in pieces], out=values[at])
        if not chosen.all():
            values = values[:, chosen]
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
    Their pieces; the buckets that they may share; and the tiles that may hold more than these buckets.
    """
    contested: list[Buckets] = []
    near: list[Row[Any]] = []
    hours: set[int] = set()
    wanted = np.unique(touched * FINEST.bucket // HOUR).tolist()
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
