"""The Bottle application: routes of the front-ends, and every error as JSON."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from bottle import Bottle, HTTPResponse, request
from twisted.internet.defer import CancelledError

from services.bridge.encoders import encode
from services.bridge.handling import Call, FrontEnd, Handler, Text
from services.bridge.refusal import Refused, unavailable
from sisock.errors import NodeError

CLIENT = "sisock.client"
"""Key of the WSGI environment that holds the request's `Departure`."""
STARTED = "sisock.started"
"""Key of the WSGI environment that holds when the request began, by the reactor's clock."""

_HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def application(front_ends: Iterable[FrontEnd]) -> Any:
    """Make the WSGI application that answers for all front-ends."""
    app = Bottle()
    for front_end in front_ends:
        for route in front_end.routes():
            app.route(route.path, method=route.method, callback=_answering(route.handler))
    app.default_error_handler = _error
    return app


def _answering(handler: Handler) -> Callable[[], Any]:
    def answer() -> Any:
        environ = request.environ
        call = Call(request.body.read(), environ[CLIENT], environ[STARTED], request.query.dict)
        try:
            reply = handler(call)
            if isinstance(reply, Text):
                return HTTPResponse(reply.content, 200, **_HEADERS | {"Content-Type": reply.kind})
            return HTTPResponse(encode(reply), 200, **_HEADERS)
        except Refused as refused:
            return _refusal(refused)
        except NodeError as error:
            return _refusal(unavailable(str(error)))
        except CancelledError:
            return b""  # The client has gone; nobody reads this.

    return answer


def _refusal(refused: Refused) -> Any:
    return HTTPResponse(encode(refused.body), refused.status, **_HEADERS, **refused.headers)


def _error(error: Any) -> bytes:
    """Say in JSON what Bottle found: no such path, no such method, or a fault of ours, which Bottle has logged."""
    status = error.status_code
    # Only of one that no handler has had: another request may have come since a handler waited.
    if status == HTTPStatus.NOT_FOUND:
        sentence = f"there is no {request.path[:200]!r} here; the paths are in docs/architecture.md"
    elif status == HTTPStatus.METHOD_NOT_ALLOWED:
        sentence = f"{request.path[:200]!r} does not take {request.method[:20]}"
    elif status == HTTPStatus.INTERNAL_SERVER_ERROR:
        sentence = "the bridge failed on this request; the log says why"
    else:
        sentence = str(error.body)
    for name, value in _HEADERS.items():
        error.set_header(name, value)
    code = HTTPStatus(status).phrase.lower().replace(" ", "_")
    return encode(Refused(status, code, sentence).body)
