"""The process of a worker: how it starts, what it is bound to, and what is said of its end."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from private_mariadb import PrivateMariaDB

from services.g3_scanner.messages import Idle
from services.g3_scanner.process import WorkerProcess
from tests.services.g3_scanner.conftest import alive, children

MEMORY = 600
Start = Callable[..., tuple[WorkerProcess, int]]


@pytest.fixture
def start(mariadb: PrivateMariaDB, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start a worker; what is given is it and its process id."""
    for name, value in mariadb.environ(database, "scanner").items():
        monkeypatch.setenv(name, value)
    started = []

    def one(number: int = 1, *, early: bool) -> tuple[WorkerProcess, int]:
        before = set(children(os.getpid()))
        worker = WorkerProcess(number, MEMORY)
        worker.start(early=early)
        started.append(worker)
        (process,) = set(children(os.getpid())) - before
        return worker, process

    yield one
    for worker in started:
        worker.bury(0.0)


def ready(worker: WorkerProcess) -> None:
    assert worker.pipe.poll(20)
    assert worker.pipe.recv() == Idle(0)


@pytest.mark.parametrize("early", [True, False])
def test_it_waits_for_its_first_call_and_is_bound_to_its_limits(start: Start, *, early: bool) -> None:
    worker, process = start(7, early=early)
    ready(worker)
    assert Path(f"/proc/{process}/comm").read_text() == "g3-worker-7\n"
    limits = Path(f"/proc/{process}/limits").read_text().splitlines()
    assert [line.split()[3] for line in limits if line.startswith("Max data size")] == [str(MEMORY * 2**20)]
    assert [line.split()[4] for line in limits if line.startswith("Max core file size")] == ["0"]
    blocked = Path(f"/proc/{process}/status").read_text()
    assert "Threads:\t1\n" in blocked


@pytest.mark.parametrize("early", [True, False])
def test_it_ends_by_itself_when_its_pipe_is_closed_while_others_live(start: Start, *, early: bool) -> None:
    first, first_id = start(1, early=early)
    second, second_id = start(2, early=early)
    ready(first)
    ready(second)
    begun = time.monotonic()
    assert first.bury(10.0) == ""
    assert time.monotonic() - begun < 5.0
    assert not alive(first_id)
    assert alive(second_id)


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize(
    ("sent", "said"),
    [(signal.SIGSEGV, "crashed (SIGSEGV)"), (signal.SIGKILL, "was killed (perhaps"), (signal.SIGTERM, "")],
)  # fmt: skip
def test_its_end_has_a_word(start: Start, sent: signal.Signals, said: str, *, early: bool) -> None:
    worker, process = start(early=early)
    ready(worker)
    os.kill(process, sent)
    why = worker.bury(10.0)
    assert why.startswith(said)
    assert bool(why) == bool(said)
    assert worker.pipe is None


@pytest.mark.parametrize("early", [True, False])
def test_one_that_cannot_begin_says_so_by_its_exit_status(
    start: Start, monkeypatch: pytest.MonkeyPatch, *, early: bool
) -> None:
    monkeypatch.setenv("SQL_PORT", "none")
    worker, _ = start(early=early)
    assert worker.pipe.poll(20)
    assert worker.bury(10.0) == "ended with exit status 1"


@pytest.mark.parametrize("early", [True, False])
def test_one_that_does_not_end_is_killed(start: Start, *, early: bool) -> None:
    worker, process = start(early=early)
    ready(worker)
    os.kill(process, signal.SIGSTOP)
    assert worker.bury(0.2) == ""
    assert not alive(process)
