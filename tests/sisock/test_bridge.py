"""What people's scripts read through the bridge: the real one, before data servers that exist only here."""

import http.server
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from threading import Thread
from typing import Any

import numpy as np
import pytest

import sisock.bridge
from sisock.answers import BridgeAbsent, BridgeRefused, FieldMissing
from sisock.bridge import Bridge, Watch, connect
from sisock.errors import SettingError, SisockError
from tests.services.bridge.conftest import NOW, Node, answering, good, raising, serving, silent

MINUTE = ("2023-11-14T22:13:20", "2023-11-14T22:14:20")


def reader(at: Any) -> Bridge:
    return connect(f"http://127.0.0.1:{at.port}")


class Recorder:
    """A data server that holds what a test has put in: field -> [(UNIX seconds, value)]."""

    def __init__(self, *names: str, most: float = np.inf) -> None:
        self.samples: dict[str, list[tuple[float, Any]]] = {name: [] for name in names}
        self.asked: list[tuple[list[str], float, float]] = []
        self._most = most

    def node(self) -> Node:
        fields = {
            name: {"description": None, "timeline": name, "type": "number", "units": "K"} for name in self.samples
        }
        timelines = {name: {"interval": None, "field": [name]} for name in self.samples}
        return Node(lambda *_: (fields, timelines), self._get_data)

    def _get_data(self, fields: list[str], start: float, end: float, _stride: float | None) -> Any:
        self.asked.append((fields, start, end))
        kept = {name: [(t, v) for t, v in self.samples[name] if start <= t < end] for name in fields}
        if sum(map(len, kept.values())) > self._most:
            return False
        return {
            "data": {name: [v for _, v in pairs] for name, pairs in kept.items()},
            "timeline": {n: {"t": [t for t, _ in p], "finalized_until": None} for n, p in kept.items()},
        }


@pytest.mark.parametrize("module", ["sisock.bridge", "sisock.cli.main"])
def test_an_import_is_light_and_has_no_effect(module: str) -> None:
    heavy = "{'numpy', 'twisted', 'autobahn', 'pandas', 'pyarrow', 'yaml', 'orjson'}"
    probe = f"import {module}, sys; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_servers_and_fields_are_listed_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sisock.bridge, "_PAGE", 2)
    with serving({"one": good(names=("a", "b", "c")), "two": good(units=None)}) as at, reader(at) as bridge:
        assert [each.name for each in bridge.fields()] == ["one::a", "one::b", "one::c", "two::a", "two::b"]
        assert [each.units for each in bridge.fields("*::a")] == ["K", None]
        assert [each.name for each in bridge.fields("b", node="two")] == ["two::b"]
        assert [each.name for each in bridge.fields("e::(a|c)$", kind="regex")] == ["one::a", "one::c"]
        assert [(each.name, each.online, each.fields) for each in bridge.nodes()] == [
            ("one", True, 3),
            ("two", True, 2),
        ]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        MINUTE,
        (NOW, NOW + 60),
        (datetime.fromtimestamp(NOW, UTC), datetime.fromtimestamp(NOW + 60, timezone(timedelta(hours=2)))),
    ],
)  # fmt: skip
def test_samples_come_as_arrays_with_what_they_are(start: Any, end: Any) -> None:
    servers = {
        "good": good(lambda t: (t / 7).tolist()),
        "whole": good(lambda t: [int(x) for x in t]),
        "text": good(lambda t: [f"{x:.0f}" for x in t], kind="string", units=None),
        "flag": good(lambda t: [bool(x % 2) for x in t], kind="bool"),
        "hole": good(lambda t: [None if x % 2 else x for x in t]),
    }
    t = np.arange(NOW, NOW + 60)
    expected = [
        t / 7,
        t.astype(np.int64),
        np.array([f"{x:.0f}" for x in t], object),
        t % 2 > 0,
        np.where(t % 2, np.nan, t),
    ]
    with serving(servers) as at, reader(at) as bridge:
        data = bridge.get([f"{name}::a" for name in servers], start, end)
    assert list(data) == [f"{name}::a" for name in servers]
    for series, values in zip(data.values(), expected, strict=True):
        np.testing.assert_array_equal(series.t, t)
        np.testing.assert_array_equal(series.values, values)
        assert series.values.dtype == values.dtype
    assert (data["good::a"].units, data["text::a"].units) == ("K", None)


