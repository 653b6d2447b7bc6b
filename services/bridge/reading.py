"""What requests of Grafana's kind have in common: a JSON object, a time range, and how many points to draw."""

import math
import re
from bisect import bisect_left
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property

import orjson

from services.bridge.refusal import unreadable
from sisock.moments import LATEST

DEFAULT_POINTS = 1000
"""Points per series when the client does not say."""
MOST_POINTS = 11000
"""Points per series that a client may ask."""
EARLIEST = 1.0
"""Least UNIX time asked of a data server; sisock reads zero and below as seconds before now."""

_DAY = 86400
_PARTS_OF_A_DAY = tuple(seconds for seconds in range(1, _DAY + 1) if _DAY % seconds == 0)
_DIGITS = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
_ROUNDING = 1e-9

_INTERVAL = re.compile(r"\s*>?\s*(\d{1,9}(?:\.\d{1,9})?)\s*([a-zA-Zµ]*)\s*")
_SECONDS = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0,
    "d": 86400.0, "w": 7 * 86400.0, "M": 30 * 86400.0, "y": 365 * 86400.0,
}  # fmt: skip


@dataclass(frozen=True)
class Window:
    """A half-open time range and how finely it is drawn.

    Attributes
    ----------
    start, end
        UNIX seconds, [start, end); empty when they are equal.
    points
        Most points of a series.
    interval
        Least seconds between points that the client asked for; 0 when it did not say.
    """

    start: float
    end: float
    points: int = DEFAULT_POINTS
    interval: float = 0.0

    @cached_property
    def stride(self) -> float:
        """Least seconds between points, as asked of the data servers.

        Points lie on multiples of it. So it is a round number, which ranges of nearly the same length share: else all
        points would move whenever the range does.
        """
        least = (self.end - self.start) / self.points
        return self.interval if self.interval >= least else min(round_stride(least), self.end - self.start)

    def __hash__(self) -> int:
        return self._hash  # It is asked for with each series.

    @cached_property
    def _hash(self) -> int:
        return hash((self.start, self.end, self.points, self.interval))

    def shared_by(self, series: int, most: int) -> "Window":
        """The same with fewer points, when so many series would hold more than `most` together."""
        return replace(self, points=max(1, min(self.points, most // max(series, 1))))


@dataclass(frozen=True)
class Exact(Window):
    """A window whose points lie as far apart as was asked, `interval`, and no further: 0 for every sample."""

    @cached_property
    def stride(self) -> float:
        """Least seconds between points, as asked of the data servers."""
        return self.interval


def round_stride(least: float) -> float:
    """The next round number of seconds: a part of a day, whole days, or, below a second, of two digits at most."""
    if least <= 0:
        return 0.0
    if least > _DAY:
        return math.ceil(least / _DAY - _ROUNDING) * float(_DAY)
    if least > 1:
        return float(_PARTS_OF_A_DAY[bisect_left(_PARTS_OF_A_DAY, least * (1 - _ROUNDING))])
    unit = 10.0 ** math.floor(math.log10(least))
    return float(f"{next(digit for digit in _DIGITS if digit * unit >= least * (1 - _ROUNDING)) * unit:.6g}")


def read_object(raw: bytes, default: dict[str, object] | None = None) -> dict[str, object]:
    """Read a request's body as a JSON object; an empty body as `default`, when that is given.

    Raises
    ------
    Refused
        The body is something else.
    """
    if default is not None and not raw.strip():
        return default
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise unreadable(f"the body is not JSON ({error}); send one JSON object in UTF-8") from None
    if not isinstance(body, dict):
        raise unreadable(f"the body is a JSON {_kind(body)}; send one JSON object")
    return body


def read_window(body: dict[str, object]) -> Window:
    """Read `range`, `maxDataPoints`, `intervalMs` and `interval` of a request.

    Raises
    ------
    Refused
        The range is missing, reversed or absurd, or another of them is of the wrong kind.
    """
    start, end = read_range(body)
    points = _number("maxDataPoints", body.get("maxDataPoints")) or 0.0
    interval = (_number("intervalMs", body.get("intervalMs")) or 0.0) / 1e3
    asked = read_interval(body.get("interval"))
    return Window(
        start=start,
        end=end,
        points=int(min(points, MOST_POINTS)) if points >= 1 else DEFAULT_POINTS,
        interval=min(interval if interval > 0 else asked, end - start) if end > start else 0.0,
    )


def read_range(body: dict[str, object]) -> tuple[float, float]:
    """Read `range` of a request: UNIX seconds, from `EARLIEST` on.

    Raises
    ------
    Refused
        It is missing, reversed or absurd.
    """
    spoken = body.get("range")
    if not isinstance(spoken, dict):
        raise unreadable('\'range\' is missing; give it as {"from": "2026-01-31T00:00:00.000Z", "to": ..}')
    start, end = (_time("range.from", spoken.get("from")), _time("range.to", spoken.get("to")))
    if end < start:
        raise unreadable(f"'range' is reversed: it ends at {spoken['to']}, before it starts at {spoken['from']}")
    start = max(start, EARLIEST)
    return start, max(end, start)


def _time(name: str, spoken: object) -> float:
    if isinstance(spoken, str):
        try:
            moment = datetime.fromisoformat(spoken)
        except ValueError:
            raise unreadable(f"'{name}' is {spoken[:40]!r}, which is no ISO 8601 time of the years 1 to 9999") from None
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    elif (milliseconds := _number(name, spoken)) is not None:
        seconds = milliseconds / 1e3
    else:
        raise unreadable(f"'{name}' is missing; give an ISO 8601 time or UNIX milliseconds")
    if not abs(seconds) <= LATEST:
        raise unreadable(f"'{name}' is {str(spoken)[:40]}, which lies outside of the years 1 to 9999")
    return seconds


def _number(name: str, spoken: object) -> float | None:
    if spoken is None:
        return None
    if isinstance(spoken, bool) or not isinstance(spoken, int | float):
        raise unreadable(f"'{name}' is a JSON {_kind(spoken)}; give a number")
    return float(spoken) if math.isfinite(spoken) else None


def read_interval(spoken: object) -> float:
    """Read a duration as Grafana writes it, such as ``30s``, in seconds; 0 for none.

    Raises
    ------
    Refused
        It is something else.
    """
    if spoken is None or spoken == "":
        return 0.0
    match = _INTERVAL.fullmatch(spoken) if isinstance(spoken, str) else None
    if match is None or match[2] not in _SECONDS:
        raise unreadable(f"'interval' is {str(spoken)[:40]!r}; give a number with a unit of {', '.join(_SECONDS)}")
    return float(match[1]) * _SECONDS[match[2]]


def _kind(value: object) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
    return names.get(type(value), "null")
