"""The dashboards: overview, instruments, weather, archive, and health of the appliance."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from services.dashboards.instruments import WEATHER, Channel, Instrument, Sorted, natural, recorded_parts
from services.dashboards.panels import SOURCE, Grid, Panel, dashboard_list, figure, plot, queries, text
from services.dashboards.site import Site
from sisock.graphite import path_of

TAG = "sisock"
LONGEST_UID = 40

Board = dict[str, Any]

_SCHEMA_VERSION = 41
_MOST_INSTRUMENTS = 40
"""Of which a page shows something; the list on the overview has all."""
_UNFIT = re.compile(r"[^A-Za-z0-9_-]+")
_WRITTEN = (
    "This dashboard is written anew as fields come and go. Keep changes under another name: *Save as* makes a copy "
    "that nobody else touches."
)


def boards(sights: Sorted, site: Site) -> list[Board]:
    """All dashboards of a site; each has a uid that depends on what it shows alone."""
    made = [_overview(sights, site), _weather(sights), _archive(sights), _health(sights)]
    made += map(_instrument, sights.instruments)
    titles: set[str] = set()
    for board in made:
        while board["title"] in titles:
            board["title"] += " (server)"
        titles.add(board["title"])
    return made


def uid(kind: str, name: str = "") -> str:
    """Make a uid that Grafana takes: at most 40 letters, digits, ``_`` and ``-``.

    Examples
    --------
    >>> uid("agent", "LSA22YE")
    'sisock-agent-LSA22YE'
    """
    plain = "-".join(filter(None, [TAG, kind, name]))
    fit = _UNFIT.sub("-", plain)
    if fit == plain and len(plain) <= LONGEST_UID:
        return plain
    # Two names that differ only in what had to go keep apart.
    digest = hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{fit[: LONGEST_UID - 9]}-{digest}"


def _overview(sights: Sorted, site: Site) -> Board:
    board = _Board("overview", f"Overview of {site.name}", "The first channels of each instrument.")
    if not (sights.instruments or sights.weather):
        board.grid.line(
            [text("Nothing yet", "No data server has listed a field. `sisock status` says who is there.")], 4
        )
    board.grid.line([dashboard_list("Dashboards", TAG), *_firsts(sights.weather[:1])], height=9)
    plots = _firsts(sights.instruments[:_MOST_INSTRUMENTS])
    for at in range(0, len(plots), 2):
        board.grid.line(plots[at : at + 2], height=9)
    return board.json()


def _firsts(instruments: Sequence[Instrument]) -> list[Panel]:
    return [plot(each.name, each.groups[0].channels) for each in instruments]


def _instrument(instrument: Instrument) -> Board:
    board = _Board(instrument.kind, instrument.name, instrument.description, name=instrument.name, refresh="5s")
    figure(board.grid, instrument.groups)
    return board.json()


def _weather(sights: Sorted) -> Board:
    board = _Board("weather", "Weather", "Weather of the site.", since="now-2d", refresh="1m")
    kinds = " or ".join(sorted(WEATHER))
    _parts(board.grid, sights.weather, f"Weather comes from data servers of type {kinds}: add one to `sisock_servers`.")
    return board.json()


def _archive(sights: Sorted) -> Board:
    about = "All that was ever recorded. Each line keeps its extremes, however long the range."
    board = _Board("archive", "Archive", about, since="now-30d", refresh="")
    plots: list[Panel] = []
    for each in sights.instruments[:_MOST_INSTRUMENTS]:
        channels = [one for one in each.groups[0].channels if one.name.startswith(f"{sights.archive}::")]
        if channels and (parts := recorded_parts(channels[0].name)):
            if not plots:
                root = path_of(f"{sights.archive}::{parts['root']}")
                agent, _, feed, channel = path_of(channels[0].name).removeprefix(f"{root}.").split(".")[:4]
                board.variable("agent", "Instrument", agent, f"{root}.*")
                board.variable("feed", "Feed", feed, f"{root}.$agent.feeds.*")
                board.variable("channel", "Channel", channel, f"{root}.$agent.feeds.$feed.*")
                chosen = plot("$agent: $channel", [])
                chosen["targets"] = queries([f"aliasByNode({root}.$agent.feeds.$feed.$channel,-1)"])
                board.grid.line([chosen], height=12)
            plots.append(plot(each.name, channels))
    if not plots:
        advice = "What the aggregator records is shown by a data server of type g3_reader: add one to `sisock_servers`."
        board.grid.line([text("Nothing yet", advice)], height=4)
    for at in range(0, len(plots), 2):
        board.grid.line(plots[at : at + 2], height=8)
    return board.json()


def _health(sights: Sorted) -> Board:
    board = _Board("health", "Health of the appliance", "What the data servers say of themselves, and the machine.")
    figures: dict[str, list[Channel]] = {}
    for each in sights.figures:
        for group in each.groups:
            for channel in group.channels:
                server, _, what = channel.label.partition(".")
                figures.setdefault(what, []).append(replace(channel, label=server))
    if figures:
        board.grid.row("Data servers")
        plots = [_of_servers(what, figures[what]) for what in natural(figures)]
        for at in range(0, len(plots), 3):
            board.grid.line(plots[at : at + 3], height=7)
    else:
        advice = "Figures of the data servers come from one of type health: add it to `sisock_servers`."
        board.grid.line([text("No figures", advice)], height=4)
    _parts(
        board.grid,
        sights.machine,
        "What the machine measures of itself comes from a data server of type sensors: add one to `sisock_servers`.",
    )
    return board.json()


def _of_servers(what: str, channels: Sequence[Channel]) -> Panel:
    # Of each server the same is said, and then its name.
    said = (channels[0].description or what).partition(": ")[0]
    panel = plot(what, sorted(channels, key=lambda channel: channel.label))
    return panel | {"description": said}


def _parts(grid: Grid, instruments: Sequence[Instrument], otherwise: str) -> None:
    if not instruments:
        grid.line([text("Nothing yet", otherwise)], height=4)
    for each in instruments:
        grid.row(": ".join(filter(None, [each.name, each.description])))
        figure(grid, each.groups)


class _Board:
    """A dashboard in the making."""

    def __init__(self, kind: str, title: str, about: str, name: str = "", since: str = "now-6h", refresh: str = "10s"):
        self.grid = Grid()
        self._variables: list[dict[str, Any]] = []
        self._about = {
            "id": None,
            "uid": uid(kind, name),
            "title": title,
            "description": "\n\n".join(filter(None, [about, _WRITTEN])),
            "tags": [TAG, kind],
            "time": {"from": since, "to": "now"},
            "refresh": refresh,
        }

    def variable(self, name: str, label: str, first: str, query: str) -> None:
        """Let people choose a value, `first` to begin with, of what a query for names finds."""
        self._variables.append(
            {
                "name": name, "label": label, "type": "query", "datasource": SOURCE, "query": query, "refresh": 1,
                "sort": 1, "regex": "", "hide": 0, "multi": False, "includeAll": False, "skipUrlSync": False,
                "options": [], "current": {"selected": True, "text": first, "value": first},
            }
        )  # fmt: skip

    def json(self) -> Board:
        """Give all of it."""
        return self._about | {
            "schemaVersion": _SCHEMA_VERSION,
            "editable": True,
            "graphTooltip": 1,
            "timezone": "utc",
            "timepicker": {},
            "links": [_ALL_DASHBOARDS],
            "annotations": {"list": [_EVENTS]},
            "templating": {"list": self._variables},
            "panels": self.grid.panels,
        }


_ALL_DASHBOARDS = {
    "type": "dashboards", "title": "Dashboards", "tags": [TAG], "asDropdown": True, "icon": "external link",
    "includeVars": False, "keepTime": True, "targetBlank": False, "tooltip": "", "url": "",
}  # fmt: skip
_EVENTS = {
    "name": "Events", "enable": True, "iconColor": "orange", "datasource": SOURCE,
    "target": {"refId": "Anno", "tags": [], "queryType": "tags", "fromAnnotations": True},
}  # fmt: skip
"""What happened to servers and agents."""
