"""HostManager, what runs it, and the agents that it has started: whichever ends, and however, none is left alone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "roles/ocs/files/run_host_manager.sh"
# Starts an agent as HostManager does, and stops it as it ends in order.
MANAGER = """
import signal, subprocess, sys
agent = subprocess.Popen(["sleep", "600"])
def stop(*_):
    agent.kill()
    agent.wait()
    print("stopped", flush=True)
    sys.exit(3)
signal.signal(signal.SIGTERM, stop)
print(agent.pid, flush=True)
signal.pause()
"""


class Running:
    """The three processes, in a group of their own as supervisor starts them."""

    def __init__(self) -> None:
        command = ["/bin/sh", str(SCRIPT), sys.executable, "-c", MANAGER]
        self.wrapper = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert self.wrapper.stdout is not None
        self.said = self.wrapper.stdout
        self.agent = int(self.said.readline())
        self.manager = int(Path(f"/proc/{self.agent}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.fixture
def running() -> Iterator[Running]:
    made = Running()
    yield made
    for pid in (made.agent, made.manager, made.wrapper.pid):
        if alive(pid):
            os.kill(pid, signal.SIGKILL)
    made.wrapper.wait()
    made.said.close()


def alive(pid: int) -> bool:
    """Whether it runs; one that has ended and that nobody has asked about does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def ended(*pids: int) -> bool:
    deadline = time.monotonic() + 30
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(alive, pids))


def test_asked_to_stop_it_waits_until_the_manager_has_stopped_its_agents(running: Running) -> None:
    os.killpg(running.wrapper.pid, signal.SIGTERM)
    assert running.wrapper.wait(30) == 3
    assert running.said.read() == "stopped\n"
    assert not alive(running.manager)
    assert ended(running.agent)


def test_a_manager_that_is_killed_takes_its_agents_along(running: Running) -> None:
    os.kill(running.manager, signal.SIGKILL)
    assert running.wrapper.wait(30) == 128 + signal.SIGKILL
    assert ended(running.agent)


def test_without_the_wrapper_the_manager_ends_in_order(running: Running) -> None:
    os.kill(running.wrapper.pid, signal.SIGKILL)
    assert ended(running.manager, running.agent)
    assert running.said.read() == "stopped\n"
