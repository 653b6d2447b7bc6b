"""What a file has brought into the index, taken out again."""

from collections import defaultdict
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, delete, func, select, update

from services.g3_index.levels import DAY, FINEST
from services.g3_index.pyramid import MOST_DAYS, Buckets, roll_up
from services.g3_index.schema import Kind, files, frames, presence, series, sources, timelines
from services.g3_scanner.bookkeeping import changed_layout, revise
from services.g3_scanner.renewing import Renewal, near, renew, roll_up_again, write_renewed


def forget(connection: Connection, file: Row[Any]) -> None:
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
        lost_buckets = np.concatenate(buckets)
        renewal = renew(connection, ids, near(connection, {timeline_id: lost_buckets})[timeline_id], None, lost_buckets)
        write_renewed(connection, [renewal])
        revise(connection, timeline_id)
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
        _narrow(connection, timeline_id, renewal)
    nothing = {"indexed": 0, "resume": None, "problem": None, "due": False}
    connection.execute(update(files).where(files.c.id == file.id).values(nothing))


def _narrow(connection: Connection, timeline_id: int, renewal: Renewal) -> None:
    """Bring the spans of series in line with what is left of them; those without anything go, and their timeline."""
    ids = renewal.ids
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
    newest = max((row.last for row in spans.values()), default=0)
    others = connection.scalar(
        select(func.max(series.c.last)).where(series.c.timeline_id == timeline_id, series.c.id.not_in(ids.values()))
    )
    newest = max(newest, others or 0)
    row = connection.execute(select(timelines.c.settled_until).where(timelines.c.id == timeline_id)).one()
    finished = min(row.settled_until, newest // DAY)
    roll_up_again(connection, timeline_id, renewal, row.settled_until)
    if newest and finished < row.settled_until:
        every = connection.execute(select(series.c.id, series.c.kind).where(series.c.timeline_id == timeline_id))
        kinds = {each.id: Kind(each.kind) for each in every}
        for day in range(finished, row.settled_until, MOST_DAYS):
            roll_up(connection, kinds, day, min(day + MOST_DAYS, row.settled_until), finished)
        connection.execute(update(timelines).where(timelines.c.id == timeline_id).values(settled_until=finished))
    for series_id in ids.values():
        mine = series.c.id == series_id
        if series_id in spans:
            values = {"first": spans[series_id].first, "last": spans[series_id].last}
            connection.execute(update(series).where(mine).values(values))
        else:
            connection.execute(delete(series).where(mine))
            changed_layout(connection)
    if not newest:
        connection.execute(delete(timelines).where(timelines.c.id == timeline_id))
