from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from autobahn.wamp.exception import ApplicationError
from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.internet.task import Clock, LoopingCall
from twisted.python.failure import Failure

from sisock.base import DataNodeServer
from sisock.errors import SisockError
from sisock.packing import unpack
from sisock.shapes import check_data

FIELDS = ({"x": {"timeline": "t", "type": "number"}}, {"t": {"field": ["x"]}})


class Beating(DataNodeServer):
    """Server whose calls are noted, on a clock of its own."""

    name = "mine"

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock, self.announced, self.hub_is_there = clock, [], True

    def register(self, *_: Any, **__: Any) -> Any:
        return succeed(None)

    def call(self, procedure: str, name: str, description: str, session: int) -> Any:
        if not self.hub_is_there:
            return fail(ApplicationError(ApplicationError.NO_SUCH_PROCEDURE, "no hub"))
        self.announced.append((self.clock.seconds(), session))
        return succeed(session > 0)

    def join_as(self, session: int) -> None:
        self._session_id = session
        self.onJoin(SimpleNamespace(session=session))


@pytest.fixture
def beating(monkeypatch: pytest.MonkeyPatch) -> Beating:
    clock = Clock()
    made = LoopingCall.__init__

    def init(self: LoopingCall, *args: Any) -> None:
        made(self, *args)
        self.clock = clock

    monkeypatch.setattr(LoopingCall, "__init__", init)
    return Beating(clock)


def run_for(server: Beating, seconds: int) -> None:
    for _ in range(seconds):
        server.clock.advance(1)


def test_a_server_tells_the_hub_every_ten_seconds_that_it_is_there(beating: Beating) -> None:
    beating.join_as(1)
    run_for(beating, 25)
    assert beating.announced == [(0, 1), (10, 1), (20, 1)]


def test_it_goes_on_telling_after_a_reconnection_that_was_quicker_than_its_beat(beating: Beating) -> None:
    beating.join_as(1)
    run_for(beating, 4)
    beating.join_as(2)
    run_for(beating, 40)
    assert [when for when, session in beating.announced if session == 2] == [4, 14, 24, 34, 44]
    assert [when for when, session in beating.announced if session == 1] == [0]


def test_it_tries_every_second_while_there_is_no_hub(beating: Beating) -> None:
    beating.hub_is_there = False
    beating.join_as(1)
    run_for(beating, 7)
    beating.hub_is_there = True
    run_for(beating, 15)
    assert beating.announced == [(8, 1), (10, 1), (20, 1)]


def server_that(**answers: Callable[..., Any]) -> DataNodeServer:
    return type("Server", (DataNodeServer,), {"name": "mine"} | answers)()


def result(deferred: Deferred[Any]) -> Any:
    got: list[Any] = []
    deferred.addBoth(got.append)
    assert got, "not answered yet"
    if isinstance(got[0], Failure):
        got[0].raiseException()
    return got[0]


def test_what_the_author_left_out_of_a_field_is_filled_in() -> None:
    fields, timelines = result(server_that(get_fields=lambda *_: FIELDS)._answer_get_fields(1, 0))
    assert fields == {"x": {"description": None, "timeline": "t", "type": "number", "units": None}}
    assert timelines == {"t": {"interval": None, "field": ["x"]}}


def test_a_deferred_and_arrays_are_answered_as_lists() -> None:
    reply = {"data": {"x": np.array([1.0, np.nan])}, "timeline": {"t": {"t": np.array([1.0, 2.0])}}}
    answer = result(server_that(get_data=lambda *_: succeed(reply))._answer_get_data(["x"], 1, 0))
    assert answer == {
        "data": {"x": [1.0, None]},
        "timeline": {"t": {"t": [1.0, 2.0], "finalized_until": None}},
    }


def test_false_is_answered_as_it_is() -> None:
    assert result(server_that(get_data=lambda *_: False)._answer_get_data(["x"], 1, 0)) is False


@pytest.mark.parametrize(
    ("field", "start", "end", "min_stride", "sentence"),
    [
        ("x", 1, 0, None, "a list of field names is due, not 'x'"),
        ([1], 1, 0, None, "a list of field names is due"),
        (["x"], "now", 0, None, "'now' is not a finite number"),
        (["x"], 1, float("inf"), None, "inf is not a finite number"),
        (["x"], 1, 0, "1s", "min_stride is seconds or None, not '1s'"),
    ],
)
def test_a_question_of_another_shape_is_refused_before_the_author_sees_it(
    field: Any, start: Any, end: Any, min_stride: Any, sentence: str
) -> None:
    server = server_that(get_data=lambda *_: pytest.fail("asked"))
    with pytest.raises(ApplicationError) as refusal:
        result(server._answer_get_data(field, start, end, min_stride))
    assert sentence in str(refusal.value.args[0])


