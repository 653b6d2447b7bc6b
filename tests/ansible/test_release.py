"""The way back from an upgrade: what is put back, when the host takes it by itself, and when it refuses."""

import gzip
import importlib.util
import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PATH = Path(__file__).parents[2] / "roles/release/files/sisock_release.py"
GROUP = """
[group:sisock]
programs=sisock-hub,sisock-bridge
[program:sisock-hub]
environment=CROSSBAR_TLS_PORT="8080",
    REALM="test_realm"
[program:sisock-bridge]
environment=CROSSBAR_TLS_PORT="8080",
    LISTEN="127.0.0.1",
    PORT="5005",
    REALM="test_realm"
"""


def _program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sisock_release", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Host:
    """A host in a folder: two environments, files of the programs, and programs that write down how they are called."""

    def __init__(self, folder: Path, program: ModuleType) -> None:
        self.folder, self.program = folder, program
        self.link = folder / "opt/sisock/current"
        self.conf = folder / "conf.d/sisock.conf"
        self.calls = folder / "calls"
        self.calls.touch()
        for release in ("old", "new"):
            (folder / "opt/sisock/releases" / release).mkdir(parents=True)
            (folder / "opt/sisock/releases" / release / "complete").touch()
        self.link.symlink_to("releases/old")
        self.conf.parent.mkdir()
        self.conf.write_text("old programs\n")
        (folder / "servers").mkdir()
        (folder / "servers/tide.py").write_text("old\n")
        (folder / "servers/tide.yml").write_text("old\n")
        (folder / "names").write_text("weather\n")
        (folder / "bin").mkdir()
        self.has("supervisorctl", "echo sisock:hub RUNNING pid 1")
        self.has("mariadb", f"echo mariadb $* >>{self.calls}; [ -t 0 ] || cat >>{self.calls}; echo 0001")

    def has(self, name: str, script: str) -> None:
        """Give the host a command."""
        (self.folder / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.folder / "bin" / name).chmod(0o755)

    @property
    def plan(self) -> dict[str, Any]:
        """What a mark is made of."""
        return {
            "links": [str(self.link), str(self.folder / "opt/ocs/current")],
            "groups": ["sisock", "archive"],
            "servers": str(self.folder / "names"),
            "database": None,
            "backup": str(self.folder / "backup"),
            "paths": [str(self.conf), str(self.folder / "servers"), str(self.folder / "bin/sisock-archive")],
        }

    def upgrade(self) -> None:
        """Do what a converge with another release does."""
        self.link.unlink()
        self.link.symlink_to("releases/new")
        self.conf.write_text("new programs\n")
        (self.folder / "servers/tide.py").unlink()
        (self.folder / "servers/later").mkdir()
        (self.folder / "servers/later/moon.py").write_text("new\n")
        (self.folder / "bin/sisock-archive").write_text("new\n")

    def is_old(self) -> bool:
        """Whether everything is as before, and nothing is there besides."""
        return (
            os.readlink(self.link) == "releases/old"
            and self.conf.read_text() == "old programs\n"
            and {path.name for path in (self.folder / "servers").iterdir()} == {"tide.py", "tide.yml"}
            and not (self.folder / "bin/sisock-archive").exists()
        )

    def pending(self, **changed: Any) -> dict[str, Any]:
        """Change what is noted of the upgrade under way."""
        path = self.program.STATE / "pending"
        pending: dict[str, Any] = json.loads(path.read_text()) | changed
        path.write_text(json.dumps(pending))
        return pending


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    program = _program()
    host = Host(tmp_path, program)
    monkeypatch.setattr(program, "STATE", tmp_path / "state")
    monkeypatch.setattr(program, "_GROUPS", tmp_path / "no-groups")
    monkeypatch.setattr(program, "_STARTING", 0.0)
    monkeypatch.setattr(program, "_update", lambda groups: host.calls.open("a").write(f"update {' '.join(groups)}\n"))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    return host


def test_everything_becomes_what_it_was_and_what_came_since_goes(host: Host) -> None:
    host.program.mark(host.plan)
    host.upgrade()
    host.program.back()
    assert host.is_old()
    assert host.calls.read_text() == "update sisock archive\n"


