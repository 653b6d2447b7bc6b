"""A Lakeshore's feed: named as the instrument, with units."""

from pathlib import Path

import pytest
import yaml

from services.data_nodes.thermometry.server import ThermometryServer

FOLDER = Path(__file__).parents[4] / "services/data_nodes"


@pytest.mark.parametrize(
    ("environ", "topic"),
    [
        ({"NAME": "LSA23JD"}, "observatory.LSA23JD.feeds.temperatures"),
        ({"NAME": "still", "TARGET": "LSA23JD"}, "observatory.LSA23JD.feeds.temperatures"),
        ({"NAME": "LSA23JD", "FEED": "other"}, "observatory.LSA23JD.feeds.other"),
    ],
)
def test_the_instrument_is_named_by_the_target_or_else_by_the_server(environ: dict[str, str], topic: str) -> None:
    subscription = ThermometryServer(environ).feeds.subscription
    assert (subscription.topic, subscription.match) == (topic, "exact")


@pytest.mark.parametrize(
    ("ocs_name", "units"),
    [("Channel_01_T", "K"), ("Channel 1 T", "K"), ("Channel_15_R", "Ohm"), ("Channel_1_V", "V"), ("channel_A_T", "K"),
     ("still_heater_out", None), ("Channel_T", None), ("control_mode", None)],
)  # fmt: skip
def test_a_channel_has_the_units_of_what_its_name_ends_in(ocs_name: str, units: str | None) -> None:
    assert ThermometryServer({}).feeds.units(ocs_name) == units


def test_its_settings_are_those_of_a_data_feed() -> None:
    ours, feeds = (
        yaml.safe_load((FOLDER / name / "server.yml").read_text())["options"] for name in ("thermometry", "data_feed")
    )
    assert ours.keys() == feeds.keys()
    assert {name for name in ours if ours[name] != feeds[name]} == {"TARGET", "FEED"}
