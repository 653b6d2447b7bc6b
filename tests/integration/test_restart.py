"""What a live server had received is served after it was killed; and what servers report of themselves."""

import itertools
import time
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest
from autobahn.twisted.wamp import ApplicationSession
from autobahn.twisted.websocket import WampWebSocketClientFactory
from autobahn.wamp.types import ComponentConfig
from miniature_site import Site, eventually
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.internet.threads import blockingCallFromThread

from sisock.client import Client

pytestmark = pytest.mark.integration
TOPIC = "observatory.killed.feeds.f"
FIELD = f"{TOPIC}.x"


class Publisher:
    """An OCS agent's feed: a counter, a text and a boolean, 50 times a second until it is told to stop."""

    def __init__(self, site: Site) -> None:
        from twisted.internet import reactor

        if not reactor.running:
            Thread(target=reactor.run, kwargs={"installSignalHandlers": False}, daemon=True).start()
        self._reactor: Any = reactor
        self._session = ApplicationSession(ComponentConfig(realm="test_realm"))
        self._counter = itertools.count()
        self.published: list[tuple[float, int]] = []
        ready: Deferred[Any] = Deferred()
        self._session.on("join", lambda *_: ready.callback(None))

        def dial() -> Deferred[Any]:
            factory = WampWebSocketClientFactory(lambda: self._session, url=f"ws://127.0.0.1:{site.ocs_port}/ws")
            reactor.connectTCP("127.0.0.1", site.ocs_port, factory)
            return ready.addTimeout(20, reactor)

        blockingCallFromThread(reactor, dial)
        self._beat = LoopingCall(self._publish)
        blockingCallFromThread(reactor, lambda: self._beat.start(0.02) and None)

    def _publish(self) -> None:
        now, number = time.time(), next(self._counter)
        self.send([now], {"x": [number], "s": [str(number)], "b": [number % 2 == 0]})
        self.published.append((now, number))

    def send(self, stamps: list[float], data: dict[str, list[Any]]) -> None:
        block = {"block_name": "b", "timestamps": stamps, "data": data}
        self._session.publish(TOPIC, [{"b": block}, {"record": True, "agent_class": "Counter"}])

    def from_thread(self, stamps: list[float], data: dict[str, list[Any]]) -> None:
        blockingCallFromThread(self._reactor, self.send, stamps, data)

    def stop(self) -> None:
        blockingCallFromThread(self._reactor, self._beat.stop)
        blockingCallFromThread(self._reactor, self._session.leave)


@pytest.fixture(scope="module")
def publishing(site: Site) -> Iterator[Publisher]:
    site.start("data_nodes.health", name="health", BUFFER_DIRECTORY=site.folder / "state")
    site.start("data_nodes.data_feed", name="data_feed", BUFFER_DIRECTORY=site.folder / "state")
    site.start("data_nodes.weather", name="apex_archive")
    with site.client() as client:
        eventually(
            "all servers are listed",
            lambda: {node["name"] for node in client.nodes()} == {"health", "data_feed", "apex_archive"},
        )
    publisher = Publisher(site)
    yield publisher
    publisher.stop()


def served(client: Client) -> list[tuple[float, int]]:
    reply = client.get_data("data_feed", [FIELD, f"{TOPIC}.s", f"{TOPIC}.b"], 1, 0)
    assert reply
    values = reply["data"][FIELD]
    assert reply["data"][f"{TOPIC}.s"] == [str(int(value)) for value in values]
    assert reply["data"][f"{TOPIC}.b"] == [value % 2 == 0 for value in values]
    stamps = reply["timeline"][f"{TOPIC}.b"]["t"] if values else []
    return [(t, int(value)) for t, value in zip(stamps, values, strict=True)]


def test_what_was_received_before_a_kill_is_served_after_it_and_what_was_not_is_a_hole(
    site: Site, publishing: Publisher
) -> None:
    program = site.programs["data_feed"]
    gaps = 0
    with site.client() as client:
        for _ in range(3):
            before = served(client)
            eventually("fifty more are served", lambda had=before: len(served(client)) >= len(had) + 50)
            before = served(client)
            program.kill()
            program.start()
            eventually("new ones are served", lambda newest=before[-1]: served(client)[-1][1] > newest[1] + 50)
            after = served(client)
            assert after[: len(before)] == before
            assert set(after) <= set(publishing.published)
            numbers = [number for _, number in after]
            gaps += 1
            holes = [(a, b) for a, b in itertools.pairwise(numbers) if b != a + 1]
            assert len(holes) == gaps, "each restart leaves one hole, of what was published meanwhile"
            assert numbers[0] == before[0][1]
    assert program.log().count("data_feed: has taken up its journal") == 4


def test_every_kind_of_server_shows_its_figures_as_fields_of_the_server_health(
    site: Site, publishing: Publisher
) -> None:
    publishing.from_thread([time.time() + 3600], {"x": [0], "s": [""], "b": [True]})
    with site.client() as client:
        client.get_data("apex_archive", ["apex_radiometer"], 1500163200, 1500249600, 100.0)

        def newest(name: str) -> float:
            reply = client.get_data("health", [name], -3600, 0)
            assert reply
            return float([value for value in reply["data"][name] if value is not None][-1])

        eventually("the drop is shown", lambda: newest("data_feed.dropped.future") >= 1)
        eventually("the question to a file server is shown", lambda: newest("apex_archive.answered") >= 1)
        assert newest("data_feed.received") > 50
        assert 0 <= newest("data_feed.lag") < 5
        assert newest("data_feed.disk") > 1000
        assert newest("apex_archive.memory") > 1e7
        eventually("the server of the figures shows its own", lambda: newest("health.received") >= 1)
        fields, _ = client.get_fields("health", 1, 0)
        assert fields["data_feed.lag"]["units"] == "s"


def test_figures_survive_a_kill_of_the_server_that_shows_them(site: Site, publishing: Publisher) -> None:
    def received(client: Client) -> list[float]:
        reply = client.get_data("health", ["data_feed.received"], -3600, 0)
        assert reply
        return list(reply["data"]["data_feed.received"])

    with site.client() as client:
        before = received(client)
        assert before
        program = site.programs["health"]
        program.kill()
        program.start()
        eventually("it goes on", lambda: len(received(client)) > len(before))
        assert received(client)[: len(before)] == before
