"""From whole timelines to the answer for a few fields between two times."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sisock.shapes import DataReply, DataTimeline
from sisock.thinning import Stamps, Values, envelope, stride_for

MAX_VALUES = 1_000_000
"""Most values in one reply (about 9 MB on the wire); beyond it the answer is `False`."""


@dataclass(frozen=True)
class Samples:
    """One timeline with some of its fields.

    `t` holds UNIX seconds, shape (n,), ascending and unique; `values` one array of shape (n,) per field, in which NaN
    or None marks a stamp without a value of that field. Samples before `finalized_until` (UNIX seconds) will not
    change any more; None when none will.
    """

    t: Stamps
    values: Mapping[str, Values]
    finalized_until: float | None = None


def select(
    requested: Iterable[str],
    timelines: Mapping[str, Samples],
    start: float,
    end: float,
    min_stride: float | None = None,
    max_points: int = 0,
    max_values: int = MAX_VALUES,
) -> DataReply | Literal[False]:
    """Answer get_data: the samples of the requested fields in [start, end), thinned where asked.

    Nothing is copied unless it is thinned: the reply holds slices of the arrays given.

    Parameters
    ----------
    requested
        Names of fields; an unknown one is answered with an empty list.
    timelines
        Timeline name -> its samples; fields that were not requested are passed over.
    start, end
        UNIX seconds.
    min_stride
        Least spacing of the points, seconds; None for every sample.
    max_points
        Most points per timeline; 0 for no cap.
    max_values
        Most values in the reply.

    Returns
    -------
    The reply with arrays for values, or `False` when it would hold more than `max_values`.
    """
    data: dict[str, object] = {name: [] for name in requested}
    replied: dict[str, DataTimeline] = {}
    total = 0
    for name, samples in timelines.items():
        first, last = np.searchsorted(samples.t, (start, end))
        t = samples.t[first:last]
        values = {field: v[first:last] for field, v in samples.values.items() if field in data}
        values = {field: v for field, v in values.items() if _has_value(v)}
        if not values:
            continue
        stride = stride_for(t.size, float(t[0]), float(t[-1]), min_stride, max_points)
        t, values = envelope(t, values, stride)
        total += t.size * (1 + len(values))
        if total > max_values:
            return False
        data.update(values)
        replied[name] = DataTimeline(t=t, finalized_until=samples.finalized_until, fields=list(values))
    return DataReply(data=data, timeline=replied)


def mean_interval(t: Stamps) -> float | None:
    """Mean seconds between the stamps `t`, shape (n,); None below two of them."""
    return float(t[-1] - t[0]) / (t.size - 1) if t.size > 1 else None


def _has_value(v: Values) -> bool:
    if v.dtype.kind == "f":
        return not np.all(np.isnan(v))
    return any(value is not None for value in v)
