"""sisock as a contestant: MariaDB, router, hub, scanner, reader and bridge, each a process, asked over HTTP."""

import datetime
import getpass
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import jinja2
import orjson
import yaml
from sqlalchemy.exc import ProgrammingError

from services.g3_index.database import open_engine
from tests.archive.private_mariadb import PrivateMariaDB
from tests.benchmarks import datasets
from tests.benchmarks.datasets import DataSet
from tests.benchmarks.measure import cpu_seconds, peak_memory
from tests.benchmarks.peers import Connection
from tests.integration.miniature_site import ROOT, Program, Site, eventually

SERVER = "g3_reader"
ROLE = ROOT / "roles" / "mariadb"
DONE = """
SELECT COUNT(*), COALESCE(SUM(due = 0 AND status = 'done'), 0), (
    SELECT COUNT(*) FROM timelines
    WHERE settled_until < (SELECT MAX(last) DIV 8640000000000 FROM series WHERE timeline_id = timelines.id)
) FROM files
"""
"""Files; those that are in the index; timelines with finished days that are not in the coarse levels."""
SIZE = "SELECT SUM(data_length + index_length) FROM information_schema.tables WHERE table_schema = '{0}'"


class Database(PrivateMariaDB):
    """MariaDB as the role `mariadb` configures it; only, it does not fill its memory from disk when it starts."""

    def start(self) -> "Database":
        said = [yaml.safe_load((ROLE / each / "main.yml").read_text()) for each in ("defaults", "vars")]
        settings = said[0] | said[1] | {"mariadb_log_dir": self.folder}
        memory = settings["mariadb_memory_share"] * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        template = (ROLE / "templates" / "etc" / "mysql" / "mariadb.conf.d" / "60-sisock.cnf.j2").read_text()
        config = (
            jinja2.Environment(undefined=jinja2.StrictUndefined)
            .from_string(template)
            .render(settings, ansible_managed="", site_database_port=0, mariadb_buffer_pool_mib=int(memory / 2**20))
        )
        (self.folder / "my.cnf").write_text(config)
        program = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
        with (self.folder / "mariadbd.log").open("ab") as log:
            self.process = subprocess.Popen(
                [program, f"--defaults-file={self.folder / 'my.cnf'}", f"--datadir={self.data}", "--skip-networking",
                 f"--socket={self.socket}", f"--pid-file={self.folder / 'm.pid'}", f"--user={getpass.getuser()}",
                 "--innodb-buffer-pool-load-at-startup=OFF"],
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        eventually("MariaDB answers", lambda: self._client("SELECT 1", check=False).returncode == 0, within=60)
        return self


@dataclass(frozen=True)
class Scan:
    """What a scan took: seconds, and seconds of processor time of scanner and MariaDB."""

    files: int
    size: int
    seconds: float
    scanner: float
    database: float


class Sisock:
    """The whole of it, on one folder of .g3 files, `archive`."""

    name = "sisock"

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.site = Site(folder)
        self.archive = folder / "data"
        (folder / "mariadb").mkdir()
        self.database = Database(folder / "mariadb").install()
        self._reader: dict[str, str] = {}
        self._scanner: dict[str, str] = {}

    def use(self) -> None:
        """Make an empty database, and let everything use it from its next start on."""
        self.files = self.database.fresh()
        self._scanner = self.database.environ(self.files, "scanner")
        self._watch = open_engine(self._scanner, "AUTOCOMMIT")
        self._reader = self.database.environ(self.files, "reader")

    # -- scanning -----------------------------------------------------------------------------------------------

    def start_scanner(self) -> Program:
        return self.site.run(
            "scanner",
            [sys.executable, "-m", "services.g3_scanner"],
            self._scanner | {"DATA_DIRECTORY": str(self.archive)},
        )

    def stop_scanner(self) -> None:
        self.site.programs["scanner"].stop()

    def add(self, folder: Path, most: int | None = None) -> int:
        """Let the files below `folder`, or the first of them, be in the archive (as links); how many they are."""
        paths = sorted(folder.glob("*/*.g3"))[:most]
        for path in paths:
            place = self.archive / path.parent.name / path.name
            place.parent.mkdir(exist_ok=True)
            if not place.exists():
                place.hardlink_to(path)
        return len(paths)

    def scan(self) -> Scan:
        """Start the scanner, and wait until every file of the archive is in the index, and every finished day."""
        paths = list(self.archive.glob("*/*.g3"))
        database = self.database.process.pid
        before, began = cpu_seconds(database), time.monotonic()
        scanner = self.start_scanner()
        while self._progress() != (len(paths), len(paths), 0):
            if not scanner.alive():
                raise OSError(f"the scanner has ended: {scanner.log()[-2000:]}")
            time.sleep(0.1)
        return Scan(
            len(paths),
            sum(path.stat().st_size for path in paths),
            time.monotonic() - began,
            cpu_seconds(scanner.pid),
            cpu_seconds(database) - before,
        )

    def unchanged_pass(self) -> tuple[float, int, int]:
        """Seconds of a pass of the scanner when nothing has changed, .g3 files that it opened, and files there are."""
        with get_context("spawn").Pool(1) as pool:
            seconds, opened, total = pool.apply(_unchanged_pass, (self._scanner, str(self.archive)))
        return seconds, opened, total

    def _progress(self) -> tuple[int, ...]:
        # Not by the client program: to start it takes more of a processor than a worker of the scanner leaves.
        try:
            with self._watch.connect() as connection:
                return tuple(map(int, connection.exec_driver_sql(DONE).one()))
        except ProgrammingError:  # There are no tables yet.
            return ()

    def index_size(self) -> tuple[int, int]:
        """Bytes of the tables, as MariaDB counts them and as its files have them."""
        self.database.sql("ANALYZE TABLE " + ",".join(row[0] for row in self._tables()), self.files)
        ((counted,),) = self.database.sql(SIZE.format(self.files))
        return int(counted), sum(path.stat().st_size for path in (self.database.data / self.files).glob("*.ibd"))

    def table_sizes(self) -> list[list[str]]:
        """Name, rows (about) and bytes of each table."""
        return self.database.sql(
            "SELECT table_name, table_rows, data_length + index_length FROM information_schema.tables "
            f"WHERE table_schema = '{self.files}' AND table_type = 'BASE TABLE'"
        )

    def _tables(self) -> list[list[str]]:
        return self.database.sql("SHOW FULL TABLES WHERE table_type = 'BASE TABLE'", self.files)

    # -- answering ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        if self.database.process is None:
            self.database.start()
        if "crossbar" in self.site.programs:
            self.site.programs["crossbar"].start()
        else:
            self.site.start_router()
        self.site.start("hub", user="hub")
        self.site.start("data_nodes.g3_reader", name=SERVER, **self._reader)
        self.site.start("bridge", user="consumer", PORT=self.site.bridge_port)
        eventually("the bridge knows the reader", self._is_known, within=90)
        self.connection = Connection(self.site.bridge_port)

    def stop(self) -> None:
        """Stop all but the scanner, and that too, which would be at work as soon as MariaDB is back."""
        for program in reversed(self.site.programs.values()):
            program.stop()
        self.database.stop()

    @property
    def sessions(self) -> list[int]:
        return [program.pid for program in self.site.programs.values()] + [self.database.process.pid]

    def _is_known(self) -> bool:
        return any(name.startswith(f"{SERVER}::") for name in self.site.http("/search", {"target": ""}))

    def query(self, data: DataSet, fields: list[tuple[int, str]], begin: float, end: float, points: int) -> bytes:
        return self.connection.ask("/query", question(data, fields, begin, end, points))

    def drawn(self, reply: bytes) -> list[int]:
        return [len(series["datapoints"]) for series in orjson.loads(reply) if series["datapoints"]]

    # -- more than one query ------------------------------------------------------------------------------------

    def freshness(self, repetitions: int) -> list[float]:
        """Seconds from the flush of a frame, in a file that grows, until a query of its range is answered with it."""
        core = datasets.spt3g_core()
        data = DataSet("live", feeds=1, fields=4, start=1772323200, seconds=datasets.DAY)
        path = self.archive / str(data.start)[:5] / f"{data.start}.g3"
        path.parent.mkdir(exist_ok=True)
        session = datasets.aggregator(data)
        writer = core.G3Writer(str(path))
        for frame in datasets.header(data, session, data.start):
            writer(frame)
        taken = []
        for begin in range(data.start, data.start + (repetitions + 1) * 60, 60):
            writer(datasets.data_frame(data, session, 0, *datasets.span(data, 0, begin, begin + 60)))
            writer.Flush()
            flushed = time.perf_counter()
            eventually("the frame is served", lambda begin=begin: self._served(data, begin), within=90)
            taken.append(time.perf_counter() - flushed)
        writer(core.G3Frame(core.G3FrameType.EndProcessing))
        return taken[1:]  # With the first one came the field itself.

    def _served(self, data: DataSet, begin: int) -> bool:
        reply = orjson.loads(self.query(data, [(0, "walk_00")], begin, begin + 60, 1000))
        return any(value is not None for series in reply for value, _ in series["datapoints"])

    def reader_memory(self, data: Sequence[DataSet], clients: int, seconds: float) -> tuple[int, int]:
        """Let clients ask at every zoom, each for itself, for so many seconds.

        Returns
        -------
        The most bytes that the reader, started anew, has had in memory, and the count of queries.
        """
        self.site.programs[SERVER].stop()
        self.site.programs[SERVER].start()
        eventually("the reader is back", lambda: self.query(data[0], [(0, "walk_00")], data[0].start, data[0].end, 9))
        until, counts = time.monotonic() + seconds, [0] * clients

        def client(number: int) -> None:
            connection = Connection(self.site.bridge_port)
            while time.monotonic() < until:
                for each in data:
                    length = float(each.seconds)
                    while length >= 60:
                        begin = each.start + (each.seconds - length) * ((number + counts[number] * 0.37) % 1)
                        feed = (number + counts[number]) % each.feeds
                        field = each.field_names[counts[number] % each.fields]
                        connection.ask("/query", question(each, [(feed, field)], begin, begin + length, 1000))
                        counts[number] += 1
                        length /= 3

        threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return peak_memory(self.site.programs[SERVER].pid), sum(counts)


def question(data: DataSet, fields: list[tuple[int, str]], begin: float, end: float, points: int) -> bytes:
    """What Grafana would send to the bridge."""
    body = {
        "range": {"from": _iso(begin), "to": _iso(end)},
        "intervalMs": max(1, int((end - begin) * 1000 / points)),
        "maxDataPoints": points,
        "targets": [
            {"target": f"{SERVER}::{data.provider(feed)}.{field}", "refId": chr(65 + n), "type": "timeserie"}
            for n, (feed, field) in enumerate(fields)
        ],
    }
    return orjson.dumps(body)


def _iso(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _unchanged_pass(environ: dict[str, str], folder: str) -> tuple[float, int, int]:
    """Seconds of a pass of the scanner, how many .g3 files it opened, and how many it has looked at."""
    from services.g3_index.database import open_engine
    from services.g3_scanner.discovery import Memory, sweep

    engine, opened = open_engine(environ), []

    def hear(event: str, details: tuple[object, ...]) -> None:
        if event == "open" and os.fsdecode(details[0] if isinstance(details[0], str | bytes) else "").endswith(".g3"):
            opened.append(details[0])

    sweep(engine, os.fsencode(folder), Memory())  # Which has made its connection, and imported what it needs.
    sys.addaudithook(hear)
    began = time.perf_counter()
    found = sweep(engine, os.fsencode(folder), Memory())
    return time.perf_counter() - began, len(opened), len(found.files)
