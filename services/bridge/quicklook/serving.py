"""Hands out the built page: ``/quicklook``, and ``/`` to browsers."""

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

from services.bridge.compression import accepts

_PREFIX = "/quicklook"
_PAGE = "index.html"
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
}
_ENCODINGS = {"br": ".br", "gzip": ".gz"}
"""Content encodings, the one with the fewest bytes first, and how names of such files end."""
_FOR_EVER = "public, max-age=31536000, immutable"
_SAFE = {
    # Nothing from another host, nothing written into the page itself, and no frame of another page around it.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class _Built(NamedTuple):
    """What was built: name -> encoding -> bytes, with "" for none; and the file that tells when it was."""

    stamp: tuple[int, int]
    files: Mapping[str, Mapping[str, bytes]]


class Page:
    """The page in a folder, kept in memory; one that is built anew is seen at the next request.

    Parameters
    ----------
    folder
        What `build` has made; it need not be there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._built: _Built | None = None

    def file(self, name: str) -> Mapping[str, bytes] | None:
        """The bytes of a file by encoding; None when there is none of the name, or no page at all."""
        built = self._built  # Other threads may put another one in its place.
        try:
            status = (self._folder / _PAGE).stat()
            stamp = status.st_mtime_ns, status.st_ino
            if built is None or built.stamp != stamp:
                built = _Built(stamp, _read(self._folder))
        except OSError:
            built = None
        self._built = built
        return built.files.get(name) if built else None

    def lacking(self) -> str:
        """Say that there is no page, and what to do."""
        return (
            f"Quicklook is not built: there is no page in {self._folder}.\n\n"
            "Run the playbook, with sisock_quicklook: true in the inventory; or, in an environment of "
            f"requirements/node.txt, python -m services.bridge.quicklook.build {self._folder}\n\n"
            "The data can be had without it: docs/command-line.md, /api/v1/nodes, /api/v1/fields, /api/v1/data\n"
        )


def _read(folder: Path) -> dict[str, dict[str, bytes]]:
    return {
        path.name: {"": path.read_bytes()}
        | {encoding: path.with_name(path.name + end).read_bytes() for encoding, end in _ENCODINGS.items()}
        for path in folder.iterdir()
        if path.suffix in _KINDS
    }


def with_page(app: Any, page: Page) -> Any:
    """Wrap a WSGI application so that browsers get the page; all other requests are the application's.

    A request for ``/`` is a browser's when it accepts HTML by name: Grafana, which asks there whether the bridge is
    well, does not.
    """

    def serving(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/" and _wants_html(environ) and page.file(_PAGE):
            return _answer(environ, start_response, page, _PAGE)
        if path == _PREFIX or path.startswith(_PREFIX + "/"):
            return _answer(environ, start_response, page, path[len(_PREFIX) + 1 :])
        answer: Iterable[bytes] = app(environ, start_response)
        return answer

    return serving


def _answer(environ: dict[str, Any], start_response: StartResponse, page: Page, name: str) -> Iterable[bytes]:
    def say(status: HTTPStatus, sentence: str, headers: Mapping[str, str] | None = None) -> Iterable[bytes]:
        plain = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}
        return send(status, sentence.encode(), {**plain, **(headers or {})})

    def send(status: HTTPStatus, content: bytes, headers: Mapping[str, str]) -> Iterable[bytes]:
        length = {} if status == HTTPStatus.NOT_MODIFIED else {"Content-Length": str(len(content))}
        start_response(f"{status.value} {status.phrase}", list({**_SAFE, **headers, **length}.items()))
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [content]

    if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
        return say(HTTPStatus.METHOD_NOT_ALLOWED, "The page can be read, and nothing else.\n", {"Allow": "GET, HEAD"})
    if page.file(_PAGE) is None:
        return say(HTTPStatus.SERVICE_UNAVAILABLE, page.lacking())
    if environ["PATH_INFO"] == _PREFIX + "/":  # Names of assets are relative to the page's folder.
        return say(HTTPStatus.PERMANENT_REDIRECT, "The page is at /quicklook.\n", {"Location": "../quicklook"})
    variants = page.file(name or _PAGE)
    if variants is None:
        return say(HTTPStatus.NOT_FOUND, f"There is no {name[:200]!r}; the page is at /quicklook.\n")
    encoding = next((each for each in _ENCODINGS if accepts(environ.get("HTTP_ACCEPT_ENCODING", ""), each)), "")
    tag = f'"{sha256(variants[""]).hexdigest()[:16]}{encoding}"'
    headers = {
        "Content-Type": _KINDS[Path(name or _PAGE).suffix],
        "Cache-Control": "no-cache" if name in {"", _PAGE} else _FOR_EVER,
        "Vary": "Accept, Accept-Encoding",
        "ETag": tag,
    } | ({"Content-Encoding": encoding} if encoding else {})
    if tag in environ.get("HTTP_IF_NONE_MATCH", ""):
        return send(HTTPStatus.NOT_MODIFIED, b"", headers)
    return send(HTTPStatus.OK, variants[encoding], headers)


def _wants_html(environ: dict[str, Any]) -> bool:
    return environ["REQUEST_METHOD"] in {"GET", "HEAD"} and accepts(environ.get("HTTP_ACCEPT", ""), "text/html")
