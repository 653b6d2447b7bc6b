"""What happened: data servers that went and came back, OCS agents that were started, holes in the samples.

Comings and goings are noted from the hub's news while the bridge runs. Starts of agents are read from the fields that
`data_feed` keeps of them, `<address of the agent>.session`, whose values are the UNIX times of the starts. Holes are
looked for when somebody asks, in the fields that he names.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

import txaio
from twisted.internet.defer import Deferred

from services.bridge.planner import Planner
from services.bridge.reading import Window
from services.bridge.refusal import unreadable
from services.bridge.series import draw, holes
from services.bridge.servers import Consumer
from services.bridge.streams import Stream, Wanted
from services.bridge.targets import matcher, resolve
from sisock.errors import NodeError
from sisock.uris import SEPARATOR

_LONGEST_MATCH = 2000
_MOST_KEPT = 2000
_MOST_FIELDS = 20
"""Fields of one question in which holes are looked for."""
_MOST_HOLES = 200
_MOST_SESSIONS = 500
_POINTS = 2000
_HUB_DEADLINE = 5.0
_SESSION = ".session"
_HEARD_LATER = 120.0
"""Seconds after its start by which an agent has surely published, and `data_feed` noted, its session."""


@dataclass(frozen=True)
class Event:
    """Something that happened, or went on for a while.

    Attributes
    ----------
    start, end
        UNIX seconds; `end` is None for a moment, and for what goes on still.
    title, text
        Some words and a sentence.
    tags
        What kind of event it is, and whom it concerns: ``("server", "weather")``, ``("agent",
        "observatory.thermometry")`` or ``("hole", "weather::apex_pressure")``.
    """

    start: float
    end: float | None
    title: str
    text: str
    tags: tuple[str, ...]


class Events:
    """Hears the hub's news from when it is made. Lives in the reactor's thread."""

    def __init__(self, consumer: Consumer, planner: Planner, now: Callable[[], float], clock: Any) -> None:
        """Note who is online.

        Parameters
        ----------
        consumer
            Hears the news; whoever listened to them before still does.
        planner
            Gives the samples in which holes are looked for.
        now
            Gives the UNIX time.
        clock
            The reactor, whose seconds are those of no calendar.
        """
        self._consumer = consumer
        self._planner = planner
        self._now = now
        self._clock = clock
        self._online: frozenset[str] | None = None
        self._away: dict[str, Event] = {}
        self._kept: deque[Event] = deque(maxlen=_MOST_KEPT)
        self._log = txaio.make_logger()
        self._listener = consumer.on_nodes_changed
        consumer.on_nodes_changed = self._nodes_changed

    def between(self, start: float, end: float, match: str = "") -> Deferred[list[Event]]:
        """Find what happened.

        Parameters
        ----------
        start, end
            UNIX seconds, [start, end).
        match
            Empty for all servers and agents. The names of fields, written as in a panel's target, for what concerns
            them, holes included; the first 20 of them are looked at. Else a text that the title holds, or which stands
            for a tag, as ``{weather,sensors}`` does for two data servers.

        Returns
        -------
        Events that touch the range, in the order of their starts.

        Raises
        ------
        Refused
            `match` is too long to be looked for while everybody else waits.
        """
        match = match.strip()
        if len(match) > _LONGEST_MATCH:
            raise unreadable(f"{match[:80]!r}.. has {len(match)} characters; {_LONGEST_MATCH} are read")
        return Deferred.fromCoroutine(self._between(start, end, match))

    async def _between(self, start: float, end: float, match: str) -> list[Event]:
        if end <= start:
            return []
        named = resolve(match, self._planner.remembered(), _MOST_FIELDS).names if SEPARATOR in match else ()
        found = [*self._kept, *self._away.values(), *await self._sessions(start, end)]
        if named:
            found = [each for each in found if _concerns(each, named)]
            found += await self._holes(named, start, end)
        elif match:
            is_meant = matcher(match)
            found = [each for each in found if match.lower() in each.title.lower() or any(map(is_meant, each.tags))]
        away = set(self._away.values())
        touching = {
            each for each in found if each.start < end and (each in away or max(each.start, each.end or 0.0) >= start)
        }
        return sorted(touching, key=lambda each: (each.start, each.title))

    async def _sessions(self, start: float, end: float) -> list[Event]:
        """Starts of agents, each once, whichever servers tell of it."""
        names = [name for name in self._planner.remembered() if name.endswith(_SESSION) and ".feeds." not in name]
        window = Window(start, end + _HEARD_LATER, points=_POINTS)
        outcomes = await self._asked(sorted(names)[:_MOST_SESSIONS], window)
        agents = {
            (name.partition(SEPARATOR)[2].removesuffix(_SESSION), float(begun))
            for name, outcome in outcomes
            for begun in draw(outcome, window).plain()
            if isinstance(begun, float) and start <= begun < end
        }
        return [
            Event(begun, None, f"{agent} started", f"the OCS agent {agent} began a new session", ("agent", agent))
            for agent, begun in agents
        ]

    async def _holes(self, names: Collection[str], start: float, end: float) -> list[Event]:
        window = Window(start, end, points=_POINTS)
        found = []
        for name, outcome in await self._asked(names, window):
            for begin, until in holes(draw(outcome, window), window, outcome.interval)[:_MOST_HOLES]:
                title = f"no data of {name}"
                found.append(Event(begin, until, title, f"{until - begin:.0f} s without a sample", ("hole", name)))
        return found

    async def _asked(self, names: Collection[str], window: Window) -> Iterable[tuple[str, Stream]]:
        if not names:
            return ()
        try:
            outcomes = await self._planner.query([Wanted(name) for name in names], window, self._clock.seconds())
        except NodeError as error:  # What was noted of the servers is answered nevertheless.
            self._log.debug("bridge: no samples to look for events in: {error}", error=error)
            return ()
        return [(each.name, outcome) for each, outcome in outcomes.items() if isinstance(outcome, Stream)]

    def _nodes_changed(self) -> None:
        if self._listener is not None:
            self._listener()
        Deferred.fromCoroutine(self._look()).addErrback(
            lambda failure: self._log.failure("bridge: the hub's news could not be noted", failure)
        )

    async def _look(self) -> None:
        try:
            listed = await self._consumer.nodes(deadline=_HUB_DEADLINE)
        except NodeError:
            return  # The next news come when the hub is back; who is missing then has gone.
        online, now = frozenset(str(node["name"]) for node in listed), self._now()
        before, self._online = self._online, online
        if before is None:
            return  # When they came, nobody saw.
        for name in sorted(before - online):
            text = f"the data server {name} left the router"
            self._away[name] = Event(now, None, f"{name} is gone", text, ("server", name))
            if len(self._away) > _MOST_KEPT:
                del self._away[next(iter(self._away))]
        for name in sorted(online - before):
            gone = self._away.pop(name, None)
            if gone is not None:
                text = f"the data server {name} was away for {now - gone.start:.0f} s"
                self._kept.append(replace(gone, end=now, title=f"{name} was gone", text=text))
            else:
                text = f"the data server {name} joined the router for the first time since the bridge runs"
                self._kept.append(Event(now, None, f"{name} has come", text, ("server", name)))


def _concerns(event: Event, names: Iterable[str]) -> bool:
    """Whether an event is of the data server of one of these fields, or of the agent that publishes it."""
    kind, whom = event.tags
    for name in names:
        node, _, field = name.partition(SEPARATOR)
        if (node == whom) if kind == "server" else field.startswith(f"{whom}."):
            return True
    return False
