"""Files that cannot be indexed."""

from collections.abc import Collection

from sqlalchemy import Connection, Engine, update

from services.g3_index.schema import Status, files
from services.g3_scanner.faults import patiently

_LONGEST_PROBLEM = 1000


def blame(engine: Engine, ids: Collection[int], problem: str) -> None:
    """Write down that files have failed, and why; nobody tries them again until they change or somebody asks for it.

    Raises
    ------
    DBAPIError
        The database fails.
    """

    def write(connection: Connection) -> None:
        failed = {"status": Status.FAILED, "problem": problem[:_LONGEST_PROBLEM], "due": False}
        connection.execute(update(files).where(files.c.id.in_(ids), files.c.due).values(failed))

    patiently(engine, write)