def test_an_error_of_the_author_reaches_the_caller_as_one_sentence() -> None:
    def broken(*_: object) -> None:
        raise KeyError("channel_9")

    with pytest.raises(ApplicationError) as refusal:
        result(server_that(get_data=broken)._answer_get_data(["x"], 1, 0))
    assert refusal.value.error == "org.simonsobservatory.error.server"
    assert refusal.value.args == ("KeyError: 'channel_9'",)


def test_a_reply_of_a_wrong_length_is_the_servers_clear_error() -> None:
    wrong = {"data": {"x": [1.0]}, "timeline": {"t": {"t": [1.0, 2.0]}}}
    server = server_that(get_fields=lambda *_: FIELDS, get_data=lambda *_: wrong)
    result(server._answer_get_fields(1, 0))
    with pytest.raises(ApplicationError, match="1 values, but its timeline has 2 stamps"):
        result(server._answer_get_data(["x"], 1, 0))


def test_packed_a_reply_is_what_it_is_plain() -> None:
    reply = {"data": {"x": np.array([1.0, np.nan])}, "timeline": {"t": {"t": np.array([1.0, 2.0])}}}
    answer = result(server_that(get_data=lambda *_: reply)._answer_get_data_packed(["x"], 1, 0))
    assert answer["data"]["x"] == {"packed": "float", "data": np.array([1.0, np.nan]).tobytes()}
    assert check_data(unpack(answer), ["x"]) == {
        "data": {"x": [1.0, None]},
        "timeline": {"t": {"t": [1.0, 2.0], "finalized_until": None}},
    }
    assert result(server_that(get_data=lambda *_: False)._answer_get_data_packed(["x"], 1, 0)) is False


@pytest.mark.parametrize("answer", [[True, 0, 1], np.array([True, False, True])])
def test_a_server_says_which_of_its_revisions_hold(answer: Any) -> None:
    server = server_that(holds=lambda _self, revisions: succeed(answer) if revisions == ["1", "2", "3"] else None)
    assert result(server._answer_holds(["1", "2", "3"])) == [True, False, True]
    for question in ("1", [1], None):
        with pytest.raises(ApplicationError, match="a list of revisions is due"):
            result(server._answer_holds(question))


def test_a_server_that_cannot_say_so_tells_why() -> None:
    with pytest.raises(ApplicationError, match="the disk is away") as refusal:
        result(server_that(holds=lambda *_: fail(SisockError("the disk is away")))._answer_holds(["1"]))
    assert refusal.value.error == "org.simonsobservatory.error.server"


@pytest.mark.parametrize("gives", [True, False])
def test_only_who_gives_revisions_can_be_asked_for_them(*, gives: bool) -> None:
    registered: list[str] = []

    def register(_self: Any, _answer: Any, procedure: str) -> Any:
        registered.append(procedure.rpartition(".")[2])
        return succeed(None)

    given = {"holds": lambda *_: []} if gives else {}
    server = server_that(register=register, call=lambda *_: succeed(result=True), **given)
    server._session_id = 1
    server.begin(SimpleNamespace(session=1))
    assert ("holds" in registered) is gives


def test_an_operator_reaches_only_a_server_that_offers_it() -> None:
    asked: list[Any] = []
    empty: Any = {"data": {"x": []}, "timeline": {}}

    def old(_self: Any, _field: Any, _start: Any, _end: Any, min_stride: Any = None) -> Any:
        asked.append(min_stride)
        return empty

    def new(_self: Any, _field: Any, _start: Any, _end: Any, _stride: Any = None, operator: str | None = None) -> Any:
        asked.append(operator)
        return empty

    for answer in ("_answer_get_data", "_answer_get_data_packed"):
        without, offering = server_that(get_data=old), server_that(get_data=new, operators=frozenset({"min", "mean"}))
        result(getattr(without, answer)(["x"], 1, 0, 2.0))
        result(getattr(offering, answer)(["x"], 1, 0, 2.0))
        result(getattr(offering, answer)(["x"], 1, 0, 2.0, "mean"))
        assert asked == [2.0, None, "mean"]
        for server, operator, sentence in (
            (without, "mean", "data server 'mine' has no operator 'mean'; it offers none"),
            (offering, "max", "data server 'mine' has no operator 'max'; it offers mean, min"),
            (offering, ["mean"], "has no operator"),
        ):
            with pytest.raises(ApplicationError, match=sentence) as refusal:
                result(getattr(server, answer)(["x"], 1, 0, 2.0, operator))
            assert refusal.value.error == "org.simonsobservatory.error.operator"
        asked.clear()


def test_an_operator_reaches_a_blocking_server() -> None:
    server = server_that(get_data_blocking=lambda *asked: asked, operators=frozenset({"mean"}))
    server._in_a_thread = lambda answer, *args: answer(*args)  # type: ignore[method-assign]
    for asked in ((["x"], 1, 0, 2.0, "mean"), (["x"], 1, 0, 2.0)):
        got = maybeDeferred(server._ask_author, *asked, *[None] * (5 - len(asked)))
        assert result(got)[1:] == asked
