"""What a front-end is to the application: routes to functions that answer a request, without a word of HTTP."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.bridge.crossing import Departure


@dataclass(frozen=True)
class Call:
    """A request.

    Attributes
    ----------
    body
        Its body as it came.
    client
        Knows whether the client is still there.
    started
        When it began, by the reactor's clock.
    parameters
        Those of its address: name -> all values.
    """

    body: bytes
    client: Departure
    started: float
    parameters: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Text:
    """A reply that is no JSON: its MIME type and what it says."""

    kind: str
    content: bytes


Handler = Callable[[Call], object]
"""Answers a call with a `Text`, or what is to be written as JSON; raises `Refused` or `RouterAbsent`.

In a thread, or as a greenlet of the reactor's (`services.bridge.crossing`)."""


@dataclass(frozen=True)
class Route:
    """Which calls a handler answers."""

    method: str
    path: str
    handler: Handler


class FrontEnd(Protocol):
    """One protocol that clients speak."""

    def routes(self) -> list[Route]:
        """All calls it answers."""
