"""The shortest way to a data server: say how tables of numbers are read, and all else is answered.

A server of files or of an instrument's own database, whose questions take a moment each, needs no more:

>>> class Tide(TableServer):
...     name, description = "tide", "Height of the sea"
...     def read(self, start, end):
...         return {"hourly": Table([1e9, 1e9 + 3600], {"height": [0.2, 0.7]}, units={"height": "m"})}
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.data_nodes.selection import Samples, mean_interval, select
from services.data_nodes.settings import take_settings
from sisock.base import DataNodeServer
from sisock.errors import SisockError
from sisock.shapes import DataReply, Field, FieldsReply, FieldType, Timeline
from sisock.thinning import Values
from sisock.times import time_range

Column = NDArray[Any] | Sequence[Any]


@dataclass(frozen=True)
class Table:
    """Columns that share their stamps: a timeline and its fields.

    `t` holds UNIX seconds, of shape (n,), in any order; of a stamp that occurs twice the first row counts. Each column
    of `values` is of shape (n,) and holds numbers, texts or booleans; NaN or None is a row without a value.
    """

    t: Column
    values: Mapping[str, Column]
    units: Mapping[str, str | None] = field(default_factory=dict)
    descriptions: Mapping[str, str | None] = field(default_factory=dict)

    def samples(self) -> Samples:
        """Put the rows in order, one for each stamp.

        Raises
        ------
        SisockError
            A column is longer or shorter than the stamps.
        """
        t = np.asarray(self.t, dtype=np.float64)
        columns = {name: _column(values) for name, values in self.values.items()}
        for name, values in columns.items():
            if values.shape != t.shape:
                raise SisockError(f"{name!r} has {values.size} values for {t.size} stamps; give it one for each")
        if not (np.all(np.diff(t) > 0) and np.all(np.isfinite(t))):
            stamps, rows = np.unique(t, return_index=True)
            rows = rows[np.isfinite(stamps)]
            t, columns = t[rows], {name: values[rows] for name, values in columns.items()}
        # What is there stays; more may follow the newest.
        return Samples(t, columns, float(t[-1]) if t.size else None)


class TableServer(DataNodeServer):
    """A data server whose author gives `name`, `description` and `read`.

    Attributes
    ----------
    settings
        What the YAML file beside the code declares, each name with its value. A number MAX_POINTS among them, other
        than 0, is the most points of a timeline in one reply.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.settings: Mapping[str, Any] = take_settings(self, environ)
        self._problem = ""

    def read(self, start: float, end: float) -> Mapping[str, Table]:
        """Read the tables, by the names of their timelines; runs in threads, also in several at a time.

        Parameters
        ----------
        start, end
            UNIX seconds. Rows before `start`, and from `end` on, may be there: they are cut off.

        Raises
        ------
        OSError
            What is asked cannot be read now: said in the log, once, and answered as nothing.
        """
        raise NotImplementedError(f"{type(self).__name__} must answer read")

    def get_fields_blocking(self, start: float, end: float) -> FieldsReply:
        """List every column."""
        fields: dict[str, Field] = {}
        timelines: dict[str, Timeline] = {}
        for timeline, table in self._read(*time_range(start, end)).items():
            samples = table.samples()
            for name, values in samples.values.items():
                fields[name] = Field(description=table.descriptions.get(name), timeline=timeline, type=_type(values),
                                     units=table.units.get(name))  # fmt: skip
            if samples.values:
                timelines[timeline] = Timeline(interval=mean_interval(samples.t), field=list(samples.values))
        return fields, timelines

    def get_data_blocking(
        self, field: list[str], start: float, end: float, min_stride: float | None = None
    ) -> DataReply | bool:
        """Serve the rows of the range, thinned where asked."""
        start, end = time_range(start, end)
        timelines = {name: table.samples() for name, table in self._read(start, end).items()}
        return select(field, timelines, start, end, min_stride, self.settings.get("MAX_POINTS", 0))

    def _read(self, start: float, end: float) -> Mapping[str, Table]:
        try:
            tables, problem = self.read(start, end), ""
        except OSError as error:
            tables, problem = {}, str(error)
        if problem and problem != self._problem:
            self.log.warn("{name}: nothing can be read: {why}", name=self.name, why=problem)
        self._problem = problem
        return tables


def _column(values: Column) -> Values:
    column: Values = np.asarray(values)
    match column.dtype.kind:
        case "b":
            return column
        case "i" | "u":
            return column.astype(np.int64)
        case "f":
            return column.astype(np.float64)
    column = column.astype(object)
    return column if any(isinstance(value, str | bool) for value in column) else column.astype(np.float64)


def _type(column: Values) -> FieldType:
    if column.dtype.kind in "if":
        return "number"
    return "string" if any(isinstance(value, str) for value in column) else "bool"
