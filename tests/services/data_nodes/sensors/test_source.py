"""The sensors source: readings kept, and said once when there are no chips."""

import math
from pathlib import Path

import pytest

from services.data_nodes.sensors.measuring import ChipsUnreadableError, Reading
from services.data_nodes.sensors.source import Sensors
from sisock.errors import SettingError
from sisock.shapes import check_data, check_fields

SETTINGS = {"INTERVAL": 2.5, "DEPTH": 4, "MAX_POINTS": 0, "BUFFER_DIRECTORY": "", "BUFFER_DISK": 1}
NOW = 1_700_000_000.0


def no_chips() -> dict[str, Reading]:
    raise ChipsUnreadableError("lm-sensors finds no chips")


def test_the_newest_readings_are_kept_to_the_depth() -> None:
    sensors = Sensors(SETTINGS, lambda *_, **__: None)
    for i in range(10):
        sensors.keep({"chip.temp1": Reading(40.0 + i, "C", "temp1 of chip chip")}, NOW + 2.5 * i)
    fields, timelines = check_fields(sensors.get_fields())
    assert fields == {"chip.temp1": {"description": "temp1 of chip chip", "timeline": "sensors", "type": "number",
                                     "units": "C"}}  # fmt: skip
    assert timelines["sensors"]["interval"] == 2.5
    reply = check_data(sensors.get_data(["chip.temp1"], 1, 2e9), ["chip.temp1"])
    assert reply
    assert reply["data"]["chip.temp1"] == [46.0, 47.0, 48.0, 49.0]


def test_nothing_read_yet_is_no_field() -> None:
    sensors = Sensors(SETTINGS, lambda *_, **__: None)
    assert sensors.get_fields() == ({}, {})
    assert sensors.get_data(["a"], 1, 2e9) == {"data": {"a": []}, "timeline": {}}


def test_without_chips_the_kernel_is_served_and_that_is_said_once() -> None:
    said: list[str] = []
    sensors = Sensors(SETTINGS, lambda event, **facts: said.append(event.format(**facts)), no_chips,
                      lambda: {"load_1min": Reading(0.5, None, "load")})  # fmt: skip
    assert [set(sensors.measure()) for _ in range(3)] == [{"load_1min"}] * 3
    assert said == ["serving load, memory and thermal zones of the kernel alone: lm-sensors finds no chips"]


def test_with_chips_both_are_served() -> None:
    sensors = Sensors(SETTINGS, lambda *_, **__: None, lambda: {"chip.a": Reading(1, "C", "")},
                      lambda: {"load_1min": Reading(0.5, None, "load")})  # fmt: skip
    assert set(sensors.measure()) == {"chip.a", "load_1min"}


def test_readings_that_are_lost_to_a_clock_set_back_are_told_once_and_those_beyond_the_depth_are_not() -> None:
    said: list[str] = []
    sensors = Sensors(SETTINGS, lambda event, **facts: said.append(event.format(**facts)))
    for i in range(10):
        sensors.keep({"a": Reading(1.0, "C", "")}, NOW + i)
    assert said == []
    for t in (NOW + 7, NOW + 8, NOW + 10):
        sensors.keep({"a": Reading(1.0, "C", "")}, t)
    assert said == ["dropping readings (backward); look at the host's clock"]
    sensors.keep({"a": Reading(1.0, "C", "")}, NOW - 3600)
    assert said[1:] == ["dropping readings (future); look at the host's clock"]


@pytest.mark.parametrize(("name", "value"), [("INTERVAL", 0), ("INTERVAL", math.inf), ("DEPTH", 0)])
def test_an_interval_or_depth_of_nothing_is_refused(name: str, value: float) -> None:
    with pytest.raises(SettingError, match=name):
        Sensors(SETTINGS | {name: value}, lambda *_, **__: None)


def test_readings_are_there_again_after_a_restart_with_their_units(tmp_path: Path) -> None:
    settings = SETTINGS | {"BUFFER_DIRECTORY": tmp_path}
    before = Sensors(settings, lambda *_, **__: None, name="sensors")
    list(before.replay(NOW))
    for i in range(3):
        before.keep({"chip.a": Reading(40.0 + i, "C", "a of chip chip"), "load": Reading(0.1, None, "")}, NOW + 2.5 * i)
    before.journal.close()
    after = Sensors(settings, lambda *_, **__: None, name="sensors")
    after.keep({"chip.a": Reading(43.0, "C", "a of chip chip")}, NOW + 9)
    list(after.replay(NOW + 9))
    assert after.get_fields()[0] == before.get_fields()[0]
    reply = check_data(after.get_data(["chip.a"], 1, 2e9), ["chip.a"])
    assert reply
    assert reply["data"]["chip.a"] == [40.0, 41.0, 42.0, 43.0]
    assert after.figures()["received"] == 1
