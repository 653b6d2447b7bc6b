"""Which level of the pyramid answers a query, and which of its buckets."""

from collections.abc import Iterator
from typing import NamedTuple

from services.g3_index.levels import FINEST, LEVELS, Level

WASTE = 1.25
"""How much longer than asked a cell may be so that it is made of whole buckets of a level."""


class Span(NamedTuple):
    """Buckets [first, end) of a level, by their numbers since 1970."""

    level: Level
    first: int
    end: int


def level_for(cell: float) -> Level | None:
    """The coarsest level of whose buckets cells of about `cell` ticks can be made; None when all are too coarse."""
    fitting = [level for level in LEVELS if rounded(cell, level) <= WASTE * cell]
    return fitting[-1] if fitting else None


def rounded(cell: float, level: Level) -> int:
    """The least multiple of the level's bucket that is no shorter than `cell` ticks."""
    return max(1, -int(-cell // level.bucket)) * level.bucket


def cover(start: int, end: int, level: Level) -> Iterator[Span]:
    """Lay out [start, end) with buckets of a level, and with finer ones where it is cut, in order of time.

    Parameters
    ----------
    start, end
        Ticks, on multiples of the finest bucket.
    level
        The coarsest level to use.
    """
    first, last = -(-start // level.bucket), end // level.bucket
    if start >= end:
        return
    if first >= last and level is not FINEST:
        yield from cover(start, end, LEVELS[level.number - 1])
        return
    if level is not FINEST:
        yield from cover(start, first * level.bucket, LEVELS[level.number - 1])
    yield Span(level, first, last)
    if level is not FINEST:
        yield from cover(last * level.bucket, end, LEVELS[level.number - 1])
