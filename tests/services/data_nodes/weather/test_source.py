"""The weather source: the synthetic set, and directories in every state."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from services.data_nodes import text_files
from services.data_nodes.weather.server import WeatherServer
from services.data_nodes.weather.source import SyntheticWeather, Weather
from sisock.shapes import check_data, check_fields
from sisock.testing import check_contract

ALL = (1.0, 2e9)


def make(directory: Path, max_points: int = 0, clock: Callable[[], float] = time.time) -> tuple[Weather, list[str]]:
    said: list[str] = []
    return Weather(directory, max_points, clock, lambda event, **facts: said.append(event.format(**facts))), said


def write(path: Path, lines: str, timeline: str = "hourly", units: str = "C") -> None:
    path.write_text(f"# {path.stem} of a test\n# {timeline}\n# {units}\n# 2017-07-14\n{lines}", encoding="utf-8")


def data(
    weather: Weather | SyntheticWeather, *names: str, between: tuple[float, float] = ALL
) -> dict[str, list[float]]:
    reply = check_data(weather.get_data(names, *between), names)
    assert reply
    return reply["data"]


def test_the_synthetic_set_has_the_fields_of_the_original() -> None:
    fields, timelines = check_fields(SyntheticWeather(0).get_fields())
    assert {name: (field["timeline"], field["units"]) for name, field in fields.items()} == {
        "apex_humidity": ("hourly", "%"), "apex_pressure": ("hourly", "mBar"), "apex_temperature": ("hourly", "C"),
        "apex_radiometer": ("minutely", "mm PWV"), "apex_windspeed": ("minutely", "km/h"),
    }  # fmt: skip
    assert {name: timeline["interval"] for name, timeline in timelines.items()} == {"hourly": 3600, "minutely": 60}


@pytest.mark.parametrize(
    ("field", "low", "high", "samples"),
    [("apex_humidity", 5, 40, 336), ("apex_pressure", 550, 562, 336), ("apex_temperature", -10, 5, 336),
     ("apex_radiometer", 0.3, 3, 20160), ("apex_windspeed", 0, 60, 20160)],
)  # fmt: skip
def test_the_synthetic_set_has_the_period_and_ranges_of_the_original(
    field: str, low: float, high: float, samples: int
) -> None:
    reply = SyntheticWeather(0).get_data([field], *ALL)
    assert reply
    (timeline,) = reply["timeline"].values()
    values = reply["data"][field]
    assert (timeline["t"][0], len(values)) == (1499990400.0, samples)
    assert timeline["t"][-1] < 1501200000.0
    assert timeline["finalized_until"] is None
    assert low <= values.min() < values.mean() < values.max() <= high


def test_the_synthetic_set_is_the_same_everywhere() -> None:
    first = {
        name: values[0] for name, values in data(SyntheticWeather(0), "apex_temperature", "apex_windspeed").items()
    }
    assert first == {"apex_temperature": -0.45, "apex_windspeed": 20.903}


def test_a_directory_of_real_files_takes_its_place(tmp_path: Path) -> None:
    write(tmp_path / "apex_dewpoint.dat", "1500000000 -20.5\n1500003600 -21\n")
    (tmp_path / "notes.txt").write_text("nothing of ours", encoding="utf-8")
    weather, said = make(tmp_path)
    fields, timelines = weather.get_fields()
    assert fields == {"apex_dewpoint": {"description": "apex_dewpoint of a test", "timeline": "hourly",
                                        "type": "number", "units": "C"}}  # fmt: skip
    assert timelines == {"hourly": {"interval": 3600.0, "field": ["apex_dewpoint"]}}
    assert data(weather, "apex_dewpoint", "apex_humidity") == {"apex_dewpoint": [-20.5, -21.0], "apex_humidity": []}
    assert not said


def test_a_directory_of_real_files_keeps_the_contract(tmp_path: Path) -> None:
    for name, samples in (("a", 100), ("b", 100), ("c", 60)):
        write(tmp_path / f"{name}.dat", "".join(f"{1500000000 + 60 * i} {i * 7 % 31}\n" for i in range(samples)))
    check_contract(WeatherServer({"DATA_DIRECTORY": str(tmp_path)}))


def test_files_share_a_timeline_only_when_they_share_their_stamps(tmp_path: Path) -> None:
    write(tmp_path / "a.dat", "1500000000 1\n1500003600 2\n")
    write(tmp_path / "b.dat", "1500000000 3\n1500003600 4\n")
    write(tmp_path / "c.dat", "1500000000 5\n")
    _, timelines = make(tmp_path)[0].get_fields()
    assert {name: timeline["field"] for name, timeline in timelines.items()} == {
        "hourly": ["a", "b"],
        "hourly_c": ["c"],
    }


def test_a_file_is_read_once_and_again_when_it_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    open_file = text_files.open_file
    monkeypatch.setattr(text_files, "open_file", lambda path: opened.append(path) or open_file(path))
    write(tmp_path / "a.dat", "1500000000 1\n")
    weather, _ = make(tmp_path)
    for _ in range(3):
        assert data(weather, "a") == {"a": [1.0]}
    write(tmp_path / "a.dat", "1500000000 1\n1500000060 2\n")
    for _ in range(3):
        assert data(weather, "a") == {"a": [1.0, 2.0]}
    assert len(opened) == 2


def test_half_a_line_is_read_when_nobody_has_ended_it_for_a_minute(tmp_path: Path) -> None:
    write(tmp_path / "a.dat", "1500000000 10.5\n1500000060 1")
    changed = (tmp_path / "a.dat").stat().st_mtime
    now = [changed]
    weather, said = make(tmp_path, clock=lambda: now[0])
    assert data(weather, "a") == {"a": [10.5]}
    now[0] = changed + 60
    assert data(weather, "a") == {"a": [10.5, 1.0]}
    assert not said


def test_files_come_and_go(tmp_path: Path) -> None:
    weather, _ = make(tmp_path)
    assert weather.get_fields() == ({}, {})
    write(tmp_path / "a.dat", "1500000000 1\n")
    assert data(weather, "a") == {"a": [1.0]}
    (tmp_path / "a.dat").unlink()
    assert data(weather, "a") == {"a": []}


def test_what_a_file_that_grows_has_beyond_its_end_is_not_final(tmp_path: Path) -> None:
    write(tmp_path / "a.dat", "1500000000 1\n1500000060 2\n")
    weather, _ = make(tmp_path)
    open_end, closed_end = (weather.get_data(["a"], 1, end) for end in (2e9, 1500000060))
    assert open_end
    assert open_end["timeline"]["hourly"]["finalized_until"] == 1500000060
    assert closed_end
    assert closed_end["timeline"]["hourly"]["finalized_until"] is None


def test_trouble_is_said_once_and_again_when_it_comes_back(tmp_path: Path) -> None:
    directory = tmp_path / "later"
    weather, said = make(directory)
    weather.get_fields(), weather.get_fields()
    assert len(said) == 1
    assert "cannot be listed (No such file or directory)" in said[0]
    directory.mkdir()
    (directory / "a.dat").write_text("1500000000 1\n", encoding="utf-8")
    weather.get_fields(), weather.get_fields()
    assert len(said) == 2
    assert "no weather file" in said[1]
    write(directory / "a.dat", "1500000000 1\nhalf a li\n1500000060 2\n")
    assert data(weather, "a") == data(weather, "a") == {"a": [1.0, 2.0]}
    assert len(said) == 3
    assert "lines that are no sample" in said[2]
    os.rename(directory, tmp_path / "gone")
    weather.get_fields()
    assert len(said) == 4


def test_a_cap_keeps_the_extremes(tmp_path: Path) -> None:
    spiked = "".join(f"{1500000000 + i} {77 if i == 1234 else i % 5}\n" for i in range(5000))
    write(tmp_path / "a.dat", spiked)
    values = np.array(data(make(tmp_path, max_points=50)[0], "a")["a"])
    assert values.size <= 50
    assert (values.min(), values.max()) == (0, 77)
