"""What the index notes beside the pyramid: feeds, fields, and where the frames are."""

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

import numpy as np
from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.mysql import insert

from services.g3_index.bulk import write_rows
from services.g3_index.levels import HOUR
from services.g3_index.schema import Kind, frames, presence, series, sources, state, timelines
from services.g3_index.summary import starts_of
from services.g3_scanner.reading import Piece, SeriesKey

_WIDER = "first = LEAST(first, VALUES(first)), last = GREATEST(last, VALUES(last))"
Source = tuple[int, int, str]
"""File id, provider id, feed."""


def find_timelines(connection: Connection, names: Iterable[tuple[str, str]]) -> dict[tuple[str, str], tuple[int, int]]:
    """Id and settled_until of each timeline; those that are new are made."""
    wanted = set(names)
    query = select(timelines).where(timelines.c.feed.in_({feed for feed, _ in wanted}))

    def look() -> dict[tuple[str, str], tuple[int, int]]:
        return {(row.feed, row.block): (row.id, row.settled_until) for row in connection.execute(query)}

    known = look() if wanted else {}
    missing = sorted(wanted - known.keys())
    if missing:
        nothing = {"samples": 0, "frames": 0, "covered": 0, "settled_until": 0, "revision": 0}
        connection.execute(insert(timelines), [{"feed": feed, "block": block} | nothing for feed, block in missing])
        known = look()
    return known


def find_series(connection: Connection, pieces_of: Mapping[int, list[Piece]]) -> dict[int, dict[SeriesKey, int]]:
    """Id of each series in the pieces of some timelines; those that are new are made, and their spans widened."""
    spans: dict[tuple[int, SeriesKey], tuple[int, int]] = {}
    for timeline_id, pieces in pieces_of.items():
        for keys, (first, last) in _spans((piece.keys, piece) for piece in pieces).items():
            for key in keys:
                low, high = spans.get((timeline_id, key), (first, last))
                spans[timeline_id, key] = min(low, first), max(high, last)
    query = select(series.c.id, series.c.timeline_id, series.c.field, series.c.kind)
    query = query.where(series.c.timeline_id.in_(pieces_of))

    def look() -> dict[tuple[int, SeriesKey], int]:
        return {(row.timeline_id, (row.field, Kind(row.kind))): row.id for row in connection.execute(query)}

    known = look()
    # By their ids, so that no number is used up where a row is there already.
    wider = [
        (known[timeline_id, key], timeline_id, key[0].encode(), key[1].encode(), *span)
        for (timeline_id, key), span in spans.items()
        if (timeline_id, key) in known
    ]
    write_rows(connection, series, wider, _WIDER)
    fresh: list[dict[str, Any]] = [
        {"timeline_id": timeline_id, "field": name, "kind": kind, "first": first, "last": last}
        for (timeline_id, (name, kind)), (first, last) in spans.items()
        if (timeline_id, (name, kind)) not in known
    ]
    if fresh:
        connection.execute(insert(series), fresh)
        known = look()
        changed_layout(connection)
    found: dict[int, dict[SeriesKey, int]] = {timeline_id: {} for timeline_id in pieces_of}
    for timeline_id, key in spans:
        found[timeline_id][key] = known[timeline_id, key]
    return found


def write_frames(connection: Connection, pieces_of: Mapping[int, list[Piece]]) -> None:
    """Note where the samples of each hour of some timelines are."""
    rows = {timeline_id: _frame_rows(timeline_id, pieces) for timeline_id, pieces in pieces_of.items()}
    write_rows(connection, frames, chain.from_iterable(rows.values()))
    for timeline_id, mine in rows.items():
        connection.execute(
            update(timelines)
            .where(timelines.c.id == timeline_id)
            .values(
                samples=timelines.c.samples + sum(row[-1] for row in mine),
                frames=timelines.c.frames + len(mine),
                covered=timelines.c.covered + sum(row[-2] - row[-3] for row in mine),
            )
        )


def _frame_rows(timeline_id: int, pieces: list[Piece]) -> list[tuple[int, ...]]:
    rows: list[tuple[int, ...]] = []
    for piece in pieces:
        place = (piece.file_id, piece.byte_offset, piece.block, piece.size)
        first, last = piece.span
        if first // HOUR == last // HOUR:
            rows.append((timeline_id, first // HOUR, *place, first, last, piece.t.size))
            continue
        t = np.sort(piece.t)  # Nearly always in order, and then this costs next to nothing.
        starts = starts_of(t // HOUR)
        for part in np.split(t, starts[1:]):
            rows.append((timeline_id, int(part[0]) // HOUR, *place, int(part[0]), int(part[-1]), part.size))
    return rows


def write_presence(connection: Connection, pieces: Iterable[tuple[Piece, dict[SeriesKey, int]]]) -> None:
    """Note which series each provider has in each file, and from when to when."""
    listed = list(pieces)
    spans = _spans((((piece.file_id, piece.prov_id, piece.feed), piece.keys), piece) for piece, _ in listed)
    ids_of = {((piece.file_id, piece.prov_id, piece.feed), piece.keys): ids for piece, ids in listed}
    query = select(sources).where(sources.c.file_id.in_({piece.file_id for piece, _ in listed}))

    def look() -> dict[Source, int]:
        return {(row.file_id, row.prov_id, row.description): row.id for row in connection.execute(query)}

    known = look()
    missing = sorted({source for source, _ in spans} - known.keys())
    if missing:
        names = ("file_id", "prov_id", "description")
        connection.execute(insert(sources), [dict(zip(names, each, strict=True)) for each in missing])
        known = look()
    rows = [
        (known[source], ids_of[source, keys][key], first, last)
        for (source, keys), (first, last) in spans.items()
        for key in keys
    ]
    write_rows(connection, presence, rows, _WIDER)


def _spans(pieces: Iterable[tuple[Any, Piece]]) -> dict[Any, tuple[int, int]]:
    """First and last stamp of the pieces of each group."""
    spans: dict[Any, tuple[int, int]] = {}
    for group, piece in pieces:
        first, last = piece.span
        low, high = spans.get(group, (first, last))
        spans[group] = min(low, first), max(high, last)
    return spans


def changed_layout(connection: Connection) -> None:
    """Tell readers that series have come or gone."""
    connection.execute(update(state).where(state.c.id == 1).values(layout=state.c.layout + 1))


def revise(connection: Connection, timeline_id: int) -> None:
    """Tell readers that what they remember of a timeline is no longer so."""
    grown = {"revision": timelines.c.revision + 1}
    connection.execute(update(timelines).where(timelines.c.id == timeline_id).values(grown))
