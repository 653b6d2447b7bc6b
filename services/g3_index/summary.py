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
_CACHED = 2**15
"""Samples that are worked on at a time."""
_HUGE = 900
"""Exponent of two beyond which numbers are made smaller, by as many, before they are summed."""


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
    fields, n = values.shape
    rows = np.zeros((fields, starts.size), dtype=SUMMARY)
    ends = np.append(starts[1:], n)
    sizes = ends - starts
    # A few fields, or a few buckets of one, at a time, so that they stay in the processor's cache.
    some = max(1, _CACHED // max(n, 1))
    begin = 0
    while begin < starts.size:
        end = max(int(np.searchsorted(ends, starts[begin] + _CACHED, side="right")), begin + 1)
        mine, first = sizes[begin:end], starts[begin]
        places = starts[begin:end] - first
        for at in range(0, fields, some):
            x = values[at : at + some, first : ends[end - 1]]
            every = places if len(x) == 1 else (np.arange(len(x))[:, None] * x.shape[1] + places).ravel()
            made = _summarized(x.ravel(), every, np.tile(mine, len(x)))
            lumps(rows)[at : at + some, begin:end] = lumps(made).reshape(len(x), -1)
        begin = end
    return rows


def _summarized(x: Values, starts: Places, sizes: Places) -> Rows:
    """Summarize one bucket after the other, shape (n,), however long each is."""
    rows = np.zeros(starts.size, dtype=SUMMARY)
    rows["count"] = sizes
    lows = highs = x
    low, high = np.minimum.reduceat(x, starts), np.maximum.reduceat(x, starts)
    # What is no number makes both of its bucket none, and infinities are extremes: so there are few to look at.
    valid = bool(np.isfinite(low).all() and np.isfinite(high).all())
    if not valid:
        invalid = np.flatnonzero(~np.isfinite(x))
        lows, highs, x = x.copy(), x.copy(), x.copy()
        lows[invalid], highs[invalid], x[invalid] = np.inf, -np.inf, 0.0
        rows["count"] -= np.diff(np.searchsorted(invalid, np.append(starts, x.size))).astype(np.uint32)
        low, high = np.minimum.reduceat(lows, starts), np.maximum.reduceat(highs, starts)
    # What comes first of both is the least one, or it is not.
    extreme = lows == np.repeat(low, sizes)
    extreme |= highs == np.repeat(high, sizes)
    first = _first(extreme, starts)
    rows["low"], rows["high"], rows["low_first"] = low, high, lows[first] == low
    if not valid and (hollow := rows["count"] == 0).any():
        low[hollow] = high[hollow] = 0.0
        rows[hollow] = 0
    rows["sum"], rows["rest"] = exact_sums(x, starts, sizes, np.maximum(-low, high))
    return rows


def _first(marked: NDArray[np.bool_], starts: Places) -> Places:
    """The first place that is marked in each of some spans, each of which has one."""
    places = np.flatnonzero(marked)
    return np.asarray(places[np.searchsorted(places, starts)])


def exact_sums(x: Values, starts: Places, sizes: Places, greatest: Values) -> tuple[Values, Values]:
    """Sums of spans, each as two doubles that together have twice the precision.

    Each number is cut into a multiple of a power of two, of which so many can be added without any rounding, and the
    rest of it (Rump, Ogita and Oishi, "Accurate floating-point summation part I", SIAM J. Sci. Comput. 31, 2008,
    algorithm 3.3). A sum depends on its own numbers alone, not on those that are summed at the same time.

    Parameters
    ----------
    x
        float64 and finite, shape (n,).
    starts, sizes
        Where each span begins, shape (m,), ascending from 0, and how long it is.
    greatest
        The greatest absolute value in each.
    """
    exponent = np.frexp(greatest)[1] + np.frexp(sizes + 1.0)[1]
    # Numbers that would be beyond all others on the way are made smaller.
    shift = np.where(exponent > _HUGE, _HUGE, 0) if exponent.max(initial=0) > _HUGE else None
    if shift is not None:
        x, exponent = np.ldexp(x, np.repeat(-shift, sizes)), exponent - shift
    unit = np.repeat(np.ldexp(1.0, exponent), sizes)
    with np.errstate(over="ignore", invalid="ignore"):
        cut = x + unit
        cut -= unit
        total = np.add.reduceat(cut, starts)
        np.subtract(x, cut, out=cut)
        total, rest = _two_sum(total, np.add.reduceat(cut, starts))
        if shift is not None:
            total, rest = np.ldexp(total, shift), np.ldexp(rest, shift)
    rest[~np.isfinite(rest)] = 0.0
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
    lowest = _first(rows["low"] == np.repeat(low, sizes), starts)
    highest = _first(rows["high"] == np.repeat(high, sizes), starts)
    merged["low"], merged["high"] = low, high
    merged["low_first"] = np.where(lowest == highest, rows["low_first"][lowest], lowest < highest)
    sums = np.ascontiguousarray(rows["sum"])
    total, rest = exact_sums(sums, starts, sizes, np.maximum.reduceat(np.abs(sums), starts))
    lost = np.add.reduceat(rows["rest"], starts)
    merged["sum"], merged["rest"] = _two_sum(total, rest + lost)
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
