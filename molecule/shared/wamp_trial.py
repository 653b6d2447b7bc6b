"""Join the router of this host as somebody and try things; run on the host, by the Python of its release.

The argument is a JSON list of trials: `realm`, `transport` ("socket", "tls" or "ocs"), `account` (null for none),
`secret` (whose, or null for a guess) and `acts`, a list of [verb, uri]. Prints a list as long: `refused` (why it was
not let in, or null) and `allowed`, those acts that the router allowed.
"""

import json
import sys
from pathlib import Path
from typing import Any

import txaio
from autobahn.twisted.wamp import ApplicationSession
from autobahn.twisted.websocket import WampWebSocketClientFactory
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import CloseDetails, ComponentConfig, PublishOptions, RegisterOptions, SessionDetails
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import react

from sisock.config import Router
from sisock.session import RouterSession, connect

REFUSALS = ("wamp.error.not_authorized", "wamp.error.invalid_uri")
SECONDS = 20


class Trial(RouterSession):
    """A session that says once whether it was let in."""

    def __init__(self, method: str) -> None:
        super().__init__()
        self._method = method
        self.standing: Deferred[str | None] = Deferred()

    def onConnect(self) -> None:
        self.join(self.config.realm, [self._method], self.router.user or None)

    def begin(self, details: SessionDetails) -> None:
        self._stand(None)

    def onLeave(self, details: CloseDetails) -> None:
        self._stand(details.reason)
        super().onLeave(details)

    def _stand(self, how: str | None) -> None:
        if not self.standing.called:
            self.standing.callback(how)


class Agent(ApplicationSession):
    """A session on the port for OCS, as every agent has one."""

    def __init__(self, realm: str, method: str, account: str | None) -> None:
        super().__init__(ComponentConfig(realm=realm))
        self._method, self._account = method, account
        self.standing: Deferred[str | None] = Deferred()

    def onConnect(self) -> None:
        self.join(self.config.realm, [self._method], self._account)

    def onJoin(self, details: SessionDetails) -> None:
        self.standing.callback(None)

    def onLeave(self, details: CloseDetails) -> None:
        if not self.standing.called:
            self.standing.callback(details.reason)
        self.disconnect()


@inlineCallbacks
def main(reactor: Any, text: str) -> Any:
    """Make all trials, and print what came of each."""
    answers = []
    for asked in json.loads(text):
        answers.append((yield trial(reactor, **asked)))
    json.dump(answers, sys.stdout)


@inlineCallbacks
def trial(reactor: Any, account: str | None, transport: str, secret: str | None, realm: str, acts: list[Any]) -> Any:
    """Join as somebody, try things and leave."""
    method = "wampcra" if account else "anonymous"
    session: Any
    if transport == "ocs":
        session = Agent(realm, method, account)
        factory = WampWebSocketClientFactory(lambda: session, url="ws://127.0.0.1:8001/ws")
        service: Any = reactor.connectTCP("127.0.0.1", 8001, factory)
    else:
        router = Router(
            socket=Path("/var/lib/sisock-router/router.sock") if transport == "socket" else None,
            host="localhost",
            tls_port=8080,
            ocs_port=8001,
            realm=realm,
            ca=Path("/etc/sisock/tls/ca.crt"),
            user=account or "",
            given_secret=None if secret else "guessed",
            secret_file=Path(f"/etc/sisock/secrets/wamp_{secret}") if secret else None,
        )
        session = Trial(method)
        service = connect(session, router, reactor)
    refused = yield session.standing.addTimeout(SECONDS, reactor)
    allowed = []
    for verb, uri in acts if refused is None else []:
        try:
            yield act(session, verb, uri).addTimeout(SECONDS, reactor)
        except ApplicationError as error:
            # A call that is allowed may lead nowhere, or to an error.
            if verb != "call" or error.error in REFUSALS:
                continue
        allowed.append([verb, uri])
    yield service.disconnect() if transport == "ocs" else service.stopService()
    return {"refused": refused, "allowed": allowed}


def act(session: ApplicationSession, verb: str, uri: str) -> Deferred[Any]:
    """Do one thing and wait for the router's word."""
    done: Deferred[Any]
    match verb:
        case "call":
            done = session.call(uri)
        case "register":
            done = session.register(lambda *_: None, uri, RegisterOptions(match="exact"))
        case "publish":
            done = session.publish(uri, {}, options=PublishOptions(acknowledge=True))
        case _:
            done = session.subscribe(lambda *_: None, uri)
    return done


if __name__ == "__main__":
    txaio.use_twisted()
    react(main, sys.argv[1:])
