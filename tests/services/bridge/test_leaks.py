"""Ten thousand requests, good and bad, leave nothing behind.

SISOCK_LEAK_REQUESTS says how many requests are sent instead.
"""

import gc
import http.client
import itertools
import json
import os
import socket
import time
from collections import Counter
from pathlib import Path
from urllib.parse import quote

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import blockingCallFromThread

from services.bridge.crossing import Departure

REQUESTS = int(os.environ.get("SISOCK_LEAK_REQUESTS", "10000"))
RANGE = {"from": 1.7e12, "to": 1.7e12 + 6e4}
ASKED = [
    ("POST", "/query", {"range": RANGE, "targets": [{"target": name} for name in ("good::a", "raising::a", "odd::a")]}),
    ("POST", "/query", {"range": RANGE, "targets": [{"target": "good::*", "payload": {}, "editorMode": "code"}]}),
    ("POST", "/query", {"range": RANGE, "targets": [{"target": "nobody::a"}]}),
    ("POST", "/query", {"targets": 7}),
    ("POST", "/search", {"target": "a"}),
    ("GET", "/render?target=good.*&from=1700000000&until=1700000060", None),
    ("GET", "/metrics/find?query=*", None),
    ("GET", "/api/v1/data?field=good::a&field=feeds::a&from=1700000000&to=1700000060", None),
    ("GET", "/api/v1/at?field=good::a&time=1700000000", None),
    ("GET", "/api/v1/fields?kind=regex&match=" + quote("a$"), None),
    ("GET", "/api/v1/annotations?match=good::a&from=1700000000&to=1700000060", None),
    ("GET", "/api/v1/nodes", None),
    ("GET", "/nothing", None),
]
LEAVING_EVERY = 50


def wait_until(holds, what, seconds=20):
    """Wait for something that another thread does."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"in {seconds} s it did not happen that {what}"
        time.sleep(0.05)


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def things():
    """What a request is made of, and lives until it is answered."""
    gc.collect()
    kept = Counter(type(each).__name__ for each in gc.get_objects() if isinstance(each, Deferred | Departure))
    return kept["Deferred"], kept["Departure"]


def ask(bridge, count):
    """Send requests over one connection; now and then a client asks a server that is silent, and leaves."""
    connection = http.client.HTTPConnection("127.0.0.1", bridge.port, timeout=20)
    for number, (method, path, body) in zip(range(count), itertools.cycle(ASKED), strict=False):
        connection.request(method, path, None if body is None else json.dumps(body))
        response = connection.getresponse()
        response.read()
        assert response.status in {200, 400, 404}
        if number % LEAVING_EVERY == 0:
            leave(bridge)
    connection.close()


def leave(bridge):
    asked = len(asked_of_silent(bridge))
    with socket.create_connection(("127.0.0.1", bridge.port), timeout=5) as leaving:
        path = "/api/v1/data?field=silent::x&from=1700000000&to=1700000060"
        leaving.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        wait_until(lambda: len(asked_of_silent(bridge)) > asked, "the silent server was asked")


def asked_of_silent(bridge):
    return [procedure for procedure, _ in bridge.consumer.calls if procedure.endswith("silent.get_data")]


def test_requests_leave_neither_descriptors_nor_calls_nor_memory_of_them(serve, nodes):
    servers = {
        "good": nodes.good(), "data_feed": nodes.good(), "raising": nodes.raising(),
        "odd": nodes.answering({"data": 7}),
        "silent": nodes.Node(lambda *_: nodes.table(names=("x",)), nodes.silent().get_data),
    }  # fmt: skip

    def at_rest():
        return len(bridge.consumer.cancelled) == len(asked_of_silent(bridge)) and not any(
            each["waiting"] for each in bridge.ask("/health/ready").json["servers"]
        )

    with serve(servers, SERVER_DEADLINE=30.0) as bridge:
        ask(bridge, REQUESTS // 10)
        wait_until(at_rest, "all calls had ended")
        before = descriptors(), things(), blockingCallFromThread(reactor, lambda: len(reactor.getDelayedCalls()))
        ask(bridge, REQUESTS - REQUESTS // 10)
        wait_until(at_rest, "all calls had ended")
        wait_until(lambda: descriptors() <= before[0] + 2, "the connections were closed")
        kept = things()
        delayed = blockingCallFromThread(reactor, lambda: len(reactor.getDelayedCalls()))
    assert kept[0] <= before[1][0] + 20
    assert kept[1] <= before[1][1] + 2
    assert delayed <= before[2] + 5
