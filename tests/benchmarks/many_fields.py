"""How long the bridge takes to find its way among 50,000 fields, over HTTP: Graphite's globs, and ``/api/v1/fields``.

Run by ``python -m tests.benchmarks.many_fields``; it fails when one takes longer than it may.
The data servers exist only here and answer at once, so that what is measured is the bridge: the tree of names, the
globs, the searches, the points and the JSON. No search finds what it found before still in memory.
"""

import http.client
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any
from urllib.parse import urlencode

import numpy as np
import txaio
from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred, succeed
from twisted.internet.threads import blockingCallFromThread

from services.bridge.server import bridge
from sisock.config import declared_options, load_settings
from sisock.shapes import DataReply, FieldsReply
from tests.benchmarks.report import say

AGENTS, FEEDS, FIELDS = 50, 10, 100
NOW = 1_700_000_000
ROUNDS = 20
GLOB_LIMIT, SEARCH_LIMIT = 0.2, 0.1
"""Seconds in which a glob of Graphite's, and a search, are to be answered."""
SEARCHES = {
    "fields, all": {},
    "fields, a text in all": {"match": "observatory"},
    "fields, a text in 500": {"match": "channel_07"},
    "fields, a letter in all": {"match": "e"},
    "fields, words": {"match": "agent07 channel_07"},
    "fields, a text in none": {"match": "helium"},
    "fields, a glob of 5,000": {"match": "*channel_?7"},
    "fields, a glob of 600": {"match": "feeds::*agent0[1-6].*_99"},
    "fields, a regular expression of all": {"match": ".*", "kind": "regex"},
    "fields, a regular expression of 5,000": {"match": "channel_.7$", "kind": "regex"},
    "fields, a regular expression of 20": {"match": "agent(07|12).*_42$", "kind": "regex"},
}
REQUESTS = {
    "find, first level": ("/metrics/find", {"query": "*"}),
    "find, 50 agents": ("/metrics/find", {"query": "feeds.observatory.*"}),
    "expand, one field of 500 feeds": ("/metrics/expand", {"query": "feeds.observatory.*.feeds.*.channel_07"}),
    "expand, all 50,000": ("/metrics/expand", {"query": "feeds.observatory.*.feeds.*.*"}),
    "render, 1 field by its path": ("/render", {"target": "feeds.observatory.agent07.feeds.feed3.channel_07"}),
    "render, 10 of 50,000": ("/render", {"target": "feeds.observatory.agent07.feeds.*.channel_07"}),
    "render, 20 of 50,000 by braces": (
        "/render", {"target": "*.*.agent{07,1[0-9],99}.feeds.feed[12].channel_0{7,8}", "maxDataPoints": "500"}),
    "render, sum of 100 of 50,000": (
        "/render", {"target": "aliasSub(sumSeries(feeds.*.agent07.*.feed3.channel_*),'(^.*$)','\\1 A')"}),
    "render, none of 50,000": ("/render", {"target": "feeds.*.*.*.*.channel_*x"}),
}  # fmt: skip


class Servers:
    """A consumer that reaches one data server, whose 50,000 fields have a sample each ten seconds."""

    on_nodes_changed = None

    def __init__(self) -> None:
        self._names = [
            f"observatory.agent{agent:02d}.feeds.feed{feed}.channel_{field:02d}"
            for agent in range(AGENTS)
            for feed in range(FEEDS)
            for field in range(FIELDS)
        ]
        fields = {name: {"description": None, "timeline": "t", "type": "number", "units": "K"} for name in self._names}
        self._fields: Any = (fields, {"t": {"interval": 10.0, "field": self._names}})

    def is_attached(self) -> bool:
        """The router is there."""
        return True

    def nodes(self, deadline: float = 0) -> Deferred[list[dict[str, str]]]:
        """One data server."""
        return succeed([{"name": "feeds", "description": "all"}])

    def get_fields(self, node: str, start: float, end: float, deadline: float = 0) -> Deferred[FieldsReply]:
        """Always the same fields."""
        return succeed(self._fields)

    def get_data(
        self, node: str, fields: list[str], start: float, end: float, *_: object, deadline: float = 0
    ) -> Deferred[DataReply]:
        """A sample each ten seconds, whatever the operator."""
        t = np.arange(np.ceil(start / 10) * 10, end, 10.0)
        return succeed(
            {"data": {name: np.sin(t) for name in fields}, "timeline": {"t": {"t": t, "finalized_until": end}}}
        )

    def holds(self, node: str, revisions: list[str], deadline: float = 0) -> Deferred[list[bool]]:
        """Whatever was said still is so."""
        return succeed([True] * len(revisions))


