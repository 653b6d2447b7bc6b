"""Samples of settled time that panels ask for again and again: held, and asked for no more while they hold.

A panel in which somebody zooms and moves about, and one that is drawn anew every few seconds, or beside another, ask
for nearly the same time again. Where that is long past, its samples are asked for once, and some more on both sides:
all of them, or, where they are too many, those around both ends of the range, and between them points of an envelope.
As these are of whole cells (`sisock.thinning`), what is made of both is what would be made of all samples.

A data server whose samples may still change after that gives a revision with them, and is asked twice a second whether
it holds: what was not confirmed within a second is not used.
"""

import math
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall

from services.bridge.reading import EARLIEST
from sisock.errors import NodeError, NodeFailed, TooMuchData
from sisock.moments import LATEST
from sisock.shapes import Column, DataReply, DataTimeline
from sisock.thinning import envelope

CONFIRMED_SECONDS = 1.0
"""How long samples are used after their data server was asked whether they hold; as long as it may take to answer."""
CONFIRM_SECONDS = 0.5
"""How often it is asked."""
ASKED_SECONDS = 60.0
"""How long it goes on being asked after the last panel."""
UNFIT_SECONDS = 600.0
"""How long fields that turned out not to be settled, or cannot be held, are not tried again."""
MOST_SAMPLES = 20_000
"""Samples of a timeline that are held for a panel, and worth to be thinned anew each time."""
_MOST_VALUES = 500_000
"""The same of all fields together."""
_AT_AN_END = 0.4
"""How many of these may be around either end of the range, where they are not all."""
_MOST_CELLS = 32
"""Cells of the envelope for which samples are held around an end: as far as a panel may move before it asks anew."""
_MARGIN = 3
"""Cells that parts overlap by: the first and the last of an envelope take their neighbours along."""
_LONGER = 1.5
"""How many times the stride that was asked points may lie apart; a data server may have its own cells."""
_MOST_BYTES = 2**26
_MOST_STRETCHES = 4
"""Stretches of the same fields: of panels that show them at different times."""
_MOST_RECENT = 64
"""Questions that are remembered, so that the next of their kind is known for one of several."""
_TEXT_BYTES = 100
"""What a value takes that is no number, roughly."""

Ask = Callable[[float, float, float], Awaitable[DataReply]]
"""Asks the data server for the fields between two times, with a stride, 0 for every sample."""
_Key = tuple[str, tuple[str, ...]]
"""A data server and some of its fields."""


class Consumer(Protocol):
    """Who asks data servers."""

    def holds(self, node: str, revisions: list[str], deadline: float = ...) -> Deferred[list[bool]]:
        """Ask a data server which revisions of its replies still hold."""


class _Recent(NamedTuple):
    """A question of a while ago, [start, end)."""

    key: _Key
    start: float
    end: float
    asked: float


class _Span(NamedTuple):
    """All samples of [first, left) and [right, last), UNIX seconds; of [left, right) points.

    Where there is no such middle, `first`, `left` and `right` are the same.
    """

    first: float
    left: float
    right: float
    last: float

    @property
    def whole(self) -> bool:
        """Whether it is all samples."""
        return self.left == self.right


class _Stretch:
    """Samples of some fields which follow one timeline.

    Attributes
    ----------
    span
        Which they are.
    strides
        In the middle: what was asked, and what was answered, seconds.
    revision
        They are good as long as this holds.
    confirmed, asked
        When that was asked for the last time, and when somebody wanted them, by the clock of the reactor.
    """

    def __init__(
        self,
        span: _Span,
        strides: tuple[float, float],
        revision: str,
        name: str,
        t: NDArray[Any],
        values: dict[str, NDArray[Any]],
    ) -> None:
        self.span, self.strides, self.revision = span, strides, revision
        self.confirmed = self.asked = 0.0
        self._name, self._t, self._values = name, t, values
        self.bytes = sum(
            each.size * (_TEXT_BYTES if each.dtype == object else each.itemsize) for each in values.values()
        )
        self.bytes += t.nbytes

    def serves(self, start: float, end: float, stride: float) -> bool:
        """Whether an answer for [start, end) can be made of them."""
        first, left, right, last = self.span
        if not (first <= start and end <= last):
            return False
        # The newest sample of an answer is at its own time: it must not be one of the middle.
        return self.span.whole or (
            start <= left
            and stride == self.strides[0]
            and bool(self._t.searchsorted(end) > self._t.searchsorted(right))
        )

    def between(self, start: float, end: float, stride: float) -> DataReply:
        """Answer for [start, end) as the data server would."""
        inside = slice(*self._t.searchsorted((start, end)))
        if inside.start >= inside.stop:
            return DataReply(data={name: [] for name in self._values}, timeline={})
        values = {name: each[inside] for name, each in self._values.items()}
        t, values = envelope(self._t[inside], values, stride if self.span.whole else self.strides[1])
        data: dict[str, Column] = {n: each.tolist() if each.dtype == object else each for n, each in values.items()}
        return DataReply(
            data=data, timeline={self._name: DataTimeline(t=t, finalized_until=None, fields=list(self._values))}
        )


