"""Many rows at a time, of whole numbers and bytes."""

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Connection, Table

_BYTES = "x'%s'"
_LARGEST = 4_000_000
"""Characters of a statement; well below what a server takes that is set up for nothing in particular."""


def write_rows(connection: Connection, table: Table, rows: Iterable[tuple[int | bytes, ...]], update: str = "") -> None:
    """Insert rows; a driver would take longer to quote each of their values than the database to store them.

    Parameters
    ----------
    connection
        The database.
    table
        Where to.
    rows
        A value for each column of the table, in its order.
    update
        What to do with a row that is there: the end of an ``INSERT .. ON DUPLICATE KEY UPDATE``.
    """
    columns = ", ".join(f"`{column.name}`" for column in table.columns)
    ending = f" ON DUPLICATE KEY UPDATE {update}" if update else ""
    for values in _portions(rows):
        # Nothing but digits and hexadecimal digits is put in.
        statement = f"INSERT INTO `{table.name}` ({columns}) VALUES {values}{ending}"  # noqa: S608
        connection.exec_driver_sql(statement)


def _portions(rows: Iterable[tuple[int | bytes, ...]]) -> Iterator[str]:
    portion: list[str] = []
    size = 0
    form, blobs = "", list[int]()
    for row in rows:
        if not form:
            blobs = [at for at, value in enumerate(row) if isinstance(value, bytes)]
            form = f"({','.join(_BYTES if at in blobs else '%d' for at in range(len(row)))})"
        values: list[Any] = list(row)
        for at in blobs:
            values[at] = values[at].hex()
        text = form % tuple(values)
        portion.append(text)
        size += len(text)
        if size > _LARGEST:
            yield ",".join(portion)
            portion, size = [], 0
    if portion:
        yield ",".join(portion)
