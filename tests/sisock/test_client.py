"""The session that asks data servers, before a router that exists only here."""

from typing import Any

import numpy as np
import pytest
from autobahn.wamp.exception import ApplicationError
from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure

from sisock.client import Consumer
from sisock.errors import NodeFailed, NodeUnknown, OperatorUnknown, TooMuchData
from sisock.packing import pack
from sisock.shapes import check_data

PLAIN = {"data": {"x": [1.5, None]}, "timeline": {"t": {"t": [1.0, 2.0], "finalized_until": None}}}
PACKED = pack(check_data(PLAIN, ["x"], arrays=True))


class Asking(Consumer):
    """Consumer whose calls are noted and answered from a table: procedure -> reply or error."""

    def __init__(self, **replies: Any) -> None:
        super().__init__()
        self.replies = replies
        self.calls: list[Any] = []

    def is_attached(self) -> bool:
        return True

    def subscribe(self, *_: Any) -> Any:
        return succeed(None)

    def call(self, procedure: str, *args: Any, **keywords: Any) -> Deferred[Any]:
        name = procedure.rpartition(".")[2]
        self.calls.append((name, args[4:], keywords))
        reply = self.replies.get(name, ApplicationError(ApplicationError.NO_SUCH_PROCEDURE, "no callee"))
        return fail(reply) if isinstance(reply, Exception) else succeed(reply)

    def asked(self) -> list[str]:
        names = [name for name, *_ in self.calls]
        self.calls.clear()
        return names


def data(consumer: Consumer, operator: str | None = None) -> Any:
    got: list[Any] = []
    consumer.get_data("n", ["x"], 1, 0, 2.0, operator).addBoth(got.append)
    if isinstance(got[0], Failure):
        got[0].raiseException()
    return got[0]


def test_a_server_of_ours_sends_arrays() -> None:
    consumer = Asking(get_data_packed=PACKED)
    reply = data(consumer)
    assert isinstance(reply["data"]["x"], np.ndarray)
    assert check_data(reply, ["x"]) == PLAIN
    assert consumer.asked() == ["get_data_packed"]


def test_a_server_of_others_is_asked_for_lists_and_remembered_until_servers_change() -> None:
    consumer = Asking(get_data=PLAIN)
    assert [data(consumer) == PLAIN for _ in range(3)] == [True] * 3
    assert consumer.asked() == ["get_data_packed", "get_data", "get_data", "get_data"]
    consumer._nodes_changed({"name": "n", "description": ""})
    data(consumer)
    assert consumer.asked() == ["get_data_packed", "get_data"], "it may be another one by now"
    consumer.begin(None)
    data(consumer)
    assert consumer.asked() == ["get_data_packed", "get_data"]


def test_a_server_that_is_away_is_not_remembered_as_one_of_others() -> None:
    consumer = Asking()
    with pytest.raises(NodeUnknown):
        data(consumer)
    consumer.replies = {"get_data_packed": PACKED}
    consumer.asked()
    data(consumer)
    assert consumer.asked() == ["get_data_packed"]


def test_a_server_of_others_that_goes_is_unknown() -> None:
    consumer = Asking(get_data=PLAIN)
    data(consumer)
    consumer.replies = {}
    with pytest.raises(NodeUnknown):
        data(consumer)


def test_an_operator_is_asked_only_where_it_is_understood() -> None:
    consumer = Asking(get_data_packed=PACKED)
    data(consumer)
    data(consumer, "mean")
    assert [keywords for _, _, keywords in consumer.calls] == [{}, {"operator": "mean"}]
    with pytest.raises(OperatorUnknown, match="data server 'n' has no operator 'mean'; it offers none"):
        data(Asking(get_data=PLAIN), "mean")


@pytest.mark.parametrize("offered", [["max", "min"], "max", [3], None])
def test_a_refused_operator_is_said_with_those_that_are_offered(offered: Any) -> None:
    refusal = ApplicationError("org.simonsobservatory.error.operator", "whatever", offered)
    with pytest.raises(OperatorUnknown, match="data server 'n' has no operator 'mean'; it offers") as said:
        data(Asking(get_data_packed=refusal), "mean")
    assert said.value.offered == (offered if offered == ["max", "min"] else [])


def test_a_packed_reply_that_cannot_be_read_is_the_servers_failure() -> None:
    bad = {"data": {"x": {"packed": "float", "data": b"1"}}, "timeline": {}}
    with pytest.raises(NodeFailed, match="data server 'n' failed: get_data, field 'x': 1 bytes are no whole number"):
        data(Asking(get_data_packed=bad))


def test_a_server_is_asked_which_revisions_hold() -> None:
    got: list[Any] = []
    consumer = Asking(holds=[True, False])
    consumer.holds("n", ["1", "2"]).addBoth(got.append)
    assert got == [[True, False]]
    for reply, revisions in (([True], ["1", "2"]), (True, ["1"])):
        got.clear()
        Asking(holds=reply).holds("n", revisions).addBoth(got.append)
        assert got[0].check(NodeFailed)
    got.clear()
    Asking().holds("n", ["1"]).addBoth(got.append)
    assert got[0].check(NodeUnknown)


def test_too_much_is_said_packed_or_plain() -> None:
    for consumer in (Asking(get_data_packed=False), Asking(get_data=False)):
        with pytest.raises(TooMuchData):
            data(consumer)
