"""Requests that mean harm, or that nobody thought through: a clear 4xx, and a bridge that goes on."""

import json
import socket
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.logger import LogLevel

from services.bridge import panels
from services.bridge.targets import resolve

RANGE = {"from": "2023-11-14T22:13:20.000Z", "to": "2023-11-14T22:14:20.000Z"}
TARGETS = [{"target": "good::a", "refId": "A"}]


def wait_until(holds, what, seconds=10):
    """Wait for something that another thread does."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"in {seconds} s it did not happen that {what}"
        time.sleep(0.01)


def with_(**parts):
    return {"range": RANGE, "targets": TARGETS} | parts


def with_range(start, end):
    return with_(range={"from": start, "to": end})


def waiting(bridge):
    """Requests that wait for each data server."""
    return [each["waiting"] for each in bridge.ask("/health/ready").json["servers"]]


UNREADABLE = {
    "no body": b"",
    "no JSON": b"range=now",
    "a list": [],
    "a string": "query",
    "null": None,
    "NaN as a number": b'{"range": NaN, "targets": []}',
    "Infinity as a number": json.dumps(with_()).replace("good", "").encode()[:-1] + b', "maxDataPoints": Infinity}',
    "invalid UTF-8": b'{"targets": [{"target": "\xff\xfe"}]}',
    "a lone surrogate": b'{"targets": [{"target": "\\ud800"}]}',
    "deeply nested lists": b"[" * 100_000,
    "deeply nested objects": b'{"a":' * 50_000,
    "half of it": json.dumps(with_()).encode()[:40],
    "no range": {"targets": TARGETS},
    "range of another kind": with_(range="now-1h"),
    "range without start": with_(range={"to": RANGE["to"]}),
    "range without end": with_(range={"from": RANGE["from"], "to": None}),
    "range reversed": with_range(RANGE["to"], RANGE["from"]),
    "year 10^6": with_range("+1000000-01-01T00:00:00Z", "+1000001-01-01T00:00:00Z"),
    "milliseconds of year 10^6": with_range(0, 3e16),
    "beyond all numbers": with_range(0, 1e308),
    "words for times": with_range("now-1h", "now"),
    "booleans for times": with_range(*[False, True]),
    "lists for times": with_range([], {}),
    "no targets": {"range": RANGE},
    "targets of another kind": with_(targets="good::a"),
    "a target of another kind": with_(targets=["good::a"]),
    "a number for a target": with_(targets=[{"target": 7}]),
    "a list for a target": with_(targets=[{"target": ["good::a"]}]),
    "points in words": with_(maxDataPoints="many"),
    "points as a list": with_(maxDataPoints=[1]),
    "interval in words": with_(intervalMs="1s"),
    "unknown unit of interval": with_(interval="5 fortnights"),
    "interval of nothing": with_(interval="s"),
    "interval of another kind": with_(interval={"s": 1}),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_an_unreadable_query_is_refused_with_a_sentence(serve, nodes, name):
    with serve({"good": nodes.good()}) as bridge:
        body = UNREADABLE[name]
        reply = bridge.ask("/query", b"null" if body is None else body)
        assert reply.status == 400, reply.body
        assert reply.headers["Content-Type"] == "application/json"
        assert len(reply.json["error"]["message"]) > 20
        assert b"Traceback" not in reply.body
        assert bridge.ask("/health/live").status == 200


@pytest.mark.parametrize("path", ["/search", "/annotations", "/tag-keys", "/tag-values"])
@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff", b"[" * 100_000])
def test_the_other_paths_refuse_what_is_no_object(serve, path, body):
    with serve({}) as bridge:
        assert bridge.ask(path, body).status == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("POST", "/query/more", 404),
        ("GET", "/../../etc/passwd", 404),
        ("GET", "/%00%ff", 404),
        ("GET", "/query", 405),
        ("POST", "/", 405),
        ("DELETE", "/search", 405),
        ("OPTIONS", "/query", 405),
        ("BREW", "/query", 405),
    ],
)
def test_other_paths_and_methods_are_refused_in_json(serve, method, path, status):
    with serve({}) as bridge:
        reply = bridge.ask(path, method=method)
        assert reply.status == status
        assert set(reply.json["error"]) == {"code", "message"}
        assert b"<" not in reply.body


def test_a_hundred_thousand_targets_are_refused(serve, nodes):
    with serve({"good": nodes.good()}) as bridge:
        assert bridge.ask("/query", with_(targets=[{}] * 100_000)).status == 413
        assert bridge.ask("/query", with_(targets=TARGETS * 100_000)).status == 413
        assert bridge.ask("/query", with_(targets=TARGETS * 501)).status == 413
        assert len(bridge.ask("/query", with_(targets=TARGETS * 500)).json) == 500


def test_targets_that_multiply_are_bounded(serve, nodes):
    many = nodes.good(names=[f"f{n}" for n in range(600)])
    with serve({"many": many}) as bridge:
        replies = bridge.query("many::*", maxDataPoints=2)
        assert len(replies) == 500
        assert "more than 500" in nodes.notices(replies[0])
        bomb = "".join(["{a,b,c,d}"] * 20)
        assert len(bridge.query(f"many::{bomb}")) == 500
        (refused,) = bridge.query("{a,b}" * 10_000)
        assert "too many groups" in nodes.notices(refused)
        (stars,) = bridge.query("*a" * 5_000)
        assert "no known field" in nodes.notices(stars)
        assert bridge.ask("/query", with_(targets=[{"target": "many::*"}] * 3)).status == 413


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_100_mb_is_refused_and_not_kept(serve, chunked):
    import resource

    with serve({}) as bridge:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with socket.create_connection(("127.0.0.1", bridge.port), timeout=20) as connection:
            length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 104857600"
            connection.sendall(b"POST /query HTTP/1.1\r\nHost: x\r\n" + length + b"\r\n\r\n")
            piece = b" " * 2**20
            if chunked:
                piece = b"100000\r\n" + piece + b"\r\n"
            for _ in range(100):
                connection.sendall(piece)
            if chunked:
                connection.sendall(b"0\r\n\r\n")
            reply = b""
            while more := connection.recv(65536):
                reply += more
        assert reply.startswith(b"HTTP/1.1 413 ")
        assert b"body_too_large" in reply
        assert reply.count(b"HTTP/1.1") == 1, "the rest of the body is not taken for a request"
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB
        assert bridge.ask("/health/live").status == 200


def test_a_body_that_is_announced_too_long_is_refused_before_it_is_sent(serve):
    with serve({}) as bridge, socket.create_connection(("127.0.0.1", bridge.port), timeout=5) as connection:
        connection.sendall(b"POST /query HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "raw", [b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"POST /query HTTP/1.1\r\nContent-Length: x\r\n\r\n"]
)
def test_what_is_no_http_gets_no_traceback(serve, raw):
    with serve({}) as bridge:
        with socket.create_connection(("127.0.0.1", bridge.port), timeout=5) as connection:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            reply = connection.recv(65536)
        assert b"Traceback" not in reply
        assert bridge.ask("/health/live").status == 200


def test_a_form_is_read_as_the_json_that_it_holds_or_refused(serve, nodes):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    parts = {"Content-Type": "multipart/form-data; boundary=x"}
    with serve({"good": nodes.good()}) as bridge:
        assert bridge.ask("/query", nodes.request("good::a"), headers=form).status == 200
        assert bridge.ask("/query", b"a=b", headers=parts).status == 400


def test_requests_beyond_what_threads_can_take_are_told_to_come_again(serve, nodes):
    with serve({"silent": nodes.silent()}, THREADS=2, MAX_WAITING=100) as bridge:
        replies = []
        askers = [
            threading.Thread(target=lambda: replies.append(bridge.ask("/query", nodes.request("silent::a"))))
            for _ in range(12)
        ]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
    refused = [reply for reply in replies if reply.status == 503]
    assert refused
    assert all("Retry-After" in reply.headers and reply.json["error"] for reply in refused)


def test_a_silent_server_does_not_hold_up_the_requests_for_others(serve, nodes):
    with serve(
        {"silent": nodes.silent(), "good": nodes.good()}, THREADS=8, MAX_WAITING=4, SERVER_DEADLINE=3.0
    ) as bridge:
        replies = []
        askers = [
            threading.Thread(target=lambda: replies.append(bridge.ask("/query", nodes.request("silent::a"))))
            for _ in range(8)
        ]
        for asker in askers:
            asker.start()
        wait_until(lambda: len(replies) >= 4, "four were told at once, while as many as may are waiting")
        assert all(reply.seconds < 1 and "requests wait for it" in nodes.notices(reply.json[0]) for reply in replies)
        good = bridge.ask("/query", nodes.request("good::a"))
        assert good.seconds < 1
        for asker in askers:
            asker.join()
        assert sum(reply.seconds > 2.5 for reply in replies) == 4
        threading.Thread(target=bridge.ask, args=("/query", nodes.request("silent::a", start=nodes.NOW + 1))).start()
        wait_until(lambda: any(waiting(bridge)), "a request waits for the silent server")
        second = bridge.ask("/query", nodes.request("silent::a", start=nodes.NOW + 2))
        assert second.seconds < 1, "one at a time is enough to see whether it answers again"
        assert "is not answering" in nodes.notices(second.json[0])


def test_a_client_that_goes_away_takes_its_calls_along_without_a_word_in_the_log(serve, nodes, logged):
    with serve(
        {"silent": nodes.Node(lambda *_: nodes.table(), nodes.silent().get_data)}, SERVER_DEADLINE=30.0
    ) as bridge:
        body = json.dumps(nodes.request("silent::a")).encode()
        with socket.create_connection(("127.0.0.1", bridge.port), timeout=5) as connection:
            connection.sendall(b"POST /query HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            calls = bridge.consumer.calls
            wait_until(lambda: any(procedure.endswith("get_data") for procedure, _ in calls), "data was asked for")
            assert bridge.consumer.cancelled == []
        wait_until(lambda: bridge.consumer.cancelled, "the call was cancelled")
        wait_until(lambda: not any(waiting(bridge)), "the place of the request was free again")
    assert [event for event in logged if event["log_level"] >= LogLevel.warn] == []


def test_pages_of_other_origins_read_only_what_is_configured(serve, nodes):
    page = {"Origin": "http://grafana.example"}
    with serve({"good": nodes.good()}) as bridge:
        assert "Access-Control-Allow-Origin" not in bridge.ask("/", headers=page).headers
    with serve({"good": nodes.good()}, CORS_ORIGINS=["http://grafana.example"]) as bridge:
        for path in ("/", "/query", "/search"):
            preflight = bridge.ask(path, method="OPTIONS", headers=page)
            assert preflight.status == 204
            assert preflight.headers["Access-Control-Allow-Origin"] == "http://grafana.example"
            assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
            assert "content-type" in preflight.headers["Access-Control-Allow-Headers"]
        answer = bridge.ask("/query", nodes.request("good::a"), headers=page)
        assert answer.headers["Access-Control-Allow-Origin"] == "http://grafana.example"
        assert bridge.ask("/nothing", headers=page).headers["Access-Control-Allow-Origin"] == "http://grafana.example"
        other = bridge.ask("/query", nodes.request("good::a"), headers={"Origin": "http://evil.example"})
        assert "Access-Control-Allow-Origin" not in other.headers


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
TEXT = st.text(alphabet="ab:.*?(){}|,\\$[]^/ \x00é", max_size=30) | st.sampled_from(["good::a", "raising::a", "x::y"])
TIME = st.sampled_from(["2023-11-14T22:13:20.000Z", "2023-11-14", "now", ""]) | st.floats(allow_nan=False) | JSON
BODY = st.fixed_dictionaries(
    {},
    optional={
        "range": st.fixed_dictionaries({"from": TIME, "to": TIME}) | JSON,
        "targets": st.lists(
            st.fixed_dictionaries({"target": TEXT}, optional={"type": JSON, "hide": JSON, "refId": JSON}) | JSON,
            max_size=4,
        ),
        "maxDataPoints": JSON,
        "intervalMs": JSON,
        "interval": JSON | st.from_regex(r"\d+[a-z]", fullmatch=True),
        "adhocFilters": JSON | st.lists(st.dictionaries(st.sampled_from(["key", "operator", "value"]), JSON)),
    },
)


@pytest.fixture(scope="module")
def long_lived(request):
    serving, good, raising = request.getfixturevalue("kinds")
    with serving({"good": good(), "raising": raising()}) as bridge:
        yield bridge


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODY | JSON)
def test_no_body_whatever_makes_the_bridge_fail(long_lived, body):
    reply = long_lived.ask("/query", json.dumps(body).encode())
    assert reply.status in (200, 400, 413), reply.body
    assert isinstance(reply.json, list if reply.status == 200 else dict)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXT, max_size=5))
def test_no_text_of_a_target_makes_a_good_target_fail(long_lived, texts):
    targets = [{"target": text, "refId": str(n)} for n, text in enumerate([*texts, "good::a"])]
    replies = long_lived.ask("/query", with_(targets=targets)).json
    assert len(replies[-1]["datapoints"]) == 60


def test_what_may_take_long_to_be_found_does_not_hold_up_the_reactor(serve, nodes, monkeypatch):
    threads = {}

    def noted(text, *others):
        threads[text] = threading.current_thread().name
        return resolve(text, *others)

    monkeypatch.setattr(panels, "resolve", noted)
    literal = ["good::z", r"good::z\.z"]
    long = ["good::" + "[ab]" * 100, "good::(a|b)", "good::{a,b}", "good::*", "good::a,b"]
    with serve({"good": nodes.good()}) as bridge:
        bridge.query("good::a", *literal, *long)
    assert {name.partition("-")[0] for name in map(threads.pop, long)} == {"aside"}
    assert len(set(threads.values())) == 1
    assert set(threads) == set(literal)  # Of a name that is known, there is nothing to be found.
