"""From the rows of a panel to series, whatever the protocol: names, samples, and what a person should be told."""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
from twisted.internet.defer import Deferred

from services.bridge.asking import together
from services.bridge.crossing import Crossing
from services.bridge.filters import Filter
from services.bridge.handling import Call
from services.bridge.planner import Planner
from services.bridge.reading import EARLIEST, MOST_POINTS, Exact, Window
from services.bridge.refusal import Refused
from services.bridge.rows import Row
from services.bridge.series import GAP, Drawing, Series, broken, within
from services.bridge.streams import Missing, Outcome, Stream, Wanted, without_samples
from services.bridge.targets import has_wildcard, is_literal, resolve
from sisock.moments import LATEST
from sisock.uris import SEPARATOR

Notice = tuple[str, str]
"""Severity (info, warning or error) and sentence."""
_FROZEN_SECONDS = 60.0


class Drawn(NamedTuple):
    """One series of a reply.

    Attributes
    ----------
    row
        What asked for it.
    name
        The field, as ``node::field``; empty when the row stands for none.
    stream
        What its data server sent; None when nothing could be had.
    series
        The same as it is drawn, with its holes; None likewise.
    window
        The range, and how finely it was asked.
    notices
        What the person should be told.
    """

    row: Row
    name: str
    stream: Stream | None
    series: Series | None
    window: Window
    notices: Sequence[Notice]

    @property
    def label(self) -> str:
        """How the series is called."""
        return self.row.labelled(self.name) if self.name else self.row.label


@dataclass(frozen=True)
class _Asked:
    row: Row
    name: str
    window: Window
    notices: tuple[Notice, ...]

    @cached_property
    def wanted(self) -> Wanted:
        return Wanted(self.name, self.row.operator)


