"""The scanner as it runs: real processes, real files, a real database."""

import os
import signal
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from private_mariadb import PrivateMariaDB, without_secrets
from sqlalchemy import Engine, text

from services.g3_scanner.commands import main
from services.g3_scanner.discovery import Memory, sweep
from services.g3_scanner.indexing import index_next
from tests.services.g3_scanner.conftest import (
    START,
    Running,
    alive,
    eventually,
    recording,
    rows,
    states,
    write,
)

ROOT = Path(__file__).parents[3]
Run = Callable[..., Any]


def all_done(engine: Engine, count: int, scanner: Running) -> None:
    """Wait until so many files are there, and all are done."""

    def so() -> bool:
        found = states(engine)
        return len(found) == count and set(found.values()) == {"done"}

    eventually(f"{count} files are done", so, within=60.0, scanner=scanner)


def disturbed(folder: Path, code: str) -> dict[str, str]:
    """Settings of a scanner whose every process runs some code first."""
    (folder / "sitecustomize.py").write_text(textwrap.dedent(code))
    return {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}


def test_the_first_scan_reads_all_and_says_so(run_scanner: Run, engine: Engine, archive: Path) -> None:
    for n in range(30):
        write(archive, f"17000/{n}.g3", START + 200 * n)
    with run_scanner() as scanner:
        all_done(engine, 30, scanner)
        eventually("the end is told", lambda: "indexed 30 files" in scanner.log(), scanner=scanner)
        assert "holds 30 files" in scanner.log()
        assert scanner.stop() < 5.0
        assert without_secrets(scanner.log())


def test_a_frame_is_indexed_within_a_second_of_its_writing(run_scanner: Run, engine: Engine, archive: Path) -> None:
    write(archive, "17000/0.g3", START - 1000)
    path = archive / "17001/1.g3"
    with run_scanner() as scanner:
        all_done(engine, 1, scanner)
        path.parent.mkdir()
        with path.open("wb", buffering=0) as file:
            for piece in recording(frames=5).pieces():
                file.write(piece)
                begun = time.monotonic()
                eventually(
                    "the frame is indexed", lambda: (r := rows(engine).get(b"1.g3")) and r.indexed == file.tell()
                )
                assert time.monotonic() - begun < 1.0


def test_a_file_without_any_notice_of_the_kernel_is_read_all_the_same(
    run_scanner: Run, engine: Engine, archive: Path, tmp_path: Path
) -> None:
    settings = disturbed(tmp_path, """
        from services.g3_scanner import watching
        watching.file_system = lambda path: "nfs4"
    """)  # fmt: skip
    write(archive, "17000/0.g3", START - 1000)
    with run_scanner(**settings) as scanner:
        all_done(engine, 1, scanner)
        path = archive / "17000/1.g3"
        for piece in recording().pieces():
            with path.open("ab") as file:
                file.write(piece)
            eventually(
                "it is read",
                lambda: (r := rows(engine).get(b"1.g3")) and r.indexed == path.stat().st_size,
                scanner=scanner,
            )
        assert scanner.log().count("looking at its newest files") == 1


def test_without_anything_to_do_it_does_nothing(run_scanner: Run, engine: Engine, archive: Path) -> None:
    write(archive)
    with run_scanner() as scanner:
        all_done(engine, 1, scanner)
        family = [scanner.process.pid, *scanner.workers()]

        def rests() -> bool:
            before, said = sum(map(_cpu_seconds, family)), scanner.log()
            time.sleep(4.0)
            return sum(map(_cpu_seconds, family)) - before <= 0.08 and scanner.log() == said

        eventually("the days are rolled up, and it rests", rests, scanner=scanner)


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_killed_it_leaves_no_workers_and_the_next_one_goes_on(run_scanner: Run, engine: Engine, archive: Path) -> None:
    for n in range(40):
        write(archive, f"17000/{n}.g3", START + 200 * n)
    with run_scanner() as scanner:
        workers = eventually("workers run", lambda: len(w := scanner.workers()) == 2 and w)
        eventually("files are known", lambda: states(engine), scanner=scanner)
        scanner.process.send_signal(signal.SIGKILL)
        eventually("no worker is left", lambda: not any(map(alive, workers)), within=5.0)
    with run_scanner() as scanner:
        all_done(engine, 40, scanner)


