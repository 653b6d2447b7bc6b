"""The bridge answers every query of every dashboard that is written of it, asked as Grafana asks."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from services.dashboards.writer import write
from tests.services.bridge.conftest import NOW, Bridge, good, serving
from tests.services.dashboards.conftest import DIODES, LAKESHORE

RECORDED = tuple(f"observatory.{each}" for each in LAKESHORE + DIODES)
NODES = {
    "g3_reader": good(names=RECORDED),
    "data_feed": good(names=RECORDED),
    "apex_archive": good(units="mm PWV", names=("apex_radiometer",)),
    "lab_log": good(names=('a "quoted" {name}, of it #B', "plain")),
    "health": good(units=None, names=("data_feed.lag", "sensors.lag")),
    "sensors": good(units="C", names=("coretemp.temp1",)),
}
TYPES = {"apex_archive": "weather", "lab_log": "csv_log"}


def rendered(bridge: Bridge, panel: dict[str, Any], values: dict[str, str]) -> list[dict[str, Any]]:
    """What the panel's queries are answered, with the values of the dashboard's variables."""
    form: list[tuple[str, str]] = [("from", str(int(NOW))), ("until", str(int(NOW) + 60)), ("format", "json"),
                                   ("maxDataPoints", "100")]  # fmt: skip
    for target in panel["targets"]:
        text = target["target"]
        for name, value in values.items():
            text = text.replace(f"${name}", value)
        form.append(("target", f'aliasSub({text},"(^.*$)","\\1 {target["refId"]}")'))
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    reply = bridge.ask("/render", urlencode(form).encode(), headers=headers)
    assert reply.status == 200, reply.body
    answered: list[dict[str, Any]] = reply.json
    return answered


@pytest.fixture
def boards(tmp_path: Path) -> Any:
    """The bridge, and the dashboards that were written of it."""
    servers = [{"name": name, "type": TYPES.get(name, name), "target": "", "description": ""} for name in NODES]
    (tmp_path / "site.json").write_text(json.dumps({"name": "yale", "servers": servers, "agents": []}))
    (tmp_path / "dashboards").mkdir()
    with serving(NODES) as bridge:
        write(f"http://127.0.0.1:{bridge.port}", tmp_path / "site.json", tmp_path / "dashboards", 10)
        yield bridge, [json.loads(path.read_text()) for path in (tmp_path / "dashboards").iterdir()]


def test_every_query_of_every_dashboard_has_its_line(boards: Any) -> None:
    bridge, made = boards
    asked = 0
    for board in made:
        values = {each["name"]: each["current"]["value"] for each in board["templating"]["list"]}
        for panel in board["panels"]:
            if "targets" in panel:
                lines = rendered(bridge, panel, values)
                letters = [target["refId"] for target in panel["targets"]]
                assert [line["target"].rpartition(" ")[2] for line in lines] == letters, panel["title"]
                assert all(any(value is not None for value, _ in line["datapoints"]) for line in lines), panel["title"]
                asked += len(lines)
    assert asked > 2 * len(RECORDED)


def test_the_choices_of_the_archive_are_found_step_by_step(boards: Any) -> None:
    bridge, made = boards
    (board,) = [each for each in made if each["uid"] == "sisock-archive"]
    chosen: dict[str, str] = {}
    for variable in board["templating"]["list"]:
        query = variable["query"]
        for name, value in chosen.items():
            query = query.replace(f"${name}", value)
        found = [each["text"] for each in bridge.ask(f"/metrics/find?{urlencode({'query': query})}").json]
        assert variable["current"]["value"] in found
        chosen[variable["name"]] = variable["current"]["value"]


def test_events_are_asked_for_where_the_bridge_has_them(boards: Any) -> None:
    bridge, _ = boards
    reply = bridge.ask(f"/events/get_data?from={int(NOW)}&until={int(NOW) + 60}")
    assert reply.status == 200
    assert isinstance(reply.json, list)