def test_every_sample_comes_however_many_requests_that_takes() -> None:
    recorder = Recorder("a", "b", most=70)
    stamps = np.sort(np.random.default_rng(1).uniform(NOW, NOW + 60, 1000))
    recorder.samples = {"a": [(t, t / 3) for t in stamps.tolist()], "b": [(t, 1.0) for t in stamps[:30].tolist()]}
    with serving({"node": recorder.node()}, MAX_REPLY_POINTS=50) as at, reader(at) as bridge:
        data = bridge.get("node::*", *MINUTE)
    np.testing.assert_array_equal(data["node::a"].t, stamps)
    np.testing.assert_array_equal(data["node::a"].values, stamps / 3)
    np.testing.assert_array_equal(data["node::b"].t, stamps[:30])
    assert data.missing == {}


def test_a_range_that_has_the_field_in_one_half_only_keeps_its_units() -> None:
    recorder = Recorder("a", most=2)
    recorder.samples["a"] = [(NOW + n, 1.5) for n in range(5)]
    node = recorder.node()

    def get_fields(start: float, _end: float) -> Any:
        return node.get_fields(start, _end) if start < NOW + 30 else ({}, {})

    with serving({"node": Node(get_fields, node.get_data)}) as at, reader(at) as bridge:
        series = bridge.get("node::a", *MINUTE)["node::a"]
    assert (series.units, series.type, series.t.size, series.whole) == ("K", "number", 5, True)


def test_more_fields_than_an_address_can_name_are_asked_in_several() -> None:
    names = tuple(f"observatory.a_long_name_of_an_agent.feeds.temperatures.channel_{n:03d}" for n in range(250))
    with serving({"good": good(names=names)}) as at, reader(at) as bridge:
        data = bridge.get("good::*", *MINUTE, points=5)
    assert list(data) == [f"good::{name}" for name in names]
    assert all(1 < series.t.size <= 5 for series in data.values())


@pytest.mark.parametrize(("how", "most"), [({"stride": 10}, 6), ({"stride": "10s"}, 6), ({"points": 4}, 4)])
def test_fewer_points_are_had_for_the_asking(how: dict[str, Any], most: int) -> None:
    with serving({"good": good()}) as at, reader(at) as bridge:
        assert 1 < bridge.get("good::a", *MINUTE, **how)["good::a"].t.size <= most


def test_what_is_missing_says_why_where_it_is_looked_for() -> None:
    empty = answering({"data": {"a": []}, "timeline": {}})
    with serving({"good": good(), "raising": raising(), "empty": empty}) as at, reader(at) as bridge:
        data = bridge.get(["good::a", "raising::a", "empty::a"], *MINUTE)
        with pytest.raises(FieldMissing, match=r"no field matches 'x\*'"):
            bridge.get("x*")
    assert list(data) == ["good::a"]
    assert list(data.missing) == ["raising::a"]
    assert list(data.empty) == ["empty::a"]
    with pytest.raises(FieldMissing, match=r"^data server 'raising' failed: disk on fire$"):
        data["raising::a"]
    with pytest.raises(KeyError):
        data["never asked"]


def test_a_range_without_length_is_refused_before_anybody_is_asked() -> None:
    with pytest.raises(SisockError, match=r"its end \(-2h\) is not later than its begin \(-1h\)"):
        connect("http://127.0.0.1:9").get("good::a", "-1h", "-2h")


# -- the newest ---------------------------------------------------------------------------------------------------


def test_a_watch_gives_the_newest_samples_and_then_each_new_one_once() -> None:
    recorder = Recorder("a", "old", "never")
    t = time.time() - 20
    recorder.samples |= {"a": [(t - 1, 0), (t, 1)], "old": [(1.6e9, 7)]}
    with serving({"node": recorder.node()}) as at, reader(at) as bridge:
        watch = Watch(bridge, "node::*")
        assert [(each.name, each.t, each.value, each.units) for each in watch.look()] == [
            ("node::old", 1.6e9, 7, "K"), ("node::a", t, 1, "K")
        ]  # fmt: skip
        assert list(watch.empty) == ["node::never"]
        assert watch.look() == []
        recorder.samples["a"] += [(t + 1, 2), (t + 2, 3)]
        recorder.samples["never"] += [(t + 1.5, 4)]
        assert [each.value for each in watch.look()] == [2, 4, 3]
        assert watch.look() == []
        recorder.asked.clear()
        watch.look()
    starts = {name: start for fields, start, _ in recorder.asked for name in fields}
    assert starts["a"] > time.time() - 60, "live fields are not asked for what silent ones may have"
    assert starts["old"] >= time.time() - 3700, "a field that has long been silent is not asked for years"


