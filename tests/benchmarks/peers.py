"""The peers: Debian's programs as packaged, each on a port and in a directory of its own."""

import http.client
import itertools
import time
import urllib.parse
from collections.abc import Iterator
from multiprocessing import Pool
from pathlib import Path

import orjson

from tests.benchmarks import datasets
from tests.benchmarks.datasets import DAY, DataSet
from tests.integration.miniature_site import Program, eventually, free_port


class Connection:
    """One HTTP connection that stays open, as a browser's would."""

    def __init__(self, port: int, timeout: float = 600.0) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)

    def ask(self, path: str, body: bytes | None = None) -> bytes:
        """Send a request, a body making it a POST, and read the whole reply."""
        try:
            status, content = self._ask(path, body)
        except ConnectionError:  # It had been idle for long, and was closed.
            status, content = self._ask(path, body)
        if status >= 300:
            raise OSError(f"{path[:200]} was answered {status}: {content[:300]!r}")
        return content

    def _ask(self, path: str, body: bytes | None) -> tuple[int, bytes]:
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            self._connection.request("GET" if body is None else "POST", path, body, headers)
            reply = self._connection.getresponse()
            return reply.status, reply.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise


class Peer:
    """A time series database that takes InfluxDB's line protocol."""

    name: str
    program: str
    write_path: str
    ready_path: str

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        command = [str(programs / self.program), *self.options()]
        self._program = Program(self.program, command, {"HOME": str(folder)}, folder)

    def options(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        self._program.start()
        self.connection = Connection(self.port)
        eventually(f"{self.name} answers", lambda: self.connection.ask(self.ready_path) is not None, within=120)

    def stop(self) -> None:
        """End it as a supervisor would; it has what it needs of time to write down what it holds."""
        process = self._program.process
        if process is not None:
            process.terminate()
            process.wait(120)

    @property
    def pid(self) -> int:
        return self._program.pid

    def fields(self, data: DataSet) -> int:
        """How many of the fields of each feed it is given."""
        return data.fields

    def load(self, data: DataSet, workers: int) -> tuple[int, float]:
        """Write the data set into it, unless a former run has.

        Returns
        -------
        The count of samples, and the seconds that it took, the making of the text included.
        """
        mark = self.folder / f"loaded-{data.name}.json"
        if mark.exists():
            loaded = orjson.loads(mark.read_bytes())
            if loaded["data"] != repr(data):
                raise OSError(f"{self.folder} holds {loaded['data']}; remove it, to have {data} loaded")
            return loaded["samples"], loaded["seconds"]
        began = time.monotonic()
        jobs = [
            (self.port, self.write_path, data, feed, number, self.fields(data))
            for number, feed in itertools.product(range(-(-data.seconds // DAY)), range(data.feeds))
        ]
        with Pool(workers) as pool:
            samples = sum(pool.imap_unordered(_post, jobs))
        self.settle()
        seconds = time.monotonic() - began
        mark.write_bytes(orjson.dumps({"data": repr(data), "samples": samples, "seconds": seconds}))
        return samples, seconds

    def settle(self) -> None:
        """Wait until everything that was written can be asked for."""

    def query(self, data: DataSet, fields: list[tuple[int, str]], begin: float, end: float, points: int) -> bytes:
        """Ask for `points` points of each (feed, field) over [begin, end), by its cheapest way."""
        raise NotImplementedError

    def drawn(self, reply: bytes) -> list[int]:
        """The number of points of each series in a reply."""
        raise NotImplementedError


def _post(job: tuple[int, str, DataSet, int, int, int]) -> int:
    port, path, data, feed, number, fields = job
    text = datasets.lines(data, feed, number, fields)
    connection = Connection(port)
    for piece in _pieces(text, 4 << 20):
        connection.ask(path, piece)
    return text.count(b"=")


def _pieces(text: bytes, size: int) -> Iterator[bytes]:
    begin = 0
    while begin < len(text):
        end = text.find(b"\n", min(begin + size, len(text) - 1)) + 1
        yield text[begin:end]
        begin = end


class VictoriaMetrics(Peer):
    """Its plain selector, the sample before each point, costs it less than any summary does, or as much."""

    name = "VictoriaMetrics"
    program = "victoria-metrics"
    write_path = "/write?precision=ms"
    ready_path = "/health"

    def options(self) -> list[str]:
        return [
            f"-storageDataPath={self.folder / 'data'}",
            f"-httpListenAddr=127.0.0.1:{self.port}",
            "-retentionPeriod=100y",
            # By default it answers no query of a year at 1 Hz.
            "-search.maxSamplesPerSeries=40000000",
        ]

    def settle(self) -> None:
        self.connection.ask("/internal/force_flush")

    def query(self, data: DataSet, fields: list[tuple[int, str]], begin: float, end: float, points: int) -> bytes:
        names = [f"{data.measurement(feed)}_{field}" for feed, field in fields]
        selector = names[0] if len(names) == 1 else f'{{__name__=~"{"|".join(names)}"}}'
        asked = {"query": selector, "start": begin, "end": end, "step": (end - begin) / points, "nocache": 1}
        return self.connection.ask("/api/v1/query_range?" + urllib.parse.urlencode(asked))

    def drawn(self, reply: bytes) -> list[int]:
        return [len(series["values"]) for series in orjson.loads(reply)["data"]["result"]]


class InfluxDB(Peer):
    """The mean is its cheapest summary; least and greatest value together take it twice as long."""

    name = "InfluxDB"
    program = "influxd"
    write_path = "/write?db=bench&precision=ms"
    ready_path = "/ping"
    drawing = "mean({0})"

    def options(self) -> list[str]:
        config = self.folder / "influxdb.conf"
        # What Debian's file sets; all else stays at its default.
        config.write_text(
            "reporting-enabled = false\n"
            f'bind-address = "127.0.0.1:{free_port()}"\n'
            f'[meta]\n  dir = "{self.folder}/meta"\n'
            f'[data]\n  dir = "{self.folder}/data"\n  wal-dir = "{self.folder}/wal"\n'
            f'[http]\n  bind-address = "127.0.0.1:{self.port}"\n  log-enabled = false\n'
        )
        return ["-config", str(config)]

    def start(self) -> None:
        super().start()
        self._ask({"q": "CREATE DATABASE bench"}, b"")

    def fields(self, data: DataSet) -> int:
        """A quarter, which holds all that is asked; the others lie apart on disk, and would take it long to take in."""
        return data.fields // 4

    def query(self, data: DataSet, fields: list[tuple[int, str]], begin: float, end: float, points: int) -> bytes:
        step = round((end - begin) * 1000 / points)
        statements = [
            f'SELECT {self.drawing.format(field)} FROM "{data.measurement(feed)}" WHERE time >= {int(begin * 1000)}ms '
            f"AND time < {int(end * 1000)}ms GROUP BY time({step}ms) fill(none)"
            for feed, field in fields
        ]
        return self._ask({"db": "bench", "epoch": "ms", "q": ";".join(statements)})

    def drawn(self, reply: bytes) -> list[int]:
        return [len(result["series"][0]["values"]) for result in orjson.loads(reply)["results"]]

    def _ask(self, parameters: dict[str, str], body: bytes | None = None) -> bytes:
        return self.connection.ask("/query?" + urllib.parse.urlencode(parameters), body)
