"""The weather of the APEX archive: names, fields, and many files against a plain loop."""

import os
import runpy
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.data_nodes.apex_weather.source import FIELDS, ApexWeather, recognize
from sisock.shapes import check_data, check_fields

DAY = 86400
FIRST = 1_532_044_800
write_day = runpy.run_path(str(Path(__file__).parent / "example.py"))["write_day"]


def make(directory: Path, max_points: int = 0) -> tuple[ApexWeather, list[str]]:
    said: list[str] = []
    return ApexWeather(
        directory, max_points, time.time, lambda event, **facts: said.append(event.format(**facts))
    ), said


def test_the_fields_are_those_of_the_manual_whether_there_are_files_or_not(tmp_path: Path) -> None:
    write_day(tmp_path, "humidity", FIRST)
    fields, timelines = check_fields(make(tmp_path)[0].get_fields())
    assert {name: field["units"] for name, field in fields.items()} == {
        "humidity": "%", "pressure": "mBar", "radiometer": "mm", "dewpoint": "C", "temperature": "C",
        "windspeed": "km/h", "winddirection": "deg",
    }  # fmt: skip
    assert {name: (timeline["field"], timeline["interval"]) for name, timeline in timelines.items()} == {
        name: ([name], 3600.0 if name == "humidity" else None) for name in FIELDS
    }


@pytest.mark.parametrize(
    "name",
    ["APEX_humidity_1500000000.dat", "APEX_humidity_1500000000_1500086399.txt", "APEX_snow_1500000000_1500086399.dat",
     "APEX_humidity_x_y.dat", "APEX_humidity_1500000000_1500086399.dat.part", "APEX_humidity_\u0661\u0665_\u0661.dat",
     ".APEX_humidity_1500000000_1500086399.dat.Xa81", "", "APEX_humidity_" + "9" * 99 + "_1.dat"],
)  # fmt: skip
def test_another_name_is_passed_over(name: str) -> None:
    assert recognize(name) is None


good = st.tuples(st.integers(0, 3 * DAY - 1), st.floats(-1e6, 1e6)).map(lambda s: f"{FIRST + s[0]} {s[1]!r}")
damage = st.sampled_from(["", "  ", f"{FIRST}", f"{FIRST} 3,5", f"{FIRST + 7} nan", "cut", f"{FIRST} 1\r", "\x00\x00"])


@settings(max_examples=60)
@given(
    days=st.lists(st.lists(good | good | damage, max_size=25), min_size=3, max_size=3),
    end=st.sampled_from(["\n", "\r\n"]),
    between=st.tuples(st.integers(0, 3 * DAY), st.integers(0, 3 * DAY)),
)
def test_a_range_of_many_files_is_what_a_plain_loop_finds(
    days: list[list[str]], end: str, between: tuple[int, int]
) -> None:
    start, stop = (float(FIRST + seconds) for seconds in between)
    due: dict[float, float] = {}
    with TemporaryDirectory() as folder:
        for day, lines in enumerate(days):
            first = FIRST + day * DAY
            text = end.join(lines) + end
            write_day(Path(folder), "humidity", first, text if text.strip() else "#\n")
            for line in lines:
                parts = line.split()
                if len(parts) == 2 and "," not in parts[1]:
                    t = float(parts[0])
                    # A file is trusted six hours around the time that its name says; the newest, for ever.
                    if start <= t < stop and t >= first - DAY / 4 and (day == 2 or t < first + DAY * 5 / 4):
                        due.setdefault(t, float(parts[1]))
        reply = check_data(make(Path(folder))[0].get_data(["humidity"], start, stop), ["humidity"])
    assert reply
    found = reply["data"]["humidity"]
    if all(value != value for value in due.values()):  # noqa: PLR0124 (no value but NaN)
        assert found == []
        return
    assert dict(zip(reply["timeline"]["humidity"]["t"], found, strict=True)) == {
        t: None if due[t] != due[t] else due[t] for t in sorted(due)
    }  # fmt: skip


def test_an_hour_in_ten_years_of_daily_files_opens_the_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from services.data_nodes import text_files

    opened: list[str] = []
    open_file = text_files.open_file
    monkeypatch.setattr(text_files, "open_file", lambda path: opened.append(path.name) or open_file(path))
    for day in range(3650):
        write_day(tmp_path, "humidity", FIRST + day * DAY, f"{FIRST + day * DAY + 43200} {day}\n")
    source, said = make(tmp_path)
    listed: list[object] = []
    monkeypatch.setattr(os, "listdir", lambda path, listdir=os.listdir: listed.append(path) or listdir(path))
    long_ago = time.time() - 60
    os.utime(tmp_path / "targets", (long_ago, long_ago))
    noon = FIRST + 2000 * DAY + 43200
    for _ in range(3):
        reply = source.get_data(["humidity"], noon - 1800, noon + 1800)
        assert reply
        assert reply["data"]["humidity"].tolist() == [2000]
    assert opened == [f"APEX_humidity_{FIRST + 2000 * DAY}_{FIRST + 2001 * DAY - 1}.dat"]
    assert (len(listed), said) == (1, [])


def test_a_year_with_a_cap_shows_every_spike_and_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from services.data_nodes import text_files

    spikes = {}
    for day in range(365):
        first, spiked = FIRST + day * DAY, day * 37 % 288
        spikes[first + 300 * spiked] = 1000.0 + day
        values = [1000 + day if at == spiked else at % 7 for at in range(288)]
        write_day(tmp_path, "pressure", first, "".join(f"{first + 300 * i} {v}\n" for i, v in enumerate(values)))
    source, _ = make(tmp_path, max_points=1000)
    everything = 1.0, 2e9
    assert source.get_data(["pressure"], *everything)
    monkeypatch.setattr(text_files, "open_file", None)  # All is known now.
    monkeypatch.setattr(text_files.TextFile, "samples", None)
    reply = source.get_data(["pressure"], *everything)
    assert reply
    t, values = reply["timeline"]["pressure"]["t"], reply["data"]["pressure"]
    assert t.size <= 1000
    cell = 2 * 365 * DAY / 1000
    for stamp, value in spikes.items():
        assert values[abs(t - stamp) <= 2 * cell].max() >= value
    assert values.max() == 1364


def test_a_file_that_holds_another_time_than_its_name_says_is_told_once(tmp_path: Path) -> None:
    write_day(tmp_path, "humidity", FIRST, f"{FIRST} 1\n{FIRST + 30 * DAY} 2\n")
    write_day(tmp_path, "humidity", FIRST + DAY, f"{FIRST + DAY} 3\n")
    source, said = make(tmp_path)
    for _ in range(3):
        reply = source.get_data(["humidity"], 1.0, 2e9)
        assert reply
        assert reply["data"]["humidity"].tolist() == [1, 3]
    assert [line.rpartition(": ")[2] for line in said] == [
        "samples far from the time that its name says are not served"
    ]


def test_the_newest_file_may_grow_beyond_the_time_in_its_name(tmp_path: Path) -> None:
    path = write_day(tmp_path, "humidity", FIRST, f"{FIRST} 1\n")
    source, said = make(tmp_path)
    assert source.get_data(["humidity"], 1.0, 2e9)
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{FIRST + 5 * DAY} 2\n")
    reply = source.get_data(["humidity"], FIRST + DAY, FIRST + 6 * DAY)
    assert reply
    assert reply["data"]["humidity"].tolist() == [2]
    assert reply["timeline"]["humidity"]["finalized_until"] == FIRST + 5 * DAY
    assert not said
