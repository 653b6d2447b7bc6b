"""Between Twisted's requests and a WSGI application (PEP 3333): what it is told of a request, and its whole answer.

Twisted's own `WSGIResource` sends an answer piece by piece, and its thread waits for the reactor with each. Ours are in
one piece.
"""

import sys
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from twisted.web.server import Request

from sisock.sending import send_now

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_OF_THE_SERVER = {"server", "date"}
"""Headers that Twisted sets."""


class Answer(NamedTuple):
    """What the application answers: the status, as ``200 OK``, its headers, and the body."""

    status: str
    headers: list[tuple[str, str]]
    content: bytes


def environ_of(request: Request) -> dict[str, Any]:
    """What a WSGI application is told of a request."""
    peer = request.getClientAddress()
    environ = {
        f"HTTP_{_native(name).upper().replace('-', '_')}": ",".join(map(_native, values)).replace("\n", " ")
        for name, values in request.requestHeaders.getAllRawHeaders()
    }
    return environ | {
        "REQUEST_METHOD": _native(request.method),
        "REMOTE_ADDR": str(peer.host),
        "REMOTE_PORT": str(peer.port),
        "SCRIPT_NAME": "",
        "PATH_INFO": _native(b"/" + b"/".join(request.postpath)),
        "QUERY_STRING": _native(request.uri.partition(b"?")[2]),
        "CONTENT_TYPE": environ.get("HTTP_CONTENT_TYPE", ""),
        "CONTENT_LENGTH": environ.get("HTTP_CONTENT_LENGTH", ""),
        "SERVER_NAME": _native(request.getRequestHostname()),
        "SERVER_PORT": str(request.getHost().port),
        "SERVER_PROTOCOL": _native(request.clientproto),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https" if request.isSecure() else "http",
        "wsgi.input": request.content,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def answer_of(app: Application, environ: dict[str, Any]) -> Answer:
    """Let an application answer; in a thread, or as a greenlet."""
    said: list[Any] = []
    parts = app(environ, lambda *head: said.append(head))
    try:
        content = b"".join(parts)
    finally:
        getattr(parts, "close", lambda: None)()
    status, headers, *_ = said[-1]
    return Answer(status, headers, content)


def send(answer: Answer, request: Request) -> None:
    """Send an answer to a client who is still there; in the reactor's thread."""
    code, _, phrase = answer.status.partition(" ")
    request.defaultContentType = None
    request.setResponseCode(int(code), phrase.encode("latin-1"))
    for name, value in answer.headers:
        if name.lower() not in _OF_THE_SERVER:
            request.responseHeaders.addRawHeader(name.encode("latin-1"), value.encode("latin-1"))
    transport = request.channel.transport
    if answer.content:
        request.write(answer.content)
    request.finish()
    send_now(transport)


def _native(octets: bytes) -> str:
    return octets.decode("latin-1")
