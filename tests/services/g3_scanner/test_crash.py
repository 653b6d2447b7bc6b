"""kill -9 of whatever takes part in a scan, at random moments: in the end the index is that of an undisturbed scan."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile_archive import hostile_archive
from private_mariadb import PrivateMariaDB, in_environment
from scanning import differences, fresh_index, index_of, open_index, scan
from sqlalchemy.exc import DBAPIError

from services.g3_scanner.faults import is_race, outside

FORK = multiprocessing.get_context("fork")
ROOT = Path(__file__).parents[3]


def scan_once(mariadb: PrivateMariaDB, database: str, root: Path, seed: int) -> None:
    """Scan, in a process that is about to be killed, in small steps, so that there is much to be killed in."""
    scan(open_index(mariadb, database), root, random.Random(seed))


def scan_until_done(mariadb: PrivateMariaDB, database: str, root: Path, seed: int) -> None:
    """Scan with a database that is about to be killed, as the scanner does: what is nobody's fault is tried again."""
    dice = random.Random(seed)
    while True:
        try:
            scan(open_index(mariadb, database), root, dice)
        except DBAPIError as error:
            if outside(error) is None and not is_race(error):
                raise
            time.sleep(0.01)
        else:
            return


@pytest.mark.parametrize("seed", range(3))
def test_fifty_times_of_the_scan(tmp_path: Path, mariadb: PrivateMariaDB, database: str, seed: int) -> None:
    dice = random.Random(seed)
    open_index(mariadb, database).dispose()
    steps = hostile_archive(100 + seed, files=20).steps(tmp_path, shuffle=seed)
    kills = 0
    for _ in range(5):
        next(steps)
    while kills < 50:
        next(steps, None)
        process = FORK.Process(target=scan_once, args=(mariadb, database, tmp_path, dice.randrange(1000)))
        process.start()
        process.join(dice.choice((0.05, 0.2, 0.6)) * dice.random())
        if process.is_alive():
            process.kill()
            kills += 1
        process.join()
        assert process.exitcode in {0, -signal.SIGKILL}
    for _ in steps:
        pass
    scan(open_index(mariadb, database), tmp_path)
    assert differences(index_of(mariadb, database), fresh_index(mariadb, tmp_path)) == ""


def test_fifty_times_of_the_database(tmp_path: Path, mariadb: PrivateMariaDB, database: str) -> None:
    dice = random.Random(4)
    open_index(mariadb, database).dispose()
    steps = hostile_archive(104, files=20).steps(tmp_path)
    process = FORK.Process()
    for kill in range(50):
        for _ in range(2):
            next(steps, None)
        if not process.is_alive():
            process.close()
            process = FORK.Process(target=scan_until_done, args=(mariadb, database, tmp_path, kill))
            process.start()
        time.sleep(dice.random() * 0.3)
        mariadb.kill()
        mariadb.start()
        assert process.is_alive() or process.exitcode == 0
    process.join()
    assert process.exitcode == 0
    for _ in steps:
        pass
    scan(open_index(mariadb, database), tmp_path)
    assert differences(index_of(mariadb, database), fresh_index(mariadb, tmp_path)) == ""


class Scanner:
    """The program, with its workers, in a process group of its own."""

    def __init__(self, mariadb: PrivateMariaDB, database: str, root: Path, log: Path) -> None:
        self.log = log
        self._environ = in_environment(mariadb.environ(database, "scanner")) | {
            "DATA_DIRECTORY": str(root), "SCAN_INTERVAL": "0.5", "WORKERS": "2", "PYTHONPATH": str(ROOT),
        }  # fmt: skip
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services.g3_scanner"], env=self._environ, stdout=log, stderr=log, cwd="/",
                start_new_session=True,
            )  # fmt: skip

    def kill(self) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def scanner(tmp_path: Path, mariadb: PrivateMariaDB, database: str) -> Iterator[Scanner]:
    (tmp_path / "data").mkdir()
    made = Scanner(mariadb, database, tmp_path / "data", tmp_path / "log")
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def test_of_the_whole_program_and_of_the_database_beneath_it(
    tmp_path: Path, mariadb: PrivateMariaDB, database: str, scanner: Scanner
) -> None:
    dice, root = random.Random(5), tmp_path / "data"
    steps = hostile_archive(105).steps(root)
    for _ in range(10):
        for _ in range(3):
            next(steps, None)
        scanner.start()
        time.sleep(1.0 + dice.random())  # so3g alone takes a second to load
        scanner.kill()
    scanner.start()
    for _ in range(3):
        for _ in range(3):
            next(steps, None)
        time.sleep(dice.random())
        mariadb.kill()
        time.sleep(dice.random())
        mariadb.start()
    for _ in steps:
        pass
    due = fresh_index(mariadb, root)
    deadline = time.monotonic() + 120
    while said := differences(index_of(mariadb, database), due):
        assert time.monotonic() < deadline, f"{said}\n{scanner.log.read_text()[-3000:]}"
        assert scanner.process is not None
        assert scanner.process.poll() is None, scanner.log.read_text()[-3000:]
        time.sleep(0.5)
