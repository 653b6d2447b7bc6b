"""Keep one WAMP session with the router alive for ever.

waiting --transport--> connected --WAMP-CRA--> joined
   ^                       |                     |
   '------- backoff <------'----- any loss ------'

A program on the router's host goes by its Unix socket (RawSocket): a message costs half as much there as by WebSocket
and TLS, at either end and in the router. All others go by these.

The session object is one and the same over all connections, so what a program holds in memory survives a restart of
the router; only its WAMP state starts afresh. Nothing here ends the program: what it waits for is said once, and once
more when the reason changes.
"""

import gc
import io
import sys
import time
from collections.abc import Callable
from typing import Any

import txaio
from autobahn.exception import PayloadExceededError
from autobahn.twisted.rawsocket import WampRawSocketClientFactory, WampRawSocketClientProtocol
from autobahn.twisted.wamp import ApplicationSession
from autobahn.twisted.websocket import WampWebSocketClientFactory, WampWebSocketClientProtocol
from autobahn.wamp import auth, message
from autobahn.wamp.exception import ApplicationError, TransportLost
from autobahn.wamp.serializer import CBORSerializer, JsonSerializer, MsgPackSerializer
from autobahn.wamp.types import Challenge, CloseDetails, ComponentConfig, SessionDetails
from OpenSSL.crypto import Error as PemError
from twisted.application.internet import ClientService
from twisted.internet.defer import inlineCallbacks, maybeDeferred
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectionLost
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates
from twisted.logger import FilteringLogObserver, Logger, LogLevel, LogLevelFilterPredicate, globalLogPublisher
from twisted.python.failure import Failure

from sisock.backoff import Backoff
from sisock.config import Router, declared_options, load_settings
from sisock.errors import SettingError, SisockError
from sisock.sending import send_now

_PING_SECONDS = 10.0
"""A peer that vanished without a word (a pulled cable) is noticed within this and half of it again."""
_DIAL_SECONDS = 10
_LONGEST_MESSAGE = 2**24
"""Bytes; RawSocket has no longer ones."""


class RouterSession(ApplicationSession):
    """Session that joins the realm with WAMP-CRA as the account that the environment names."""

    ended: str = ""
    """Why the last session was refused, was given up or ended, as far as that is known."""

    @property
    def router(self) -> Router:
        """How to reach the router: as given to `connect`, else from the environment."""
        given = (self.config.extra or {}).get("router")
        return given if isinstance(given, Router) else Router.from_environ()

    def onConnect(self) -> None:
        """Fired when the transport is up: ask to join the realm."""
        self.join(self.config.realm, ["wampcra"], self.router.user)

    def onChallenge(self, challenge: Challenge) -> str:
        """Fired when the router asks who we are.

        Parameters
        ----------
        challenge
            The router's challenge; only the method "wampcra" is known.

        Returns
        -------
        The signature, made with the account's secret.

        Raises
        ------
        SisockError
            The router asks for another method.
        SettingError
            The secret is missing.
        """
        if challenge.method != "wampcra":
            raise SisockError(f"router {self.router.url} asks for {challenge.method!r} authentication, not 'wampcra'")
        key: str | bytes = self.router.secret()
        if "salt" in challenge.extra:
            extra = challenge.extra
            key = auth.derive_key(key, extra["salt"], extra["iterations"], extra["keylen"])
        signature: str | bytes = auth.compute_wcs(key, challenge.extra["challenge"])
        return signature if isinstance(signature, str) else signature.decode("ascii")

    def begin(self, details: SessionDetails) -> Any:
        """Do what makes a joined session useful: register, subscribe. May return a Deferred.

        When it fails, the session leaves and joins again after a while: half a session would look like a whole one.
        """

    @inlineCallbacks
    def onJoin(self, details: SessionDetails) -> Any:
        """Fired when the session has joined the realm: `begin`."""
        try:
            yield maybeDeferred(self.begin, details)
        except TransportLost:
            return
        except Exception as error:  # Whatever it is, the next session may do better.
            if not isinstance(error, ApplicationError | SisockError):
                self.log.failure("router: the session could not begin: {log_failure.value}", failure=Failure())
            self.ended = problem_of(error)
            self.leave()
            return
        begun = (self.config.extra or {}).get("begun")
        if begun is not None:
            begun(details)

    def onLeave(self, details: CloseDetails) -> None:
        """Fired when the session has ended or was refused: remember why, for `connect` to say."""
        self.ended = self.ended or f"{details.reason}: {details.message or 'no reason given'}"
        self.disconnect()


def problem_of(error: BaseException) -> str:
    """Make one sentence of an error."""
    if isinstance(error, ApplicationError):
        return str(error.args[0]) if error.args else str(error.error)
    return str(error) if isinstance(error, SisockError) else f"{type(error).__name__}: {error}"


class _Bounded:
    """Transport that answers a call with an error where the reply is too long for a message."""

    def send(self, msg: message.Message) -> None:
        try:
            super().send(msg)  # type: ignore[misc]
        except PayloadExceededError:
            if not isinstance(msg, message.Yield):
                raise
            # Autobahn would put all of the reply into the error, which then is too long, too.
            problem = f"the reply is longer than the {_LONGEST_MESSAGE >> 20} MiB of a message; ask for fewer points"
            kind, uri = message.Invocation.MESSAGE_TYPE, ApplicationError.PAYLOAD_SIZE_EXCEEDED
            super().send(message.Error(kind, msg.request, uri, args=[problem]))  # type: ignore[misc]


class _Service(ClientService):
    # Each retry is worth no line of the log: `connect` says once what is waited for.
    _log = Logger(observer=FilteringLogObserver(globalLogPublisher, [LogLevelFilterPredicate(LogLevel.warn)]))