@contextmanager
def serving() -> Iterator[int]:
    """Serve over HTTP on a port of the loopback interface."""
    reactor: Any = installed
    thread = Thread(target=reactor.run, kwargs={"installSignalHandlers": False}, daemon=True)
    thread.start()
    settings = load_settings(declared_options("services.bridge", "service.yml"), {}) | {"JOINED_NAME": ""}
    site = bridge(Servers(), reactor, settings)
    port = blockingCallFromThread(reactor, reactor.listenTCP, 0, site, interface="127.0.0.1")
    try:
        yield port.getHost().port
    finally:
        blockingCallFromThread(reactor, port.stopListening)
        reactor.callFromThread(reactor.stop)
        thread.join()


def ask(port: int, path: str, parameters: dict[str, str], moved: int = 0) -> tuple[float, int]:
    """Seconds that an answer took, and its bytes; the range is moved by some seconds, as that of a panel is."""
    form = {"from": NOW - 3600 + moved, "until": NOW + moved, "format": "json", "maxDataPoints": "1000"} | parameters
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    started = time.perf_counter()
    connection.request("POST", path, urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"})
    return answered(connection, started)


def search(port: int, parameters: dict[str, str]) -> tuple[float, int]:
    """Seconds that the first page of a search took, and its bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    started = time.perf_counter()
    connection.request("GET", f"/api/v1/fields?{urlencode(parameters)}")
    return answered(connection, started)


def answered(connection: http.client.HTTPConnection, started: float) -> tuple[float, int]:
    """Seconds from `started`, and bytes of the answer, which must be good."""
    response = connection.getresponse()
    body = response.read()
    seconds = time.perf_counter() - started
    connection.close()
    if response.status != http.client.OK:
        raise SystemExit(f"{response.status} {body[:300]!r}")
    return seconds, len(body)


def main() -> None:
    """Measure, and say what took too long."""
    txaio.use_twisted()
    with serving() as port:
        first, _ = ask(port, "/metrics/find", {"query": "*"})
        say(f"first question, which lists {AGENTS * FEEDS * FIELDS} fields and makes the tree: {first * 1e3:.0f} ms")
        say(f"{'':38} {'median':>8} {'worst':>8} {'bytes':>9}  ({ROUNDS} rounds, ms)")
        # No reply is remembered from the round before.
        rounds = [{name: ask(port, *request, number) for name, request in REQUESTS.items()} for number in range(ROUNDS)]
        slow = told(rounds, GLOB_LIMIT)
        rounds = [{name: search(port, parameters) for name, parameters in SEARCHES.items()} for _ in range(ROUNDS)]
        slow += told(rounds, SEARCH_LIMIT)
    if slow:
        raise SystemExit(f"too slow: {', '.join(slow)}")


def told(rounds: list[dict[str, tuple[float, int]]], limit: float) -> list[str]:
    """Say how long each took, and return those that took longer than they may."""
    slow = []
    for name in rounds[0]:
        seconds = [answers[name][0] for answers in rounds]
        median = statistics.median(seconds)
        say(f"{name:38} {median * 1e3:8.1f} {max(seconds) * 1e3:8.1f} {rounds[0][name][1]:9}")
        slow += [f"{name} ({median * 1e3:.0f} ms, {limit * 1e3:.0f} due)"] if median > limit else []
    return slow


if __name__ == "__main__":
    main()
