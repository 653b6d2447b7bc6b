"""What goes wrong around the scanner in its work: it says so once, waits, and ends with the same index."""

import itertools
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from archive_oracle import archived
from archive_writer import SECOND, Block, Recording
from hostile_archive import hostile_archive
from private_mariadb import PrivateMariaDB
from scanning import LATER, differences, discover, fresh_index, index_of, open_index, scan, whole_state, work
from sqlalchemy import Engine

from services.g3_scanner.discovery import Memory, sweep
from services.g3_scanner.indexing import index_next
from tests.services.g3_scanner.conftest import Running, eventually

Run = Callable[..., Any]
FEED = "observatory.a.feeds.b"


def bulky(folder: Path, files: int) -> None:
    """Files whose index needs several MB."""
    dice = random.Random(1)
    for number in range(files):
        t = [(1_700_000_000 + number * 3600 + second * 20) * SECOND for second in range(180)]
        columns = {f"x{field}": [dice.random() for _ in t] for field in range(40)}
        Recording().status({0: FEED}).data(0, Block("a", t, columns)).write(folder / f"{number:03}.g3")


@pytest.fixture
def small_disk() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="disk") as folder:
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", folder], check=False).returncode:
            pytest.skip("only root can mount a small disk")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_of_the_database_is_told_once_and_waited_for(
    small_disk: Path, archive: Path, run_scanner: Run, mariadb: PrivateMariaDB
) -> None:
    bulky(archive, 60)
    database = mariadb.fresh(small_disk)
    open_index(mariadb, database).dispose()
    with run_scanner(**mariadb.environ(database, "scanner")) as scanner:
        eventually("it is told", lambda: "make room" in scanner.log(), within=60.0, scanner=scanner)
        eventually("it waits", lambda: _quiet(scanner), within=60.0, scanner=scanner)
        assert scanner.log().count("make room") <= 2  # of its workers
        assert "Traceback" not in scanner.log()
        subprocess.run(["mount", "-o", "remount,size=200m", small_disk], check=True)
        due = fresh_index(mariadb, archive)
        eventually(
            "the index is whole", lambda: not differences(index_of(mariadb, database), due), within=90.0,
            scanner=scanner,
        )  # fmt: skip
        eventually("it is told that all is well", lambda: "all is well again" in scanner.log(), scanner=scanner)
        assert "failed" not in scanner.log()
    mariadb.drop(database)


def _quiet(scanner: Running) -> bool:
    """Whether nothing has been said for two seconds."""
    said = scanner.log()
    try:
        scanner.process.wait(2.0)
    except subprocess.TimeoutExpired:
        return scanner.log() == said
    raise AssertionError(scanner.log())


def test_files_that_are_deleted_under_the_scanner_leave_nothing(
    archive: Path, run_scanner: Run, mariadb: PrivateMariaDB, database: str
) -> None:
    """While it reads them, many at a time."""
    data, dice = archive, random.Random(2)
    open_index(mariadb, database).dispose()
    hostile_archive(30, broken=False).write(data)
    with run_scanner(interval=0.3) as scanner:
        for number in range(4):
            hostile_archive(31 + number, files=8, broken=False).write(data)
            victims = dice.sample(archived(data), len(archived(data)) // 4)
            for path in victims:
                path.unlink()
        due = fresh_index(mariadb, data)
        eventually("what is left is left", lambda: not differences(index_of(mariadb, database), due), within=90.0,
                   scanner=scanner)  # fmt: skip
        assert "Traceback" not in scanner.log()


def test_a_pass_over_a_year_of_unchanged_files_opens_none_and_changes_no_row(
    tmp_path: Path, mariadb: PrivateMariaDB, database: str
) -> None:
    content = Recording().status({0: FEED}).content()
    for hour in range(8760):
        path = tmp_path / f"{17000 + hour // 1000}" / f"{hour}.g3"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    engine = open_index(mariadb, database)
    discover(engine, tmp_path)
    mariadb.sql("UPDATE files SET status = 'done', due = 0, indexed = size", database)
    before = whole_state(mariadb, database)
    opened: list[str] = []
    watching = True

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if watching and event == "open":
            opened.append(str(arguments[0]))

    sys.addaudithook(hook)  # It stays for ever, and so is told when to look.
    try:
        found = sweep(engine, str(tmp_path).encode(), Memory(), lambda: LATER)
        assert index_next(engine) is None
    finally:
        watching = False
    assert [path for path in opened if ".g3" in path] == []
    assert (len(found.files), found.due) == (8760, 0)
    assert whole_state(mariadb, database) == before
    engine.dispose()


def test_a_step_that_fails_anywhere_leaves_no_trace(
    tmp_path: Path, mariadb: PrivateMariaDB, database: str, engine: Engine
) -> None:
    """Each statement of a scan in turn fails; nothing of its step remains, and the next scan does it all."""
    from sqlalchemy import event
    from sqlalchemy.exc import OperationalError

    data = tmp_path / "hostile"
    steps = hostile_archive(12, files=6).steps(data)
    count = 0
    fails_at = itertools.count(1, 7)
    due = next(fails_at)

    def fail(*_: object) -> None:
        nonlocal count, due
        count += 1
        if count == due:
            count, due = 0, next(fails_at)
            raise OperationalError("a test", {}, Exception(1205, "as if a lock had not been given"))

    for _ in steps:
        event.listen(engine, "before_cursor_execute", fail)
        try:
            discover(engine, data)
            work(engine)
        except OperationalError:
            pass
        finally:
            event.remove(engine, "before_cursor_execute", fail)
    scan(engine, data)
    assert differences(index_of(mariadb, database), fresh_index(mariadb, data)) == ""
