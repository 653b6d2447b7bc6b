"""The levels of the summary pyramid: how long their buckets are, and how many make a tile."""

from typing import NamedTuple

TICKS = 100_000_000
"""Ticks of a second."""
MINUTE, HOUR, DAY = 60 * TICKS, 3600 * TICKS, 86400 * TICKS

EARLIEST, LATEST = 1, 64_060_588_800 * TICKS
"""Stamps that can be asked for: after 1970, before the year 4000. Others are dropped."""


class Level(NamedTuple):
    """One level.

    Attributes
    ----------
    number
        0 for the finest one.
    bucket
        Ticks of a bucket; a multiple of that of the level below, and a divisor of a day.
    size
        Buckets of a tile. A tile begins on a multiple of its length since 1970.
    """

    number: int
    bucket: int
    size: int

    @property
    def tile(self) -> int:
        """Ticks of a tile."""
        return self.bucket * self.size


LEVELS = (
    Level(0, MINUTE, 60),
    Level(1, 5 * MINUTE, 96),
    Level(2, 30 * MINUTE, 96),
    Level(3, 3 * HOUR, 96),
    Level(4, DAY, 96),
)
"""Level 0 holds all that is indexed; the others only the days before `settled_until` of their timeline.

Their size makes tiles of a few kilobytes at most, of which a page of the database, 16 kB, holds many without waste.
"""
FINEST = LEVELS[0]