class Panels:
    """Answers rows, as a handler of the HTTP server."""

    def __init__(
        self, crossing: Crossing, planner: Planner, most_targets: int, most_points: int, now: Callable[[], float]
    ) -> None:
        self._crossing = crossing
        self._planner = planner
        self._most_targets = most_targets
        self._most_points = most_points
        self._now = now

    def answer(
        self, call: Call, rows: Sequence[Row], window: Window, filters: Sequence[Filter], said: Sequence[Notice] = ()
    ) -> list[Drawn]:
        """Answer each row with its series, in the order of the rows; `said` stands on each.

        Raises
        ------
        Refused
            They are too many.
        RouterAbsent
            Nobody could be asked.
        """
        named = self._named(call, rows, filters)
        room = min(MOST_POINTS, self._most_points // max(len(named), 1))
        window = window.shared_by(len(named), self._most_points)
        asked = []
        for row, name, notice in named:
            its_window, remarks = _window(row, window, room)
            notices = (*([] if notice is None else [("warning", notice)]), *said, *(remarks if name else ()))
            asked.append(_Asked(row, name, its_window, notices))
        outcomes = self._outcomes(call, asked)
        now, drawing = self._now(), Drawing()
        return [_drawn(drawing, each, outcomes.get((each.window, each.wanted)), window, room, now) for each in asked]

    def _named(self, call: Call, rows: Sequence[Row], filters: Sequence[Filter]) -> list[tuple[Row, str, str | None]]:
        """Each field of each row, with what is to be said of it; no name where there is none."""
        most = 2 * self._most_targets
        if sum(len(row.texts) for row in rows) > most:
            raise Refused(413, "too_many_targets", f"the targets name more than {most} fields; choose fewer")
        wild = any(has_wildcard(text) for row in rows for text in row.texts)
        known: Collection[str]
        known = self._crossing.ask(call.client, self._planner.known) if wild else self._planner.remembered()
        named: list[tuple[Row, str, str | None]] = []
        for row in rows:
            if row.problem:
                named.append((row, "", row.problem))
                continue
            for text in row.texts:
                if text in known and not filters and len(named) < most:
                    named.append((row, text, None))
                    continue
                found = partial(resolve, text, known, self._most_targets)
                resolved = found() if is_literal(text) else self._crossing.aside(found)
                notice = resolved.notice
                if not resolved.names:
                    named.append((row, "", notice))
                for name in resolved.names:
                    if len(named) >= most:
                        raise Refused(413, "too_many_series", f"more than {most} series; choose fewer")
                    if all(each.passes(name) for each in filters):
                        named.append((row, name, notice))
                        notice = None
        return named

    def _outcomes(self, call: Call, asked: Sequence[_Asked]) -> dict[tuple[Window, Wanted], Outcome]:
        by_window: dict[Window, list[Wanted]] = defaultdict(list)
        for each in asked:
            if each.name:
                by_window[each.window].append(each.wanted)
        if not by_window:
            return {}

        async def ask(window: Window, wanted: Sequence[Wanted]) -> dict[Wanted, Outcome]:
            outcomes: dict[Wanted, Outcome] = await self._planner.query(wanted, window, call.started)
            return outcomes

        def ask_all() -> Deferred[list[dict[Wanted, Outcome]]]:
            return Deferred.fromCoroutine(together([ask(window, wanted) for window, wanted in by_window.items()]))

        answers: list[dict[Wanted, Outcome]] = self._crossing.ask(call.client, ask_all)
        return {
            (window, wanted): outcome
            for window, outcomes in zip(by_window, answers, strict=True)
            for wanted, outcome in outcomes.items()
        }


def _window(row: Row, window: Window, room: int) -> tuple[Window, list[Notice]]:
    """The range and spacing in which a row is asked, and what to say of them.

    Bins lie on multiples of their length, and the first is asked whole, so that its value does not change while the
    range moves over it. Of bins that somebody asked for there may be more than fit into the panel: `room`.
    """
    notices: list[Notice] = []
    length = window.end - window.start
    if row.raw:
        window = Exact(window.start, window.end, window.points, 0.0)
    elif row.bin and length <= row.bin * room:
        window = Exact(window.start, window.end, window.points, row.bin)
    elif row.bin:
        text = f"bins of {row.bin:g} s are too many for this range; they are of {window.stride:g} s"
        notices.append(("warning", text))
        window = Exact(window.start, window.end, window.points, window.stride)
    if row.edge:
        # The stride stays that of the range itself, which the wider one would make longer.
        start = max(window.start - length, EARLIEST)
        window = Exact(start, min(window.end + length, LATEST), 3 * window.points, window.stride)
    if row.operator and length > 0 and (stride := window.stride) > 0:
        start = max(window.start // stride * stride, EARLIEST)
        window = Exact(start, window.end, window.points, stride)
    return window, notices


def _drawn(drawing: Drawing, asked: _Asked, outcome: Outcome | None, panel: Window, room: int, now: float) -> Drawn:
    notices = list(asked.notices)
    if isinstance(outcome, Missing):
        notices.append((outcome.severity, outcome.why))
    if not isinstance(outcome, Stream):
        return Drawn(asked.row, asked.name, None, None, asked.window, notices)
    series = drawing.draw(outcome, asked.window)
    if asked.row.raw and series.t.size > room:
        notices.append(("warning", f"{series.t.size} samples are more than fit; ask for a shorter range to see each"))
        series = drawing.draw(replace(outcome, t=series.t, values=series.values), panel)
    if asked.row.edge:
        series = within(series, panel.start, panel.end)
    notices += [*outcome.notices, *series.notices]
    if series.t.size:
        notices += _reduced(asked, outcome, series, panel)
        notices += _frozen(outcome, series, asked.window, panel, now)
    else:
        node, _, field = asked.name.partition(SEPARATOR)
        notices.append(("info", without_samples(node, field)))
    series = broken(series, asked.window, outcome.interval)
    return Drawn(asked.row, asked.name, outcome, series, asked.window, notices)


def _reduced(asked: _Asked, stream: Stream, series: Series, panel: Window) -> list[Notice]:
    """Say that there are more samples than are drawn."""
    if stream.operator is not None:
        return []
    window, stride = asked.window, asked.window.stride or panel.stride
    there = 0.0
    if stream.interval is not None and stream.interval < stride * 0.9:
        there = (window.end - window.start) / stream.interval
    elif len(stream.t) > series.t.size:
        t = np.asarray(stream.t)
        there = float(np.count_nonzero((t >= window.start) & (t < window.end)))
    if there <= series.t.size + 1 or asked.row.edge:
        return []
    kept = "the first and the last" if series.type == "string" else "the least and the greatest"
    return [("info", f"reduced to points {stride:g} s apart, {kept} of every two; zoom in for every sample")]


def _frozen(stream: Stream, series: Series, window: Window, panel: Window, now: float) -> list[Notice]:
    """Say that the range goes on until now, but the samples do not."""
    usual = max(stream.interval or 0.0, window.stride)
    newest = float(series.t[-1])
    if stream.interval is None or panel.end < now - _FROZEN_SECONDS or now - newest <= GAP * usual + _FROZEN_SECONDS:
        return []
    when = datetime.fromtimestamp(newest, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return [("warning", f"the newest sample is of {when} UTC; nothing has come since")]
