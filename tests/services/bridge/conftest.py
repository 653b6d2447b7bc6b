"""A real HTTP server on a private port, before data servers that exist only here."""

import http.client
import itertools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from autobahn.wamp.exception import ApplicationError
from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.internet.threads import blockingCallFromThread
from twisted.logger import globalLogPublisher

from services.bridge.server import bridge
from sisock.client import Consumer
from sisock.config import declared_options, load_settings
from sisock.uris import GET_DATA_NODE

reactor: Any = installed
NOW = 1_700_000_000.0
_NUMBERS = itertools.count()


@dataclass
class Node:
    """A data server: what it answers, or a Deferred, or what it raises."""

    get_fields: Callable[[float, float], Any]
    get_data: Callable[[list[str], float, float, float | None], Any]


def table(units: str | None = "K", kind: str = "number", interval: float | None = 1.0, names=("a", "b")) -> Any:
    """A reply to get_fields with one timeline."""
    return (
        {n: {"description": None, "timeline": "t", "type": kind, "units": units} for n in names},
        {"t": {"interval": interval, "field": list(names)}},
    )


def good(values: Callable[[np.ndarray], list] | None = None, **about: Any) -> Node:
    """A data server of before: a sample each second of all time, whatever the stride, and one beyond each end."""

    def get_data(fields: list[str], start: float, end: float, _stride: float | None) -> Any:
        t = np.arange(np.ceil(start) - 1, end + 1)[:20000]
        made = (t % 100).tolist() if values is None else values(t)
        return {"data": dict.fromkeys(fields, made), "timeline": {"t": {"t": t.tolist(), "finalized_until": None}}}

    return Node(lambda *_: table(**about), get_data)


def silent() -> Node:
    """A data server that never answers anything."""
    return Node(lambda *_: Deferred(), lambda *_: Deferred())


def raising(error: str = "disk on fire") -> Node:
    """A data server whose get_data raises."""
    return Node(lambda *_: table(), lambda *_: fail(ApplicationError("org.simonsobservatory.error.server", error)))


def answering(data: Any, fields: Any = None) -> Node:
    """A data server that answers get_data, and get_fields, just so."""
    return Node(lambda *_: table() if fields is None else fields, lambda *_: data)


class Fake(Consumer):
    """The real consumer, whose router exists only here."""

    def __init__(self, nodes: dict[str, Node]) -> None:
        super().__init__()
        self.servers = nodes
        self.attached = True
        self.hub = True
        self.calls: list[tuple[str, tuple]] = []
        self.cancelled: list[str] = []

    def is_attached(self) -> bool:
        return self.attached

    def hear_news(self) -> None:
        """Hear from the hub that data servers have come or gone."""
        blockingCallFromThread(reactor, self.on_nodes_changed)

    def call(self, procedure: str, *args: Any, **keywords: Any) -> Deferred:
        self.calls.append((procedure, args))
        if procedure == GET_DATA_NODE:
            listed = [{"name": name, "description": f"the {name}"} for name in self.servers]
            return succeed(listed) if self.hub else fail(ApplicationError(ApplicationError.NO_SUCH_PROCEDURE, "no hub"))
        *_, name, method = procedure.split(".")
        if not hasattr(self.servers.get(name), method):
            return fail(ApplicationError(ApplicationError.NO_SUCH_PROCEDURE, "no callee"))
        answer = maybeDeferred(getattr(self.servers[name], method), *args, **keywords)
        if not answer.called:
            outer: Deferred = Deferred(lambda _d: self.cancelled.append(name))
            answer.addBoth(lambda result: outer.called or outer.callback(result))
            return outer
        return answer


@dataclass
class Reply:
    """What came back over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float

    @property
    def json(self) -> Any:
        def refuse(token: str) -> None:
            raise AssertionError(f"{token} is no JSON")

        return json.loads(self.body, parse_constant=refuse)


@dataclass
class Bridge:
    """The bridge under test, seen from both sides."""

    port: int
    consumer: Fake
    connections: list[http.client.HTTPConnection] = field(default_factory=list)

    def ask(self, path: str, body: Any = None, method: str | None = None, headers: Any = None) -> Reply:
        """Send one request; a body that is no bytes goes as JSON."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        started = time.monotonic()
        connection.request(method or ("GET" if body is None else "POST"), path, body, headers or {})
        response = connection.getresponse()
        reply = Reply(response.status, dict(response.getheaders()), response.read(), time.monotonic() - started)
        connection.close()
        return reply

    def tell_news(self) -> None:
        """Let the hub say that a data server has come or gone, and wait until the bridge has looked who is online."""

        def tell() -> None:
            if self.consumer.on_nodes_changed is not None:
                self.consumer.on_nodes_changed()

        blockingCallFromThread(reactor, maybeDeferred, tell)

    def query(self, *targets: Any, seconds: float = 60, **more: Any) -> list[dict[str, Any]]:
        """Ask for series as Grafana does, which numbers its requests; the reply must be good."""
        reply = self.ask("/query", request(*targets, seconds=seconds, **{"requestId": f"Q{next(_NUMBERS)}"} | more))
        assert reply.status == 200, reply.body
        return reply.json


def iso(t: float) -> str:
    """A time as a browser writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(t)) + f".{round(t % 1 * 1000):03d}Z"


def request(*targets: Any, seconds: float = 60, start: float = NOW, **more: Any) -> dict[str, Any]:
    """A body of /query; a target may be its text alone."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    listed = [
        {"target": each, "refId": letters[place % 26], "type": "timeserie"} if isinstance(each, str) else each
        for place, each in enumerate(targets)
    ]
    return {"range": {"from": iso(start), "to": iso(start + seconds)}, "targets": listed, **more}


def notices(series: dict[str, Any]) -> str:
    """Sentences of a series' notices."""
    return "; ".join(each["text"] for each in series.get("meta", {}).get("notices", []))


@contextmanager
def serving(nodes: dict[str, Node], **settings: Any) -> Iterator[Bridge]:
    """Serve `nodes` over HTTP."""
    if not reactor.running:
        Thread(target=reactor.run, kwargs={"installSignalHandlers": False}, daemon=True).start()
    defaults = load_settings(declared_options("services.bridge", "service.yml"), {})
    consumer = Fake(nodes)
    site = bridge(consumer, reactor, defaults | {"SERVER_DEADLINE": 0.5, "SEARCH_DEADLINE": 0.5} | settings)
    port = blockingCallFromThread(reactor, reactor.listenTCP, 0, site, interface="127.0.0.1")
    try:
        yield Bridge(port.getHost().port, consumer)
    finally:
        blockingCallFromThread(reactor, port.stopListening)


@pytest.fixture
def serve() -> Callable[..., Any]:
    """Serve data servers over HTTP: ``with serve({"good": good()}) as bridge:``."""
    return serving


@pytest.fixture
def nodes() -> Any:
    """Kinds of data servers, by what is wrong with them."""

    made = (good, silent, raising, answering, table, notices, request, iso)
    return SimpleNamespace(NOW=NOW, Node=Node, **{each.__name__: each for each in made})


@pytest.fixture
def logged():
    """Events of Twisted's log while the test runs."""
    events = []
    globalLogPublisher.addObserver(events.append)
    yield events
    globalLogPublisher.removeObserver(events.append)


@pytest.fixture(scope="session")
def kinds() -> Any:
    """For servers that outlive a test: how to serve, and two kinds of data servers."""
    return serving, good, raising