def test_one_goes_back_once_for_each_upgrade(host: Host) -> None:
    host.program.mark(host.plan)
    host.upgrade()
    host.program.back()
    with pytest.raises(host.program.ReleaseError, match="no former release to go back to"):
        host.program.back()
    assert host.is_old()


def test_a_mark_of_what_runs_already_is_passed_over(host: Host) -> None:
    host.program.mark(host.plan, lambda: 1.8e9)
    host.upgrade()
    host.program.mark(host.plan, lambda: 1.8e9 + 60)
    host.program.back()
    assert host.is_old()


def test_few_marks_are_kept(host: Host) -> None:
    made = [host.program.mark(host.plan, lambda at=at: 1.8e9 + at).name for at in range(5)]
    assert [mark.name for mark in host.program.marks()] == made[-3:]


def test_without_the_former_environment_nothing_is_changed(host: Host) -> None:
    host.program.mark(host.plan)
    host.upgrade()
    (host.folder / "opt/sisock/releases/old/complete").unlink()
    with pytest.raises(host.program.ReleaseError, match="releases/old is not there any more; nothing was changed"):
        host.program.back()
    assert os.readlink(host.link) == "releases/new"
    assert host.conf.read_text() == "new programs\n"


def test_an_upgrade_that_is_begun_again_keeps_its_first_mark(host: Host) -> None:
    first = host.program.mark(host.plan, lambda: 1.8e9)
    host.program.arm(first, 3600, 1)
    host.upgrade()
    assert host.program.mark(host.plan, lambda: 1.8e9 + 60) == first
    host.program.back()
    assert host.is_old()


def test_an_index_of_the_same_schema_is_left_alone(host: Host) -> None:
    plan = host.plan | {"database": {"socket": "/s", "name": "files"}}
    host.program.mark(plan)
    host.upgrade()
    host.program.back()
    assert "DROP" not in host.calls.read_text()


def test_an_index_of_a_later_schema_becomes_that_of_the_backup_when_live_data_flow_again(host: Host) -> None:
    plan = host.plan | {"database": {"socket": "/s", "name": "files"}}
    host.program.mark(plan)
    (host.folder / "backup").mkdir()
    (host.folder / "backup/database.sql.gz").write_bytes(gzip.compress(b"CREATE TABLE state\n"))
    host.has("supervisorctl", f"echo supervisorctl $* >>{host.calls}; echo sisock:hub RUNNING pid 1")
    host.has("mariadb", f'case "$*" in *SELECT*) echo 0002 ;; *) echo "$*" >>{host.calls}; cat >>{host.calls} ;; esac')
    host.upgrade()
    said: list[str] = []
    host.program.back("", said.append)
    calls = host.calls.read_text()
    order = ["stop archive:*", "update sisock\n", "DROP DATABASE", "CREATE TABLE state", "update sisock archive\n"]
    assert [calls.index(each) for each in order] == sorted(calls.index(each) for each in order)
    assert "the index has schema 0002, and is made 0001 again" in said


def test_without_the_backup_the_scanner_makes_the_index_again(host: Host) -> None:
    host.program.mark(host.plan | {"database": {"socket": "/s", "name": "files"}})
    host.has("mariadb", f'case "$*" in *SELECT*) echo 0002 ;; *) echo "$*" >>{host.calls} ;; esac')
    host.upgrade()
    said: list[str] = []
    host.program.back("", said.append)
    assert any("makes the index of the recorded files again" in each for each in said)
    assert host.is_old()


def test_programs_of_the_former_release_that_do_not_run_are_named(host: Host) -> None:
    host.program.mark(host.plan)
    host.upgrade()
    host.has("supervisorctl", "echo 'sisock:hub    BACKOFF   Exited too quickly'; exit 3")
    with pytest.raises(host.program.ReleaseError, match="went back, but sisock:hub does not run"):
        host.program.back(check=0.0)
    assert host.is_old()


def begin(host: Host, seconds: float = 3600.0) -> None:
    """Begin an upgrade and do it."""
    host.program.arm(host.program.mark(host.plan), seconds, 0.0)
    host.upgrade()


