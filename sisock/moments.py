"""Times and durations as people write them, and times as people read them."""

import math
import re
from datetime import UTC, datetime

from sisock.errors import SisockError

LATEST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
"""Last UNIX time that can be written as a date."""

_UNITS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_PART = r"[0-9]{1,12}(?:\.[0-9]{1,12})?"
_DURATION = re.compile(rf"(?:{_PART}(?:ms|[smhdw]))+")
_PARTS = re.compile(rf"({_PART})(ms|[smhdw])")
_NUMBER = re.compile(_PART)
_RELATIVE = re.compile(r"(?:now\s*)?([+-])\s*(\S+)")
_UNIX = re.compile(r"[0-9]{9,12}(?:\.[0-9]*)?|[0-9]{1,12}\.[0-9]*")
"""Eight digits are a date, as ISO 8601 has it."""


class MomentError(SisockError):
    """A text that is no time."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:80]!r} is no time; write 2026-01-31 or 2026-01-31T12:00:00 (UTC; or with an offset, +01:00), "
            "UNIX seconds, now, or a time before it, such as -2h, -30m, -7d"
        )


class DurationError(SisockError):
    """A text that is no duration."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:80]!r} is no duration above zero; write seconds, or such as 500ms, 10s, 5m, 1h30m, 1d"
        )


def moment(text: str, now: float) -> float:
    """Read a time.

    Parameters
    ----------
    text
        ISO 8601 (UTC, unless it has an offset), UNIX seconds, ``now``, or a duration with a sign, counted from now.
    now
        UNIX seconds.

    Returns
    -------
    UNIX seconds.

    Raises
    ------
    MomentError
        The text is something else, or a time beyond the years 1 to 9999.
    """
    text = text.strip()
    try:
        t = _read(text, now)
    except (ValueError, OverflowError):
        raise MomentError(text) from None
    if not abs(t) <= LATEST:
        raise MomentError(text)
    return t


def _read(text: str, now: float) -> float:
    if text == "now":
        return now
    if relative := _RELATIVE.fullmatch(text):
        return now + (-1 if relative[1] == "-" else 1) * _seconds(relative[2])
    if _UNIX.fullmatch(text):
        return float(text)
    read = datetime.fromisoformat(text)
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def duration(text: str) -> float:
    """Read a duration: seconds, or numbers with the units ms, s, m, h, d, w.

    Returns
    -------
    Seconds, above zero.

    Raises
    ------
    DurationError
        The text is something else.
    """
    text = text.strip()
    try:
        seconds = float(text) if _NUMBER.fullmatch(text) else _seconds(text)
    except ValueError:
        raise DurationError(text) from None
    if seconds <= 0:
        raise DurationError(text)
    return seconds


def _seconds(text: str) -> float:
    if not _DURATION.fullmatch(text):
        raise ValueError(text)
    return math.fsum(float(number) * _UNITS[unit] for number, unit in _PARTS.findall(text))


def iso(t: float, digits: int = 6) -> str:
    """Write UNIX seconds as ISO 8601 in UTC, with 0, 3 or 6 `digits` of the second."""
    timespec = {0: "seconds", 3: "milliseconds", 6: "microseconds"}[digits]
    return datetime.fromtimestamp(t, UTC).replace(tzinfo=None).isoformat(timespec=timespec) + "Z"


def ago(seconds: float) -> str:
    """Write how long ago something was, to two figures or so."""
    if seconds < 0:
        return f"in {ago(-seconds)}"
    for unit in ("w", "d", "h", "m"):
        if seconds >= 2 * _UNITS[unit]:
            return f"{seconds / _UNITS[unit]:.0f} {unit}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
