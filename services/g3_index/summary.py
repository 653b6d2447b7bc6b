"""Buckets of samples, each told by a few numbers that add up: how many, least, greatest and sum.

The sum is kept as an unevaluated sum of two doubles, so that a mean over any number of buckets is that of the samples
to the last bit, whatever the buckets.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.void]
Values = NDArray[Any]
Places = NDArray[np.intp]

SUMMARY = np.dtype(
    [
        ("count", "<u4"),
        ("low_first", "?"),
        ("low", "<f8"),
        ("high", "<f8"),
        ("sum", "<f8"),
        ("rest", "<f8"),
    ]
)
"""A bucket: number of values, whether the least came before the greatest, both of them, and the sum (`sum` + `rest`).
All zero where there is no value. The first and the last value would take half as much again; they are in the frames."""

TEXTS = np.dtype([("count", "<u4"), ("first", "O"), ("last", "O")])
"""A bucket of text: number of values, the first, and the last. All zero where there is no value."""

_LUMP = np.dtype((np.void, SUMMARY.itemsize))
_LANE = 64
"""Samples that are added one after the other; longer sums are made of such."""
_CACHED = 2**18
"""Samples that are worked on at a time."""


def lumps(rows: Rows) -> Rows:
    """View buckets of SUMMARY as a lump of bytes each, and others as they are: as such they are to be copied.

    numpy copies buckets field by field, which takes about eight times as long.
    """
    return rows.view(_LUMP) if rows.dtype == SUMMARY else rows


def chosen(rows: Rows, where: Any) -> Rows:
    """Copy the buckets at some places, or where a mask is true: `rows[where]`."""
    return np.asarray(lumps(rows)[where].view(rows.dtype))


def joined(parts: Sequence[Rows]) -> Rows:
    """Put buckets of one type, shape (n,) each and at least one of them, one behind the other."""
    return np.concatenate([lumps(part) for part in parts]).view(parts[0].dtype)


def starts_of(index: NDArray[np.int64]) -> Places:
    """Places at which a new value begins in the ascending `index`, shape (n,)."""
    changed = np.ones(index.size, dtype=bool)
    np.not_equal(index[1:], index[:-1], out=changed[1:])
    return np.flatnonzero(changed)


def summarize(values: Values, starts: Places) -> Rows:
    """Summarize samples that lie in time order.

    Parameters
    ----------
    values
        float64, shape (fields, n); what is not finite is no value.
    starts
        Where each bucket begins, shape (buckets,), ascending from 0.

    Returns
    -------
    SUMMARY, shape (fields, buckets).
    """
    rows = np.zeros((values.shape[0], starts.size), dtype=SUMMARY)
    sizes = np.diff(np.r_[starts, values.shape[1]])
    # Buckets of like size are laid side by side, the short ones filled up with their last sample; a few at a time, so
    # that they stay in the processor's cache.
    grade = np.frexp(sizes)[1]
    for each in np.unique(grade):
        alike = np.flatnonzero(grade == each)
        few = max(1, _CACHED // (values.shape[0] << int(each)))
        for mine in (alike[at : at + few] for at in range(0, alike.size, few)):
            longest = int(sizes[mine].max())
            if mine[-1] - mine[0] + 1 == mine.size and bool(np.all(sizes[mine] == longest)):
                begin = starts[mine[0]]
                x = values[:, begin : begin + mine.size * longest].reshape(-1, mine.size, longest)
                within = np.ones((1, longest), dtype=bool)
            else:
                place = np.arange(longest)
                x = values[:, starts[mine, None] + np.minimum(place, sizes[mine, None] - 1)]
                within = place < sizes[mine, None]
            lumps(rows)[:, mine] = lumps(_summarize(x, within))
    return rows


def _summarize(x: Values, within: NDArray[np.bool_]) -> Rows:
    """Summarize shape (fields, buckets, samples) over its last axis, of which `within` says what counts."""
    rows = np.zeros(x.shape[:2], dtype=SUMMARY)
    with np.errstate(over="ignore", invalid="ignore"):
        every = x.sum()
    if np.isfinite(every):  # None of them is anything else, or the sum would be, too.
        lowest, highest = x.argmin(axis=-1), x.argmax(axis=-1)
        rows["count"] = within.sum(axis=-1)
        counted = x if within.all() else np.where(within, x, 0.0)
    else:
        valid = np.isfinite(x) & within
        lowest, highest = np.where(valid, x, np.inf).argmin(axis=-1), np.where(valid, x, -np.inf).argmax(axis=-1)
        rows["count"] = valid.sum(axis=-1)
        counted = np.where(valid, x, 0.0)
    rows["low"], rows["high"], rows["low_first"] = _at(x, lowest), _at(x, highest), lowest <= highest
    hollow = rows["count"] == 0
    if hollow.any():
        rows[hollow] = 0
    rows["sum"], rows["rest"] = exact_sum(counted)
    return rows


def _at(x: Values, place: Places) -> Values:
    return np.asarray(np.take_along_axis(x, place[..., None], -1)[..., 0])


def exact_sum(x: Values) -> tuple[Values, Values]:
    """Sum over the last axis as two doubles that together have twice the precision.

    What each addition loses is summed beside (Ogita, Rump and Oishi, "Accurate sum and dot product", SIAM J. Sci.
    Comput. 26, 2005). A sum depends on its own values alone, not on those that are summed at the same time.

    Parameters
    ----------
    x
        float64 and finite, shape (.., n).
    """
    *outer, n = x.shape
    lanes = -(-n // _LANE)
    if n % _LANE and lanes > 1:
        x = np.concatenate([x, np.zeros((*outer, lanes * _LANE - n))], axis=-1)
    steps = np.moveaxis(x.reshape(*outer, lanes, min(n, _LANE)), -1, 0)
    total, rest = _add_up(np.ascontiguousarray(steps))
    if lanes > 1:
        total, more = _add_up(np.ascontiguousarray(np.moveaxis(total, -1, 0)))
        rest = rest.sum(axis=-1) + more
    else:
        total, rest = total[..., 0], rest[..., 0]
    with np.errstate(over="ignore", invalid="ignore"):
        total, rest = _two_sum(total, rest)
        return total, np.where(np.isfinite(rest), rest, 0.0)


def _add_up(x: Values) -> tuple[Values, Values]:
    """Sum over the first axis, and what its additions have lost."""
    total, rest, new, part, lost = x[0].copy(), *(np.zeros(x.shape[1:]) for _ in range(4))
    with np.errstate(over="ignore", invalid="ignore"):
        for each in x[1:]:
            # As `_two_sum`, in place.
            np.add(total, each, out=new)
            np.subtract(new, total, out=part)
            np.subtract(new, part, out=lost)
            np.subtract(total, lost, out=lost)
            np.subtract(each, part, out=part)
            lost += part
            rest += lost
            total, new = new, total
    return total, rest


def _two_sum(a: Values, b: Values) -> tuple[Values, Values]:
    """The sum of two doubles, and what rounding has lost of it (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def merge(rows: Rows, starts: Places) -> Rows:
    """Merge buckets in time order into longer ones.

    Parameters
    ----------
    rows
        SUMMARY or TEXTS, shape (n,); none of them empty.
    starts
        Where each longer bucket begins, shape (m,), ascending from 0.

    Returns
    -------
    The same type, shape (m,).
    """
    merged = np.zeros(starts.size, dtype=rows.dtype)
    if not starts.size:
        return merged
    ends = np.r_[starts[1:], rows.size] - 1
    merged["count"] = np.add.reduceat(rows["count"], starts)
    if rows.dtype == TEXTS:
        merged["first"], merged["last"] = rows["first"][starts], rows["last"][ends]
        return merged
    sizes = ends - starts + 1
    low, high = np.minimum.reduceat(rows["low"], starts), np.maximum.reduceat(rows["high"], starts)
    merged["low"], merged["high"] = low, high
    place = np.arange(rows.size)
    lowest = np.minimum.reduceat(np.where(rows["low"] == np.repeat(low, sizes), place, rows.size), starts)
    highest = np.minimum.reduceat(np.where(rows["high"] == np.repeat(high, sizes), place, rows.size), starts)
    merged["low_first"] = np.where(lowest == highest, rows["low_first"][lowest], lowest < highest)
    grade = np.frexp(sizes)[1]
    for each in np.unique(grade):
        mine = np.flatnonzero(grade == each)
        longest = np.arange(sizes[mine].max())
        at = starts[mine, None] + np.minimum(longest, sizes[mine, None] - 1)
        within = longest < sizes[mine, None]
        total, rest = exact_sum(np.where(within, rows["sum"][at], 0.0))
        lost = np.where(within, rows["rest"][at], 0.0).sum(axis=-1)
        merged["sum"][mine], merged["rest"][mine] = _two_sum(total, rest + lost)
    return merged


def summarize_texts(values: Values, starts: Places) -> Rows:
    """Summarize text in time order: objects, shape (n,); TEXTS, shape (buckets,)."""
    rows = np.zeros(starts.size, dtype=TEXTS)
    if not starts.size:
        return rows
    ends = np.r_[starts[1:], values.size]
    rows["count"] = ends - starts
    rows["first"], rows["last"] = values[starts], values[ends - 1]
    return rows


def means(rows: Rows) -> Values:
    """Mean of each bucket of SUMMARY, shape (n,); none of them empty."""
    # `sum` alone is the total, correctly rounded; `rest` is there for the next merge.
    return np.asarray(rows["sum"] / rows["count"])
