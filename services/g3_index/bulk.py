"""Many rows at a time, of whole numbers and bytes."""

from collections.abc import Iterable, Iterator

from sqlalchemy import Connection, Table

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
    for row in rows:
        text = ",".join(f"x'{value.hex()}'" if isinstance(value, bytes) else str(int(value)) for value in row)
        portion.append(f"({text})")
        size += len(text)
        if size > _LARGEST:
            yield ",".join(portion)
            portion, size = [], 0
    if portion:
        yield ",".join(portion)
