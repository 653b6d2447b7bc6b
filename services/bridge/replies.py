"""What was replied a moment ago serves all that ask in the very same words.

People who follow one link, a screen on the wall beside them, and a page that draws a series in two panels ask at about
the same time. Their question costs the data servers one answer as it is (`sharing`); here it is drawn and written once.
"""

from collections.abc import Callable, Hashable, Iterable
from io import BytesIO
from threading import Lock
from typing import Any

from services.bridge.application import STARTED
from services.bridge.gateway import Answer, answer_of

REMEMBERED_SECONDS = 0.25
"""How long a reply serves, from the begin of the request that it was made for."""
_PATHS = {"/query", "/render"}
"""Those of panels. A script may ask anew for what it has just caused."""
_MOST_REPLIES = 32
_MOST_BYTES = 2**20
"""Bytes of a reply that is remembered."""
# All that a reply may hang on.
_SPOKEN = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "CONTENT_TYPE", "HTTP_ACCEPT_ENCODING", "HTTP_ORIGIN")


def remembered(app: Any) -> Any:
    """Wrap a WSGI application so that a good reply with samples is remembered for a moment; callable in any thread."""
    lately: dict[Hashable, tuple[float, Answer]] = {}
    turn = Lock()

    def answering(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] not in _PATHS:
            passed_on: Iterable[bytes] = app(environ, start_response)
            return passed_on
        body, now = environ["wsgi.input"].read(), environ[STARTED]
        asked = (body, *(environ.get(each) for each in _SPOKEN))
        with turn:
            for old in [old for old, (since, _) in lately.items() if since + REMEMBERED_SECONDS <= now]:
                del lately[old]
            _, answer = lately.get(asked, (now, None))
        if answer is None:
            answer = answer_of(app, environ | {"wsgi.input": BytesIO(body)})
            # Nothing is written for a client that has gone.
            if answer.status.startswith("200") and 0 < len(answer.content) <= _MOST_BYTES:
                with turn:
                    lately[asked] = now, answer
                    while len(lately) > _MOST_REPLIES:
                        del lately[next(iter(lately))]
        start_response(answer.status, answer.headers)
        return [answer.content]

    return answering
