"""Who may do what at the real router, and what it says to whom it refuses."""

import contextlib
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from autobahn.exception import PayloadExceededError
from autobahn.twisted.wamp import ApplicationSession
from autobahn.twisted.websocket import WampWebSocketClientFactory
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import ComponentConfig, PublishOptions, RegisterOptions
from miniature_site import ROOT, Site, eventually
from twisted.internet.defer import Deferred
from twisted.internet.threads import blockingCallFromThread

from sisock.config import Router
from sisock.errors import NodeUnknown, RouterAbsent
from sisock.session import RouterSession
from sisock.session import connect as connect_session
from sisock.uris import GET_DATA_NODE, HUB_ADD, HUB_SUBTRACT, NODE_ADDED, get_data_uri, get_fields_uri, health_uri, uri

pytestmark = pytest.mark.integration
NOT_AUTHORIZED = "wamp.error.not_authorized"
BY_TLS = {"CROSSBAR_SOCKET": ""}
Act = Callable[[ApplicationSession], Deferred[Any]]


@pytest.fixture(scope="module")
def reactor() -> Any:
    from twisted.internet import reactor as chosen

    if not chosen.running:
        Thread(target=chosen.run, kwargs={"installSignalHandlers": False}, daemon=True).start()
    return chosen


class Account:
    """A joined session whose acts are waited for."""

    def __init__(self, reactor: Any, session: ApplicationSession) -> None:
        self._reactor, self.session = reactor, session

    def does(self, act: Act) -> Any:
        return blockingCallFromThread(self._reactor, act, self.session)

    def is_refused(self, act: Act) -> bool:
        with pytest.raises(ApplicationError) as refusal:
            self.does(act)
        return bool(refusal.value.error == NOT_AUTHORIZED)


@pytest.fixture(scope="module")
def server(site: Site, reactor: Any) -> Iterator[Account]:
    yield from joined(site.router("server"), reactor)


@pytest.fixture(scope="module")
def consumer(site: Site, reactor: Any) -> Iterator[Account]:
    yield from joined(site.router("consumer"), reactor)


@pytest.fixture(scope="module")
def remote(site: Site, reactor: Any) -> Iterator[Account]:
    """The account `server`, as from another host: over TLS."""
    yield from joined(replace(site.router("server"), socket=None), reactor)


@pytest.fixture(scope="module")
def anonymous(site: Site, reactor: Any) -> Iterator[Account]:
    """A client on the OCS port, as any OCS agent is."""
    session, ready = ApplicationSession(ComponentConfig(realm="test_realm")), Deferred()
    session.on("join", lambda *_: ready.callback(None))

    def dial() -> Deferred[Any]:
        factory = WampWebSocketClientFactory(lambda: session, url=f"ws://127.0.0.1:{site.ocs_port}/ws")
        reactor.connectTCP("127.0.0.1", site.ocs_port, factory)
        return ready.addTimeout(20, reactor)

    blockingCallFromThread(reactor, dial)
    yield Account(reactor, session)
    blockingCallFromThread(reactor, session.leave)


def joined(router: Router, reactor: Any) -> Iterator[Account]:
    ready: Deferred[None] = Deferred()
    services = []

    class Reporting(RouterSession):
        def begin(self, details: Any) -> None:
            ready.callback(None)

    session = Reporting()

    def dial() -> Deferred[Any]:
        services.append(connect_session(session, router, reactor))
        return ready.addTimeout(20, reactor)

    blockingCallFromThread(reactor, dial)
    yield Account(reactor, session)
    blockingCallFromThread(reactor, services[0].stopService)


def call(procedure: str, *args: object) -> Act:
    return lambda session: session.call(procedure, *args)


def register(procedure: str, match: str = "exact") -> Act:
    return lambda session: session.register(lambda *_: None, procedure, RegisterOptions(match=match))


def publish(topic: str) -> Act:
    return lambda session: session.publish(topic, "x", options=PublishOptions(acknowledge=True))


def subscribe(topic: str) -> Act:
    return lambda session: session.subscribe(lambda *_: None, topic)


@pytest.mark.parametrize(
    "act",
    [
        register(get_data_uri("weather")),
        register(uri("data_node.other")),
        publish(NODE_ADDED),
        publish(uri("anything")),
        call(HUB_ADD, "me", "", 1),
        call(HUB_SUBTRACT, "weather", 1),
        call(GET_DATA_NODE),
        call(get_fields_uri("weather"), 1, 0),
        subscribe(NODE_ADDED),
        publish(health_uri("weather")),
        subscribe(health_uri("weather")),
        call("wamp.session.list"),
    ],
    ids=lambda act: act.__qualname__.split(".")[0],
)
def test_an_anonymous_client_of_the_ocs_port_is_refused_at_our_addresses(anonymous: Account, act: Act) -> None:
    assert anonymous.is_refused(act)