class Held:
    """Samples by data server and fields. Lives in the reactor's thread."""

    def __init__(self, consumer: Consumer, clock: Any, most_bytes: int = _MOST_BYTES) -> None:
        """Hold nothing yet, and never more than `most_bytes`; `clock` is the reactor."""
        self._consumer = consumer
        self._clock = clock
        self._most_bytes = most_bytes
        self._stretches: dict[_Key, list[_Stretch]] = {}
        self._recent: deque[_Recent] = deque(maxlen=_MOST_RECENT)
        self._unfit: dict[tuple[_Key, bool], tuple[float, float]] = {}
        self._confirming: LoopingCall = LoopingCall(self._confirm)
        self._confirming.clock = clock

    async def data(
        self,
        node: str,
        fields: Sequence[str],
        start: float,
        end: float,
        stride: float,
        interval: float | None,
        ask: Ask,
    ) -> DataReply:
        """Answer with samples in [start, end), UNIX seconds, and ask only where need be.

        Parameters
        ----------
        node, fields
            The data server, and some of its fields.
        start, end, stride
            The question.
        interval
            Usual seconds between samples of all of them; None when there is no such.
        ask
            Puts it; what it raises is raised.
        """
        key, now = (node, tuple(fields)), self._clock.seconds()
        again = self._is_asked_again(key, start, end, now)
        for stretch in self._stretches.get(key, ()):
            if stretch.serves(start, end, stride):
                stretch.asked = now
                if now < stretch.confirmed + CONFIRMED_SECONDS:
                    return stretch.between(start, end, stride)
                return await ask(start, end, stride)  # Meanwhile it is confirmed, or goes.
        most = min(MOST_SAMPLES, _MOST_VALUES // max(len(fields), 1))
        span = _around(start, end, stride, most * interval) if again and interval else None
        if span is not None and self._is_fit((key, span.whole), end, now):
            taken, settled = await self._taken(node, span, stride, ask)
            if taken is not None and end <= settled:
                taken.confirmed = taken.asked = now
                self._hold(key, taken)
                return taken.between(start, end, stride)
            self._unfit = {each: found for each, found in self._unfit.items() if found[1] > now}
            self._unfit[key, span.whole] = settled, now + UNFIT_SECONDS
        return await ask(start, end, stride)

    def _is_asked_again(self, key: _Key, start: float, end: float, now: float) -> bool:
        """Whether this is a panel that asks for much the same as lately."""
        again = any(
            each.key == key
            and now < each.asked + ASKED_SECONDS
            and min(end, each.end) - max(start, each.start) >= max(end - start, each.end - each.start) / 2
            for each in self._recent
        )
        self._recent.append(_Recent(key, start, end, now))
        return again

    def _is_fit(self, of: tuple[_Key, bool], end: float, now: float) -> bool:
        settled, until = self._unfit.get(of, (end, now))
        return end <= settled or now >= until

    async def _taken(self, node: str, span: _Span, stride: float, ask: Ask) -> tuple[_Stretch | None, float]:
        """Ask for a span; None where it cannot be held; and until when the samples are settled, UNIX seconds."""
        try:
            # Of one that gives no revisions, and perhaps takes long to read all samples, these are not wanted.
            await self._consumer.holds(node, [], deadline=CONFIRMED_SECONDS)
        except NodeError:
            return None, -math.inf
        parts, margin = [], 0.0
        with suppress(NodeFailed, TooMuchData):
            if not span.whole:
                margin = _MARGIN * 2 * stride
                parts.append(await ask(span.first, span.left + margin, 0.0))
                parts.append(await ask(span.left - margin, span.right + margin, stride))
            # When both ends are of one revision, so is what was asked in between.
            parts.append(await ask(span.right - margin, span.last, 0.0))
            return _put_together(parts, span, stride)
        return None, -math.inf

    def _hold(self, key: _Key, stretch: _Stretch) -> None:
        whole, first, last = stretch.span.whole, stretch.span.first, stretch.span.last
        others = [
            each
            for each in self._stretches.get(key, ())
            if not (whole and each.span.whole and first <= each.span.first and each.span.last <= last)
        ]
        self._stretches[key] = [*others[1 - _MOST_STRETCHES :], stretch]
        excess = sum(each.bytes for _, each in self._all()) - self._most_bytes
        for place, each in sorted(self._all(), key=lambda held: held[1].asked):
            if excess > 0:
                self._drop(place, each)
                excess -= each.bytes
        if not self._confirming.running:
            self._confirming.start(CONFIRM_SECONDS, now=False)

    def _all(self) -> list[tuple[_Key, _Stretch]]:
        return [(key, each) for key, listed in self._stretches.items() for each in listed]

    def _drop(self, key: _Key, stretch: _Stretch) -> None:
        left = [each for each in self._stretches.pop(key, ()) if each is not stretch]
        if left:
            self._stretches[key] = left

    def _confirm(self) -> None:
        """Ask whether what panels have lately wanted still holds."""
        now = self._clock.seconds()
        by_node: dict[str, list[tuple[_Key, _Stretch]]] = defaultdict(list)
        for key, stretch in self._all():
            if now < stretch.asked + ASKED_SECONDS:
                by_node[key[0]].append((key, stretch))
        for node, wanted in by_node.items():
            Deferred.fromCoroutine(self._confirm_of(node, wanted, now))

    async def _confirm_of(self, node: str, wanted: list[tuple[_Key, _Stretch]], now: float) -> None:
        revisions = sorted({stretch.revision for _, stretch in wanted})
        with suppress(NodeError):  # What is not confirmed is not used; who asks then for samples is told why.
            holds = await self._consumer.holds(node, revisions, deadline=CONFIRMED_SECONDS)
            good = {revision for revision, held in zip(revisions, holds, strict=True) if held}
            for key, stretch in wanted:
                if stretch.revision in good:
                    stretch.confirmed = max(now, stretch.confirmed)
                else:
                    self._drop(key, stretch)


def _around(start: float, end: float, stride: float, most: float) -> _Span | None:
    """What to hold for a range: somewhat more, which it shares with those near by; None where that is too much.

    `most` is for how many seconds all samples may be held.
    """
    piece = 2.0 ** (math.frexp(end - start)[1] - 2)  # A quarter to a half of it.
    first, last = max(start // piece * piece, EARLIEST), min(-(-end // piece) * piece, LATEST)
    if last - first <= most:
        return _Span(first, first, first, last)
    if stride < 1:
        return None  # Its multiples are not known to the last bit.
    cell = 2 * stride
    piece = min(_AT_AN_END * most // cell, (end - start) / 4 // cell, _MOST_CELLS) * cell
    if piece < _MARGIN * cell:
        return None
    left, right = -(-start // piece) * piece, end // piece * piece
    first, last = left - piece, right + piece
    return _Span(first, left, right, last) if first >= EARLIEST and last <= LATEST else None


def _put_together(parts: Sequence[DataReply], span: _Span, stride: float) -> tuple[_Stretch | None, float]:
    """Make a stretch of the answers for the parts of a span, where they are such as can be held."""
    names = [list(part["timeline"]) for part in parts]
    if any(each != names[0] for each in names) or len(names[0]) != 1:
        return None, -math.inf
    timelines = [part["timeline"][names[0][0]] for part in parts]
    oldest, newest = timelines[0], timelines[-1]
    if "revision" not in newest or oldest.get("revision") != newest["revision"]:
        return None, -math.inf
    stamps = [np.asarray(timeline["t"], dtype=np.float64) for timeline in timelines]
    columns = [{field: _as_array(values) for field, values in part["data"].items()} for part in parts]
    apart = stride
    if not span.whole:
        apart = _apart(stamps[1])
        if not stride <= apart <= _LONGER * stride:
            return None, -math.inf
        cell = 2 * apart
        left, right = -(-span.left // cell) * cell, span.right // cell * cell
        if stamps[1][0] >= left or stamps[1][-1] < right + cell:
            return None, -math.inf  # At the ends, a cell and its neighbour are one.
        span = span._replace(left=left, right=right)
        for at, between in enumerate([(span.first, left), (left, right), (right, span.last)]):
            inside = slice(*stamps[at].searchsorted(between))
            stamps[at], columns[at] = stamps[at][inside], {f: values[inside] for f, values in columns[at].items()}
    t = np.concatenate(stamps)
    values = {field: np.concatenate([each[field] for each in columns]) for field in columns[0]}
    if np.any(t[1:] <= t[:-1]) or any(each.size != t.size for each in values.values()):
        return None, -math.inf
    settled = newest["settled_until"]
    span = span._replace(last=min(span.last, settled))
    return _Stretch(span, (stride, apart), newest["revision"], names[0][0], t, values), settled


def _apart(points: NDArray[np.float64]) -> float:
    """How far apart the points of an envelope lie, all but the newest on multiples of it; 0 where they do not."""
    grid = points[:-1]
    apart = float(np.diff(grid).min(initial=math.inf))
    return apart if apart.is_integer() and not np.any(grid % apart) else 0.0


def _as_array(values: Column) -> NDArray[Any]:
    if isinstance(values, np.ndarray):
        return values
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
