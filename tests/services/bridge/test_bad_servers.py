"""One data server that takes a minute, one that raises and one that answers nonsense, beside a good one."""

import json
import math
import socket
import threading
import time
from urllib.parse import urlencode

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from services.bridge.asking import PATIENCE

DEADLINE, IN_ALL = 1.5, 2.5
SPARE = 1.0
GARBAGE = [
    None, True, "data", [1, 2], {}, {"data": {}}, {"data": [], "timeline": {}}, {"data": {"a": 7}, "timeline": {}},
    {"data": {"a": [1, 2]}, "timeline": {"t": {"t": [1.0], "finalized_until": None}}},
    {"data": {"a": [1.0]}, "timeline": {"t": {"t": ["noon"], "finalized_until": None}}},
    {"data": {"a": [1.0]}, "timeline": {"t": {"t": [math.nan], "finalized_until": None}}},
    {"data": {"a": [{}]}, "timeline": {"t": {"t": [1.0], "finalized_until": None}}},
    {"data": {"a": [1.0, 2.0]}, "timeline": {"t": {"t": [2.0, 1.0], "finalized_until": None}}},
]  # fmt: skip


def wait_until(holds, what, seconds=10):
    """Wait for something that another thread does."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"in {seconds} s it did not happen that {what}"
        time.sleep(0.01)


def a_minute(answer):
    """What takes a minute to answer, unless nobody waits for it any more."""
    return after(60.0, answer)


def after(seconds, answer):
    def ask(*asked):
        inner = deferLater(reactor, seconds, answer, *asked)
        inner.addErrback(lambda _gone: None)
        outer = Deferred(lambda _gone: inner.cancel())
        inner.addCallback(lambda reply: outer.called or outer.callback(reply))
        return outer

    return ask


def slow(nodes):
    """A data server that lists its fields at once and takes a minute for data."""
    return nodes.Node(lambda *_: nodes.table(), a_minute(nodes.good().get_data))


def four(nodes, garbage):
    return {"good": nodes.good(), "slow": slow(nodes), "raising": nodes.raising(), "odd": nodes.answering(garbage)}


NAMES = ("slow::a", "raising::a", "odd::a", "good::a")
GRAPHITE = [name.replace("::", ".") for name in NAMES]


def by_simplejson(bridge, nodes):
    reply = bridge.ask("/query", nodes.request(*NAMES))
    return reply, [(len(each["datapoints"]), nodes.notices(each)) for each in reply.json]


def by_simpod(bridge, nodes):
    targets = [{"target": name, "refId": name, "payload": {}, "editorMode": "code"} for name in NAMES]
    reply = bridge.ask("/query", nodes.request(*targets))
    return reply, [(len(each["fields"][0]["values"]), nodes.notices(each)) for each in reply.json]


def by_graphite(bridge, nodes):
    asked = [("target", path) for path in GRAPHITE]
    reply = bridge.ask("/render?" + urlencode([*asked, ("from", int(nodes.NOW)), ("until", int(nodes.NOW) + 60)]))
    return reply, [
        (sum(value is not None for value, _ in each["datapoints"]), "; ".join(each.get("notices", [])))
        for each in reply.json
    ]


def by_data(bridge, nodes):
    asked = [("field", name) for name in NAMES]
    reply = bridge.ask("/api/v1/data?" + urlencode([*asked, ("from", nodes.NOW), ("to", nodes.NOW + 60)]))
    return reply, [(len(each["t"]), (each["problem"] or {}).get("message", "")) for each in reply.json["series"]]


def by_at(bridge, nodes):
    reply = bridge.ask("/api/v1/at?" + urlencode([*(("field", name) for name in NAMES), ("time", nodes.NOW)]))
    return reply, [
        (int(each["t"] is not None), (each["problem"] or {}).get("message", "")) for each in reply.json["values"]
    ]


@pytest.mark.parametrize("ask", [by_simplejson, by_simpod, by_graphite, by_data, by_at])
def test_the_good_one_is_drawn_each_bad_one_says_why_and_all_comes_in_time(serve, nodes, ask):
    with serve(four(nodes, {"data": 7}), SERVER_DEADLINE=DEADLINE, REQUEST_DEADLINE=IN_ALL) as bridge:
        reply, (slow_one, raising, odd, good) = ask(bridge, nodes)
        assert reply.status == 200
        assert reply.seconds < DEADLINE + SPARE
        assert good[0] > 0
        assert [points for points, _ in (slow_one, raising, odd)] == [0, 0, 0]
        assert f"did not answer within {DEADLINE} s" in slow_one[1]
        assert "disk on fire" in raising[1]
        assert "odd" in odd[1]
        wait_until(lambda: "slow" in bridge.consumer.cancelled, "the call of the slow one was cancelled")


def test_what_does_not_concern_the_slow_one_is_answered_as_if_it_were_not_there(serve, nodes):
    with serve(four(nodes, None), SERVER_DEADLINE=5.0) as bridge:
        alone = min(bridge.ask("/query", nodes.request("good::a")).seconds for _ in range(3))
        asker = threading.Thread(target=bridge.ask, args=("/query", nodes.request("slow::a", "good::a")))
        asker.start()
        calls = bridge.consumer.calls
        wait_until(lambda: any(procedure.endswith("slow.get_data") for procedure, _ in calls), "the slow one was asked")
        assert "slow" not in bridge.consumer.cancelled
        for _ in range(5):
            reply = bridge.ask("/query", nodes.request("good::a", "raising::a", "odd::a"))
            assert len(reply.json[0]["datapoints"]) == 60
            assert reply.seconds < alone + 1
        assert asker.is_alive()
        asker.join()


def test_a_server_that_was_late_holds_up_a_panel_no_more_until_it_answers_in_time(serve, nodes):
    with serve(four(nodes, None), SERVER_DEADLINE=4.0) as bridge:
        assert bridge.ask("/query", nodes.request("good::a", "slow::a")).seconds > 3.9
        for number in range(3):  # The first of them asks on; the others need not wait at all.
            reply = bridge.ask("/query", nodes.request("good::a", "slow::a") | {"maxDataPoints": 900 + number})
            good, slow_one = reply.json
            assert (len(good["datapoints"]), slow_one["datapoints"]) == (60, [])
            assert "late before" in nodes.notices(slow_one) or "not answering" in nodes.notices(slow_one)
            assert reply.seconds < PATIENCE + SPARE
        bridge.consumer.servers["slow"] = nodes.Node(lambda *_: nodes.table(), after(2.0, nodes.good().get_data))
        wait_until(lambda: bridge.consumer.cancelled.count("slow") == 2, "the question that went on was given up")
        assert "late before" in nodes.notices(bridge.query("good::a", "slow::a")[1])
        wait_until(lambda: nodes_problem(bridge, "slow") is None, "it has answered in time")
        (recovered,) = bridge.query("slow::a")
        assert len(recovered["datapoints"]) == 60


def nodes_problem(bridge, name):
    listed = bridge.ask("/api/v1/nodes").json["nodes"]
    return next(each["problem"] for each in listed if each["name"] == name)


def test_fields_that_two_slow_servers_share_do_not_take_longer_than_a_request_may(serve, nodes):
    servers = {"g3_reader": slow(nodes), "data_feed": slow(nodes)}
    with serve(servers, SERVER_DEADLINE=DEADLINE, REQUEST_DEADLINE=2.0) as bridge:
        reply = bridge.ask("/query", nodes.request("feeds::a"))
    assert reply.seconds < 2.0 + SPARE
    assert "did not answer" in nodes.notices(reply.json[0])


@pytest.mark.parametrize("place", range(len(GARBAGE)))
def test_nonsense_of_any_kind_spoils_its_own_line_only(serve, nodes, place):
    with serve({"odd": nodes.answering(GARBAGE[place]), "good": nodes.good()}) as bridge:
        odd, good = bridge.query("odd::a", "good::a")
    assert (odd["datapoints"], len(good["datapoints"])) == ([], 60)
    assert nodes.notices(odd)


@pytest.mark.parametrize(
    "listed",
    [7, [], [{}, {}, {}], [{"a": 1}, {}], {"a": 1}, [{"a": {}}, {"t": {}}], [{"": {}}, {}], [{"a": None}, None]],
)
def test_a_list_of_fields_that_is_nonsense_leaves_those_of_the_others(serve, nodes, listed):
    with serve({"odd": nodes.answering(None, fields=listed), "good": nodes.good()}) as bridge:
        fields = bridge.ask("/api/v1/fields").json["fields"]
        assert [each["name"] for each in fields] == ["good::a", "good::b"]
        assert (
            "odd"
            in next(each for each in bridge.ask("/api/v1/nodes").json["nodes"] if each["name"] == "odd")["problem"]
        )
        assert bridge.ask("/metrics/find?query=*").json[0]["id"] == "good"


def test_a_server_that_takes_a_minute_to_list_its_fields_holds_up_only_the_first_search(serve, nodes):
    listing = nodes.Node(a_minute(lambda *_: nodes.table()), nodes.good().get_data)
    with serve({"slow": listing, "good": nodes.good()}, SEARCH_DEADLINE=0.5) as bridge:
        first, second = bridge.ask("/api/v1/fields"), bridge.ask("/search", {"target": ""})
    assert [each["name"] for each in first.json["fields"]] == second.json == ["good::a", "good::b"]
    assert first.seconds < 0.5 + SPARE
    assert second.seconds < 0.3


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/query", {"range": {"from": 1.7e12, "to": 1.7e12 + 6e4}, "targets": [{"target": "slow::a"}]}),
        ("GET", "/render?target=slow.a&from=1700000000&until=1700000060", None),
        ("GET", "/api/v1/data?field=slow::a&from=1700000000&to=1700000060", None),
        ("GET", "/api/v1/at?field=slow::a&time=1700000000", None),
        ("GET", "/api/v1/annotations?match=slow::a&from=1700000000&to=1700000060", None),
    ],
)
def test_a_client_that_goes_away_takes_its_calls_along_whatever_it_asked(serve, nodes, method, path, body):
    with serve({"slow": slow(nodes)}, SERVER_DEADLINE=30.0) as bridge:
        raw = json.dumps(body).encode() if body else b""
        with socket.create_connection(("127.0.0.1", bridge.port), timeout=5) as connection:
            connection.sendall(
                f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(raw)}\r\n\r\n".encode() + raw
            )
            calls = bridge.consumer.calls
            wait_until(lambda: any(procedure.endswith("slow.get_data") for procedure, _ in calls), "data was asked for")
            assert bridge.consumer.cancelled == []
        wait_until(lambda: bridge.consumer.cancelled, "the call was cancelled")
        report = bridge.ask("/health/ready").json["servers"]
        assert [each["waiting"] for each in report] == [0]
