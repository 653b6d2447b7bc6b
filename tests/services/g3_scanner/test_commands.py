import csv
import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from private_mariadb import PrivateMariaDB
from scanning import scan
from sqlalchemy import Engine, update

from services.g3_index.schema import Status, files
from services.g3_scanner.commands import main
from tests.services.g3_scanner.conftest import START, rows, states, write

Command = Callable[..., list[str]]


@pytest.fixture
def environ(mariadb: PrivateMariaDB, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of a program, in this process."""
    for name, value in mariadb.environ(database, "scanner").items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def command(environ: None, engine: Engine, archive: Path) -> Command:
    """Runs a command over an archive of three files, one of which has failed; gives the lines of its answer."""
    for n in range(3):
        write(archive, f"17000/{n}.g3", START + 200 * n)
    scan(engine, archive)
    with engine.begin() as connection:
        last = files.c.path == os.fsencode(archive / "17000/2.g3")
        connection.execute(update(files).where(last).values(status=Status.FAILED, problem="at byte 7: broken"))

    def run(*arguments: str, status: int = 0) -> list[str]:
        out = io.StringIO()
        assert main(arguments, out) == status
        return out.getvalue().splitlines()

    return run


def table(lines: list[str]) -> list[list[str]]:
    return list(csv.reader(lines))


def test_files_are_listed_with_their_state(command: Command, archive: Path) -> None:
    lines = command("list")
    assert lines[0].split() == ["path", "status", "size", "indexed", "problem"]
    assert [line.split()[1] for line in lines[1:]] == ["done", "done", "failed"]
    assert lines[3].endswith("at byte 7: broken")


@pytest.mark.parametrize(
    ("arguments", "names"),
    [(("--status", "failed,partial"), "2"), (("17000/1",), "1"), (("*/[01].g3",), "01"), (("xyzzy",), ""),
     (("--status", "done", "17000"), "01")],
)  # fmt: skip
def test_files_are_listed_by_state_and_by_name(command: Command, arguments: tuple[str, ...], names: str) -> None:
    listed = [Path(row[0]).stem for row in table(command("list", "--csv", *arguments))[1:]]
    assert listed == list(names)


def test_the_three_lists_of_so3g_are_there(command: Command, archive: Path) -> None:
    size = (archive / "17000/0.g3").stat().st_size
    files_, providers, fields = (table(command(name, "--csv")) for name in ("files", "providers", "fields"))
    assert files_[0] == ["filename", "size_bytes", "usable_bytes", "error"]
    assert files_[1] == [str(archive / "17000/0.g3"), str(size), str(size), "no"]
    assert [row[3] for row in files_[1:]] == ["no", "no", "YES"]
    assert providers[0] == ["provider_name", "total_bytes", "frame_bytes"]
    assert providers[1][0] == "observatory.faker.feeds.temps"
    assert float(providers[1][2]) * 6 == pytest.approx(float(providers[1][1]))
    assert fields == [["field_name", "samples"], ["observatory.faker.feeds.temps.a", "360"]]


def test_the_summary_tells_of_what_there_is_and_how_old_it_is(command: Command) -> None:
    told = dict(table(command("summary", "--csv")))
    assert (told["files done"], told["files failed"], told["files to be read"]) == ("2", "1", "0")
    assert (told["feeds"], told["fields"]) == ("1", "1")
    assert told["newest sample"] == "2023-11-14T22:21:59.000+00:00"
    assert float(told["its age in seconds"]) > 1e6


def test_the_summary_of_an_empty_index_is_one_too(environ: None, engine: Engine) -> None:
    out = io.StringIO()
    assert main(["summary"], out) == 0
    assert "newest" not in out.getvalue()


def test_failed_files_are_tried_again(command: Command, engine: Engine) -> None:
    assert command("retry", "--failed") == ["1 files will be read again"]
    assert states(engine) == {"0.g3": "done", "1.g3": "done", "2.g3": "new"}
    assert rows(engine)[b"2.g3"].due


def test_deleted_files_are_forgotten_and_those_that_are_there_are_not(
    command: Command, engine: Engine, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (archive / "17000/0.g3").unlink()
    assert command("forget", "17000") == ["1 files will be forgotten"]
    assert "2 files are there" in capsys.readouterr().err
    assert states(engine) == {"0.g3": "missing", "1.g3": "done", "2.g3": "failed"}
    assert rows(engine)[b"0.g3"].due


@pytest.mark.parametrize("arguments", [("retry", "xyzzy"), ("forget", "xyzzy")])
def test_what_matches_nothing_says_so(
    command: Command, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(*arguments, status=1) == []
    assert capsys.readouterr().err == "sisock-archive: no such file in the index\n"


@pytest.mark.parametrize("arguments", [("retry",), ("retry", "--failed", "x"), ("list", "--status", "odd"), ("dance",)])
def test_a_command_line_that_makes_no_sense_is_refused(arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_an_account_or_a_database_that_is_missing_is_one_line(
    environ: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list"]) == 1
    assert "start the scanner" in capsys.readouterr().err
    monkeypatch.setenv("SQL_HOST", "/nowhere")
    assert main(["list"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    monkeypatch.delenv("SQL_PASSWD")
    monkeypatch.setenv("SQL_PASSWD_FILE", "/nowhere/password")
    assert main(["list"]) == 1
    assert "setting SQL_PASSWD_FILE: /nowhere/password cannot be read" in capsys.readouterr().err