def test_an_anonymous_client_may_do_all_below_the_address_root_of_ocs(anonymous: Account) -> None:
    anonymous.does(register("observatory.mine.ops"))
    anonymous.does(subscribe("observatory.mine.feeds.temperatures"))
    assert anonymous.does(call("observatory.mine.ops")) is None
    anonymous.does(publish("observatory.mine.feeds.temperatures"))


@pytest.mark.parametrize(
    "act",
    [
        register(uri("data_node.other")),
        register(uri("consumer."), match="prefix"),
        register(uri("consumer..get_data"), match="wildcard"),
        register(uri("consumer"), match="prefix"),
        register("observatory.mine.other"),
        call(GET_DATA_NODE),
        call(get_fields_uri("weather"), 1, 0),
        publish(NODE_ADDED),
        publish("observatory.mine.feeds.temperatures"),
        subscribe(NODE_ADDED),
        publish(uri("data_node.health")),
        register(health_uri("weather")),
        call(health_uri("weather")),
        call("wamp.session.kill", 1),
    ],
    ids=lambda act: act.__qualname__.split(".")[0],
)
def test_a_server_account_is_refused_outside_its_rights(server: Account, act: Act) -> None:
    assert server.is_refused(act)


@pytest.mark.parametrize(
    "act",
    [register(get_data_uri("me")), call(HUB_ADD, "me", "", 1), publish(NODE_ADDED), subscribe("observatory.a.feeds.b")],
    ids=lambda act: act.__qualname__.split(".")[0],
)
def test_a_consumer_account_is_refused_outside_its_rights(consumer: Account, act: Act) -> None:
    assert consumer.is_refused(act)


def test_servers_report_and_hear_the_figures_of_servers_and_nobody_else_does(
    server: Account, consumer: Account
) -> None:
    topic = health_uri("weather")
    server.does(subscribe(topic))
    server.does(publish(topic))
    assert consumer.is_refused(publish(topic))
    assert consumer.is_refused(subscribe(topic))


@pytest.mark.parametrize("procedure", [GET_DATA_NODE, HUB_ADD])
def test_nobody_but_the_hub_may_take_its_place_while_it_is_away(
    site: Site, server: Account, consumer: Account, anonymous: Account, procedure: str
) -> None:
    hub = site.programs["hub"]
    hub.kill()
    with site.client() as client, pytest.raises(NodeUnknown, match="sisock:hub"):
        client.nodes()
    for account in (server, consumer, anonymous):
        assert account.is_refused(register(procedure))
    hub.start()
    eventually("the hub is back", lambda: consumer.does(call(GET_DATA_NODE)) is not None)


def test_a_server_speaks_for_itself_alone(server: Account, consumer: Account) -> None:
    mine = server.session._session_id
    for other in (mine + 1, consumer.session._session_id):
        with pytest.raises(ApplicationError, match="only for itself"):
            server.does(call(HUB_ADD, "impostor", "", other))
        with pytest.raises(ApplicationError, match="only for itself"):
            server.does(call(HUB_SUBTRACT, "impostor", other))
    assert server.does(call(HUB_ADD, "honest", "one", mine)) is True
    assert {"name": "honest", "description": "one"} in consumer.does(call(GET_DATA_NODE))
    server.does(call(HUB_SUBTRACT, "honest", mine))
    assert consumer.does(call(GET_DATA_NODE)) == []
    with pytest.raises(ApplicationError, match="does not own the name 'honest'"):
        server.does(call(HUB_SUBTRACT, "honest", mine))


@pytest.mark.parametrize("name", ["", "a.b", "a b", "ü", "x" * 300, 7])
def test_a_name_that_is_no_component_of_a_uri_is_refused(server: Account, name: object) -> None:
    with pytest.raises(ApplicationError, match="is no name"):
        server.does(call(HUB_ADD, name, "", server.session._session_id))


@pytest.mark.parametrize("transport", ["socket", "tls"])
def test_a_wrong_secret_is_refused_with_a_clear_line_on_both_sides(site: Site, transport: str) -> None:
    name, settings = f"impostor_{transport}", {} if transport == "socket" else BY_TLS
    impostor = site.start("data_nodes.weather", name=name, WAMP_SECRET="guess", **settings)
    eventually(
        "the server says so", lambda: "wamp.error.not_authorized" in impostor.log() or "denied" in impostor.log()
    )
    impostor.stop()
    assert "guess" not in impostor.log() + site.programs["crossbar"].log()


