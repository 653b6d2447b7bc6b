from collections.abc import Callable, Iterator, Sequence
from multiprocessing import Pipe
from typing import Any

import pytest
from MySQLdb import OperationalError as MySQLOperationalError
from sqlalchemy import Engine, insert, select
from sqlalchemy.exc import DBAPIError, OperationalError

from services.g3_index.schema import Status, files
from services.g3_scanner.indexing import Step
from services.g3_scanner.messages import Claimed, Done, Idle, Look, Report, Stuck
from services.g3_scanner.worker import Work
from sisock.backoff import Backoff
from tests.services.g3_scanner.test_trouble import Log

STEP = Step(1, 100, 2)
End = KeyboardInterrupt


class Indexing:
    """Does what a script says: claims ids, then returns a step or raises an error. Ends the worker at its end."""

    Forms = object

    def __init__(self, *script: tuple[tuple[int, ...], Step | Exception | None]) -> None:
        self._script = iter(script)
        self.careful: list[bool] = []

    def index_next(
        self, engine: Engine, claimed: Callable[[Sequence[int]], None], most_bytes: int = 2**26, forms: object = None
    ) -> Step | None:
        ids, result = next(self._script, ((), End()))
        if ids:
            self.careful.append(most_bytes == 1)
            claimed(ids)
        if isinstance(result, BaseException):
            raise result
        return result

    def settle(self, engine: Engine) -> bool:
        return False


class Worker:
    """A worker that does what a script says, and what it reports."""

    def __init__(self, engine: Engine, *script: Any) -> None:
        self.ours, theirs = Pipe()
        self.indexing = Indexing(*script)
        self.log = Log()
        self.work = Work(theirs, engine, self.log, self.indexing, careful=False)
        self.work._backoff = Backoff(shortest=0.0)

    def run(self) -> list[Report]:
        with pytest.raises(End):
            self.work.run()
        return list(self._heard())

    def _heard(self) -> Iterator[Report]:
        while self.ours.poll():
            yield self.ours.recv()


def of_server(code: int) -> DBAPIError:
    return OperationalError("", {}, MySQLOperationalError(code, "said"))


@pytest.fixture
def three(engine: Engine) -> list[int]:
    """Ids of three files that are due."""
    with engine.begin() as connection:
        about = {"size": 9, "mtime_ns": 1, "head": b"", "head_size": 0, "indexed": 0, "status": "new", "due": True}
        connection.execute(insert(files), [about | {"path": name} for name in (b"a", b"b", b"c")])
        return list(connection.scalars(select(files.c.id).order_by(files.c.path)))


def failed(engine: Engine) -> dict[bytes, str]:
    query = select(files.c.path, files.c.problem).where(files.c.status == Status.FAILED, ~files.c.due)
    with engine.connect() as connection:
        return {row.path: row.problem for row in connection.execute(query)}


def test_a_worker_says_what_it_takes_and_what_it_has_done(engine: Engine) -> None:
    assert Worker(engine, ((1, 2), STEP)).run() == [Claimed((1, 2)), Done(1, 100)]


def test_a_worker_without_work_waits_for_a_call(engine: Engine) -> None:
    worker = Worker(engine, ((), None))
    worker.ours.send(Look(5))
    worker.ours.send(Look(6))
    assert worker.run() == []
    assert worker.ours.poll() is False


def test_a_call_that_came_while_it_worked_is_answered_by_another_look(engine: Engine) -> None:
    worker = Worker(engine, ((), None), ((), None), ((), None))
    worker.ours.send(Look(5))
    worker.ours.send(Look(6))
    worker.ours.close()
    with pytest.raises((EOFError, BrokenPipeError)):
        worker.work.run()
    assert worker.work._heard == 6


def test_a_file_that_cannot_be_indexed_has_failed_and_the_next_one_is_taken(engine: Engine, three: list[int]) -> None:
    worker = Worker(engine, ((three[0],), ValueError("garbage")), ((three[1],), STEP))
    assert worker.run()[-1] == Done(1, 100)
    assert failed(engine) == {b"a": "ValueError: garbage"}


def test_of_several_files_the_guilty_one_is_found_by_small_steps(engine: Engine, three: list[int]) -> None:
    garbage = ValueError("garbage")
    worker = Worker(engine, (tuple(three), garbage), ((three[0],), STEP), ((three[1],), garbage), ((three[2],), STEP))
    worker.run()
    assert failed(engine) == {b"b": "ValueError: garbage"}
    assert worker.indexing.careful == [False, True, True, True]


def test_a_file_that_needs_too_much_memory_has_failed(engine: Engine, three: list[int]) -> None:
    Worker(engine, ((three[0],), MemoryError())).run()
    assert "WORKER_MEMORY" in failed(engine)[b"a"]


def test_a_database_that_fails_is_no_fault_of_the_file(engine: Engine, three: list[int]) -> None:
    worker = Worker(engine, ((three[0],), of_server(1114)), ((three[0],), of_server(1114)), ((three[0],), STEP))
    reports = worker.run()
    assert [each.problem[:19] for each in reports if isinstance(each, Stuck)] == ["the database fails "] * 2 + [""]
    assert failed(engine) == {}


def test_a_few_lost_races_are_worth_no_word(engine: Engine, three: list[int]) -> None:
    deadlock = ((three[0],), of_server(1213))
    assert not [each for each in Worker(engine, *[deadlock] * 5).run() if isinstance(each, Stuck)]
    assert [each for each in Worker(engine, *[deadlock] * 6).run() if isinstance(each, Stuck)]


def test_an_error_of_ours_is_told_once_with_its_traceback(engine: Engine) -> None:
    worker = Worker(engine, *[((), ValueError("ours"))] * 4)
    assert worker.run()[1] == Stuck("a worker cannot go on (ValueError: ours); look for the traceback in the log")
    assert worker.log.lines == ["scanner: ValueError: ours"]


def test_it_waits_when_it_has_nothing_to_do(engine: Engine) -> None:
    worker = Worker(engine, ((), None))
    worker.work._pipe = Silent()
    with pytest.raises(EOFError):
        worker.work.run()
    assert worker.work._pipe.said == [Idle(0)]


class Silent:
    """A scanner that listens, says nothing, and goes away."""

    def __init__(self) -> None:
        self.said: list[Report] = []

    def poll(self, timeout: float = 0.0) -> bool:
        return False

    def send(self, report: Report) -> None:
        self.said.append(report)

    def recv(self) -> Look:
        raise EOFError
