"""Fewer points than samples, without losing what a person must see."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Stamps = NDArray[np.float64]
Values = NDArray[Any]


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

    Time is cut into cells of twice the stride on multiples of the cell (so that nothing shimmers when the range
    moves on); a cell of two or more samples becomes two points on the cell's own grid, which carry the least and the
    greatest value of each field in the order in which they occurred; a lone sample becomes one point. So all fields
    of a timeline go on sharing their stamps, no spike of one sample is lost, and a stamp is moved by less than two
    cells. The first and the last cell, which the range may cut, are taken together with their neighbour, so that
    every stamp lies between the first and the last of `t`. NaN counts as no value. Of anything but numbers, the first
    and the last sample of the cell are taken.

    Samples that already lie `min_stride` apart or more come back untouched. All samples within less than one stride
    become one point: the value furthest from their mean.

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
    span = float(t[-1] - t[0])
    if span < min_stride:
        return t[:1], {name: _furthest(v) for name, v in values.items()}
    cell = 2.0 * min_stride
    index = np.floor(t / cell)
    if index[-1] - index[0] >= 2:
        np.clip(index, index[0] + 1, index[-1] - 1, out=index)
        origin = 0.0
    else:
        index = np.zeros_like(t)
        origin, cell = float(t[0]), max(cell, span)
    first = np.flatnonzero(np.r_[True, np.diff(index) > 0])
    last = np.r_[first[1:], t.size] - 1
    start = origin + index[first] * cell
    lone = first == last
    late = lone & (t[first] >= start + cell / 2)
    slots = np.stack([start, start + cell / 2], axis=1)
    taken = np.stack([~late, ~lone | late], axis=1)
    thinned = {}
    for name, v in values.items():
        earlier, later = _extremes(v, first, last) if v.dtype.kind in "fiu" else (v[first], v[last])
        thinned[name] = np.stack([earlier, later], axis=1)[taken]
    return slots[taken], thinned


def _extremes(v: Values, first: NDArray[np.intp], last: NDArray[np.intp]) -> tuple[Values, Values]:
    """Least and greatest value of each run first..last (inclusive), in the order in which they occur."""
    low, high = np.fmin.reduceat(v, first), np.fmax.reduceat(v, first)
    size = last - first + 1
    place = np.arange(v.size)
    first_low = np.minimum.reduceat(np.where(v == np.repeat(low, size), place, v.size), first)
    first_high = np.minimum.reduceat(np.where(v == np.repeat(high, size), place, v.size), first)
    rising = first_low <= first_high
    return np.where(rising, low, high), np.where(rising, high, low)


def _furthest(v: Values) -> Values:
    """The one value, shape (1,), that is furthest from the mean; the first of what is no number."""
    if v.dtype.kind not in "fiu" or bool(np.all(np.isnan(v))):
        return v[:1]
    place = int(np.nanargmax(np.abs(v - np.nanmean(v))))
    return v[place : place + 1]
