"""Which of several samples of one time counts."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ticks = NDArray[np.int64]
Values = NDArray[Any]


def merged(parts: Iterable[tuple[Ticks, Values]]) -> tuple[Ticks, Values]:
    """Bring the samples of one series in order of time, one for each stamp.

    Of samples with the same stamp the one that was written last counts. What is no finite number is no value, and
    goes.

    Parameters
    ----------
    parts
        Stamps and values, shape (n,) each, in the order in which they were written: by path, offset and block.

    Returns
    -------
    Stamps, ascending and unique, and as many values.
    """
    pairs = [_valued(t, v) for t, v in parts]
    if not pairs:
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    t, v = np.concatenate([t for t, _ in pairs]), np.concatenate([v for _, v in pairs])
    if t.size < 2 or bool(np.all(t[1:] > t[:-1])):
        return t, v
    order = np.argsort(t, kind="stable")
    t = t[order]
    newest = np.r_[t[1:] != t[:-1], True]
    return t[newest], v[order[newest]]


def _valued(t: Ticks, v: Values) -> tuple[Ticks, Values]:
    if v.dtype.kind != "f":
        return t, v
    finite = np.isfinite(v)
    return (t, v) if finite.all() else (t[finite], v[finite])
