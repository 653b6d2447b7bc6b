"""What there is in the archive: fields, and the series of the index that they are made of."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from sqlalchemy import Connection, Row, select

from services.g3_index.levels import TICKS
from services.g3_index.schema import Kind, series, timelines
from sisock.shapes import Field, FieldsReply, FieldType, Timeline

assert set(get_args(FieldType)) == set(Kind)  # noqa: S101 - the index and the contract say the same words

_PRECEDENCE = (Kind.NUMBER, Kind.BOOL, Kind.STRING)


@dataclass(frozen=True)
class Series:
    """A series of the index, with its span in ticks (the last one included)."""

    id: int
    timeline_id: int
    first: int
    last: int


@dataclass(frozen=True)
class Recorded:
    """A field: its name in the files, what it holds, and the series that it is made of, the oldest first."""

    ocs_name: str
    feed: str
    kind: Kind
    timeline: str
    series: tuple[Series, ...]
    interval: float | None

    @property
    def timeline_ids(self) -> tuple[int, ...]:
        """The timelines of the index that it follows."""
        return tuple(sorted({each.timeline_id for each in self.series}))


@dataclass(frozen=True)
class Catalogue:
    """All fields by name, as of one version of the index, and of its layout: which fields there are at all."""

    version: int
    layout: int
    fields: Mapping[str, Recorded]

    def between(self, start: int, end: int) -> FieldsReply:
        """List the fields with a stamp in [start, end), ticks, as far as their first and last ones tell."""
        fields: dict[str, Field] = {}
        timelines: dict[str, Timeline] = {}
        for name, recorded in self.fields.items():
            if any(each.first < end and each.last >= start for each in recorded.series):
                fields[name] = Field(
                    description=f"{recorded.ocs_name}, feed {recorded.feed}",
                    timeline=recorded.timeline,
                    type=recorded.kind.value,
                    units=None,
                )
                interval = recorded.interval
                timelines.setdefault(recorded.timeline, Timeline(interval=interval, field=[]))["field"].append(name)
        return fields, timelines


def versions_of(connection: Connection) -> tuple[int, int]:
    """Two numbers: the first grows with every change of the index, the second when series come or go."""
    row = connection.exec_driver_sql("SELECT version, layout FROM state WHERE id = 1").one()
    return int(row[0]), int(row[1])


def read_catalogue(connection: Connection, versions: tuple[int, int]) -> Catalogue:
    """List everything that is in the index.

    A field is named as the live servers name it: lower case, and no blanks. Where two fields of a feed would have the
    same name, each keeps the one it has. Where a field holds values of several kinds, numbers go before truth values
    and these before text; the others have their kind behind their name.
    """
    rows = connection.execute(
        select(series, timelines).join(timelines, timelines.c.id == series.c.timeline_id).order_by(series.c.first)
    ).all()
    claims: dict[tuple[str, str], set[str]] = defaultdict(set)
    members: dict[tuple[str, str], dict[Kind, list[int]]] = defaultdict(lambda: defaultdict(list))
    for at, row in enumerate(rows):
        claims[row.feed, _tidy(row.field)].add(row.field)
        members[row.feed, row.field][Kind(row.kind)].append(at)
    fields: dict[str, Recorded] = {}
    for (feed, ocs_name), kinds in members.items():
        tidy = _tidy(ocs_name)
        name = f"{feed}.{tidy if len(claims[feed, tidy]) == 1 else ocs_name}"
        for place, kind in enumerate(kind for kind in _PRECEDENCE if kind in kinds):
            mine = [rows[at] for at in kinds[kind]]
            fields.setdefault(
                f"{name}.{kind}" if place else name,
                Recorded(
                    ocs_name,
                    feed,
                    kind,
                    f"{feed}.{'+'.join(sorted({row.block for row in mine}))}",
                    tuple(Series(row.id, row.timeline_id, row.first, row.last) for row in mine),
                    _interval(mine),
                ),
            )
    return Catalogue(*versions, fields)


def _interval(rows: Sequence[Row[Any]]) -> float | None:
    """Mean seconds between samples, without the time between frames; with it where every frame has one sample."""
    spaced = int(sum(row.samples - row.frames for row in rows))
    if spaced > 0:
        return float(sum(row.covered for row in rows)) / TICKS / spaced
    samples = int(sum(row.samples for row in rows))
    span = float(max(row.last for row in rows) - min(row.first for row in rows))
    return span / TICKS / (samples - 1) if samples > 1 else None


def _tidy(ocs_name: str) -> str:
    return re.sub(r"\s+", "_", ocs_name.strip()).lower()
