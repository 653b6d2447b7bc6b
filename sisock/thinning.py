"""Fewer points than samples, without losing what a person must see."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Stamps = NDArray[np.float64]
Values = NDArray[Any]
Places = NDArray[np.intp]


_ROUNDING = 1e-6
"""Stamps of today, as double precision, are true to a quarter of a microsecond."""


def stride_for(count: int, start: float, end: float, min_stride: float | None, max_points: int) -> float | None:
    """Choose the stride that keeps both the caller's spacing and the server's cap.

    Parameters
    ----------
    count
        Samples that lie in the range.
    start, end
        The range, UNIX seconds.
    min_stride
        What the caller asked, seconds; None for every sample.
    max_points
        Most points to send per timeline; 0 for no cap.

    Returns
    -------
    Seconds between points, or None when every sample may go.
    """
    stride = min_stride if min_stride is not None and min_stride > 0 else None
    if max_points > 0 and count > max_points:
        stride = max(stride or 0.0, (end - start) / max_points)
    return stride


def envelope(t: Stamps, values: Mapping[str, Values], min_stride: float | None) -> tuple[Stamps, dict[str, Values]]:
    """Thin a timeline to points at least `min_stride` apart, keeping each extreme of each field.

    The newest sample stays what it is, at its own time: it is what a tile or an alert reads. The time before it is cut
    into cells of twice the stride on multiples of the cell (so that nothing shimmers when the range moves on); a cell
    of two or more samples becomes two points on the cell's own grid, which carry the least and the greatest value of
    each field in the order in which they occurred; a lone sample becomes one point. So all fields of a timeline go on
    sharing their stamps, no spike of one sample is lost, and a stamp is moved by less than two cells. The first and the
    last cell, which the range may cut, are taken together with their neighbour, so that every stamp lies between the
    first and the last of `t`. NaN and None count as no value; false is less than true; of text, the first and the last
    sample of the cell are taken.

    Samples that already lie `min_stride` apart or more come back untouched. There is no room for both extremes where
    all samples lie within less than two strides: then one point before the newest has the value furthest from the
    mean, and within less than one stride the newest sample is all.

    Parameters
    ----------
    t
        Stamps, shape (n,), seconds, ascending.
    values
        One array of shape (n,) per field.
    min_stride
        Least spacing, seconds; None or not above zero for all samples.

    Returns
    -------
    Stamps of shape (m,), and one array of shape (m,) per field; m <= n.
    """
    if min_stride is None or min_stride <= 0 or t.size < 2 or bool(np.all(np.diff(t) >= min_stride - _ROUNDING)):
        return t, dict(values)
    span, cell = float(t[-1] - t[0]), 2.0 * min_stride
    if span < min_stride:
        return t[-1:], {name: v[-1:] for name, v in values.items()}
    if span < cell:
        return t[[0, -1]], {name: np.r_[_furthest(v[:-1]), v[-1:]] for name, v in values.items()}
    index = np.floor(t / cell)
    if index[-1] - index[0] >= 2:
        # The last whole cell ends before the newest sample, so its later point leaves it the room that is due.
        index, origin = np.clip(index[:-1], index[0] + 1, index[-1] - 1), 0.0
    else:
        index, origin = np.zeros(t.size - 1), float(t[0])
    first = np.flatnonzero(np.diff(index, prepend=-np.inf) > 0)
    last = np.append(first[1:], index.size) - 1
    start = origin + index[first] * cell
    lone = first == last
    late = lone & (t[first] >= start + min_stride)
    slots = np.stack([start, start + min_stride], axis=1)
    taken = np.stack([~late, ~lone | late], axis=1)
    thinned = {}
    for name, v in values.items():
        earlier, later = _extremes(v[:-1], first, last)
        thinned[name] = np.concatenate([np.stack([earlier, later], axis=1)[taken], v[-1:]])
    return np.concatenate([slots[taken], t[-1:]]), thinned


def aggregate(
    t: Stamps, values: Mapping[str, Values], min_stride: float | None, operator: str, start: float
) -> tuple[Stamps, dict[str, Values]]:
    """Make one value of the samples of each cell of time, as `sisock.base.DataNodeServer.get_data` documents.

    Parameters
    ----------
    t
        Stamps, shape (n,), seconds, ascending, none before `start`.
    values
        One array of shape (n,) per field. NaN and None count as no value.
    min_stride
        Seconds of a cell; None or not above zero for one cell of all samples.
    operator
        One of `sisock.shapes.OPERATORS`. Text has a count, a first and a last value only.
    start
        Begin of the range that was asked, UNIX seconds.

    Returns
    -------
    Stamps of shape (m,), one for each cell with a sample, and one array of shape (m,) per field: NaN or None where a
    field has no value in a cell, except that its count is 0.
    """
    if not t.size:
        return t, {name: v[:0] for name, v in values.items()}
    if min_stride is None or min_stride <= 0:
        first, stamps = np.zeros(1, dtype=np.intp), np.array([start])
    else:
        index = np.floor(t / min_stride)
        first = np.flatnonzero(np.r_[True, np.diff(index) > 0])
        stamps = np.maximum(index[first] * min_stride, start)
    return stamps, {name: _reduced(v, first, operator) for name, v in values.items()}


def _reduced(v: Values, first: Places, operator: str) -> Values:
    number = _numbers(v)
    valid = np.array([value is not None for value in v]) if number is None else ~np.isnan(number)
    count = np.add.reduceat(valid.astype(np.intp), first)
    if operator == "count":
        return count.astype(float)
    if operator in ("first", "last"):
        place = np.arange(v.size)
        chosen = (
            np.minimum.reduceat(np.where(valid, place, v.size - 1), first) if operator == "first"
            else np.maximum.reduceat(np.where(valid, place, 0), first)
        )  # fmt: skip
        return _blanked(v[chosen], count == 0)
    if number is None:
        return np.full(first.size, None, dtype=object)
    if operator in ("min", "max"):
        extreme = (np.fmin if operator == "min" else np.fmax).reduceat(number, first)
        return extreme if v.dtype.kind in "fiu" else _blanked(extreme.astype(bool), count == 0)
    total = np.add.reduceat(np.where(valid, number, 0.0), first)
    return _blanked(total if operator == "sum" else total / np.maximum(count, 1), count == 0)


def _blanked(v: Values, blank: NDArray[np.bool_]) -> Values:
    """The same with no value where `blank` says so."""
    if not blank.any():
        return v
    if v.dtype.kind in "fiu":
        return np.where(blank, np.nan, v)
    made = v.astype(object)
    made[blank] = None
    return made


def _extremes(v: Values, first: Places, last: Places) -> tuple[Values, Values]:
    """Least and greatest value of each run first..last (inclusive), in the order in which they occur."""
    number = _numbers(v)
    if number is None:
        return v[first], v[last]
    low, high = np.fmin.reduceat(number, first), np.fmax.reduceat(number, first)
    size = last - first + 1
    place = np.arange(v.size)
    # Where a run holds no value at all, nothing equals its least one: take its first sample.
    first_low = np.minimum.reduceat(np.where(number == np.repeat(low, size), place, v.size), first)
    first_high = np.minimum.reduceat(np.where(number == np.repeat(high, size), place, v.size), first)
    first_low, first_high = (np.where(at < v.size, at, first) for at in (first_low, first_high))
    return v[np.minimum(first_low, first_high)], v[np.maximum(first_low, first_high)]


def _numbers(v: Values) -> Values | None:
    """Values that can be compared, NaN where there is none; None for text."""
    if v.dtype.kind in "fiu":
        return v
    if v.dtype.kind == "b":
        return v.astype(float)
    if all(value is None or isinstance(value, bool) for value in v):
        return np.array([np.nan if value is None else float(value) for value in v])
    return None


def _furthest(v: Values) -> Values:
    """The one value, shape (1,), that is furthest from the mean; the first of what is no number."""
    number = _numbers(v)
    if number is None or bool(np.all(np.isnan(number))):
        return v[:1]
    place = int(np.nanargmax(np.abs(number - np.nanmean(number))))
    return v[place : place + 1]
