"""What the bridge shows of one data server: its fields, its newest sample, and how old that is."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_LIVE_SECONDS = (60.0, 3600.0)
"""Ranges that are looked at, up to now, before all time is."""
_POINTS = 11000
_FINE = 0.01
"""Spacing of points, seconds, at which a thinned sample's time counts as its own."""
_MOST_FIELDS = 50

Ask = Callable[[str, Any], Any]
"""Sends a path and a body (None for GET) to the bridge; the decoded reply. Raises `BridgeError`."""


class BridgeError(Exception):
    """The bridge did not answer, or refused."""


@dataclass(frozen=True)
class Sample:
    """The newest sample of a data server: UNIX seconds, its field, value and units."""

    t: float
    field: str
    value: object
    units: str | None


@dataclass(frozen=True)
class Finding:
    """What was found of one data server.

    Attributes
    ----------
    server
        Its name.
    fields
        How many fields it lists.
    sample
        Its newest sample; None when there is none.
    problem
        Why there is none, as the bridge says.
    """

    server: str
    fields: int
    sample: Sample | None = None
    problem: str = ""


def over_http(bridge: str, timeout: float) -> Ask:
    """Make the function that asks the bridge at the URL `bridge`; `timeout` is in seconds."""

    def ask(path: str, body: Any) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(bridge.rstrip("/") + path, data, headers)  # noqa: S310 - the operator's own URL
        try:
            with urllib.request.urlopen(request, timeout=timeout) as reply:  # noqa: S310 - the same
                return json.load(reply)
        except urllib.error.HTTPError as error:
            raise BridgeError(f"{path} was answered with {error.code}: {_said(error.read())}") from error
        except (OSError, ValueError) as error:
            raise BridgeError(f"{bridge} does not answer: {error}") from error

    return ask


def listed_fields(ask: Ask) -> dict[str, list[str]]:
    """Names of the fields of each data server."""
    servers: dict[str, list[str]] = {}
    for name in ask("/search", {"target": ""}):
        server, _, field = name.partition("::")
        servers.setdefault(server, []).append(field)
    return servers


def find(ask: Ask, server: str, fields: list[str], now: float) -> Finding:
    """Look for the newest sample of a data server, of `now` (UNIX seconds) or before."""
    if not fields:
        return Finding(server, 0, problem="it lists no fields")
    asked, problem = fields[:_MOST_FIELDS], ""
    for seconds in (*_LIVE_SECONDS, now - 1.0):
        sample, problem = _newest(ask, server, asked, now - seconds, now + 1.0)
        if sample is not None:
            return Finding(server, len(fields), _sharpened(ask, server, sample, seconds, now))
    return Finding(server, len(fields), problem=problem)


def _sharpened(ask: Ask, server: str, sample: Sample, seconds: float, now: float) -> Sample:
    """Look closer and closer, as the points of a long range stand for many samples."""
    while seconds / _POINTS > _FINE:
        reach = 4 * seconds / _POINTS
        start, end = max(sample.t - reach, 1.0), min(sample.t + reach, now + 1.0)
        closer, _ = _newest(ask, server, [sample.field], start, end)
        if closer is None or end - start >= seconds:
            return sample
        sample, seconds = closer, end - start
    return sample


def _newest(ask: Ask, server: str, fields: list[str], start: float, end: float) -> tuple[Sample | None, str]:
    body = {
        "range": {"from": _iso(start), "to": _iso(end)},
        "maxDataPoints": _POINTS,
        "targets": [
            {"target": f"{server}::{field}", "refId": str(n), "type": "table"} for n, field in enumerate(fields)
        ],
    }
    newest, problem = None, ""
    for field, table in zip(fields, ask("/query", body), strict=True):
        for t, value in reversed(table["rows"]):
            if value is not None:
                if newest is None or t / 1e3 > newest.t:
                    newest = Sample(t / 1e3, field, value, table.get("unit"))
                break
        notices = table.get("meta", {}).get("notices", [])
        problem = problem or next((each["text"] for each in notices if each["severity"] == "error"), "")
    return newest, problem or "it has no samples"


def _iso(t: float) -> str:
    return datetime.fromtimestamp(t, UTC).isoformat(timespec="milliseconds")


def _said(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return body[:100].decode(errors="replace")
