"""Samples of one field from several data servers, made one stream: no duplicate, no hole."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.bridge.streams import Missing, Outcome, Stream
from sisock.shapes import Column
from sisock.thinning import envelope

APART = 1e-5
"""Seconds by which a sample comes after another; two servers tell the stamp of the same one within 2 microseconds."""
_SHORT = 3.0
"""Samples that end so many times the usual interval before the range does may go on elsewhere."""
_TOLERANCE = 1e-6
_SIDE = 4
"""Points on each side of a seam that are thinned together when they come too close; fewer have no room for extremes."""


@dataclass(frozen=True)
class Part:
    """A stream as arrays of shape (n,), its stamps ascending and unique."""

    stream: Stream
    t: NDArray[np.float64]
    values: NDArray[Any]


class Course:
    """What one field becomes, from server to server, the oldest first.

    Attributes
    ----------
    begin
        From when on the next server is to be asked, UNIX seconds.
    open
        Whether one is to be asked at all.
    parts
        Each begins after the one before it has ended; some may have no samples.
    notices
        What the person should be told, as (severity, sentence).
    """

    def __init__(self, start: float, end: float, stride: float) -> None:
        self.begin, self.open = start, True
        self.parts: list[Part] = []
        self.notices: list[tuple[str, str]] = []
        self._end, self._stride = end, stride
        self._missing: list[Missing] = []
        self._unsure_from: list[float] = []

    def take(self, node: str, outcome: Outcome) -> None:
        """Take what the next server has answered."""
        if isinstance(outcome, Missing):
            self._missing.append(outcome)
            if not outcome.unlisted:
                self.notices.append(("warning", f"the samples of {node} are missing: {outcome.why}"))
                self._unsure_from.append(self.begin)
            return
        part = _cut(outcome, self.begin, self._end)
        shown = next((each.stream.field for each in self.parts if each.t.size), outcome.field)
        if part.t.size and shown["type"] != outcome.field["type"]:
            kinds = f"a {shown['type']} in the archive and a {outcome.field['type']} in {node}"
            self.notices.append(("warning", f"the field is {kinds}, whose samples are not shown"))
            return
        if part.t.size:
            self.begin = float(part.t[-1]) + APART
            self.open = self.begin < self._end and not self._is_whole(part)
        self.parts.append(part)

    def _is_whole(self, part: Part) -> bool:
        """Whether no other server can have later samples: nothing will change, and they reach the end of the range."""
        reach = max(self._stride, _SHORT * (part.stream.interval or 0.0))
        return part.stream.finalized_until is None and float(part.t[-1]) >= self._end - reach

    @property
    def finalized_until(self) -> float | None:
        """Until when the samples stay, UNIX seconds; None for ever.

        The oldest server that says a time has the last word, except that nothing is sure after the samples of one that
        did not answer.
        """
        said = (part.stream.finalized_until for part in self.parts)
        return min([*[until for until in said if until is not None][:1], *self._unsure_from], default=None)

    def outcome(self) -> Outcome:
        """What the field has become."""
        if not self.parts:
            return self.missing()
        part = joined(self.parts, self._stride)
        notices = tuple(self.notices)
        return replace(part.stream, t=part.t, values=part.values, finalized_until=self.finalized_until, notices=notices)

    def missing(self) -> Missing:
        """Why there is no part at all."""
        told = [missing for missing in self._missing if not missing.unlisted]
        told = told or [missing for missing in self._missing if missing.severity == "info"] or self._missing
        harmless = all(missing.severity == "info" for missing in told)
        return Missing("; ".join(dict.fromkeys(missing.why for missing in told)), "info" if harmless else "error")


def joined(parts: Sequence[Part], stride: float) -> Part:
    """Put parts one after the other; where two come closer than `stride` seconds, their ends are thinned together."""
    first, *others = [part for part in parts if part.t.size] or parts[:1]
    t, values = first.t, first.values
    for part in others:
        t, values = _spliced(t, values, part, stride)
    units = next((part.stream.field["units"] for part in parts if part.stream.field["units"]), None)
    interval = next((part.stream.interval for part in parts if part.stream.interval is not None), None)
    return Part(replace(first.stream, field={**first.stream.field, "units": units}, interval=interval), t, values)


def as_array(values: Column) -> NDArray[Any]:
    """Values as an array: float64 with NaN for none where all are numbers, else objects."""
    if isinstance(values, np.ndarray):
        return values
    if set(map(type, values)) <= {float, int, type(None)}:
        try:
            return np.array(values, dtype=np.float64)
        except OverflowError:
            pass  # An integer beyond all floats, which the drawing makes a hole.
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _cut(stream: Stream, start: float, end: float) -> Part:
    t, values = np.asarray(stream.t, dtype=np.float64), as_array(stream.values)
    if np.any(t[1:] <= t[:-1]):
        t, order = np.unique(t, return_index=True)
        values = values[order]
    inside = slice(*np.searchsorted(t, (start, end)))
    return Part(stream, t[inside], values[inside])


def _spliced(
    t: NDArray[np.float64], values: NDArray[Any], part: Part, stride: float
) -> tuple[NDArray[np.float64], NDArray[Any]]:
    seam = t.size
    t, values = np.concatenate([t, part.t]), _one_after_the_other(values, part.values)
    if t[seam] - t[seam - 1] >= stride - _TOLERANCE:
        return t, values
    piece = slice(max(seam - _SIDE, 0), seam + _SIDE)
    thin, thinned = envelope(t[piece], {"": values[piece]}, stride)
    return (
        np.concatenate([t[: piece.start], thin, t[piece.stop :]]),
        np.concatenate([values[: piece.start], thinned[""], values[piece.stop :]]),
    )


def _one_after_the_other(earlier: NDArray[Any], later: NDArray[Any]) -> NDArray[Any]:
    if (earlier.dtype.kind == "b") != (later.dtype.kind == "b"):
        return np.concatenate([earlier.astype(object), later.astype(object)])
    return np.concatenate([earlier, later])
