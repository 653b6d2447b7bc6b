"""An index in a private MariaDB, and a scanner as a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from archive_writer import Block, Recording, seconds
from private_mariadb import PrivateMariaDB, in_environment
from sqlalchemy import Engine, select

from services.g3_index.database import open_engine
from services.g3_index.migrations import migrate
from services.g3_index.schema import files

START = 1_700_000_000


@pytest.fixture
def engine(mariadb: PrivateMariaDB, database: str) -> Iterator[Engine]:
    """An index without anything in it."""
    made = open_engine(mariadb.environ(database, "scanner"))
    migrate(made)
    yield made
    made.dispose()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An empty data directory."""
    made = tmp_path / "data"
    made.mkdir()
    return made


@pytest.fixture
def run_scanner(mariadb: PrivateMariaDB, database: str, archive: Path, tmp_path: Path) -> Callable[..., Any]:
    """Run the scanner as a process while a block lasts."""

    @contextmanager
    def run(workers: int = 2, interval: float = 3600.0, **settings: str) -> Iterator["Running"]:
        log = tmp_path / f"scanner-{time.monotonic_ns()}.log"
        asked = mariadb.environ(database, "scanner") | {
            "DATA_DIRECTORY": str(archive), "SCAN_INTERVAL": str(interval), "WORKERS": str(workers),
        }  # fmt: skip
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "services.g3_scanner"], stdout=out, stderr=out,
                env=in_environment(asked | settings),
            )  # fmt: skip
        running = Running(process, log)
        try:
            yield running
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()

    return run


class Running:
    """A scanner that runs."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self._log = log

    def log(self) -> str:
        """What it has said."""
        return self._log.read_text(errors="replace")

    def stop(self) -> float:
        """Ask it to end; seconds that it took."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0, self.log()
        return time.monotonic() - begun

    def workers(self) -> list[int]:
        """Its workers' process ids."""
        return sorted(children(self.process.pid))


def children(parent: int) -> list[int]:
    """Process ids of a process's children."""
    try:
        listed = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    except FileNotFoundError:
        return []
    return [int(each) for each in listed.split()]


def alive(process_id: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def eventually(what: str, happens: Callable[[], Any], within: float = 30.0, scanner: Running | None = None) -> Any:
    """Wait until something is so, and give what it gave."""
    deadline = time.monotonic() + within
    while not (found := happens()):
        assert time.monotonic() < deadline, f"{what}, in vain\n{scanner.log() if scanner else ''}"
        time.sleep(0.01)
    return found


def recording(start: int = START, samples: int = 60, frames: int = 2) -> Recording:
    """Frames of one feed with a sample each second."""
    made = Recording(start=start).status({0: "observatory.faker.feeds.temps"})
    for frame in range(frames):
        begin = start + frame * samples
        ticks = seconds(range(begin, begin + samples))
        made.data(0, Block("temps", ticks, {"a": [float(n) for n in range(samples)]}))
    return made


def write(archive: Path, name: str = "17000/1700000000.g3", start: int = START) -> Path:
    """One small file."""
    return recording(start).write(archive / name)


def rows(engine: Engine) -> dict[bytes, Any]:
    """Rows of files by the last part of their path."""
    with engine.connect() as connection:
        return {os.path.basename(row.path): row for row in connection.execute(select(files))}


def states(engine: Engine) -> dict[str, str]:
    """Status of files by the last part of their path."""
    return {os.fsdecode(name): row.status for name, row in rows(engine).items()}
