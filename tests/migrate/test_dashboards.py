"""Dashboards of the original ask Graphite, and nothing else of them changes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from migrate.__main__ import ROOT
from migrate.dashboards import SOURCE, convert_file, converted
from migrate.report import Refused, Report


def graph(*names: str, **more: Any) -> dict[str, Any]:
    rows = [{"refId": "ABC"[n], "target": name, "type": "timeserie"} for n, name in enumerate(names)]
    return {"type": "graph", "title": "Cryostat", "datasource": None, "targets": rows, **more}


DASHBOARD: dict[str, Any] = {
    "id": 7,
    "uid": "abc",
    "title": "Yale",
    "annotations": {"list": [{"builtIn": 1}]},
    "panels": [
        graph("LSA22YE::channel_01_t", "bluefors::pressure 1", seriesOverrides=[{"alias": "LSA22YE::channel_01_t"}]),
        {"type": "row", "panels": [graph("apex_archive::apex_radiometer")]},
        {"type": "text", "content": "about::nothing"},
        {"type": "graph", "datasource": "other", "targets": [{"expr": "up"}]},
    ],
}


def test_a_row_asks_for_the_same_field_and_its_series_keeps_its_name() -> None:
    report = Report()
    made = converted(DASHBOARD, report)
    first, row, text, other = made["panels"]
    assert [target["target"] for target in first["targets"]] == [
        "alias(LSA22YE.channel_01_t, 'LSA22YE::channel_01_t')",
        "alias(bluefors.pressure~201, 'bluefors::pressure 1')",
    ]
    assert first["datasource"] == SOURCE
    assert first["seriesOverrides"] == [{"alias": "LSA22YE::channel_01_t"}]
    assert row["panels"][0]["targets"][0]["target"].startswith("alias(apex_archive.apex_radiometer,")
    assert (text, other) == tuple(DASHBOARD["panels"][2:])
    assert (made["id"], made["uid"]) == (None, "abc")
    assert report.left == []


def test_dashboards_of_rows_are_known() -> None:
    made = converted({"title": "old", "rows": [{"panels": [graph("a::b")]}]}, Report())
    assert made["rows"][0]["panels"][0]["datasource"] == SOURCE


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"panels": [graph("a::b_*")]}, "the row A stands for several fields"),
        ({"panels": [graph("a::b", "select metric")]}, "the row B was not understood"),
        ({"panels": [{"targets": [{"target": "a::b", "type": "table"}]}]}, "it asked for a table"),
        ({"annotations": {"list": [{"name": "mine"}]}}, "it has annotations"),
        ({"templating": {"list": [{"type": "query"}]}}, "it has variables"),
    ],
)
def test_what_cannot_be_converted_is_said(change: dict[str, Any], words: str) -> None:
    report = Report()
    converted({**DASHBOARD, **change}, report)
    assert any(words in line for line in report.left)


def test_a_file_gets_another_beside_it(tmp_path: Path) -> None:
    old = tmp_path / "yale.json"
    old.write_text(json.dumps({"meta": {}, "dashboard": DASHBOARD}))
    command = [sys.executable, "-m", "migrate.dashboards", str(old)]
    for _ in range(2):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, f"{tmp_path}/yale-sisock.json\n")
    assert json.loads((tmp_path / "yale-sisock.json").read_text())["title"] == "Yale"


@pytest.mark.parametrize("text", ["{", "[]", '{"title": "x"}'])
def test_what_is_no_dashboard_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(Refused, match=r"a\.json (cannot be read|is no dashboard)"):
        convert_file(tmp_path / "a.json", Report())
