"""What stands on each dashboard, and that Grafana can take it."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.bridge.graphite.expression import Invocation, Path, parse
from services.dashboards.boards import boards, uid
from services.dashboards.instruments import Sorted, sort_out
from services.dashboards.site import Site
from sisock.graphite import name_of, path_of
from sisock.units import of_grafana
from tests.services.dashboards.conftest import FIELDS, LAKESHORE, NODES, SITE, field, node

UID = re.compile(r"[a-zA-Z0-9_-]{1,40}")


def by_uid(made: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    assert len({each["uid"] for each in made}) == len(made)
    return {each["uid"]: each for each in made}


def asked(panel: dict[str, Any]) -> list[tuple[str, str]]:
    """Field and label of each query of a panel, read as the bridge reads them."""
    found = []
    for target in panel.get("targets", ()):
        called = parse(target["target"])
        assert isinstance(called, Invocation)
        path, label = called.arguments
        assert called.function == "alias"
        assert isinstance(path, Path)
        found.append((name_of(path.text), label))
    return found


@pytest.fixture
def made(sights: Sorted, site: Site) -> dict[str, dict[str, Any]]:
    return by_uid(boards(sights, site))


def test_there_is_one_for_each_instrument_and_four_of_the_site(made: dict[str, Any]) -> None:
    assert list(made) == [
        "sisock-overview", "sisock-weather", "sisock-archive", "sisock-health",
        "sisock-agent-LSA22YE", "sisock-agent-LSA240", "sisock-server-lab_log",
    ]  # fmt: skip
    assert len({each["title"] for each in made.values()}) == len(made)


def test_an_instrument_has_the_figures_of_the_manual(made: dict[str, Any]) -> None:
    """Fig. 2: eight channels on the left plot, seven on the right, and the current value of each below."""
    left, right, left_tiles, right_tiles = made["sisock-agent-LSA22YE"]["panels"]
    assert [panel["type"] for panel in (left, right, left_tiles, right_tiles)] == ["timeseries"] * 2 + ["stat"] * 2
    assert (len(asked(left)), len(asked(right))) == (8, 7)
    assert (asked(left_tiles), asked(right_tiles)) == (asked(left), asked(right))
    assert {name for name, _ in asked(left) + asked(right)} == {f"feeds::observatory.{each}" for each in LAKESHORE}
    assert left["gridPos"]["y"] == right["gridPos"]["y"] < left_tiles["gridPos"]["y"]
    assert {panel["fieldConfig"]["defaults"]["unit"] for panel in (left, right, left_tiles)} == {"kelvin"}
    assert left_tiles["options"]["reduceOptions"]["calcs"] == ["lastNotNull"]


def test_every_field_that_can_be_drawn_is_on_a_dashboard_under_its_own_name(made: dict[str, Any]) -> None:
    shown = {
        name
        for board in made.values()
        for panel in board["panels"]
        if "$" not in panel["title"]
        for name, _ in asked(panel)
    }
    other = ("data_feed::", "g3_reader::", "cryostat::")
    assert shown == {each.name for each in FIELDS if each.type != "string" and not each.name.startswith(other)}


def test_health_compares_the_data_servers_figure_by_figure(made: dict[str, Any]) -> None:
    plots = {panel["title"]: panel for panel in made["sisock-health"]["panels"] if panel["type"] == "timeseries"}
    assert asked(plots["lag"]) == [("health::data_feed.lag", "data_feed"), ("health::sensors.lag", "sensors")]
    assert plots["lag"]["description"] == "lag since then"


def test_the_archive_lets_people_choose_what_to_see(made: dict[str, Any]) -> None:
    board = made["sisock-archive"]
    queries = [each["query"] for each in board["templating"]["list"]]
    assert queries == [
        "feeds.observatory.*", "feeds.observatory.$agent.feeds.*", "feeds.observatory.$agent.feeds.$feed.*",
    ]  # fmt: skip
    (target,) = board["panels"][0]["targets"]
    for variable in board["templating"]["list"]:
        target["target"] = target["target"].replace(f"${variable['name']}", variable["current"]["value"])
    called = parse(target["target"])
    assert isinstance(called, Invocation)
    assert isinstance(called.arguments[0], Path)
    assert name_of(called.arguments[0].text) in {each.name for each in FIELDS}


def test_a_dashboard_without_anything_to_show_says_what_to_add() -> None:
    for board in boards(Sorted(), Site()):
        words = [panel["options"]["content"] for panel in board["panels"] if panel["type"] == "text"]
        assert words
        assert all("`sisock" in text for text in words)


def test_what_was_linked_stays_linked_when_a_channel_comes() -> None:
    new = field("feeds::observatory.LSA240.feeds.another.A", "A")
    before, after = (by_uid(boards(sort_out(fields, NODES, SITE), SITE)) for fields in (FIELDS, [new, *FIELDS]))
    numbers = {(name, panel["title"]): panel["id"] for name, board in before.items() for panel in board["panels"]}
    kept = {(name, panel["title"]): panel["id"] for name, board in after.items() for panel in board["panels"]}
    assert kept.items() >= numbers.items()
    assert len(kept) == len(numbers) + 2


def test_a_page_that_has_something_of_each_instrument_stays_one_page() -> None:
    fields = [field(f"server{number}::a") for number in range(300)]
    made = by_uid(boards(sort_out(fields, [], SITE), SITE))
    assert len(made) == 4 + 300
    assert len(made["sisock-overview"]["panels"]) < 50
    assert "maxItems" in made["sisock-overview"]["panels"][0]["options"]


def test_a_boolean_is_drawn_in_steps_and_its_tile_says_on_or_off(made: dict[str, Any]) -> None:
    panels = [panel for panel in made["sisock-server-lab_log"]["panels"] if ("lab_log::open", "open") in asked(panel)]
    plotted, tile = panels
    assert plotted["fieldConfig"]["defaults"]["custom"]["lineInterpolation"] == "stepAfter"
    assert tile["fieldConfig"]["defaults"]["mappings"][0]["options"]["1"]["text"] == "on"


@pytest.mark.parametrize(
    ("units", "name"),
    [("K", "kelvin"), (" mBar ", "pressurembar"), ("mm PWV", "suffix: mm PWV"), (None, ""), ("", ""), ("B", "bytes")],
)
def test_units_are_those_of_grafana_or_stand_behind_the_value(units: str | None, name: str) -> None:
    assert of_grafana(units) == name


@given(kind=st.sampled_from(["agent", "server"]), names=st.sets(st.text(max_size=60), min_size=2, max_size=5))
def test_every_name_has_a_uid_of_its_own_that_grafana_takes(kind: str, names: set[str]) -> None:
    made = {uid(kind, name) for name in names}
    assert len(made) == len(names)
    assert [each for each in made if not UID.fullmatch(each)] == []


NAMES = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=30)
ANY_FIELD = st.builds(
    field,
    name=st.tuples(
        st.sampled_from(["feeds", "g3_reader", "lab_log", "health", "sensors", "apex_archive", "who"]), NAMES
    ).map("::".join)
    | NAMES.map(lambda name: f"feeds::observatory.{name}.feeds.{name}.{name}"),
    units=st.none() | st.text(max_size=5),
    kind=st.sampled_from(["number", "bool", "string"]),
    about=st.none() | st.text(max_size=20),
)


@given(fields=st.lists(ANY_FIELD, max_size=40, unique_by=lambda each: each.name))
def test_whatever_fields_are_called_the_dashboards_are_sound(fields: list[Any]) -> None:
    made = by_uid(boards(sort_out(fields, NODES, SITE), SITE))
    json.loads(json.dumps(made))
    for board in made.values():
        assert UID.fullmatch(board["uid"])
        numbers = [panel["id"] for panel in board["panels"]]
        assert len(set(numbers)) == len(numbers)
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            place = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not cells & taken
            assert max(x for x, _ in cells) < 24
            taken |= cells
            letters = [target["refId"] for target in panel.get("targets", ())]
            assert len(set(letters)) == len(letters)
            for target in panel.get("targets", ()):
                parse(target["target"])


@given(name=NAMES)
def test_a_label_neither_ends_its_text_nor_names_another_query(name: str) -> None:
    wanted = field(f"lab_log::{name}")
    board = by_uid(boards(sort_out([wanted], [node("lab_log")], SITE), SITE))["sisock-server-lab_log"]
    for panel in board["panels"]:
        ((found, label),) = asked(panel)
        assert found == name_of(path_of(wanted.name)) == wanted.name
        assert len(label) >= len(name)
        assert not re.search("#[A-Z]", panel["targets"][0]["target"])
