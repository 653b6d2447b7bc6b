"""Handlers that wait: greenlets of the reactor's thread take turns, and threads wait."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from greenlet import getcurrent, greenlet
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock

from services.bridge.crossing import Crossing, Departure


class Reactor(Clock):
    """Its thread is that of the test."""

    def __init__(self) -> None:
        super().__init__()
        self.called: list[Callable[[], None]] = []

    def callFromThread(self, function: Callable[..., Any], *args: Any) -> None:
        self.called.append(lambda: function(*args))


@pytest.fixture
def reactor() -> Reactor:
    return Reactor()


@pytest.fixture
def said() -> list[Any]:
    return []


def begun(said: list[Any], handler: Callable[[], Any]) -> None:
    """Let a handler run as a greenlet until it waits, and note what it returns or raises."""

    def run() -> None:
        try:
            said.append(handler())
        except Exception as error:
            said.append(error)

    greenlet(run).switch()


def here() -> Departure:
    return Departure(Deferred())


def test_an_answer_that_is_there_is_returned_at_once(reactor: Reactor, said: list[Any]) -> None:
    begun(said, lambda: Crossing(reactor).ask(here(), succeed, 1))
    assert said == [1]


def test_several_wait_side_by_side_and_each_gets_its_answer(reactor: Reactor, said: list[Any]) -> None:
    crossing, answers = Crossing(reactor), [Deferred[int](), Deferred[int]()]
    for place, answer in enumerate(answers):
        begun(said, lambda place=place, answer=answer: (place, crossing.ask(here(), lambda: answer)))
    assert said == []
    answers[1].callback(11)
    answers[0].callback(10)
    assert said == [(1, 11), (0, 10)]


def test_a_failure_is_raised_now_or_later(reactor: Reactor, said: list[Any]) -> None:
    crossing, later = Crossing(reactor), Deferred[int]()
    begun(said, lambda: crossing.ask(here(), lambda: fail(OSError("now"))))
    begun(said, lambda: crossing.ask(here(), lambda: later))
    later.errback(OSError("later"))
    assert [str(error) for error in said] == ["now", "later"]


def test_who_is_answered_by_another_handler_goes_on_after_it(reactor: Reactor, said: list[Any]) -> None:
    crossing, shared = Crossing(reactor), Deferred[int]()
    begun(said, lambda: crossing.ask(here(), lambda: shared))

    def answering() -> str:
        shared.callback(7)
        return "the other"

    begun(said, answering)
    assert said == ["the other"]
    reactor.advance(0)
    assert said == ["the other", 7]


def test_whose_client_has_gone_is_told(reactor: Reactor, said: list[Any]) -> None:
    finished: Deferred[None] = Deferred()
    begun(said, lambda: Crossing(reactor).ask(Departure(finished), Deferred))
    finished.errback(ConnectionError())
    assert [type(error) for error in said] == [CancelledError]


def test_long_work_is_done_in_a_thread_and_the_reactor_goes_on(reactor: Reactor, said: list[Any]) -> None:
    crossing = Crossing(reactor)
    begun(said, lambda: crossing.aside(threading.get_ident))
    while not reactor.called:  # The thread hands its result over; the runner's own deadline ends what hangs.
        threading.Event().wait(0.001)
    assert said == []
    reactor.called.pop()()
    assert len(said) == 1
    assert said[0] != threading.get_ident()


def test_a_thread_waits_for_the_reactor(reactor: Reactor, said: list[Any]) -> None:
    crossing = Crossing(reactor)
    asking = threading.Thread(target=lambda: said.append(crossing.ask(here(), lambda: succeed(getcurrent().parent))))
    asking.start()
    while not reactor.called:
        threading.Event().wait(0.001)
    reactor.called.pop()()
    asking.join()
    assert said == [None]
    assert crossing.aside(threading.get_ident) == threading.get_ident()
