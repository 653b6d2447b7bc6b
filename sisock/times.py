"""sisock times: seconds; above zero a UNIX time (UTC), zero and below so many seconds before now."""

import math
import time

from sisock.errors import TimeRangeError


def sisock_to_unix_time(t: float, now: float | None = None) -> float:
    """Convert a sisock time to a UNIX time.

    Parameters
    ----------
    t
        A sisock time in seconds.
    now
        The UNIX time to count back from; the clock's when not given.

    Returns
    -------
    `t` when it is positive, else `now` less ``abs(t)`` seconds.
    """
    if t > 0:
        return float(t)
    return (time.time() if now is None else now) + t


def time_range(start: float, end: float, now: float | None = None) -> tuple[float, float]:
    """Convert a half-open range [start, end) of sisock times to UNIX times of one same now.

    "All time" is asked as start=1, end=0. A range that ends where it starts, or before, is empty.

    Raises
    ------
    TimeRangeError
        A bound is not a finite number.
    """
    for bound in (start, end):
        if isinstance(bound, bool) or not isinstance(bound, int | float) or not math.isfinite(bound):
            raise TimeRangeError(start, end, f"{bound!r} is not a finite number")
    now = time.time() if now is None else now
    return sisock_to_unix_time(start, now), sisock_to_unix_time(end, now)
