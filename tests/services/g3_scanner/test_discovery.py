import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, select, update

from services.g3_index.schema import Status, files
from services.g3_scanner import discovery
from services.g3_scanner.discovery import Findings, Memory, look, sweep, work_left

LATER = 4_000_000_000 * 10**9
"""ns since 1970: no file is being written to."""


class Archive:
    """A folder and its index."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.folder, self.memory = engine, folder, Memory()

    def sweep(self, now_ns: int = LATER) -> Findings:
        return sweep(self.engine, os.fsencode(self.folder), self.memory, lambda: now_ns)

    def look(self, *names: str, gone: tuple[str, ...] = ()) -> Findings:
        return look(self.engine, map(self.path, names), list(map(self.path, gone)), lambda: LATER)

    def path(self, name: str) -> bytes:
        return os.fsencode(self.folder / name)

    def write(self, name: str, content: bytes = b"x" * 5000, mtime: int = 1_700_000_000) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (mtime, mtime))

    def indexed(self, status: str = Status.DONE) -> None:
        """As if the workers had read all there is."""
        with self.engine.begin() as connection:
            missing = files.c.status == Status.MISSING
            connection.execute(update(files).where(missing).values(due=False, indexed=0))
            connection.execute(update(files).where(~missing).values(due=False, indexed=files.c.size, status=status))

    def row(self, name: str) -> Any:
        with self.engine.connect() as connection:
            return connection.execute(select(files).where(files.c.path == self.path(name))).one()

    def state(self, name: str) -> tuple[str, bool]:
        row = self.row(name)
        return row.status, row.due


@pytest.fixture
def known(engine: Engine, archive: Path) -> Archive:
    """An archive of five files, all indexed."""
    made = Archive(engine, archive)
    for name in "abcde":
        made.write(f"{name}.g3", name.encode() * 5000)
    made.sweep()
    made.indexed()
    return made


def test_a_new_file_is_due(engine: Engine, archive: Path) -> None:
    made = Archive(engine, archive)
    made.write("16000/1.g3")
    assert made.sweep().due == 1
    assert made.state("16000/1.g3") == (Status.NEW, True)
    assert work_left(engine) == (1, 5000)


def test_files_that_have_not_changed_are_not_opened_and_no_row_is_written(
    known: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    event.listen(known.engine, "before_cursor_execute", lambda *a: statements.append(a[2].split()[0]))
    monkeypatch.setattr(discovery, "open_head", lambda path: pytest.fail(f"{path!r} was opened"))
    assert known.sweep().due == 0
    assert known.look("a.g3", "b.g3").due == 0
    assert set(statements) == {"SELECT"}


def test_a_file_that_has_grown_is_due_from_where_it_was_left(known: Archive) -> None:
    known.write("a.g3", b"a" * 5000 + b"more", mtime=1_700_000_100)
    assert known.look("a.g3").due == 1
    assert known.state("a.g3") == (Status.PARTIAL, True)
    assert (known.row("a.g3").indexed, known.row("a.g3").size) == (5000, 5004)


def test_a_short_file_that_grows_is_the_same_one_though_its_first_bytes_are_more(engine: Engine, archive: Path) -> None:
    made = Archive(engine, archive)
    made.write("a.g3", b"")
    made.sweep()
    made.indexed()
    for size, mtime in ((100, 1_700_000_001), (9000, 1_700_000_002)):
        made.write("a.g3", b"a" * size, mtime)
        assert made.sweep().due == 1
        assert made.row("a.g3").status in {Status.NEW, Status.PARTIAL}
        assert made.row("a.g3").head_size == min(size, 4096)
        made.indexed()


@pytest.mark.parametrize(
    ("content", "mtime"),
    [(b"z" * 6000, 1_700_000_000), (b"a" * 4999, 1_700_000_100), (b"a" * 5000, 1_700_000_100), (b"", 1_700_000_100)],
    ids=["other beginning", "shorter", "touched", "emptied"],
)
def test_a_file_that_was_replaced_is_read_anew(known: Archive, content: bytes, mtime: int) -> None:
    known.write("a.g3", content, mtime)
    assert known.sweep().due == 1
    assert known.state("a.g3") == (Status.REPLACED, True)


def test_a_replaced_file_that_grows_is_still_a_replaced_one(known: Archive) -> None:
    known.write("a.g3", b"z" * 6000, 1_700_000_100)
    known.sweep()
    known.write("a.g3", b"z" * 7000, 1_700_000_200)
    known.sweep()
    assert known.state("a.g3") == (Status.REPLACED, True)


def test_a_time_that_has_changed_before_the_size_is_looked_at_again(known: Archive) -> None:
    known.write("a.g3", b"a" * 5000, mtime=1_700_000_100)
    found = known.sweep(now_ns=1_700_000_101 * 10**9)
    assert (found.due, found.again) == (0, {known.path("a.g3")})
    assert known.state("a.g3") == (Status.DONE, False)


def test_a_failed_file_is_tried_again_when_it_has_changed(known: Archive) -> None:
    known.indexed(Status.FAILED)
    assert known.sweep().due == 0
    known.write("a.g3", b"a" * 6000, 1_700_000_100)
    assert known.sweep().due == 1


def test_a_file_is_gone_when_two_sweeps_have_not_found_it(known: Archive) -> None:
    (known.folder / "a.g3").unlink()
    assert known.sweep().due == 0
    assert known.state("a.g3") == (Status.DONE, False)
    assert known.sweep().due == 1
    assert known.state("a.g3") == (Status.MISSING, True)


def test_a_file_is_gone_at_once_when_its_deletion_was_seen(known: Archive) -> None:
    (known.folder / "a.g3").unlink()
    assert known.look("a.g3").due == 0
    assert known.look("a.g3", gone=("a.g3",)).due == 1
    assert known.state("a.g3") == (Status.MISSING, True)


def test_a_file_whose_deletion_was_seen_and_that_is_there_is_there(known: Archive) -> None:
    assert known.look("a.g3", gone=("a.g3",)).due == 0
    assert known.state("a.g3") == (Status.DONE, False)


def test_a_file_that_comes_back_is_read_again(known: Archive) -> None:
    (known.folder / "a.g3").unlink()
    known.sweep(), known.sweep()
    known.indexed()
    known.write("a.g3", b"a" * 5000)
    assert known.sweep().due == 1
    assert known.state("a.g3") == (Status.NEW, True)


def test_a_file_that_comes_back_before_it_was_forgotten_is_forgotten_first(known: Archive) -> None:
    (known.folder / "a.g3").unlink()
    known.look("a.g3", gone=("a.g3",))
    known.write("a.g3", b"a" * 5000)
    known.look("a.g3")
    assert known.state("a.g3") == (Status.REPLACED, True)


@pytest.mark.parametrize("left", [0, 2])
def test_an_unmounted_disk_costs_the_index_nothing(known: Archive, left: int) -> None:
    for name in "abcde"[left:]:
        (known.folder / f"{name}.g3").unlink()
    for _ in range(3):
        found = known.sweep()
        assert found.unmounted
        assert found.due == 0
    assert known.state("e.g3") == (Status.DONE, False)
    for name in "abcde"[left:]:
        known.write(f"{name}.g3", name.encode() * 5000)
    found = known.sweep()
    assert (found.unmounted, found.due) == ("", 0)


def test_files_in_a_folder_that_cannot_be_listed_are_not_gone(known: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    known.write("sub/f.g3")
    known.sweep()
    known.indexed()
    scandir = os.scandir

    def deny(path: bytes) -> Any:
        if path.endswith(b"/sub"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", deny)
    for _ in range(3):
        assert known.sweep().unreadable == {known.path("sub"): "Permission denied"}
    assert known.state("sub/f.g3") == (Status.DONE, False)


def test_a_file_that_cannot_be_read_says_so_and_is_tried_again(known: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    known.write("f.g3")
    with monkeypatch.context() as patch:
        patch.setattr(discovery, "open_head", _denied)
        for _ in range(2):
            assert known.sweep().due == 0
            assert known.state("f.g3") == (Status.FAILED, False)
            assert "Permission denied" in known.row("f.g3").problem
    assert known.sweep().due == 1
    assert known.state("f.g3") == (Status.NEW, True)


def _denied(path: bytes) -> None:
    raise PermissionError(13, "Permission denied")


def test_files_of_another_directory_are_nobodys_business_here(known: Archive, tmp_path: Path) -> None:
    for name in ("data2", "dat"):
        (tmp_path / name).mkdir()
        other = Archive(known.engine, tmp_path / name)
        other.write("x.g3")
        other.sweep(), other.sweep()
    assert known.state("a.g3") == (Status.DONE, False)
    assert known.sweep().due == 0


def test_a_file_in_a_workers_hands_is_looked_at_again(known: Archive) -> None:
    known.write("a.g3", b"a" * 6000, 1_700_000_100)
    with known.engine.begin() as worker:
        worker.execute(select(files).where(files.c.path == known.path("a.g3")).with_for_update())
        found = known.look("a.g3")
        assert (found.due, found.again) == (0, {known.path("a.g3")})
    assert known.look("a.g3").due == 1


def test_sweeps_of_several_scanners_at_once_do_not_collide(engine: Engine, archive: Path) -> None:
    made = Archive(engine, archive)
    for n in range(1500):
        made.write(f"{n % 7}/{n}.g3", b"")
    due: list[int] = []
    threads = [threading.Thread(target=lambda: due.append(made.sweep().due)) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sum(due) == 1500
    assert work_left(engine) == (1500, 0)


def test_a_sweep_over_a_year_of_hours_takes_less_than_a_second(engine: Engine, archive: Path) -> None:
    made = Archive(engine, archive)
    (archive / "16000").mkdir()
    for n in range(8760):
        (archive / f"16000/{n}.g3").touch()
    made.sweep()
    made.indexed()
    begun = time.process_time(), time.monotonic()
    assert made.sweep().due == 0
    assert time.process_time() - begun[0] < 1.0
    shutil.rmtree(archive / "16000")