def test_a_watch_goes_on_where_a_server_fails_and_tells() -> None:
    with serving({"good": good(), "raising": raising()}) as at, reader(at) as bridge:
        watch = Watch(bridge, ["good::a", "raising::a"])
        for _ in range(2):
            watch.look()
            assert list(watch.missing) == ["raising::a"]


def test_the_status_has_the_newest_sample_of_each_server() -> None:
    old, fresh = Recorder("x"), Recorder("y", "z")
    t = time.time() - 5
    old.samples["x"], fresh.samples["z"] = [(1.5e9, 1)], [(t, 1)]
    servers = {"old": old.node(), "fresh": fresh.node(), "raising": raising(), "none": Recorder("w").node()}
    with serving(servers) as at, reader(at) as bridge:
        state = bridge.status()
        assert {node.name: node.newest for node in state.nodes} == {
            "old": 1.5e9, "fresh": t, "raising": None, "none": None
        }  # fmt: skip
        assert {node.name for node in state.nodes if node.problem} == {"raising"}
        at.consumer.attached = at.consumer.hub = False
        assert bridge.status()[:2] == (False, False)


# -- when the bridge is none --------------------------------------------------------------------------------------


@pytest.fixture
def answer() -> Iterator[Callable[..., Bridge]]:
    """Serves one reply to everything over HTTP, and gives what asks there."""
    servers: list[http.server.HTTPServer] = []

    def start(status: int = 200, body: bytes = b"", *, hang_up: bool = False) -> Bridge:
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                self.close_connection = hang_up

            def log_message(self, *_: Any) -> None:
                """Stay silent."""

        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        Thread(target=servers[-1].serve_forever, args=(0.01,), daemon=True).start()
        return connect(f"http://127.0.0.1:{servers[-1].server_port}", timeout=5)

    yield start
    for each in servers:
        each.shutdown()
        each.server_close()


def test_a_connection_that_was_ended_meanwhile_is_made_anew(answer: Callable[..., Bridge]) -> None:
    reply = {"router": True, "hub": True, "nodes": []}
    bridge = answer(200, json.dumps(reply).encode(), hang_up=True)
    assert [bridge.nodes() for _ in range(5)] == [[]] * 5


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"<html>"), (200, b"[1]"), (404, b'{"error": {"message": "no path"}}'), (502, b"Bad Gateway"), (301, b"")],
)
def test_something_else_that_answers_is_told_as_such(answer: Callable[..., Bridge], status: int, body: bytes) -> None:
    with pytest.raises(BridgeRefused, match=f"answers 'nodes' with {status} and no reply of this version's bridge"):
        answer(status, body).nodes()


def test_the_bridges_own_words_are_passed_on() -> None:
    with serving({}) as at, reader(at) as bridge, pytest.raises(BridgeRefused, match=r"^there is no operator 'median'"):
        bridge.get("good::a", stride=1, operator="median")


def test_nobody_there_is_told_with_what_to_look_at() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bridge = connect(f"http://127.0.0.1:{bound.getsockname()[1]}", timeout=1)
        with pytest.raises(BridgeAbsent, match=r"does not answer \(Connection refused\).*is the ssh tunnel open\?"):
            bridge.nodes()
        bound.listen()
        with pytest.raises(BridgeAbsent, match="it takes too long"):
            connect(bridge.url, timeout=0.2).nodes()


def test_a_slow_server_takes_no_longer_than_the_bridge_lets_it() -> None:
    with serving({"silent": silent()}) as at, reader(at) as bridge:
        assert "did not answer within" in bridge.get("silent::a").missing["silent::a"]


@pytest.mark.parametrize(
    "url", ["", "localhost:5000", "ftp://x", "http://", "http://x:port", "http://x:99999", "http://x?y"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(SettingError, match=r"is no address of a bridge; write it as http://127\.0\.0\.1:5000"):
        Bridge(url, 1.0)


def test_the_address_comes_from_the_environment_when_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SISOCK_URL", "http://summit:5001/sisock/")
    assert connect().url == "http://summit:5001/sisock"
    assert connect("http://x").url == "http://x"
    monkeypatch.delenv("SISOCK_URL")
    assert connect().url == "http://127.0.0.1:5000"
