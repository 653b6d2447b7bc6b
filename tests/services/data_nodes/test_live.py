"""What a live server does with its journal: takes it up between other work, once, and brings it to the disk."""

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet import task
from twisted.internet.defer import maybeDeferred

from services.data_nodes import live
from services.data_nodes.live import LiveServer


class JournalOfTests:
    """A journal that is replaying, and whose disk may be dead."""

    def __init__(self) -> None:
        self.replaying = True
        self.synced = 0
        self.error: OSError | None = None

    def sync(self) -> None:
        self.synced += 1
        if self.error:
            raise self.error


class Said:
    """A log that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def _say(self, event: str, **facts: Any) -> None:
        self.lines.append(event.format(**facts))

    info = warn = failure = _say


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> task.Clock:
    """The time of the server's beats and of its work between other work."""
    clock = task.Clock()
    monkeypatch.setattr(live, "Cooperator", lambda: task.Cooperator(scheduler=lambda step: clock.callLater(0.01, step)))
    made = task.LoopingCall.__init__

    def init(self: task.LoopingCall, *args: Any) -> None:
        made(self, *args)
        self.clock = clock  # type: ignore[assignment]

    monkeypatch.setattr(task.LoopingCall, "__init__", init)
    monkeypatch.setattr(LiveServer, "_in_a_thread", lambda _, work: maybeDeferred(work))
    return clock


def server() -> LiveServer:
    made = LiveServer()
    made.name, made.log = "mine", Said()  # type: ignore[assignment]
    return made


def steps(done: list[int], journal: JournalOfTests, error: Exception | None = None) -> Iterator[None]:
    for number in range(3):
        done.append(number)
        yield
    if error:
        raise error
    journal.replaying = False


def test_the_journal_is_taken_up_once_whatever_happens_to_the_session(clock: task.Clock) -> None:
    ours, journal, done = server(), JournalOfTests(), []  # type: ignore[var-annotated]
    for _ in range(2):
        ours.remember(journal, steps(done, journal))  # type: ignore[arg-type]
    clock.pump([0.01] * 10)
    assert done == [0, 1, 2]
    assert ours.log.lines == ["mine: has taken up its journal"]


def test_a_server_without_a_journal_has_no_beat(clock: task.Clock) -> None:
    ours, journal = server(), JournalOfTests()
    journal.replaying = False
    ours.remember(journal, iter(()))  # type: ignore[arg-type]
    assert clock.getDelayedCalls() == []


def test_a_journal_that_cannot_be_taken_up_is_logged_and_the_server_goes_on(clock: task.Clock) -> None:
    ours, journal = server(), JournalOfTests()
    ours.remember(journal, steps([], journal, ValueError("of another version")))  # type: ignore[arg-type]
    clock.pump([0.01] * 10)
    assert ours.log.lines == ["mine: the journal cannot be taken up"]
    assert not journal.replaying, "what comes from now on is taken at once"


def test_it_reaches_the_disk_every_second_and_a_dead_disk_is_said_once(clock: task.Clock) -> None:
    ours, journal = server(), JournalOfTests()
    ours.remember(journal, steps([], journal))  # type: ignore[arg-type]
    clock.pump([1.0] * 5)
    assert journal.synced == 6
    journal.error = OSError(5, "Input/output error")
    clock.pump([1.0] * 5)
    assert journal.synced == 11
    assert ours.log.lines[1:] == [
        "mine: the journal does not reach the disk: [Errno 5] Input/output error; look at the disk"
    ]
