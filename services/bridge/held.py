"""Samples of settled time that panels ask for again and again: held, and asked for no more while they hold.

A panel in which somebody zooms and moves about, and one that is drawn anew every few seconds, or beside another, ask
for nearly the same time again. Where that is long past, its samples are asked for once, and some more on both sides.

A data server whose samples may still change after that gives a revision with them, and is asked twice a second whether
it holds: what was not confirmed within a second is not used.
"""

import math
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall

from services.bridge.stretches import Span, Stretch, around, put_together
from sisock.errors import NodeError, NodeFailed, TooMuchData
from sisock.shapes import DataReply

CONFIRMED_SECONDS = 1.0
"""How long samples are used after their data server was asked whether they hold; as long as it may take to answer."""
CONFIRM_SECONDS = 0.5
"""How often it is asked."""
ASKED_SECONDS = 60.0
"""How long it goes on being asked after the last panel."""
UNFIT_SECONDS = 600.0
"""How long fields that turned out not to be settled, or cannot be held, are not tried again."""
_MOST_BYTES = 2**26
_MOST_STRETCHES = 4
"""Stretches of the same fields: of panels that show them at different times."""
_MOST_RECENT = 64
"""Questions that are remembered, so that the next of their kind is known for one of several."""

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


@dataclass(eq=False)
class _Entry:
    """What is held, when it was last known to hold, and when somebody wanted it, by the clock of the reactor."""

    key: _Key
    stretch: Stretch
    confirmed: float
    asked: float


class Held:
    """Samples by data server and fields. Lives in the reactor's thread."""

    def __init__(self, consumer: Consumer, clock: Any, most_bytes: int = _MOST_BYTES) -> None:
        """Hold nothing yet, and never more than `most_bytes`; `clock` is the reactor."""
        self._consumer = consumer
        self._clock = clock
        self._most_bytes = most_bytes
        self._entries: dict[_Key, list[_Entry]] = {}
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
        for entry in self._entries.get(key, ()):
            if entry.stretch.serves(start, end, stride):
                entry.asked = now
                if now < entry.confirmed + CONFIRMED_SECONDS:
                    return entry.stretch.between(start, end, stride)
                return await ask(start, end, stride)  # Meanwhile it is confirmed, or goes.
        span = around(start, end, stride, interval, len(fields)) if again and interval else None
        if span is not None and self._is_fit((key, span.whole), end, now):
            stretch, settled = await self._asked_for(node, span, stride, ask)
            if stretch is not None and end <= settled:
                self._hold(_Entry(key, stretch, now, now))
                return stretch.between(start, end, stride)
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

    async def _asked_for(self, node: str, span: Span, stride: float, ask: Ask) -> tuple[Stretch | None, float]:
        """Ask for what can be held; see `put_together`."""
        try:
            # Of one that gives no revisions, and perhaps takes long to read all samples, these are not wanted.
            await self._consumer.holds(node, [], deadline=CONFIRMED_SECONDS)
        except NodeError:
            return None, -math.inf
        with suppress(NodeFailed, TooMuchData):
            return put_together([await ask(*part) for part in span.parts(stride)], span, stride)
        return None, -math.inf

    def _hold(self, entry: _Entry) -> None:
        mine = entry.stretch.span
        listed = [(each, each.stretch.span) for each in self._entries.get(entry.key, ())]
        # All samples of a longer stretch do for what a shorter one does.
        others = [
            each
            for each, span in listed
            if not (mine.whole and span.whole and mine.first <= span.first and span.last <= mine.last)
        ]
        self._entries[entry.key] = [*others[1 - _MOST_STRETCHES :], entry]
        excess = sum(each.stretch.bytes for each in self._all()) - self._most_bytes
        for each in sorted(self._all(), key=lambda each: each.asked):
            if excess > 0:
                self._drop(each)
                excess -= each.stretch.bytes
        if not self._confirming.running:
            self._confirming.start(CONFIRM_SECONDS, now=False)

    def _all(self) -> list[_Entry]:
        return [each for listed in self._entries.values() for each in listed]

    def _drop(self, entry: _Entry) -> None:
        left = [each for each in self._entries.pop(entry.key, ()) if each is not entry]
        if left:
            self._entries[entry.key] = left

    def _confirm(self) -> None:
        """Ask whether what panels have lately wanted still holds."""
        now = self._clock.seconds()
        by_node: dict[str, list[_Entry]] = defaultdict(list)
        for entry in self._all():
            if now < entry.asked + ASKED_SECONDS:
                by_node[entry.key[0]].append(entry)
        for node, wanted in by_node.items():
            Deferred.fromCoroutine(self._confirm_of(node, wanted, now))

    async def _confirm_of(self, node: str, wanted: list[_Entry], now: float) -> None:
        revisions = sorted({entry.stretch.revision for entry in wanted})
        with suppress(NodeError):  # What is not confirmed is not used; who asks then for samples is told why.
            holds = await self._consumer.holds(node, revisions, deadline=CONFIRMED_SECONDS)
            good = {revision for revision, held in zip(revisions, holds, strict=True) if held}
            for entry in wanted:
                if entry.stretch.revision in good:
                    entry.confirmed = max(now, entry.confirmed)
                else:
                    self._drop(entry)
