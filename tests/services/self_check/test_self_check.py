"""The self-check, before a bridge that exists only here, by a clock in the test's hand."""

import json
import threading
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from services.self_check.__main__ import main
from services.self_check.probe import BridgeError, over_http
from sisock.thinning import envelope

NOW = 1_800_000_000.25


class Bridge:
    """Answers as the bridge does, from samples per field: name -> (stamps, values, units)."""

    def __init__(self, fields):
        self.fields = fields
        self.time = NOW
        self.down_until = 0.0
        self.queries = 0

    def now(self):
        return self.time

    def pause(self, seconds):
        self.time += seconds

    def connect(self, _url, _timeout):
        return self.ask

    def ask(self, path, body):
        if self.time < self.down_until:
            raise BridgeError("http://x does not answer: refused")
        if path == "/search":
            return list(self.fields)
        self.queries += 1
        start, end = (datetime.fromisoformat(body["range"][key]).timestamp() for key in ("from", "to"))
        return [self.table(each["target"], start, end, body["maxDataPoints"]) for each in body["targets"]]

    def table(self, name, start, end, points):
        t, values, units = (part if isinstance(part, str) else np.asarray(part) for part in self.fields[name])
        inside = (t >= start) & (t < end)
        t, thinned = envelope(t[inside], {"": values[inside]}, (end - start) / points)
        table = {"type": "table", "rows": [[s * 1e3, v] for s, v in zip(t.tolist(), thinned[""].tolist(), strict=True)]}
        if not t.size:
            table["meta"] = {"notices": [{"severity": "error", "text": "disk on fire"}]}
        return table | {"unit": units}

    def check(self, *arguments):
        return main(arguments, self.connect, self.now, self.pause)


@pytest.fixture
def bridge():
    archive = 1_500_000_000.5 + 60 * np.arange(20_000)
    live = NOW - 0.4 - np.arange(3600)[::-1]
    return Bridge(
        {
            "weather::wind": (archive, archive % 17, "km/h"),
            "feed::channel_01_t": (live, np.full(3600, 0.273456789), "K"),
            "feed::heater_on": (live[:-5], np.array(["on"] * 3595, dtype=object), ""),
            "empty::a": (np.array([]), np.array([]), "K"),
        }
    )


def test_all_there_prints_a_table_and_exits_0(bridge, capsys):
    assert bridge.check("--expect", "feed", "weather", "--wait", "10", "--max-age", "feed=2") == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert [" ".join(line.split()) for line in out.splitlines()] == [
        "server fields newest sample a sample",
        "feed 2 0.4 s ago channel_01_t=0.273457 K",
        "weather 1 2017-07-27 23:59 UTC wind=14.5 km/h",
    ]
    assert bridge.time == NOW, "nothing waits when all is there"


def test_the_newest_sample_of_an_archive_is_found_to_its_own_stamp(bridge):
    from services.self_check.probe import find

    sample = find(bridge.ask, "weather", ["wind"], NOW).sample
    assert sample.t == pytest.approx(1_500_000_000.5 + 60 * 19_999, abs=0.01)


def test_what_is_not_there_is_named_after_the_wait_and_exits_1(bridge, capsys):
    assert bridge.check("--expect", "feed", "nobody", "empty", "--wait", "5") == 1
    out, err = capsys.readouterr()
    assert 5 <= bridge.time - NOW < 6
    assert "missing: nobody: is not online" in err
    assert "missing: empty: shows no samples (disk on fire)" in err
    assert "supervisorctl tail servers:nobody" in err
    assert "missing: feed" not in err
    assert out.count("\n") == 4


def test_a_bridge_that_comes_up_late_is_waited_for(bridge):
    bridge.down_until = NOW + 20
    assert bridge.check("--expect", "weather", "--wait", "60") == 0
    assert bridge.time - NOW < 21


def test_a_bridge_that_never_comes_up_is_named(bridge, capsys):
    bridge.down_until = NOW + 1e9
    assert bridge.check("--expect", "weather", "--wait", "3") == 1
    out, err = capsys.readouterr()
    assert "the bridge: http://x does not answer" in err
    assert "sisock:bridge" in err
    assert "weather" in out


def test_a_sample_that_is_too_old_is_named_with_its_age(bridge, capsys):
    assert bridge.check("--expect", "feed", "weather", "--wait", "0", "--max-age", "0.1", "weather=1e9") == 1
    err = capsys.readouterr().err
    assert "feed: its newest sample is 0.4 s ago, older than 0.1 s" in err
    assert "weather" not in err


def test_no_line_is_longer_than_100_characters(bridge, capsys):
    bridge.fields["feed::" + "x" * 200] = (np.array([NOW]), np.array([1.5]), "K")
    bridge.check("--expect", "feed", "--wait", "0")
    assert all(len(line) <= 100 for line in capsys.readouterr().out.splitlines())


@pytest.mark.parametrize("age", ["old", "feed=", "feed=x"])
def test_an_age_that_is_no_number_is_refused(bridge, age, capsys):
    with pytest.raises(SystemExit):
        bridge.check("--expect", "feed", "--max-age", age)
    assert "--max-age" in capsys.readouterr().err


@pytest.fixture
def http():
    replies = {"/good": (200, b'["a::b"]'), "/html": (200, b"<html>"),
               "/away": (503, json.dumps({"error": {"code": "x", "message": "no router"}}).encode()),
               "/broken": (500, b"<html>")}  # fmt: skip

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            status, body = replies[self.path]
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield over_http(f"http://127.0.0.1:{server.server_port}/", 5)
    server.shutdown()
    server.server_close()


def test_what_the_bridge_says_over_http_is_passed_on(http):
    assert http("/good", {}) == ["a::b"]
    for path, said in (("/away", "503: no router"), ("/broken", "500: <html>"), ("/html", "does not answer")):
        with pytest.raises(BridgeError, match=said):
            http(path, {})


def test_an_address_where_nobody_listens_is_named():
    with pytest.raises(BridgeError, match=r"http://127\.0\.0\.1:1 does not answer"):
        over_http("http://127.0.0.1:1", 5)("/search", {})
