"""Browsers that ask the bridge directly, from a page of another origin."""

from collections.abc import Callable, Collection, Iterable
from typing import Any

_ALLOWED = [
    ("Access-Control-Allow-Methods", "GET, POST, OPTIONS"),
    ("Access-Control-Allow-Headers", "accept, content-type, authorization"),
    ("Access-Control-Max-Age", "600"),
]


def allow_origins(app: Any, origins: Collection[str]) -> Any:
    """Wrap a WSGI application so that pages of `origins` (``*`` for any) may read its answers.

    Without origins the application is returned as it is, and answers no OPTIONS.
    """
    if not origins:
        return app

    def allowing(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        origin = environ.get("HTTP_ORIGIN", "")
        allowed = bool(origin) and (origin in origins or "*" in origins)
        extra = [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")] if allowed else [("Vary", "Origin")]
        if environ["REQUEST_METHOD"] == "OPTIONS":
            start_response("204 No Content", extra + (_ALLOWED if allowed else []))
            return []

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            return start_response(status, [*headers, *extra], *rest)

        answer: Iterable[bytes] = app(environ, start)
        return answer

    return allowing
