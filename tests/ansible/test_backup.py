"""Backups: what is kept and what goes, and what is not taken for a backup."""

import base64
import gzip
import importlib.util
import io
import json
import os
import re
import shutil
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


program = _module(ROOT / "roles/backup/files/sisock_backup.py")
restoring = _module(ROOT / "playbooks/filter_plugins/restoring.py")
KEEP = {"daily": 3, "weekly": 2, "monthly": 2}
DUMP = b"CREATE TABLE `files` (\n);\n/*!40101 SET x */;\n\n-- Dump completed on 2026-03-01 12:00:00\n"


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    kept = tmp_path / "etc"
    kept.mkdir()
    (kept / "secret").write_text("xyzzy")
    with closing(sqlite3.connect(tmp_path / "grafana.db")) as database:
        database.execute("CREATE TABLE dashboard (uid TEXT)")
        database.execute("INSERT INTO dashboard VALUES ('mine')")
        database.commit()
    return {
        "host": "observatory",
        "site": "yale",
        "directory": str(tmp_path / "backups"),
        "mount": "",
        "every": 86400,
        "keep": KEEP,
        "index_most": 4,
        "reserve": 0,
        "database": None,
        "grafana": str(tmp_path / "grafana.db"),
        "accounts": ["root", "nob*"],
        "links": [],
        "paths": [str(kept), "/no/such/thing"],
        "restoring": str(tmp_path / "under_way"),
    }


