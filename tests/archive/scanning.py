"""Scans without a process, and the index as rows that two scans of the same files must have in common."""

import random
from pathlib import Path
from typing import Any

from private_mariadb import PrivateMariaDB
from sqlalchemy import Engine

from services.g3_index.database import open_engine
from services.g3_index.migrations import migrate
from services.g3_scanner.discovery import Memory, sweep
from services.g3_scanner.indexing import index_next, settle

LATER = 4_000_000_000 * 10**9
"""ns since 1970: no file is being written to any more."""

_SERIES = "t.feed, t.block, s.field, s.kind"
_QUERIES = {
    "files": "SELECT HEX(path), size, mtime_ns, HEX(head), head_size, indexed, status, resume, due FROM files"
             " WHERE status <> 'missing'",
    "sources": "SELECT HEX(f.path), o.prov_id, o.description FROM sources o JOIN files f ON f.id = o.file_id",
    "presence": f"SELECT HEX(f.path), o.prov_id, o.description, {_SERIES}, p.first, p.last FROM presence p"
                " JOIN sources o ON o.id = p.source_id JOIN files f ON f.id = o.file_id"
                " JOIN series s ON s.id = p.series_id JOIN timelines t ON t.id = s.timeline_id",
    "timelines": "SELECT feed, block, samples, frames, covered, settled_until FROM timelines",
    "series": f"SELECT {_SERIES}, s.first, s.last FROM series s JOIN timelines t ON t.id = s.timeline_id",
    "frames": "SELECT t.feed, t.block, r.hour, HEX(f.path), r.byte_offset, r.block, r.size, r.first, r.last, r.count"
              " FROM frames r JOIN timelines t ON t.id = r.timeline_id JOIN files f ON f.id = r.file_id",
    "tiles": f"SELECT {_SERIES}, i.level, i.tile, HEX(i.data) FROM tiles i"
             " JOIN series s ON s.id = i.series_id JOIN timelines t ON t.id = s.timeline_id",
}  # fmt: skip
"""What counts of each table, by names and not by ids; `problem` of a file is for people."""

Index = dict[str, list[tuple[Any, ...]]]


def open_index(mariadb: PrivateMariaDB, database: str) -> Engine:
    """An engine for an index, whose tables are made."""
    engine = open_engine(mariadb.environ(database, "scanner"))
    migrate(engine)
    return engine


def discover(engine: Engine, root: Path, memory: Memory | None = None) -> int:
    """Look what has changed below a folder, twice, so that what is gone is believed; the number of files due."""
    memory = memory or Memory()
    return sum(sweep(engine, str(root).encode(), memory, lambda: LATER).due for _ in range(2))


def work(engine: Engine, dice: random.Random | None = None) -> None:
    """Do all that is due, in steps of random sizes when there are dice."""
    while index_next(engine, most_bytes=dice.choice((1, 20_000, 100_000)) if dice else 2**26):
        if dice and dice.random() < 0.2:
            settle(engine)
    while settle(engine):
        pass


def scan(engine: Engine, root: Path, dice: random.Random | None = None) -> None:
    """Bring the index in line with a folder."""
    discover(engine, root)
    work(engine, dice)


def index_of(mariadb: PrivateMariaDB, database: str, tables: tuple[str, ...] = tuple(_QUERIES)) -> Index:
    """The rows of an index, sorted."""
    return {table: sorted(mariadb.table(_QUERIES[table], database)) for table in tables}


def fresh_index(mariadb: PrivateMariaDB, root: Path) -> Index:
    """The rows of an undisturbed scan of a folder."""
    database = mariadb.fresh()
    engine = open_index(mariadb, database)
    try:
        scan(engine, root)
        return index_of(mariadb, database)
    finally:
        engine.dispose()
        mariadb.drop(database)


def differences(one: Index, other: Index) -> str:
    """What two indexes do not have in common; "" when they are the same."""
    said = []
    for table in one:
        mine, theirs = set(one[table]), set(other[table])
        if one[table] != other[table]:
            said.append(f"{table}: {len(one[table])} and {len(other[table])} rows")
            said += [f"  only the first: {row}"[:400] for row in sorted(mine - theirs)[:4]]
            said += [f"  only the second: {row}"[:400] for row in sorted(theirs - mine)[:4]]
    return "\n".join(said)


def whole_state(mariadb: PrivateMariaDB, database: str) -> list[list[str]]:
    """Every row of every table with its ids, as checksums."""
    tables = [row[0] for row in mariadb.sql("SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'", database)]
    return mariadb.sql(f"CHECKSUM TABLE {', '.join(tables)}", database)
