"""Series side by side: a table with a row for each stamp that any of them has, for CSV, Parquet and pandas."""

import csv
import importlib
from collections.abc import Iterator, Mapping
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sisock.errors import SisockError

_PIECE = 10_000


class PackageMissing(SisockError):
    """Something is asked for that an optional package does."""

    def __init__(self, what: str, package: str) -> None:
        super().__init__(f"{what} needs the Python package {package}, which is not installed; pip install {package}")


class Column(NamedTuple):
    """One column: a value for each row, and where it has one; `values` are of no meaning elsewhere. Shape (n,) both."""

    values: NDArray[Any]
    there: NDArray[np.bool_]


class Table(NamedTuple):
    """Stamps of the rows, UNIX seconds, ascending and unique, shape (n,); and the columns by the names of fields."""

    t: NDArray[np.float64]
    columns: dict[str, Column]


def side_by_side(series: Mapping[str, tuple[NDArray[np.float64], NDArray[Any]]]) -> Table:
    """Make a table of series: name -> stamps (shape (m,), ascending and unique) and as many values.

    NaN and None are no values.
    """
    stamps = [t for t, _ in series.values()]
    t = np.unique(np.concatenate(stamps)) if stamps else np.zeros(0)
    columns = {}
    for name, (own, values) in series.items():
        rows = np.searchsorted(t, own)
        spread = np.zeros(t.size, dtype=values.dtype)
        spread[rows] = values
        there = np.zeros(t.size, dtype=np.bool_)
        there[rows] = _has_value(values)
        columns[name] = Column(spread, there)
    return Table(t, columns)


def _has_value(values: NDArray[Any]) -> NDArray[np.bool_]:
    there = np.ones(values.size, dtype=np.bool_)
    if values.dtype.kind == "f":
        there[np.isnan(values)] = False
    elif values.dtype.kind == "O":
        there[:] = [value is not None for value in values]
    return there


def _or_none(column: Column) -> NDArray[Any]:
    listed = column.values.astype(object)
    listed[~column.there] = None
    return listed


def rows(table: Table) -> Iterator[list[Any]]:
    """Rows of a table: the stamp, and of each column its value or None."""
    for some in _pieces(table):
        listed = [_or_none(column).tolist() for column in some.columns.values()]
        for t, *values in zip(some.t.tolist(), *listed, strict=True):
            yield [t, *values]


def _pieces(table: Table) -> Iterator[Table]:
    """A table in pieces, as lists of all of it would take many times its memory."""
    for first in range(0, table.t.size, _PIECE):
        part = slice(first, first + _PIECE)
        columns = {name: Column(c.values[part], c.there[part]) for name, c in table.columns.items()}
        yield Table(table.t[part], columns)


def write_csv(table: Table, out: IO[str]) -> None:
    """Write comma separated values: the time in ISO 8601 (UTC) and in UNIX seconds, and then the fields.

    Numbers are written so that they read back as they are; booleans as true and false; no value as nothing; line ends
    within text as a line feed.
    """
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["time", "unix_time", *table.columns])
    for some in _pieces(table):
        times = np.char.add(np.datetime_as_string(_microseconds(some.t)), "Z").tolist()
        writer.writerows(zip(times, some.t.tolist(), *map(_spelt, some.columns.values()), strict=True))


def _spelt(column: Column) -> list[Any]:
    listed: list[Any] = _or_none(column).tolist()
    return listed if column.values.dtype.kind not in "bO" else list(map(_spelt_one, listed))


def _spelt_one(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    # Older csv modules do not put a lone \r in quotes, so that a reader would see the end of a row.
    return value.replace("\r\n", "\n").replace("\r", "\n") if isinstance(value, str) else value


def _microseconds(t: NDArray[np.float64]) -> NDArray[np.datetime64]:
    return np.round(t * 1e6).astype("datetime64[us]")


def require_pyarrow() -> None:
    """Raise `PackageMissing` when there is no pyarrow."""
    try:
        importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise PackageMissing("Parquet", "pyarrow") from None


def write_parquet(table: Table, path: str, about: Mapping[str, Mapping[str, str]]) -> None:
    """Write an Apache Parquet file with the columns of `write_csv`.

    Parameters
    ----------
    table
        What to write.
    path
        The file; one that is there is replaced.
    about
        Name of a field -> what is kept beside its column, such as units and description.

    Raises
    ------
    PackageMissing
        There is no pyarrow.
    OSError
        The file cannot be written.
    """
    require_pyarrow()
    import pyarrow as pa
    from pyarrow import parquet

    time = pa.timestamp("us", tz="UTC")
    arrays = [pa.array(_microseconds(table.t), time), pa.array(table.t)]
    fields = [pa.field("time", time), pa.field("unix_time", pa.float64())]
    for name, column in table.columns.items():
        array = pa.array(column.values, mask=~column.there)
        arrays.append(array)
        fields.append(pa.field(name, array.type, metadata=dict(about.get(name, {}))))
    parquet.write_table(pa.Table.from_arrays(arrays, schema=pa.schema(fields)), path)


def frame(table: Table) -> Any:
    """Make a pandas DataFrame: its index is the time (UTC), its columns are the fields.

    Integers and booleans that are not there in every row are of pandas' types that can be missing.

    Raises
    ------
    PackageMissing
        There is no pandas.
    """
    try:
        import pandas as pd
    except ImportError:
        raise PackageMissing("a DataFrame", "pandas") from None
    made = {}
    for name, (values, there) in table.columns.items():
        if values.dtype.kind == "f":
            made[name] = pd.Series(np.where(there, values, np.nan))
        elif there.all() and values.dtype.kind != "O":
            made[name] = pd.Series(values)
        else:
            kind = {"i": "Int64", "b": "boolean"}.get(values.dtype.kind)
            if kind is None and set(map(type, values[there])) == {bool}:
                kind = "boolean"
            made[name] = pd.Series(_or_none(Column(values, there)), dtype=kind)
    framed = pd.DataFrame(made)
    framed.index = pd.DatetimeIndex(_microseconds(table.t), tz="UTC", name="time")
    return framed