def test_an_upgrade_that_nobody_confirms_is_taken_back(host: Host) -> None:
    begin(host, 0.0)
    said: list[str] = []
    host.program.guard(said.append)
    assert host.is_old()
    assert any("nobody confirmed the upgrade; going back" in each for each in said)


def test_an_upgrade_whose_programs_do_not_run_is_taken_back(host: Host) -> None:
    begin(host)
    host.program.switch(3600)
    host.has(
        "supervisorctl", f"readlink {host.link} | grep -q new && echo sisock:hub BACKOFF || echo sisock:hub RUNNING"
    )
    said: list[str] = []
    host.program.guard(said.append)
    assert host.is_old()
    assert any("sisock:hub does not run; look at 'supervisorctl tail sisock:hub'; going back" in each for each in said)


def test_an_upgrade_in_which_the_host_was_started_anew_is_taken_back(host: Host) -> None:
    begin(host)
    host.pending(started="1")
    host.program.guard(lambda _: None)
    assert host.is_old()


def test_an_upgrade_that_is_confirmed_stays(host: Host) -> None:
    begin(host)
    host.program.switch(3600)
    host.program.guard(pause=lambda _: host.program.confirm())
    assert os.readlink(host.link) == "releases/new"


def test_an_upgrade_that_was_taken_back_cannot_be_confirmed(host: Host) -> None:
    begin(host, 0.0)
    host.program.guard(lambda _: None)
    with pytest.raises(host.program.ReleaseError, match="has gone back to its former release"):
        host.program.confirm()


def test_before_the_programs_are_switched_their_failures_are_none_of_the_upgrade(host: Host) -> None:
    begin(host)
    host.has("supervisorctl", "echo 'sisock:hub BACKOFF'; exit 3")
    looks = iter([lambda: None, lambda: None, host.program.confirm])
    host.program.guard(pause=lambda _: next(looks)())
    assert os.readlink(host.link) == "releases/new"


def test_the_port_of_the_bridge_is_that_of_its_program(host: Host) -> None:
    host.conf.write_text(GROUP)
    assert host.program.bridge_port(host.conf) == 5005
    host.conf.write_text(GROUP.partition("[program:sisock-bridge]")[0])
    assert host.program.bridge_port(host.conf) == 0
    assert host.program.bridge_port(host.folder / "none") == 0


def test_only_what_worked_before_is_asked_for(host: Host) -> None:
    host.has(
        "supervisorctl", "echo 'sisock:hub RUNNING pid 1'; echo 'ocs:lakeshore BACKOFF Exited too quickly'; exit 3"
    )
    stood = json.loads((host.program.mark(host.plan) / "mark.json").read_text())
    assert stood["running"] == ["sisock:hub"]
    assert host.program.trouble(stood, 0.0) == ""
    host.has("supervisorctl", "echo 'ocs:new BACKOFF'; exit 3")
    assert host.program.trouble(stood, 0.0) == ""


def test_servers_that_showed_samples_have_to_show_them_again(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    (host.folder / "groups").mkdir()
    (host.folder / "groups/sisock.conf").write_text(GROUP)
    monkeypatch.setattr(host.program, "_GROUPS", host.folder / "groups")
    (host.folder / "names").write_text("weather\nlakeshore\n")
    silent = f'[ ! -e "{host.folder}/silent-$each" ] || {{ echo "missing: $each" >&2; exit 1; }}'
    host.has("runuser", f"for each; do {silent}; done")
    # The instrument is switched off, before and after.
    (host.folder / "silent-lakeshore").touch()
    stood = json.loads((host.program.mark(host.plan) / "mark.json").read_text())
    assert stood["shown"] == ["weather"]
    assert host.program.trouble(stood, 0.0) == ""
    (host.folder / "silent-weather").touch()
    assert host.program.trouble(stood, 0.0) == "missing: weather"


def test_what_cannot_be_done_is_said_in_a_sentence(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    assert host.program.main(["back"]) == 1
    assert "there is no former release to go back to" in capsys.readouterr().err
    assert host.program.main(["list"]) == 0
