"""The reader of an archive with data, for the tests that every server passes."""

import atexit
import functools
import tempfile
from pathlib import Path

from archive_writer import Block, Recording, seconds
from private_mariadb import PrivateMariaDB
from scanning import open_index, scan

from services.data_nodes.g3_reader.server import G3ReaderServer


def example_server(directory: Path) -> G3ReaderServer:
    """Two feeds in three files, one of them late, one compressed; numbers, text and truth values; a spike, a gap."""
    start = 1_700_000_000.0
    for number, (name, moment) in enumerate((("2.g3", 0), ("1.g3", 900), ("3.g3.gz", 4500))):
        t = [start + moment + second for second in range(0, 600, 30)]
        recording = Recording(session_id=number).status(
            {0: "observatory.a.feeds.temps", 1: "observatory.b.feeds.state"}
        )
        values = [float(place % 5) + number for place in range(len(t))]
        values[7] = 500.0 if number == 1 else 3.25
        recording.data(0, Block("all", seconds(t), {"Channel 1 T": values, "count": list(range(len(t)))}))
        modes, truths = [f"mode {place % 3}" for place in range(10)], [place % 2 == 0 for place in range(7)]
        recording.data(1, Block("a", seconds(t[::2]), {"mode": modes}), Block("b", seconds(t[::3]), {"on": truths}))
        recording.write(directory / "16999" / name)
    mariadb = _mariadb()
    database = mariadb.fresh()
    engine = open_index(mariadb, database)
    scan(engine, directory)
    engine.dispose()
    return G3ReaderServer(mariadb.environ(database, "reader"))


@functools.cache
def _mariadb() -> PrivateMariaDB:
    folder = tempfile.TemporaryDirectory(prefix="db")
    server = PrivateMariaDB(Path(folder.name)).install().start()
    atexit.register(folder.cleanup)
    atexit.register(server.stop)
    return server
