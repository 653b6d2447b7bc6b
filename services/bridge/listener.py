"""The HTTP server: Twisted reads requests, refuses what is too big or too many, and hands the others on.

Those of panels are answered in the reactor's thread (`services.bridge.crossing`), all others in threads.
"""

from functools import partial
from io import BytesIO
from typing import Any

import txaio
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from services.bridge.application import CLIENT, STARTED
from services.bridge.crossing import Departure, in_place
from services.bridge.encoders import encode
from services.bridge.gateway import Answer, Application, answer_of, environ_of, send
from services.bridge.refusal import Refused, unavailable
from sisock.threads import DaemonThreads

_DISCARDED = 2**30
"""Bytes of a refused body that are read and thrown away, so that its sender gets to read the refusal."""
_QUEUE = 2
"""Requests that may be here, whether they are worked on or wait, in multiples of the number of threads."""
_IDLE_SECONDS = 60
_IN_PLACE = {b"/query"}
"""Paths that are answered in the reactor's thread: asked more often than all others, and quickly done."""


class BoundedRequest(Request):
    """Request whose body is kept in memory up to a limit; a longer one is refused as soon as its length is known."""

    def __init__(self, channel: Any, *args: Any, max_body: int, **keywords: Any) -> None:
        super().__init__(channel, *args, **keywords)
        self._max_body = max_body
        self._received = 0
        self._refused = False

    def gotLength(self, length: int | None) -> None:
        """Called when the headers are read; `length` is None when the body comes in chunks."""
        self.content = self._kept = BytesIO()
        if length is not None and length > self._max_body:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:
        """Called with each piece of the body."""
        self._received += len(data)
        if not self._refused and self._received > self._max_body:
            self._refuse()
        if not self._refused:
            self._kept.write(data)
        elif self._received > _DISCARDED:
            self.channel.forceAbortClient()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Called when the whole request is there."""
        if self._refused:
            self.channel.loseConnection()
        else:
            super().requestReceived(command, path, version)

    def _refuse(self) -> None:
        # Answered past Twisted's response machinery, which would take the rest of the body for the next request.
        self._refused = True
        self._kept.truncate(0)
        body = encode(Refused(413, "body_too_large", f"the body is longer than {self._max_body} bytes").body)
        self.channel.write(
            b"HTTP/1.1 413 Content Too Large\r\nContent-Type: application/json\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )


class Doorway(Resource):
    """Hands each request on, together with what tells that its client has gone."""

    isLeaf = True  # noqa: N815 - Twisted's name

    def __init__(self, reactor: Any, app: Application, threads: int) -> None:
        super().__init__()
        self._reactor = reactor
        self._app = app
        self._most = threads * _QUEUE
        self._here = 0
        self._threads = DaemonThreads(threads, "bridge")
        self._log = txaio.make_logger()

    def render(self, request: Request) -> Any:
        """Answer a request, now or later."""
        if self._here >= self._most:
            refused = unavailable(f"{self._here} requests are waiting already; try again in a moment")
            request.setResponseCode(refused.status)
            request.setHeader(b"content-type", b"application/json")
            for name, value in refused.headers.items():
                request.setHeader(name.encode(), value.encode())
            return encode(refused.body)
        self._here += 1
        request.notifyFinish().addBoth(self._left)
        client = Departure(request.notifyFinish())
        environ = environ_of(request) | {CLIENT: client, STARTED: self._reactor.seconds()}

        def answered(answer: Answer) -> None:
            if not client.gone:
                send(answer, request)

        def finish(answering: Deferred[Answer]) -> None:
            answering.addErrback(self._failed).addCallback(answered)

        if request.path in _IN_PLACE:
            in_place(lambda: finish(maybeDeferred(answer_of, self._app, environ)))
        else:
            finish(self._threads.call(self._reactor, answer_of, self._app, environ))
        return NOT_DONE_YET

    def _failed(self, failure: Failure) -> Answer:
        self._log.failure("bridge: a request could not be answered", failure=failure)
        return Answer("500 Internal Server Error", [], b"")

    def _left(self, _result: object) -> None:
        self._here -= 1


class _Site(Site):
    """Site that logs its requests only when asked to log everything."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self._log = txaio.make_logger()

    def log(self, request: Any) -> None:
        """Log one request that has been answered."""
        size = request.sentLength
        line = "bridge: {method} {path} {status} {size} bytes"
        self._log.debug(line, method=request.method, path=request.path, status=request.code, size=size)


def site(reactor: Any, app: Application, threads: int, max_body: int) -> Site:
    """Make the HTTP server's factory.

    Parameters
    ----------
    reactor
        The Twisted reactor.
    app
        WSGI application; it finds `CLIENT` and `STARTED` in its environment.
    threads
        Requests to work on at a time.
    max_body
        Most bytes of a request's body.
    """
    made = _Site(
        Doorway(reactor, app, threads),
        requestFactory=partial(BoundedRequest, max_body=max_body),
        parsePOSTFormSubmission=False,
        timeout=_IDLE_SECONDS,
    )
    made.noisy = False
    return made