@pytest.fixture
def indexed(config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """With a database whose programs say what a test put there."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "dump").write_bytes(DUMP)
    recorded = tmp_path / "17958/1795800000.g3"
    answers = {"SHOW FULL": "files\tBASE TABLE", "SUM(": "1000", "HEX(path)": os.fsencode(recorded).hex().upper()}
    cases = "\n".join(f'*"{asked}"*) echo "{said}" ;;' for asked, said in answers.items())
    for name, script in (("mariadb", f'case "$*" in\n{cases}\nesac'), ("mariadb-dump", f"cat {tmp_path}/dump")):
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    return config | {"database": {"socket": "/run/mysqld.sock", "name": "files"}}


def test_a_backup_holds_what_it_is_made_of_and_only_root_reads_it(indexed: dict[str, Any]) -> None:
    made = program.make(indexed, lambda: 1.8e9)
    assert made.name == "observatory-20270115T080000Z"
    manifest = program.check(made)
    assert (manifest["site"], manifest["tables"]) == ("yale", 1)
    assert {each["name"]: each["uid"] for each in manifest["accounts"]} == {"root": 0, "nobody": 65534}
    assert set(manifest["parts"]) == {"database.sql.gz", "recorded.gz", "grafana.db", "files.tar.gz"}
    assert gzip.decompress((made / "database.sql.gz").read_bytes()) == DUMP
    with closing(sqlite3.connect(made / "grafana.db")) as database:
        assert database.execute("SELECT uid FROM dashboard").fetchall() == [("mine",)]
    assert {oct(path.stat().st_mode & 0o777) for path in made.iterdir()} == {"0o600"}
    assert oct(made.stat().st_mode & 0o777) == "0o700"


def test_recorded_files_that_are_gone_are_named(indexed: dict[str, Any], tmp_path: Path) -> None:
    made = program.make(indexed)
    recorded = tmp_path / "17958/1795800000.g3"
    assert program.lost(made) == [str(recorded)]
    recorded.parent.mkdir()
    recorded.touch()
    assert program.lost(made) == []


def test_another_host_is_asked_for_the_recorded_files_that_only_it_has(
    indexed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    brought = base64.b64encode((program.make(indexed) / "recorded.gz").read_bytes()).decode()
    recorded = tmp_path / "17958/1795800000.g3"
    monkeypatch.setattr("sys.stdin", io.StringIO(brought))
    assert program.main(["lost", "-"]) == 0
    assert capsys.readouterr().out == f"{recorded}\n"
    recorded.parent.mkdir()
    recorded.touch()
    monkeypatch.setattr("sys.stdin", io.StringIO(brought))
    assert program.main(["lost", "-"]) == 0
    assert capsys.readouterr().out == ""


_TWO_HOSTS = """
all:
  vars: {{ansible_connection: local, backup_folder: "{{{{ folders[inventory_hostname] }}}}",
         folders: {{observatory: {made}, telescope: {nothing}}}}}
  children:
    database: {{hosts: {{observatory: }}}}
    archive: {{hosts: {{telescope: }}}}
"""
_LOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - include_role: {name: backup, tasks_from: lost}
    - debug: {msg: "{{ inventory_hostname }} misses {{ backup_lost.stdout_lines }}"}
"""


def test_the_index_is_on_one_host_and_what_was_recorded_is_looked_for_on_another(
    indexed: dict[str, Any], tmp_path: Path, ansible_playbook: Callable[..., CompletedProcess[str]]
) -> None:
    made = program.make(indexed)
    inventory, play = tmp_path / "hosts.yml", tmp_path / "look.yml"
    installed = Path(shutil.copy(ROOT / "roles/backup/files/sisock_backup.py", tmp_path / "sisock-backup"))
    installed.chmod(0o755)
    inventory.write_text(_TWO_HOSTS.format(made=made, nothing=tmp_path / "nothing"))
    play.write_text(_LOOK)
    done = ansible_playbook("-i", inventory, "-e", f"backup_program={installed}", play)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"observatory misses ['{tmp_path}/17958/1795800000.g3']" in done.stdout
    assert "telescope misses []" in done.stdout
    assert "ok: [observatory -> telescope" in done.stdout
    assert "ok: [telescope ->" not in done.stdout


@pytest.mark.parametrize("part", ["database.sql.gz", "files.tar.gz", "grafana.db", "manifest.json", "recorded.gz"])
def test_a_backup_of_which_one_bit_turned_is_refused(indexed: dict[str, Any], part: str) -> None:
    made = program.make(indexed)
    content = bytearray((made / part).read_bytes())
    content[len(content) // 2] ^= 1
    (made / part).write_bytes(content)
    with pytest.raises(program.BackupError, match=f"{part} is not what was written"):
        program.check(made)


def test_a_backup_of_which_a_part_is_missing_is_refused(indexed: dict[str, Any]) -> None:
    made = program.make(indexed)
    (made / "files.tar.gz").unlink()
    with pytest.raises(program.BackupError, match="cannot be read"):
        program.check(made)


@pytest.mark.parametrize("dump", [b"", DUMP[:-60], DUMP.replace(b"CREATE TABLE", b"CREATE VIEW")])
def test_a_dump_that_is_not_whole_makes_no_backup_and_takes_none_away(
    indexed: dict[str, Any], tmp_path: Path, dump: bytes
) -> None:
    good = program.make(indexed, lambda: 1.7e9)
    (tmp_path / "dump").write_bytes(dump)
    with pytest.raises(program.BackupError, match=r"holds \d of 1 tables"):
        program.make(indexed)
    assert [path for path in good.parent.iterdir() if path.name != ".lock"] == [good]


def test_a_dump_that_fails_says_why(indexed: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "bin/mariadb-dump").write_text("#!/bin/sh\necho 'Lost connection' >&2\nexit 2\n")
    with pytest.raises(program.BackupError, match="mariadb-dump failed: Lost connection"):
        program.make(indexed)


def test_a_damaged_grafana_makes_no_backup(config: dict[str, Any]) -> None:
    with open(config["grafana"], "r+b") as database:
        database.seek(4096)
        database.write(b"\xff" * 64)
    with pytest.raises(program.BackupError):
        program.make(config)
    assert [path.name for path in Path(config["directory"]).iterdir()] == [".lock"]


def test_an_index_that_is_too_large_is_left_out(indexed: dict[str, Any]) -> None:
    made = program.make(indexed | {"index_most": 1e-7})
    assert program.check(made)["parts"] == ["files.tar.gz", "grafana.db"]
    assert program.lost(made) == []


def test_a_disk_that_is_full_is_left_alone(config: dict[str, Any]) -> None:
    with pytest.raises(program.BackupError, match=r"it takes 1e?\d*.*; make room"):
        program.make(config | {"reserve": 10**9})


def test_a_disk_that_is_not_there_is_not_taken_for_another(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "elsewhere/backups"
    away = config | {"directory": str(place), "mount": str(place.parent)}
    with pytest.raises(program.BackupError, match=f"nothing is mounted at {place.parent}"):
        program.make(away)
    assert not place.exists()
    (tmp_path / "backup.json").write_text(json.dumps(away))
    monkeypatch.setattr(program, "CONFIG", str(tmp_path / "backup.json"))
    assert program.main(["status"]) == 1
    assert "Mount it" in capsys.readouterr().err
    assert program.make(config | {"mount": "/"}).exists()


@pytest.mark.parametrize("said", ["no base64", "bm8gZ3ppcA==", "H4sIAAAAAAAA"])
def test_what_is_no_list_of_recorded_files_is_called_so(
    said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(said))
    assert program.main(["lost", "-"]) == 1
    assert "the list of recorded files cannot be read" in capsys.readouterr().err


def test_an_interrupted_backup_is_swept_away(config: dict[str, Any]) -> None:
    left = Path(config["directory"], ".new-observatory-20260101T000000Z")
    left.mkdir(parents=True)
    made = program.make(config)
    assert {path.name for path in made.parent.iterdir()} == {".lock", made.name}


def test_the_newest_of_each_of_the_last_days_weeks_and_months_is_kept() -> None:
    stamps = {
        "20260301T000000Z", "20260301T120000Z", "20260228T000000Z", "20260227T000000Z", "20260226T000000Z",
        "20260220T000000Z", "20260110T000000Z", "20251231T000000Z",
    }  # fmt: skip
    kept = stamps - program.superfluous(stamps, KEEP)
    assert kept == {"20260301T120000Z", "20260228T000000Z", "20260227T000000Z", "20260220T000000Z"}


def test_a_backup_a_day_for_a_year_leaves_a_handful_that_goes_back_months() -> None:
    kept: set[str] = set()
    for day in range(365):
        kept.add(program.datetime.fromtimestamp(1.8e9 + day * 86400, program.UTC).strftime(program.STAMP))
        kept -= program.superfluous(kept, {"daily": 7, "weekly": 4, "monthly": 6})
    assert 13 <= len(kept) <= 17
    ages = sorted(
        (1.8e9 + 364 * 86400 - program.datetime.strptime(each, "%Y%m%dT%H%M%S%z").timestamp()) / 86400 for each in kept
    )
    assert ages[:7] == [0, 1, 2, 3, 4, 5, 6]
    assert ages[-1] > 120


def test_the_newest_is_kept_whatever_is_asked() -> None:
    assert program.superfluous({"20260301T000000Z", "20260302T000000Z"}, dict.fromkeys(KEEP, 0)) == {"20260301T000000Z"}


def test_backups_of_other_hosts_are_left_alone(config: dict[str, Any]) -> None:
    place = Path(config["directory"])
    for name in ("observatory-west-20200101T000000Z", "observatory-20200101T000000Z", "notes"):
        (place / name).mkdir(parents=True)
    assert [path.name for path in program.backups(place, "observatory")] == ["observatory-20200101T000000Z"]
    program.make(config | {"keep": dict.fromkeys(KEEP, 0)})
    assert (place / "observatory-west-20200101T000000Z").exists()
    assert not (place / "observatory-20200101T000000Z").exists()


def test_what_a_way_back_from_an_upgrade_needs_is_kept(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when a second one of the same day would do for all else."""
    monkeypatch.setattr(program, "_MARKS", tmp_path)
    needed, other = (program.make(config, lambda at=at: 1.8e9 + at) for at in (0, 60))
    assert not needed.exists()
    needed = other
    (tmp_path / "20270115T080000Z").mkdir()
    (tmp_path / "20270115T080000Z/mark.json").write_text(json.dumps({"backup": str(needed)}))
    made = program.make(config, lambda: 1.8e9 + 120)
    assert program.backups(Path(config["directory"]), "observatory") == [needed, made]


def test_of_what_is_restored_in_part_no_backup_is_made(
    config: dict[str, Any],
) -> None:
    Path(config["restoring"]).touch()
    with pytest.raises(program.BackupError, match="a restore has not ended"):
        program.make(config)
    assert not Path(config["directory"]).exists()


def test_a_folder_within_another_is_kept_once(config: dict[str, Any], tmp_path: Path) -> None:
    made = program.make(config | {"paths": [str(tmp_path / "etc"), str(tmp_path / "etc/secret")]})
    with tarfile.open(made / "files.tar.gz") as archive:
        names = archive.getnames()
    assert len(names) == len(set(names)) == 2


@pytest.mark.parametrize(("days", "status"), [(0.5, 0), (1.5, 0), (3, 1)])
def test_a_host_without_a_recent_backup_says_so(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    days: float, status: int,
) -> None:  # fmt: skip
    path = tmp_path / "backup.json"
    path.write_text(json.dumps(config))
    long_ago = program.time.time() - 30 * 86400
    os.utime(path, (long_ago, long_ago))
    monkeypatch.setattr(program, "CONFIG", str(path))
    program.make(config, lambda: program.time.time() - days * 86400)
    assert program.main(["status"]) == status
    assert ("none was made for 3.0 days" in capsys.readouterr().err) == bool(status)


def test_a_host_that_was_set_up_today_has_none_yet_and_that_is_well(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "backup.json").write_text(json.dumps(config))
    monkeypatch.setattr(program, "CONFIG", str(tmp_path / "backup.json"))
    assert program.main(["status"]) == 0
    assert "has no backup yet" in capsys.readouterr().out
    assert program.main(["check"]) == 1
    assert "type: sudo sisock-backup make" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("written", "said"),
    [(lambda config: json.dumps({key: config[key] for key in config if key != "mount"}), "it does not say mount;"),
     (lambda config: json.dumps(config)[:40], "is no JSON")],
    ids=["of an older release", "cut off"],
)  # fmt: skip
def test_a_configuration_that_is_not_this_releases_is_named(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    written: Callable[[dict[str, Any]], str], said: str,
) -> None:  # fmt: skip
    (tmp_path / "backup.json").write_text(written(config))
    monkeypatch.setattr(program, "CONFIG", str(tmp_path / "backup.json"))
    assert program.main(["make"]) == 1
    err = capsys.readouterr().err
    assert said in err
    assert "./appliance site writes it anew" in err
    assert not (tmp_path / "backups").exists()


def test_the_role_writes_all_that_the_program_reads() -> None:
    template = (ROOT / "roles/backup/templates/etc/sisock/backup.json.j2").read_text()
    assert re.findall(r"(?m)^  '(\w+)':", template) == list(program._CONFIGURED)


PASSWD = {"root": ["x", "0", "0", "root", "/root", "/bin/sh"], "chrony": ["x", "997", "997", "", "/", "/bin/false"]}
GROUP = {"root": ["x", "0", ""], "chrony": ["x", "997", ""]}
OCS = {"name": "ocs", "uid": 9000, "group": "ocs", "gid": 9000}
HUB = {"name": "sisock-hub", "uid": 997, "group": "sisock-hub", "gid": 990}


def test_accounts_get_their_numbers_on_a_host_where_they_are_free_or_theirs() -> None:
    assert restoring.account_problems([OCS], PASSWD, GROUP) == []
    assert restoring.account_problems([OCS], PASSWD | {"ocs": ["x", "9000"]}, GROUP | {"ocs": ["x", "9000"]}) == []


def test_an_account_whose_number_another_has_is_refused() -> None:
    said = restoring.account_problems([HUB], PASSWD, GROUP)
    assert said == ["The account sisock-hub had number 997, which chrony has here; change that."]


def test_an_account_that_has_another_number_already_is_refused() -> None:
    said = restoring.account_problems([OCS], PASSWD | {"ocs": ["x", "1000"]}, GROUP)
    assert said == ["The account ocs had number 9000 and has 1000 here; take it away."]
