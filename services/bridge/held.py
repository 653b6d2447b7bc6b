"""Samples of settled time that panels ask for again and again: held, and asked for no more while they hold.

A panel in which somebody zooms and moves about, and one that is drawn anew every few seconds, or beside another, ask
for nearly the same time again. Where that is of days that are over, its samples are asked for once, and some more on
both sides. What is made of them must, the first time, be the same as what the data server answers.

A data server whose samples may still change after that gives a revision with them, and is asked twice a second whether
it holds: what was not confirmed within a second is not used.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall

from services.bridge.stretches import Stretch, around, put_together, same
from sisock.errors import NodeError
from sisock.shapes import DataReply

CONFIRMED_SECONDS = 1.0
"""How long samples are used after their data server was asked whether they hold; as long as it may take to answer."""
CONFIRM_SECONDS = 0.5
"""How often it is asked."""
ASKED_SECONDS = 300.0
"""How long samples are held after the last panel that asked for them, and a panel is known to ask again."""
UNFIT_SECONDS = 60.0
"""How long fields of which nothing could be held, and servers that gave no revisions, are not tried again."""
_DAY = 86400.0
_MOST_BYTES = 2**26
_MOST_STRETCHES = 4
"""Stretches of the same fields: of panels that show them at different times."""
_MOST_RECENT = 1000
_MOST_RANGES = 4
"""Fields whose last questions are remembered, and how many of these."""

Ask = Callable[[], Awaitable[DataReply]]
"""Puts the question to the data server; what it raises is raised."""
Gather = Callable[[float, float, float], Awaitable[DataReply]]
"""Asks it for the same fields between two times, with a stride, 0 for every sample; within a short time."""
_Key = tuple[str, tuple[str, ...]]
"""A data server and some of its fields."""


class Consumer(Protocol):
    """Who asks data servers."""

    def holds(self, node: str, revisions: list[str], deadline: float = ...) -> Deferred[list[bool]]:
        """Ask a data server which revisions of its replies still hold."""


@dataclass(eq=False)
class _Entry:
    """What is held.

    Attributes
    ----------
    confirmed, asked
        When it was last known to hold, and when somebody wanted it, by the clock of the reactor.
    proven
        Stride -> whether what is made of it was what the data server answered.
    """

    key: _Key
    stretch: Stretch
    confirmed: float
    asked: float
    proven: dict[float, bool] = field(default_factory=dict)


class Held:
    """Samples by data server and fields. Lives in the reactor's thread."""

    def __init__(self, consumer: Consumer, clock: Any, now: Callable[[], float], most_bytes: int = _MOST_BYTES) -> None:
        """Hold nothing yet, and never more than `most_bytes`; `clock` is the reactor, and `now` gives the UNIX time."""
        self._consumer = consumer
        self._clock = clock
        self._now = now
        self._most_bytes = most_bytes
        self._entries: dict[_Key, list[_Entry]] = {}
        self._recent: OrderedDict[_Key, list[tuple[float, float, float]]] = OrderedDict()
        self._unfit: dict[tuple[_Key, bool], float] = {}
        self._without_revisions: dict[str, float] = {}
        self._confirming: LoopingCall = LoopingCall(self._confirm)
        self._confirming.clock = clock

    async def data(
        self,
        node: str,
        fields: Sequence[str],
        question: tuple[float, float, float],
        interval: float | None,
        ask: Ask,
        gather: Gather,
    ) -> DataReply:
        """Answer a question for samples, and put it to the data server only where need be.

        Parameters
        ----------
        node, fields
            The data server, and some of its fields.
        question
            Start and end of the range, UNIX seconds, and the stride, seconds.
        interval
            Usual seconds between samples of all the fields; None when there is no such.
        ask, gather
            How the data server is asked.
        """
        start, end, stride = question
        now = self._clock.seconds()
        if now < self._without_revisions.get(node, now):
            return await ask()
        key = node, tuple(fields)
        again = self._is_asked_again(key, start, end, now)
        entry = next((each for each in self._entries.get(key, ()) if each.stretch.serves(*question)), None)
        if entry is None and again and interval and end <= self._now() // _DAY * _DAY:
            entry = await self._gathered(key, question, interval, gather)
        if entry is None:
            return await ask()
        entry.asked = now
        if entry.proven.get(stride) and now < entry.confirmed + CONFIRMED_SECONDS:
            return entry.stretch.between(*question)
        reply = await ask()
        if stride not in entry.proven:
            entry.proven[stride] = same(reply, entry.stretch.between(*question))
        return reply

    def _is_asked_again(self, key: _Key, start: float, end: float, now: float) -> bool:
        """Whether this is a panel that asks for much the same as lately."""
        recent = self._recent.pop(key, [])
        self._recent[key] = [*recent[1 - _MOST_RANGES :], (start, end, now)]
        if len(self._recent) > _MOST_RECENT:
            self._recent.popitem(last=False)
        return any(
            now < asked + ASKED_SECONDS and min(end, last) - max(start, first) >= max(end - start, last - first) / 2
            for first, last, asked in recent
        )

    async def _gathered(
        self, key: _Key, question: tuple[float, float, float], interval: float, gather: Gather
    ) -> _Entry | None:
        """Ask for what can be held of a question, and hold it."""
        now = self._clock.seconds()
        span = around(*question, interval, len(key[1]))
        if span is None or now < self._unfit.get((key, span.whole), now):
            return None
        self._unfit = {each: until for each, until in self._unfit.items() if until > now}
        self._unfit[key, span.whole] = now + UNFIT_SECONDS
        try:
            # Of one that gives no revisions, and perhaps takes long to read all samples, these are not wanted.
            await self._consumer.holds(key[0], [], deadline=CONFIRMED_SECONDS)
        except NodeError:
            self._without_revisions[key[0]] = now + UNFIT_SECONDS
            return None
        with suppress(NodeError):
            stride = question[-1]
            stretch = put_together([await gather(*part) for part in span.parts(stride)], span, stride)
            if stretch is not None and stretch.serves(*question):
                self._unfit.pop((key, span.whole), None)
                entry = _Entry(key, stretch, now, now)
                self._hold(entry)
                return entry
        return None

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
        """Ask whether what is held still holds; what nobody wants any more goes."""
        now = self._clock.seconds()
        by_node: dict[str, list[_Entry]] = defaultdict(list)
        for entry in self._all():
            if now < entry.asked + ASKED_SECONDS:
                by_node[entry.key[0]].append(entry)
            else:
                self._drop(entry)
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
