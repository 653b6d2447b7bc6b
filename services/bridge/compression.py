"""Replies made smaller on their way, for a browser at the end of a slow line."""

import gzip
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from zstandard import ZstdCompressor

from services.bridge.gateway import answer_of

_PATHS = "/api/v1/"
_LEAST = 1000
"""Bytes of a reply; what is shorter fits into one packet anyhow."""
# zstd looks back further than gzip: fields of one timeline have the same stamps, written again and again.
_COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "zstd": lambda content: ZstdCompressor(level=3).compress(content),
    "gzip": partial(gzip.compress, compresslevel=4, mtime=0),
}


def accepts(header: str, what: str) -> bool:
    """Whether an Accept header, of whatever kind, names `what`, and not with the weight zero."""
    for item in header.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        if name == what:
            return not any(part.startswith("q=") and not part.removeprefix("q=").strip("0.") for part in parameters)
    return False


def compressed(app: Any) -> Any:
    """Wrap a WSGI application so that replies below ``/api/v1/`` are compressed for clients that say they can read it.

    Grafana is on the same machine, or asks as a proxy that is: its replies go as they are.
    """

    def compressing(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        spoken = environ.get("HTTP_ACCEPT_ENCODING", "")
        encoding = next((each for each in _COMPRESSORS if accepts(spoken, each)), None)
        if encoding is None or not environ["PATH_INFO"].startswith(_PATHS):
            answer: Iterable[bytes] = app(environ, start_response)
            return answer
        status, headers, content = answer_of(app, environ)
        if len(content) >= _LEAST and not any(name.lower() == "content-encoding" for name, _ in headers):
            content = _COMPRESSORS[encoding](content)
            headers = [(name, value) for name, value in headers if name.lower() not in {"content-length", "vary"}]
            headers += [
                ("Content-Encoding", encoding),
                ("Content-Length", str(len(content))),
                ("Vary", "Accept-Encoding, Origin"),
            ]
        start_response(status, headers)
        return [content]

    return compressing
