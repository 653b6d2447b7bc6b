"""Who asks the same at the same time gets the same, made once."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import pytest

from services.bridge.flights import Flights


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as made:
        yield made


def begun(pool, flights, question, made):
    """A flight under way, and what ends it."""
    taken_off, end = Event(), Event()

    def make():
        taken_off.set()
        assert end.wait(10)
        return made()

    future: Future[str] = pool.submit(flights.answer, question, make)
    assert taken_off.wait(10)
    return future, end


def test_equal_questions_under_way_are_answered_once_and_others_by_themselves(pool):
    flights = Flights(Clock())
    first, end = begun(pool, flights, "a", lambda: "first")
    asked = Event()

    def join():
        asked.set()
        return flights.answer("a", lambda: "another")

    joined = pool.submit(join)
    assert asked.wait(10)
    assert flights.answer("b", lambda: "other") == "other"
    assert not first.done()
    end.set()
    assert first.result(10) == "first"
    assert joined.result(10) in {"first", "another"}, "it may have come too late to join"
    assert flights.answer("a", lambda: "later") == "later"


def test_one_that_fails_spares_the_others(pool):
    flights = Flights(Clock())
    first, end = begun(pool, flights, "a", lambda: 1 / 0)
    second = pool.submit(flights.answer, "a", lambda: "mine")
    end.set()
    with pytest.raises(ZeroDivisionError):
        first.result(10)
    assert second.result(10) == "mine"


def test_nobody_joins_one_that_began_long_ago(pool):
    clock = Clock()
    flights = Flights(clock)
    first, end = begun(pool, flights, "a", lambda: "old")
    clock.now = 1.0
    assert flights.answer("a", lambda: "new") == "new"
    end.set()
    assert first.result(10) == "old"
    assert flights._under_way == {}
