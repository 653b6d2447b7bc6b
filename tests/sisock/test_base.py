from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from autobahn.wamp.exception import ApplicationError
from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from sisock.base import DataNodeServer

FIELDS = ({"x": {"timeline": "t", "type": "number"}}, {"t": {"field": ["x"]}})


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
