"""Panels of a dashboard, as Grafana's schema has them, and their places in its grid of 24 columns."""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from string import ascii_uppercase
from typing import Any

from services.dashboards.instruments import Channel, Group
from sisock.graphite import path_of
from sisock.units import of_grafana

SOURCE_UID = "sisock"
"""Of the data source; roles/grafana provisions it under this one."""
SOURCE = {"type": "graphite", "uid": SOURCE_UID}
COLUMNS = 24

Panel = dict[str, Any]

# Of a label: what would end it, and what Grafana takes for another query's letter.
_SPEAKABLE = str.maketrans({'"': "'", "\\": "/", "#": "No."})


class Grid:
    """Places panels line by line, and gives each a number that it keeps while others come and go."""

    def __init__(self) -> None:
        self.panels: list[Panel] = []
        self._y = 0
        self._numbers: set[int] = set()

    def line(self, panels: Sequence[Panel], height: int) -> None:
        """Put panels side by side, equally wide."""
        width = COLUMNS // max(len(panels), 1)
        for number, panel in enumerate(panels):
            place = {"x": number * width, "y": self._y, "w": width, "h": height}
            self.panels.append({"id": self._number(panel), "gridPos": place, **panel})
        self._y += height if panels else 0

    def row(self, title: str) -> None:
        """Begin a part with a heading."""
        row = {"type": "row", "title": title, "collapsed": False, "panels": []}
        self.panels.append({"id": self._number(row), "gridPos": {"x": 0, "y": self._y, "w": COLUMNS, "h": 1}, **row})
        self._y += 1

    def _number(self, panel: Panel) -> int:
        # Links and alert rules name a panel by it.
        number = 1 + zlib.crc32(f"{panel['type']}/{panel['title']}".encode()) % 1_000_000
        while number in self._numbers:
            number += 1
        self._numbers.add(number)
        return number


def plot(title: str, channels: Sequence[Channel]) -> Panel:
    """Draw channels of one unit over time, each as a line."""
    lines = {
        "drawStyle": "line", "lineWidth": 1, "fillOpacity": 0,
        "lineInterpolation": "stepAfter" if channels and channels[0].kind == "bool" else "linear",
        # A gap in the data is a gap in the line.
        "showPoints": "auto", "pointSize": 4, "spanNulls": False, "axisPlacement": "auto",
    }  # fmt: skip
    return {
        "type": "timeseries",
        "title": title,
        "description": _described(channels),
        "datasource": SOURCE,
        "targets": targets(channels),
        "fieldConfig": _field_config(channels, lines),
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "none"},
        },
    }


def tiles(title: str, channels: Sequence[Channel]) -> Panel:
    """Show the current value of each channel on a tile of its own."""
    return {
        "type": "stat",
        "title": title,
        "datasource": SOURCE,
        "targets": targets(channels),
        "maxDataPoints": 100,
        "fieldConfig": _field_config(channels, {}),
        "options": {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "orientation": "auto", "textMode": "value_and_name", "colorMode": "value", "graphMode": "area",
            "justifyMode": "auto", "showPercentChange": False, "percentChangeColorMode": "standard", "wideLayout": True,
        },
    }  # fmt: skip


def text(title: str, content: str) -> Panel:
    """Show words."""
    return {"type": "text", "title": title, "options": {"mode": "markdown", "content": content}}


def dashboard_list(title: str, tag: str) -> Panel:
    """List the dashboards that bear a tag."""
    options = {
        "tags": [tag], "query": "", "maxItems": 1000, "showSearch": True, "showHeadings": False, "showStarred": False,
        "showRecentlyViewed": False, "showFolderNames": False, "keepTime": False, "includeVars": False,
    }  # fmt: skip
    return {"type": "dashlist", "title": title, "options": options}


def targets(channels: Sequence[Channel]) -> list[dict[str, Any]]:
    """Ask for channels in Graphite's language, each named by its label."""
    return queries(f'alias({path_of(channel.name)},"{channel.label.translate(_SPEAKABLE)}")' for channel in channels)


def queries(expressions: Iterable[str]) -> list[dict[str, Any]]:
    """Number expressions as Grafana does: A, B, .. Z, AA, AB, .."""
    return [
        {"refId": letters, "datasource": SOURCE, "target": expression, "textEditor": True}
        for letters, expression in zip(_letters(), expressions, strict=False)
    ]


def figure(grid: Grid, groups: Sequence[Group]) -> None:
    """Put plots, two on a line, and under each the current values of its channels."""
    for at in range(0, len(groups), 2):
        pair = groups[at : at + 2]
        most = max(len(group.channels) for group in pair)
        grid.line([plot(group.title or "Channels", group.channels) for group in pair], height=9)
        now = [tiles(f"{group.title or 'Channels'}, now", group.channels) for group in pair]
        grid.line(now, height=4 if most <= 4 * (3 - len(pair)) else 7)


def _letters() -> Iterator[str]:
    for length in (1, 2, 3):
        yield from map("".join, product(ascii_uppercase, repeat=length))


def _field_config(channels: Sequence[Channel], custom: Mapping[str, Any]) -> dict[str, Any]:
    defaults: dict[str, Any] = {
        "custom": dict(custom),
        "color": {"mode": "palette-classic"},
        "mappings": [],
        "thresholds": {"mode": "absolute", "steps": [{"color": "text", "value": None}]},
    }
    if channels and (unit := of_grafana(channels[0].units)):
        defaults["unit"] = unit
    if channels and channels[0].kind == "bool":
        words = {"0": {"text": "off", "index": 0}, "1": {"text": "on", "index": 1}}
        defaults |= {"mappings": [{"type": "value", "options": words}], "min": 0, "max": 1}
    return {"defaults": defaults, "overrides": []}


def _described(channels: Sequence[Channel]) -> str:
    return "\n".join(f"- {channel.label}: {channel.description}" for channel in channels if channel.description)
