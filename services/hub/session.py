"""The hub on the wire: servers add and subtract themselves, consumers ask and are told."""

import re
from typing import Any

from autobahn.wamp.exception import ApplicationError, TransportLost
from autobahn.wamp.types import CallDetails, RegisterOptions, SessionDetails
from twisted.internet.defer import gatherResults, inlineCallbacks

from services.hub.register import Node, Register
from sisock.session import RouterSession
from sisock.uris import (
    ERROR_REFUSED,
    GET_DATA_NODE,
    HUB_ADD,
    HUB_SUBTRACT,
    NODE_ADDED,
    NODE_NAME,
    NODE_SUBTRACTED,
    get_fields_uri,
)

_SERVED = re.compile(re.escape(get_fields_uri("\0")).replace("\0", f"({NODE_NAME.pattern})"))


class Hub(RouterSession):
    """Keeps the register of data servers in step with the sessions of the router.

    A hub that was restarted finds the servers by what they have registered at the router, so that none is missing
    meanwhile, also of those that never say twice that they are there. Ours do, and bring their description again.
    """

    def __init__(self) -> None:
        super().__init__()
        self._register = Register()

    @inlineCallbacks
    def begin(self, details: SessionDetails) -> Any:
        """Find the servers that are there, and take up office."""
        self._register.clear()
        yield self.subscribe(self._left, "wamp.session.on_leave")
        yield self._find_servers()
        disclosed = RegisterOptions(details_arg="details")
        yield self.register(self._listed, GET_DATA_NODE)
        yield self.register(self._add, HUB_ADD, options=disclosed)
        yield self.register(self._subtract, HUB_SUBTRACT, options=disclosed)
        self.log.info("hub: ready, {count} data servers found", count=len(self._register.listed()))

    @inlineCallbacks
    def _find_servers(self) -> Any:
        registrations = yield self.call("wamp.registration.list")
        yield gatherResults([self._find_server(each) for each in registrations["exact"]], consumeErrors=True)

    @inlineCallbacks
    def _find_server(self, registration: int) -> Any:
        try:
            described = yield self.call("wamp.registration.get", registration)
            served = _SERVED.fullmatch(described["uri"])
            if served is None:
                return
            callees = yield self.call("wamp.registration.list_callees", registration)
        except ApplicationError:
            return  # It left while we were asking.
        if callees:
            # At once: should it leave from now on, we are told.
            self._register.add(Node(name=served[1], description="", session=callees[0]))

    def _listed(self) -> list[dict[str, str]]:
        return [node.public() for node in self._register.listed()]

    @inlineCallbacks
    def _add(self, name: str, description: str | None, session_id: int, *, details: CallDetails) -> Any:
        self._only_itself(session_id, details)
        if not isinstance(name, str) or not NODE_NAME.fullmatch(name) or len(name) > 255:
            raise ApplicationError(ERROR_REFUSED, f"{name!r:.80} is no name: use letters, digits, _ and -")
        node = Node(name=name, description=str(description or ""), session=session_id)
        if self._register.knows(node):
            return True
        owner = self._register.owner(name)
        if owner not in (None, session_id) and not (yield self._lives(owner)):
            self._left(owner)
        if not self._register.add(node):
            self.log.warn(
                "hub: {name} of session {session} refused: session {owner} has the name and lives",
                name=name,
                session=session_id,
                owner=owner,
            )
            return False
        self.log.info("hub: {name} is online, session {session}", name=name, session=session_id)
        self.publish(NODE_ADDED, node.public())
        return True

    def _subtract(self, name: str, session_id: int, *, details: CallDetails) -> None:
        self._only_itself(session_id, details)
        node = self._register.subtract(name, session_id)
        if node is None:
            raise ApplicationError(ERROR_REFUSED, f"session {session_id} does not own the name {name!r:.80}")
        self._gone(node)

    def _left(self, session: int | None) -> None:
        if session is not None:
            for node in self._register.drop(session):
                self._gone(node)

    def _gone(self, node: Node) -> None:
        self.log.info("hub: {name} is offline, session {session}", name=node.name, session=node.session)
        self.publish(NODE_SUBTRACTED, node.public())

    @inlineCallbacks
    def _lives(self, session: int | None) -> Any:
        try:
            yield self.call("wamp.session.get", session)
        except ApplicationError as error:
            return error.error != ApplicationError.NO_SUCH_SESSION
        except TransportLost:
            return True
        return True

    @staticmethod
    def _only_itself(session_id: object, details: CallDetails) -> None:
        if details.caller is None or session_id != details.caller:
            raise ApplicationError(
                ERROR_REFUSED, f"session {details.caller} cannot speak for session {session_id!r:.40}: only for itself"
            )