def connect(session: RouterSession, router: Router, clock: Any) -> ClientService:
    """Keep `session` joined to the router from now on.

    Parameters
    ----------
    session
        Joined again after every loss; its `onJoin` runs each time.
    router
        Address, realm and account.
    clock
        The Twisted reactor.

    Returns
    -------
    The running service; its `stopService` ends it.
    """
    backoff = Backoff()
    log = txaio.make_logger()
    said = ""

    def say(problem: str) -> None:
        nonlocal said
        if problem != said:
            said = problem
            log.warn("router: waiting for {url}: {problem}", url=router.url, problem=problem)

    def begun(details: SessionDetails) -> None:
        # Not before: a session that joins and then gives up must not knock without a pause.
        nonlocal said
        said = ""
        backoff.reset()
        log.info(
            "router: joined {realm} at {url} as {authid}, session {session}",
            realm=details.realm,
            url=router.url,
            authid=details.authid,
            session=details.session,
        )

    def fresh() -> RouterSession:
        # Only the WAMP state (requests, registrations, transport) is made anew; the object, and what its class keeps
        # in it, stays.
        session.ended = ""
        extra = {"router": router, "begun": begun}
        ApplicationSession.__init__(session, ComponentConfig(realm=router.realm, extra=extra))
        return session

    class Remote(_Bounded, WampWebSocketClientProtocol):
        def sendMessage(self, payload: bytes, isBinary: bool = False, **options: Any) -> None:  # noqa: N803 - Autobahn's
            # The router cannot hand on more to who goes by its socket, and would end our session.
            if len(payload) > _LONGEST_MESSAGE:
                raise PayloadExceededError(f"a message of {len(payload)} bytes")
            super().sendMessage(payload, isBinary, **options)

        def dataReceived(self, data: bytes) -> None:
            # Past Autobahn's own, which paints a line for its log that nobody reads.
            self._dataReceived(data)

        def connectionLost(self, reason: Failure) -> None:
            why = _why(reason)
            # Autobahn would put a line of its own into the log for each failed handshake.
            super().connectionLost(reason if why == str(reason.value) else Failure(ConnectionLost(why)))
            say(session.ended or why)

    class Local(_Bounded, WampRawSocketClientProtocol):
        def sendString(self, string: bytes) -> None:
            super().sendString(string)
            send_now(self.transport)

        def connectionLost(self, reason: Failure) -> None:
            super().connectionLost(reason)
            say(session.ended or _why(reason))

    def dial(factory: Any) -> Any:
        if router.socket:
            return UNIXClientEndpoint(clock, str(router.socket), timeout=_DIAL_SECONDS).connect(factory)
        # All is made for each attempt, so that a renewed certificate authority is taken up.
        try:
            authority = trustRootFromCertificates([Certificate.loadPEM(router.ca.read_bytes())])
        except (OSError, PemError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no PEM certificate"
            remedy = "give the PEM file of the router's certificate authority"
            raise SettingError("CROSSBAR_CA", f"{router.ca} cannot be read ({why})", remedy) from error
        options = optionsForClientTLS(router.host, trustRoot=authority)
        return wrapClientTLS(options, HostnameEndpoint(clock, router.host, router.tls_port)).connect(factory)

    class Endpoint:
        def connect(self, factory: Any) -> Any:
            def failed(failure: Failure) -> Failure:
                say(_why(failure))
                return failure

            return maybeDeferred(dial, factory).addErrback(failed)

    # Of the binary ones, CBOR reads what any peer may send: MsgPack, a little faster, breaks off at a key that is no
    # text and at an integer beyond 64 bits. Any router knows JSON.
    factory: Any
    if router.socket:
        factory = WampRawSocketClientFactory(fresh, serializer=CBORSerializer())
        factory.protocol = Local
    else:
        serializers = [CBORSerializer(), MsgPackSerializer(), JsonSerializer()]
        factory = WampWebSocketClientFactory(fresh, url=router.url, serializers=serializers)
        factory.protocol = Remote
        factory.setProtocolOptions(
            openHandshakeTimeout=_DIAL_SECONDS,
            closeHandshakeTimeout=1,
            tcpNoDelay=True,
            autoPingInterval=_PING_SECONDS,
            autoPingTimeout=_PING_SECONDS / 2,
        )
    factory.noisy = False
    service = _Service(Endpoint(), factory, retryPolicy=backoff, clock=clock)
    service.startService()
    return service


def run(make_session: Callable[[], RouterSession]) -> None:
    """Be a program that holds one session: read the settings, log to standard output, run until a signal comes.

    Parameters
    ----------
    make_session
        Makes the session once logging works.

    Raises
    ------
    SystemExit
        With the sentence of a `SettingError`.
    """
    from twisted.internet import reactor

    txaio.use_twisted()
    txaio.config.loop = reactor
    # Timers must go on when the clock is set back; Twisted would wait until it has caught up.
    reactor.seconds = time.monotonic
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # A log line is worth most just before the end.
    try:
        txaio.start_logging(level=load_settings(declared_options("sisock", "router.yml"))["LOGLEVEL"])
        session, router = make_session(), Router.from_environ()
        router.secret()
    except SettingError as error:
        raise SystemExit(str(error)) from None
    service = connect(session, router, reactor)
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    gc.freeze()  # What is there by now stays; looking through it for garbage would hold up answers.
    reactor.run()


def _why(failure: Failure) -> str:
    value = failure.value
    if failure.type.__module__.startswith("OpenSSL") and value.args and isinstance(value.args[0], list):
        return f"TLS: {value.args[0][-1][-1] if value.args[0] else 'handshake failed'}"
    return str(value) or failure.type.__name__
