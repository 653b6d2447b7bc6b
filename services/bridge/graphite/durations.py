"""Times and durations as Graphite's clients write them: ``-1h``, ``now-30min``, ``'5min'``, UNIX seconds."""

import re

from services.bridge.refusal import unreadable
from sisock.moments import LATEST, MomentError, moment

_DAY = 86400.0
_SECONDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), _DAY),
    **dict.fromkeys(("w", "week", "weeks"), 7 * _DAY),
    **dict.fromkeys(("M", "mon", "month", "months"), 30 * _DAY),
    **dict.fromkeys(("y", "year", "years"), 365 * _DAY),
}
_PART = r"[0-9]{1,12}(?:\.[0-9]{1,12})?"
_DURATION = re.compile(rf"(?:{_PART}[A-Za-z]+)+")
_PARTS = re.compile(rf"({_PART})([A-Za-z]+)")
_RELATIVE = re.compile(r"(?:now)?\s*([+-])\s*(\S+)")
_UNIX = re.compile(r"[0-9]{1,7}|[0-9]{9,12}|[0-9]{1,12}\.[0-9]*")
"""Eight digits are a date."""
_CLOCK = re.compile(r"([0-9]{2}):([0-9]{2})_([0-9]{8})")


def read_duration(text: str) -> float:
    """Read a duration such as ``5min`` or ``1h30min``.

    Returns
    -------
    Seconds, above zero.

    Raises
    ------
    Refused
        The text is something else.
    """
    text = text.strip()
    parts = _PARTS.findall(text) if _DURATION.fullmatch(text) else []
    seconds = sum(float(number) * _SECONDS.get(unit, float("nan")) for number, unit in parts)
    if not 0 < seconds <= LATEST:
        raise unreadable(f"{text[:40]!r} is no duration; write such as '30s', '5min', '2h', '7d', '1mon'")
    return seconds


def read_time(name: str, text: str, now: float) -> float:
    """Read `from` or `until`.

    Parameters
    ----------
    name
        What the parameter is called, for the sentence of an error.
    text
        UNIX seconds, ``now``, a duration with a sign (from now), ``HH:MM_YYYYMMDD``, or a time of ISO 8601 (UTC).
    now
        UNIX seconds.

    Returns
    -------
    UNIX seconds.

    Raises
    ------
    Refused
        The text is something else.
    """
    text = text.strip()
    if _UNIX.fullmatch(text) and float(text) <= LATEST:
        return float(text)
    if relative := _RELATIVE.fullmatch(text):
        return now + (-1 if relative[1] == "-" else 1) * read_duration(relative[2])
    if clock := _CLOCK.fullmatch(text):
        text = f"{clock[3]}T{clock[1]}{clock[2]}"
    try:
        return moment(text, now)
    except MomentError:
        raise unreadable(
            f"'{name}' is {text[:40]!r}, which is no time; write UNIX seconds, now, or such as -30min, -6h, -7d"
        ) from None
