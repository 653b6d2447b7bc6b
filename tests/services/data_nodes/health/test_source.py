"""The figures of servers: what is taken, named, refused and let go."""

import math
from pathlib import Path
from typing import Any

import pytest

from services.data_nodes.health.source import Health
from sisock.config import declared_options, load_settings
from sisock.errors import SettingError
from sisock.shapes import check_data, check_fields

NOW = 1_700_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def make(**environ: str) -> tuple[Health, Clock, list[str]]:
    said: list[str] = []
    clock = Clock()
    options = declared_options("services.data_nodes.health", "server.yml")
    settings = load_settings(options, environ)
    return Health(settings, clock, lambda event, **facts: said.append(event.format(**facts)), "health"), clock, said


def all_data(health: Health) -> Any:
    fields, _ = check_fields(health.get_fields())
    return check_data(health.get_data(list(fields), NOW - 1e6, NOW + 1e6), list(fields))


def test_each_figure_of_each_server_is_a_field_with_units() -> None:
    health, clock, _ = make()
    health.receive("data_feed", {"received": 1, "dropped.future": 2, "lag": 0.5})
    health.receive("weather", {"memory": 1e8})
    clock.now += 10
    health.receive("data_feed", {"received": 3, "dropped.future": 2})
    fields, timelines = health.get_fields()
    assert {name: field["units"] for name, field in fields.items()} == {
        "data_feed.received": None, "data_feed.dropped.future": None, "data_feed.lag": "s", "weather.memory": "B",
    }  # fmt: skip
    assert fields["data_feed.dropped.future"]["description"] == (
        "Samples and values dropped since the server was started (future): data_feed"
    )
    assert timelines["data_feed"]["interval"] == 10
    reply = all_data(health)
    assert reply["data"]["data_feed.received"] == [1.0, 3.0]
    assert reply["data"]["data_feed.lag"] == [0.5, None]
    assert reply["timeline"]["data_feed"]["t"] == [NOW, NOW + 10]


@pytest.mark.parametrize(
    ("server", "figures"),
    [("a", None), ("a", [1]), ("a", {"x": "1"}), ("a", {"x": True}), ("a", {"x": math.nan}), ("a", {"x": 10**400}),
     ("a", {"": 1}), ("a", {"a b": 1}), ("a", {1: 1}), ("a.b", {"x": 1}), ("", {"x": 1}), ("x" * 256, {"x": 1}),
     ("a", {f"f{i}": i for i in range(101)})],
)  # fmt: skip
def test_no_report_raises_and_a_damaged_one_is_counted_and_told(server: str, figures: Any) -> None:
    health, _, said = make()
    health.receive(server, figures)
    assert health.figures()["dropped"] > 0
    assert len(said) == 1
    assert len(health.get_fields()[0]) in (0, 100)


def test_a_server_that_is_gone_makes_room_for_another_once_its_figures_are_too_old() -> None:
    health, clock, said = make(MAX_SERVERS="1", BUFFER_TIME="100")
    health.receive("one", {"x": 1})
    health.receive("two", {"x": 1})
    assert set(health.get_fields()[0]) == {"one.x"}
    assert "MAX_SERVERS" in said[0]
    clock.now += 101
    health.receive("two", {"x": 1})
    assert set(health.get_fields()[0]) == {"two.x"}


def test_figures_are_there_again_after_a_restart(tmp_path: Path) -> None:
    before, clock, _ = make(BUFFER_DIRECTORY=str(tmp_path))
    list(before.replay())
    before.receive("weather", {"memory": 1e8})
    before.journal.close()
    after, clock, _ = make(BUFFER_DIRECTORY=str(tmp_path))
    clock.now += 60
    after.receive("weather", {"memory": 2e8})
    list(after.replay())
    assert all_data(after)["data"] == {"weather.memory": [1e8, 2e8]}
    assert after.figures()["received"] == 1, "those before the restart are not counted again"


def test_a_bound_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(SettingError, match="BUFFER_TIME"):
        make(BUFFER_TIME="0")
