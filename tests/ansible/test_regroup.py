"""One program of a group is added, changed or taken away, and the others run on."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xmlrpc.client import ServerProxy

import pytest

pytest.importorskip("supervisor", reason="supervisor is not installed in this environment")

FILES = Path(__file__).parents[2] / "roles/supervisor/files"
DEADLINE = 20.0


class Supervised:
    """A supervisord of its own with one group of programs that only sleep."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "s.sock"
        (folder / "supervisord.conf").write_text(
            f"[unix_http_server]\nfile={self._socket}\n[supervisord]\nnodaemon=true\n"
            f"logfile={folder}/log\npidfile={folder}/pid\n"
            "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
            "[rpcinterface:regroup]\nsupervisor.rpcinterface_factory=supervisor_regroup:make_rpcinterface\n"
            f"[include]\nfiles={folder}/groups/*.conf\n"
        )
        (folder / "groups").mkdir()
        self._daemon: subprocess.Popen[bytes] | None = None

    def write(self, **programs: int) -> None:
        """Say which programs the group has, and for how many seconds each sleeps."""
        text = f"[group:g]\nprograms={','.join(f'g-{name}' for name in programs)}\n"
        for name, seconds in programs.items():
            text += f"[program:g-{name}]\nprocess_name={name}\ncommand=sleep {seconds}\nstartsecs=0\n"
            text += f"stdout_logfile={self._folder}/{name}.log\nredirect_stderr=true\n"
        (self._folder / "groups/g.conf").write_text(text)

    def start(self) -> None:
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._folder / "supervisord.conf")]
        self._daemon = subprocess.Popen(command, env={"PYTHONPATH": str(FILES), "PATH": "/usr/bin:/bin"})
        self.wait(lambda: self._socket.exists() and self._connects())

    def stop(self) -> None:
        if self._daemon is not None:
            self._daemon.terminate()
            self._daemon.wait(DEADLINE)

    def _connects(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(self._socket)) == 0

    @property
    def server(self) -> Any:
        from supervisor.xmlrpc import SupervisorTransport

        return ServerProxy("http://127.0.0.1", SupervisorTransport(None, None, f"unix://{self._socket}"))

    def running(self) -> dict[str, int]:
        """Name -> process number of the programs that run."""
        return {p["name"]: p["pid"] for p in self.server.supervisor.getAllProcessInfo() if p["statename"] == "RUNNING"}

    def wait(self, condition: Any) -> None:
        end = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < end, (self._folder / "log").read_text()
            time.sleep(0.05)


@pytest.fixture
def supervised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervised]:
    monkeypatch.syspath_prepend(str(FILES))
    daemon = Supervised(tmp_path)
    daemon.write(one=1000, two=1000)
    daemon.start()
    try:
        daemon.wait(lambda: set(daemon.running()) == {"one", "two"})
        yield daemon
    finally:
        daemon.stop()


def _update(supervised: Supervised) -> list[str]:
    import supervisor_regroup

    return list(supervisor_regroup.update(supervised.server, ["g"]))


def test_nothing_happens_when_nothing_changed(supervised: Supervised) -> None:
    before = supervised.running()
    assert _update(supervised) == []
    assert supervised.running() == before


def test_a_new_program_starts_and_the_others_run_on(supervised: Supervised) -> None:
    before = supervised.running()
    supervised.write(one=1000, two=1000, three=1000)
    assert _update(supervised) == ["g:three: started"]
    supervised.wait(lambda: set(supervised.running()) == {"one", "two", "three"})
    assert supervised.running().items() >= before.items()
    assert _update(supervised) == []


def test_a_changed_program_restarts_and_the_others_run_on(supervised: Supervised) -> None:
    before = supervised.running()
    supervised.write(one=1000, two=2000)
    assert _update(supervised) == ["g:two: stopped", "g:two: started"]
    supervised.wait(lambda: set(supervised.running()) == {"one", "two"})
    after = supervised.running()
    assert after["one"] == before["one"]
    assert after["two"] != before["two"]


def test_a_program_that_is_taken_away_stops_also_when_it_stood_still(supervised: Supervised) -> None:
    before = supervised.running()
    supervised.server.supervisor.stopProcess("g:two")
    supervised.write(one=1000)
    assert _update(supervised) == ["g:two: stopped"]
    assert supervised.running() == {"one": before["one"]}


def test_a_program_that_stands_still_is_started_again(supervised: Supervised) -> None:
    supervised.server.supervisor.stopProcess("g:two")
    assert _update(supervised) == ["g:two: started"]
    supervised.wait(lambda: set(supervised.running()) == {"one", "two"})


def test_a_group_of_others_is_left_as_it_is(supervised: Supervised) -> None:
    import supervisor_regroup

    supervised.write(one=2000)
    before = supervised.running()
    assert supervisor_regroup.update(supervised.server, ["ours"]) == []
    assert supervised.running() == before


def test_a_group_that_is_taken_away_stops_and_comes_back_when_it_is_written_again(supervised: Supervised) -> None:
    text = (supervised._folder / "groups/g.conf").read_text()
    (supervised._folder / "groups/g.conf").unlink()
    assert _update(supervised) == ["g: removed"]
    assert supervised.running() == {}
    (supervised._folder / "groups/g.conf").write_text(text)
    assert _update(supervised) == ["g: added"]
    supervised.wait(lambda: set(supervised.running()) == {"one", "two"})


def test_a_program_that_still_runs_is_not_forgotten(supervised: Supervised) -> None:
    from xmlrpc.client import Fault

    supervised.write(one=1000)
    supervised.server.supervisor.reloadConfig()
    with pytest.raises(Fault, match="STILL_RUNNING"):
        supervised.server.regroup.replace("g")
    assert set(supervised.running()) == {"one", "two"}
