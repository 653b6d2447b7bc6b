"""Answers about water vapour, from the daily files of the UCSC radiometer."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from services.data_nodes.text_folder import Named, TextFolder
from sisock.shapes import DataReply, Field, FieldsReply, Timeline
from sisock.thinning import Stamps

INTERVAL = 60.48
"""Seconds between samples: 0.0007 days, as the instrument writes them."""

_DAY = 86400.0
_YEARS = 1970, 3000
_NAME = re.compile(
    r"PWV_UCSC_(?:(?P<year>[0-9]{4})-(?P<day>[0-9]{1,3})|(?P<old_day>[0-9]{1,3})-(?P<old_year>[0-9]{4}))\.txt"
)


def recognize(name: str) -> Named | None:
    """Read the day from a name like PWV_UCSC_2019-042.txt, or, as they were until 2018, PWV_UCSC_201-2018.txt."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    year, day = int(match["year"] or match["old_year"]), int(match["day"] or match["old_day"])
    if not _YEARS[0] <= year < _YEARS[1]:
        return None
    begin = datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=day - 1)
    if begin.year != year:
        return None
    first = begin.timestamp()
    return Named("pwv", first, first + _DAY, partial(unix_times, midday=first + _DAY / 2, year=year))


def unix_times(days: Stamps, midday: float, year: int) -> Stamps:
    """Make UNIX seconds of days of the year with a fraction, of which 1.0 is January 1st, 00:00 UTC.

    The lines do not say their year. Around its end a file holds the last minutes of one year and the first of the next,
    and an instrument may count on or begin anew: of the year of the file, the one before and the one after, that which
    brings a stamp nearest to the day of the file is meant.

    Parameters
    ----------
    days
        Shape (n,).
    midday
        The middle of the day of the file, UNIX seconds.
    year
        Its year.

    Returns
    -------
    Shape (n,), rounded to milliseconds.
    """
    begins = np.array([datetime(each, 1, 1, tzinfo=UTC).timestamp() for each in (year, year - 1, year + 1)])
    meant = begins[:, None] + (days - 1) * _DAY
    nearest = np.argmin(np.abs(meant - midday), axis=0)
    stamps: Stamps = np.round(meant[nearest, np.arange(days.size)], 3)
    return stamps


class Radiometer:
    """The field `pwv`. May be asked from several threads.

    Parameters
    ----------
    directory
        Its folder `PWV` holds the files.
    max_points
        Most points in one reply; 0 for no cap.
    clock
        Gives the UNIX time.
    tell
        Logs a warning: a format, and the facts in it by name, as txaio does.
    """

    def __init__(self, directory: Path, max_points: int, clock: Callable[[], float], tell: Callable[..., None]) -> None:
        self._folder = TextFolder(directory / "PWV", recognize, clock, tell, header_lines=1)
        self._max_points = max_points

    def get_fields(self) -> FieldsReply:
        """List the field, whether there are files or not."""
        field = Field(
            description="Precipitable water vapour, UCSC radiometer", timeline="pwv", type="number", units="mm"
        )
        return {"pwv": field}, {"pwv": Timeline(interval=INTERVAL, field=["pwv"])}

    def get_data(
        self, fields: Iterable[str], start: float, end: float, min_stride: float | None = None
    ) -> DataReply | Literal[False]:
        """Answer with the samples in [start, end), UNIX seconds."""
        return self._folder.get_data(fields, {"pwv": ["pwv"]}, start, end, min_stride, self._max_points)