def test_days_that_the_one_before_has_left_are_rolled_up_when_nothing_is_new(
    run_scanner: Run, engine: Engine, archive: Path
) -> None:
    write(archive, "0.g3", START)
    write(archive, "1.g3", START + 2 * 86_400)
    sweep(engine, os.fsencode(archive), Memory())
    while index_next(engine):
        pass
    with run_scanner() as scanner:
        eventually("the days are rolled up", lambda: settled_until(engine) == START // 86_400 + 2, scanner=scanner)


def settled_until(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT settled_until FROM timelines")))


def test_a_worker_that_was_killed_costs_no_file(run_scanner: Run, engine: Engine, archive: Path) -> None:
    with run_scanner() as scanner:
        first = eventually("workers run", lambda: len(w := scanner.workers()) == 2 and w)
        for n in range(40):
            write(archive, f"17000/{n}.g3", START + 200 * n)
            if n == 20:
                os.kill(first[0], signal.SIGKILL)
        all_done(engine, 40, scanner)
        eventually("another takes its place", lambda: len(scanner.workers()) == 2 and first[0] not in scanner.workers())


@pytest.mark.parametrize(
    ("deed", "reason"),
    [("os.kill(os.getpid(), signal.SIGSEGV)", "crashed (SIGSEGV), 3 times"), ("bytearray(2**31)", "WORKER_MEMORY"),
     ("raise RuntimeError('odd')", "RuntimeError: odd")],
    ids=["crash", "memory", "error"],
)  # fmt: skip
def test_a_poisonous_file_has_failed_with_the_reason_and_harms_no_other(
    deed: str, reason: str, run_scanner: Run, engine: Engine, archive: Path, tmp_path: Path
) -> None:
    settings = disturbed(tmp_path, f"""
        import os, signal
        from services.g3_index.frames import Stream
        frames = Stream.frames
        def bite(self):
            if self.path.name.endswith("-poison.g3"):
                {deed}
            return frames(self)
        Stream.frames = bite
    """)  # fmt: skip
    for n in range(10):
        write(archive, f"{n}.g3", START + 200 * n)
    write(archive, "5-poison.g3", START + 5000)
    with run_scanner(WORKER_MEMORY="600", **settings) as scanner:
        want = dict.fromkeys([f"{n}.g3" for n in range(10)], "done") | {"5-poison.g3": "failed"}
        eventually("all is read or failed", lambda: states(engine) == want, within=60.0, scanner=scanner)
        row = rows(engine)[b"5-poison.g3"]
        assert reason in row.problem
        assert not row.due


def test_a_database_that_goes_away_is_told_once_and_waited_for(
    run_scanner: Run, engine: Engine, archive: Path, mariadb: PrivateMariaDB
) -> None:
    write(archive, "0.g3", START)
    with run_scanner() as scanner:
        all_done(engine, 1, scanner)
        mariadb.kill()
        try:
            write(archive, "1.g3", START + 200)
            eventually("it is told", lambda: "the database fails" in scanner.log(), scanner=scanner)
            time.sleep(3.0)
            write(archive, "2.g3", START + 400)
            time.sleep(1.0)
            told = scanner.log()
            assert told.count("the database fails") <= 3  # Connection lost, and then none to be had; not one each try.
        finally:
            mariadb.start()
        engine.dispose()
        all_done(engine, 3, scanner)
        eventually("its return is told", lambda: "all is well again" in scanner.log(), scanner=scanner)


def test_a_database_that_is_not_there_yet_is_waited_for(
    run_scanner: Run, engine: Engine, archive: Path, mariadb: PrivateMariaDB
) -> None:
    write(archive)
    mariadb.stop()
    try:
        with run_scanner() as scanner:
            eventually("it is told", lambda: "SQL_HOST" in scanner.log(), scanner=scanner)
            mariadb.start()
            engine.dispose()
            all_done(engine, 1, scanner)
    finally:
        if mariadb.process is None:
            mariadb.start()


def test_a_directory_that_comes_and_goes_is_told_and_the_index_keeps_its_files(
    run_scanner: Run, engine: Engine, archive: Path
) -> None:
    archive.rmdir()
    with run_scanner(interval=0.2) as scanner:
        eventually("it is told", lambda: "data directory" in scanner.log(), scanner=scanner)
        for n in range(3):
            write(archive, f"{n}.g3", START + 200 * n)
        all_done(engine, 3, scanner)
        archive.rename(archive.with_name("away"))
        eventually("it is told again", lambda: scanner.log().count("No such file") == 2, scanner=scanner)
        archive.mkdir()
        eventually("it looks unmounted", lambda: "holds none of the 3 files" in scanner.log(), scanner=scanner)
        time.sleep(1.0)
        assert set(states(engine).values()) == {"done"}
        archive.rmdir()
        archive.with_name("away").rename(archive)
        write(archive, "3.g3", START + 2000)
        all_done(engine, 4, scanner)


def test_two_scanners_share_the_work(run_scanner: Run, engine: Engine, archive: Path) -> None:
    for n in range(60):
        write(archive, f"17000/{n}.g3", START + 200 * n)
    with run_scanner(workers=1) as one, run_scanner(workers=1) as other:
        all_done(engine, 60, one)
        assert other.process.poll() is None
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT samples FROM timelines")) == 60 * 120


def test_files_that_are_deleted_replaced_and_renamed_are_followed_at_once(
    run_scanner: Run, engine: Engine, archive: Path
) -> None:
    for n in range(4):
        write(archive, f"{n}.g3", START + 200 * n)
    with run_scanner() as scanner:
        all_done(engine, 4, scanner)
        (archive / "0.g3").unlink()
        write(archive, "new", START + 10_000).rename(archive / "1.g3")
        (archive / "2.g3").rename(archive / "moved.g3")
        want = {"0.g3": "missing", "1.g3": "done", "2.g3": "missing", "3.g3": "done", "moved.g3": "done"}

        def settled() -> bool:
            found = rows(engine)
            return states(engine) == want and not any(row.due for row in found.values())

        eventually("all is followed", settled, scanner=scanner)
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT samples FROM timelines")) == 3 * 120


def test_a_file_is_read_again_when_somebody_asks_for_it(
    run_scanner: Run, engine: Engine, archive: Path, monkeypatch: pytest.MonkeyPatch,
    mariadb: PrivateMariaDB, database: str, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    write(archive)
    for name, value in mariadb.environ(database, "scanner").items():
        monkeypatch.setenv(name, value)
    with run_scanner() as scanner:
        all_done(engine, 1, scanner)
        assert main(["retry", "1700000000"]) == 0
        assert states(engine) == {"1700000000.g3": "new"}
        all_done(engine, 1, scanner)
    assert capsys.readouterr().out == "1 files will be read again\n"


def test_a_setting_that_is_wrong_is_refused_by_name(run_scanner: Run, database: str) -> None:
    no_file = {"SQL_PASSWD": "", "SQL_PASSWD_FILE": "/no"}
    for settings, said in (
        ({"WORKERS": "-1"}, "WORKERS"),
        ({"SCAN_INTERVAL": "nan"}, "SCAN_INTERVAL"),
        (no_file, "SQL_PASSWD_FILE"),
    ):
        with run_scanner(**settings) as scanner:
            assert scanner.process.wait(20) == 1
            assert len(scanner.log().splitlines()) == 1
            assert f"setting {said}" in scanner.log()