def test_a_wrong_authority_is_refused_with_a_clear_line(site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:
    from miniature_site import make_certificates

    other = tmp_path_factory.mktemp("other")
    make_certificates(other)
    stranger = site.start("data_nodes.weather", name="stranger", CROSSBAR_CA=other / "ca.crt", **BY_TLS)
    eventually("the server says why", lambda: "TLS: certificate verify failed" in stranger.log())
    stranger.stop()


def test_a_missing_authority_is_waited_for_with_a_clear_line(site: Site) -> None:
    early = site.start("data_nodes.weather", name="early", CROSSBAR_CA=site.folder / "not-yet.crt", **BY_TLS)
    eventually("the server says what it waits for", lambda: "not-yet.crt cannot be read" in early.log())
    shutil.copy(site.ca, site.folder / "not-yet.crt")
    eventually("the server joins", lambda: "server early is listed" in early.log())
    early.stop()


def test_a_name_that_cannot_be_served_ends_the_program_with_a_sentence(site: Site) -> None:
    misnamed = site.start("data_nodes.weather", name="a b")
    assert misnamed.process is not None
    assert misnamed.process.wait(30) == 1
    assert "setting NAME: 'a b' is no name of a data server; use letters, digits, _ and -" in misnamed.log()


def test_a_server_that_may_not_subscribe_is_not_listed_and_says_why(site: Site) -> None:
    astray = site.start("data_nodes.data_feed", name="astray", OCS_ADDRESS_ROOT="observatry")
    eventually("it says why", lambda: "not authorized" in astray.log())
    with site.client() as client:
        assert "astray" not in {node["name"] for node in client.nodes()}
    astray.stop()


def test_a_second_hub_waits_and_takes_over(site: Site) -> None:
    second = site.start("hub", name="second", user="hub")
    eventually("the second says what it waits for", lambda: "already registered procedure" in second.log())
    site.programs["hub"].kill()
    with site.client() as client:
        eventually("the second answers", lambda: "hub: ready" in second.log() and client.nodes() is not None)
    second.stop()
    site.programs["hub"].start()
    eventually("the first is back", lambda: site.programs["hub"].log().count("hub: ready") > 1)


@pytest.mark.parametrize("callee", ["server", "remote"])
def test_a_reply_too_long_for_the_socket_is_an_error_and_harms_nobody(
    request: pytest.FixtureRequest, reactor: Any, consumer: Account, callee: str
) -> None:
    account = request.getfixturevalue(callee)
    procedure = get_data_uri(f"verbose_{callee}")
    account.does(lambda session: session.register(lambda size: b"x" * size, procedure))
    # Exceptions of other kinds than this one would be a lost session.
    with pytest.raises((ApplicationError, PayloadExceededError), match=r"16 MiB|exceed"):
        consumer.does(lambda session: session.call(procedure, 2**24).addTimeout(20, reactor))
    assert len(consumer.does(call(procedure, 2**23))) == 2**23


def test_the_other_host_has_the_same_rights_over_tls(remote: Account) -> None:
    assert remote.does(call(HUB_ADD, "afar", "", remote.session._session_id)) is True
    remote.does(call(HUB_SUBTRACT, "afar", remote.session._session_id))
    assert remote.is_refused(publish(NODE_ADDED))


def test_plain_websocket_on_the_tls_port_is_refused(site: Site) -> None:
    with socket.create_connection(("127.0.0.1", site.tls_port), timeout=10) as plain:
        plain.sendall(b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        assert b"101" not in plain.recv(1000)


def test_a_client_with_no_router_says_so() -> None:
    from sisock.client import connect

    for nowhere in ({"CROSSBAR_TLS_PORT": "1"}, {"CROSSBAR_SOCKET": "/nonexistent/router.sock"}):
        with pytest.raises(RouterAbsent, match="not connected to the WAMP router"):
            connect(Router.from_environ(nowhere | {"WAMP_SECRET": "x"}), timeout=1)


def test_no_secret_is_in_any_log_or_command_line(site: Site) -> None:
    from miniature_site import SECRETS

    seen = "".join(program.log() for program in site.programs.values())
    for line in Path("/proc").glob("[0-9]*/cmdline"):  # also of the router's own workers
        with contextlib.suppress(OSError):
            seen += line.read_text(errors="replace")
    assert "crossbar-worker" in seen
    assert not [secret for secret in SECRETS.values() if secret in seen]


def test_a_server_written_in_2019_connects_with_its_environment_and_is_queried(site: Site) -> None:
    import sys

    (site.folder / ".crossbar").mkdir()
    shutil.copy(site.ca, site.folder / ".crossbar" / "server_cert.pem")
    script = ROOT / "tests" / "integration" / "server_of_2019.py"
    site.run("of_2019", [sys.executable, str(script)], site.environ("server") | BY_TLS)
    with site.client() as client:
        eventually("it is listed", lambda: {"name": "of_2019", "description": "Written in 2019."} in client.nodes())
        fields, timelines = client.get_fields("of_2019", 1, 0)
        assert fields["channel_1"]["units"] == "K"
        assert timelines["t1"]["field"] == ["channel_1"]
        reply = client.get_data("of_2019", ["channel_1", "nothing"], -120, 0)
        assert reply["data"] == {"channel_1": [float(n) for n in range(60)], "nothing": []}
