"""From the list of fields to instruments: which fields are drawn together, and under which name."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from services.dashboards.site import Site
from sisock.answers import FieldInfo, NodeState

PER_PLOT = 8
"""Most lines of one plot: more are not told apart."""
WEATHER, RECORDED, FIGURES, MACHINE = (
    frozenset({"weather", "apex_weather", "radiometer"}),
    frozenset({"g3_reader", "data_feed"}),
    frozenset({"health"}),
    frozenset({"sensors"}),
)
"""Types of data servers by what they show: weather, feeds of agents, what servers say of themselves, the machine."""

_DRAWN = frozenset({"number", "bool"})
_RECORDED = re.compile(r"(?P<root>.+?)\.(?P<agent>[^.]+)\.feeds\.(?P<feed>[^.]+)\.(?P<channel>.+)")
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class Channel:
    """A field as it is drawn; `label` is its name beside others of the same instrument."""

    name: str
    label: str
    units: str | None = None
    kind: str = "number"
    description: str | None = None


@dataclass(frozen=True)
class Group:
    """Channels of one plot: of one feed, and in one unit."""

    title: str
    channels: tuple[Channel, ...]

    @property
    def units(self) -> str | None:
        """The unit that they have in common."""
        return self.channels[0].units


@dataclass(frozen=True)
class Instrument:
    """What has a dashboard of its own: an OCS agent, or a data server that is none of the others."""

    kind: str
    name: str
    description: str
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class Sorted:
    """All fields that can be drawn, by the dashboard that they belong to."""

    instruments: tuple[Instrument, ...] = ()
    weather: tuple[Instrument, ...] = ()
    machine: tuple[Instrument, ...] = ()
    figures: tuple[Instrument, ...] = ()
    archive: str = ""
    """Data server that has what was recorded; empty when there is none."""


def sort_out(fields: Iterable[FieldInfo], nodes: Sequence[NodeState], site: Site) -> Sorted:
    """Sort fields by instrument.

    An agent's feed is seen under several names: recorded, live, and joined. Each of its fields is taken once, joined
    where it is, else recorded, else live.
    """
    drawn: dict[str, list[FieldInfo]] = {}
    for each in fields:
        if each.type in _DRAWN:
            drawn.setdefault(each.name.partition("::")[0], []).append(each)
    joins = {node.name: node.joins for node in nodes if node.joins}
    sources = {source for parts in joins.values() for source in parts}
    said = {node.name: node.description or "" for node in nodes}

    def rank(node: str) -> tuple[int, str]:
        kinds = ("g3_reader", "data_feed")
        return (0 if node in joins else 1 + kinds.index(kind) if (kind := site.kind(node)) in kinds else 3), node

    agents: dict[str, dict[tuple[str, str], Channel]] = {}
    others: dict[str, list[FieldInfo]] = {}
    for node in sorted(drawn, key=rank):
        for each in drawn[node]:
            parts = recorded_parts(each.name)
            if parts and (node in joins or site.kind(node) in {*RECORDED, ""}):
                key = parts["feed"], parts["channel"]
                agents.setdefault(parts["agent"], {}).setdefault(key, _channel(each, parts["channel"]))
            else:
                others.setdefault(node, []).append(each)
    for node in list(others):
        # One feed of an agent, under a name of its own, is not another instrument.
        if node in sources or (site.kind(node) in RECORDED and site.servers[node].target in agents):
            del others[node]

    def of_server(node: str) -> Instrument:
        channels = [_channel(each, each.name.partition("::")[2]) for each in others[node]]
        about = site.servers[node].description if node in site.servers else ""
        return Instrument("server", node, about or said.get(node, ""), _grouped({"": channels}))

    def of_agent(agent: str) -> Instrument:
        feeds: dict[str, list[Channel]] = {}
        for (feed, _), channel in agents[agent].items():
            feeds.setdefault(feed, []).append(channel)
        return Instrument("agent", agent, site.agents.get(agent, ""), _grouped(feeds))

    def servers(kinds: Collection[str]) -> tuple[Instrument, ...]:
        return tuple(of_server(node) for node in natural(others) if site.kind(node) in kinds)

    kinds = {site.kind(node) for node in others} - WEATHER - FIGURES - MACHINE
    recorded = [node for node in drawn if site.kind(node) == "g3_reader"]
    return Sorted(
        instruments=(*map(of_agent, natural(agents)), *servers(kinds)),
        weather=servers(WEATHER),
        machine=servers(MACHINE),
        figures=servers(FIGURES),
        archive=next((name for name, parts in joins.items() if {*parts} & {*recorded}), next(iter(recorded), "")),
    )


def recorded_parts(name: str) -> re.Match[str] | None:
    """Take the name of an agent's field, ``node::root.agent.feeds.feed.channel``, apart."""
    return _RECORDED.fullmatch(name.partition("::")[2])


def natural(names: Iterable[str]) -> list[str]:
    """Sort as people do: channel_2 before channel_10."""
    return sorted(names, key=_natural_key)


def _natural_key(name: str) -> list[tuple[int, int, str]]:
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in _DIGITS.split(name) if part]


def _channel(field: FieldInfo, label: str) -> Channel:
    return Channel(field.name, label, field.units or None, field.type, field.description)


def _grouped(feeds: Mapping[str, Iterable[Channel]]) -> tuple[Group, ...]:
    """Cut feeds into plots: of one unit, and of `PER_PLOT` channels at most."""

    def alike(channel: Channel) -> tuple[str, str]:
        return channel.kind, channel.units or ""

    groups: list[Group] = []
    for feed in natural(feeds):
        channels = sorted(feeds[feed], key=lambda channel: (alike(channel), _natural_key(channel.label)))
        for (kind, units), same in groupby(channels, key=alike):
            lines = list(same)
            title = ", ".join(filter(None, [feed, units, "on or off" if kind == "bool" else ""]))
            for number, cut in enumerate(range(0, len(lines), PER_PLOT), 1):
                # The first keeps its title when there are more: alert rules know a panel by what comes of it.
                part = f"({number})" if number > 1 else ""
                groups.append(Group(" ".join(filter(None, [title, part])), tuple(lines[cut : cut + PER_PLOT])))
    return tuple(groups)
