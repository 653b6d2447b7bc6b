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
            "log": str(self.folder / "upgrade.log"),
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
    order = ["update sisock\n", "stop archive:*", "DROP DATABASE", "CREATE TABLE state", "update sisock archive\n"]
    assert [calls.index(each) for each in order] == sorted(calls.index(each) for each in order)
    assert "the index has schema 0002, and is made 0001 again" in said


def test_an_index_goes_back_on_a_host_that_has_no_scanner(host: Host) -> None:
    host.program.mark(host.plan | {"database": {"socket": "/s", "name": "files"}, "groups": ["sisock"]})
    host.has("supervisorctl", 'case "$*" in *archive*) exit 1 ;; esac; echo sisock:hub RUNNING pid 1')
    host.has("mariadb", f'case "$*" in *SELECT*) echo 0002 ;; *) echo "$*" >>{host.calls} ;; esac')
    host.upgrade()
    host.program.back()
    assert "DROP DATABASE" in host.calls.read_text()
    assert host.is_old()


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


def begin(host: Host, seconds: float = 3600.0, **plan: Any) -> None:
    """Begin an upgrade and do it."""
    host.program.arm(host.program.mark(host.plan | plan), seconds, 0.0)
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
    with pytest.raises(host.program.ReleaseError, match="gone back to its former release: nobody confirmed"):
        host.program.confirm()


def test_an_upgrade_is_confirmed_when_the_index_is_that_of_the_new_release(host: Host) -> None:
    begin(host, database={"socket": "/s", "name": "files"})
    host.has("mariadb", f"[ -e {host.folder}/asked ] && echo 0002 || echo 0001; touch {host.folder}/asked")
    host.program.confirm("0002", 60.0)
    assert os.readlink(host.link) == "releases/new"
    assert not (host.program.STATE / "pending").exists()


def test_an_upgrade_whose_index_does_not_follow_is_taken_back_once(host: Host) -> None:
    host.program.mark(host.plan, lambda: 1.8e9)
    begin(host, database={"socket": "/s", "name": "files"})
    with pytest.raises(host.program.ReleaseError, match="schema 0001, which did not become 0002 in 0 s"):
        host.program.confirm("0002", 0.0)
    assert host.is_old()
    with pytest.raises(host.program.ReleaseError, match="schema 0001, which did not become 0002 in 0 s"):
        host.program.confirm("0002", 0.0)
    assert len(host.program.marks()) == 1


def test_a_former_upgrade_that_was_taken_back_is_forgotten(host: Host) -> None:
    begin(host, 0.0)
    host.program.guard(lambda _: None)
    begin(host)
    host.program.back()
    with pytest.raises(host.program.ReleaseError, match="former release: somebody asked for it"):
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


def test_what_was_broken_off_on_the_way_back_is_ended(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand as well as by the host itself, when it is started anew."""
    for end in (host.program.back, lambda: host.program.guard(lambda _: None)):
        host.program.mark(host.plan)
        host.upgrade()
        with monkeypatch.context() as cut:
            cut.setattr(host.program, "_update", lambda _: os.close(-1))
            with pytest.raises(OSError, match="Bad file descriptor"):
                host.program.back()
        with pytest.raises(host.program.ReleaseError, match=r"is going back .*upgrade\.log says why"):
            host.program.confirm()
        with pytest.raises(host.program.ReleaseError, match="going back from an upgrade"):
            host.program.begin(host.plan, 3600.0, 0.0)
        host.program.switch(3600.0)
        end()
        assert host.is_old()
        assert not host.program.marks()
        assert not (host.program.STATE / "pending").exists()
        assert host.calls.read_text().endswith("update sisock archive\n")


def test_an_index_that_was_loaded_in_part_is_loaded_anew(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though its schema is the right one already."""
    plan = host.plan | {"database": {"socket": "/s", "name": "files"}}
    host.program.mark(plan)
    host.has("mariadb", 'case "$*" in *SELECT*) echo 0002 ;; esac')
    host.upgrade()
    with monkeypatch.context() as cut:
        cut.setattr(host.program, "_load_index", lambda *_: os.close(-1))
        with pytest.raises(OSError, match="Bad file descriptor"):
            host.program.back()
    host.has("mariadb", f'case "$*" in *SELECT*) echo 0001 ;; *) echo "$*" >>{host.calls} ;; esac')
    host.program.back()
    assert "DROP DATABASE" in host.calls.read_text()
    assert {path.name for path in host.program.STATE.iterdir()} == {".lock", "taken_back"}


def test_what_was_confirmed_while_the_host_made_up_its_mind_stays(host: Host) -> None:
    begin(host, 0.0)
    confirmed: list[str] = []

    def say(text: str) -> None:
        host.program.confirm()
        confirmed.append(text)

    host.program.guard(say)
    assert len(confirmed) == 1
    assert os.readlink(host.link) == "releases/new"


def test_what_cannot_be_done_is_said_in_a_sentence(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    assert host.program.main(["back"]) == 1
    assert "there is no former release to go back to" in capsys.readouterr().err
    assert host.program.main(["list"]) == 0
