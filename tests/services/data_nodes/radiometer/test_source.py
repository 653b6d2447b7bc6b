"""The radiometer's files: names, days of the year, and damage, against a plain loop."""

import calendar
import math
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.data_nodes.radiometer.source import Radiometer, recognize
from sisock.shapes import check_data, check_fields

ALL = (1.0, 4e9)


def unix(*date: int) -> float:
    return datetime(*date, tzinfo=UTC).timestamp()  # type: ignore[misc]


def make(directory: Path, max_points: int = 0) -> tuple[Radiometer, list[str]]:
    said: list[str] = []
    return Radiometer(directory, max_points, time.time, lambda event, **facts: said.append(event.format(**facts))), said


def write(directory: Path, name: str, text: str) -> Path:
    (directory / "PWV").mkdir(exist_ok=True)
    path = directory / "PWV" / f"PWV_UCSC_{name}.txt"
    path.write_bytes(text.encode("latin-1"))
    return path


def samples(directory: Path, start: float = ALL[0], end: float = ALL[1]) -> dict[float, float | None]:
    reply = check_data(make(directory)[0].get_data(["pwv"], start, end), ["pwv"])
    assert reply
    t = reply["timeline"]["pwv"]["t"] if reply["timeline"] else []
    return dict(zip(t, reply["data"]["pwv"], strict=True))


def test_the_field_is_that_of_the_manual(tmp_path: Path) -> None:
    fields, timelines = check_fields(make(tmp_path)[0].get_fields())
    assert (fields["pwv"]["units"], fields["pwv"]["type"]) == ("mm", "number")
    assert timelines == {"pwv": {"interval": 60.48, "field": ["pwv"]}}


@pytest.mark.parametrize(
    ("name", "date"),
    [("PWV_UCSC_2019-001.txt", (2019, 1, 1)), ("PWV_UCSC_201-2018.txt", (2018, 7, 20)),
     ("PWV_UCSC_2018-202.txt", (2018, 7, 21)), ("PWV_UCSC_2020-366.txt", (2020, 12, 31)),
     ("PWV_UCSC_2020-060.txt", (2020, 2, 29)), ("PWV_UCSC_2019-060.txt", (2019, 3, 1)),
     ("PWV_UCSC_7-2018.txt", (2018, 1, 7))],
)  # fmt: skip
def test_both_schemes_of_names_say_the_day(name: str, date: tuple[int, int, int]) -> None:
    named = recognize(name)
    assert named
    assert (named.first, named.last) == (unix(*date), unix(*date) + 86400)


@pytest.mark.parametrize(
    "day",
    [
        "2019-366",
        "2019-000",
        "2019-400",
        "9999-001",
        "0001-001",
        "19-001",
        "2019-1111",
        "2019-001~",
        "\u0662019-001",
        "",
    ],
)
def test_a_name_of_no_day_is_passed_over(day: str) -> None:
    assert recognize(f"PWV_UCSC_{day}.txt") is None


def test_nan_is_a_sample_without_a_value_and_blank_and_half_lines_are_none(tmp_path: Path) -> None:
    write(tmp_path, "2019-010", "DOY PWV\n10.0 1.5\n10.25 NaN\n\n   \n10.5 \n10.75 0.5\n10.8 0.")
    assert samples(tmp_path) == {unix(2019, 1, 10): 1.5, unix(2019, 1, 10, 6): None, unix(2019, 1, 10, 18): 0.5}


@pytest.mark.parametrize(
    ("name", "line", "date"),
    [("2018-365", "365.75", (2018, 12, 31, 18)), ("2018-365", "366.25", (2019, 1, 1, 6)),
     ("2018-365", "1.25", (2019, 1, 1, 6)), ("2019-001", "1.25", (2019, 1, 1, 6)),
     ("2019-001", "365.75", (2018, 12, 31, 18)), ("2020-366", "366.5", (2020, 12, 31, 12)),
     ("2020-366", "1.25", (2021, 1, 1, 6)), ("2021-001", "366.75", (2020, 12, 31, 18)),
     ("2020-060", "60.5", (2020, 2, 29, 12)), ("2020-061", "61.5", (2020, 3, 1, 12)),
     ("2019-060", "60.5", (2019, 3, 1, 12)), ("60-2016", "60.5", (2016, 2, 29, 12))],
)  # fmt: skip
def test_year_ends_and_leap_days(tmp_path: Path, name: str, line: str, date: tuple[int, ...]) -> None:
    write(tmp_path, name, f"header\n{line} 1.5\n")
    assert samples(tmp_path) == {unix(*date): 1.5}
    assert samples(tmp_path, unix(*date), unix(*date) + 1) == {unix(*date): 1.5}
    assert samples(tmp_path, unix(*date) - 1, unix(*date)) == {}


good = st.tuples(st.integers(-4000, 14000), st.integers(0, 500) | st.just("NaN"))
damage = st.sampled_from(["", "  ", "12", "12.5 0,7", "half a", "NaN 1.0", "1e9 3", "-5 1", "1e308 2", "\xff\xfe"])


@settings(max_examples=80)
@given(
    year=st.sampled_from([2018, 2019, 2020, 2021]),
    edge=st.booleans(),
    lines=st.lists(st.lists(good | damage, max_size=20), min_size=2, max_size=2),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_two_days_are_what_a_plain_loop_finds(
    year: int, edge: bool, lines: list[list[tuple[int, int | str] | str]], end: str
) -> None:
    """Two days at the end of a year, or in the middle of it, with lines of some hours before and after them."""
    days = 365 + calendar.isleap(year)
    first = datetime(year, 12, 31, tzinfo=UTC) if edge else datetime(year, 2, 28, tzinfo=UTC)
    due: dict[float, float | None] = {}
    with TemporaryDirectory() as folder:
        for offset, written in enumerate(lines):
            date = first + timedelta(days=offset)
            number = date.timetuple().tm_yday
            text = []
            for line in written:
                if isinstance(line, str):
                    text.append(line)
                    continue
                ticks, value = line
                day = round(number + ticks / 10000, 4)
                stamp = round(date.timestamp() + ticks * 8.64, 3)
                if date.year > year and day < 1:
                    day = round(day + days, 4)  # The instrument's clock is still in the old year.
                text.append(f"{day:.4f} {value}")
                spot = date.timestamp()
                if stamp >= spot - 21600 and (stamp < spot + 108000 or offset == 1):
                    due.setdefault(stamp, None if value == "NaN" else float(value))
            write(Path(folder), f"{date.year}-{number:03}", end.join(["header", *text, ""]))
        far = first.timestamp() + 3 * 86400  # What the newest file holds of later times is not looked at.
        found = samples(Path(folder), first.timestamp() - 86400, far)
    if all(value is None for value in due.values()):
        assert found == {}
    else:
        assert found.keys() == due.keys()
        assert all(value == found[t] or math.isnan(value or 0) for t, value in due.items())


def test_what_is_no_sample_is_told_once(tmp_path: Path) -> None:
    write(tmp_path, "2019-010", "header\n10.1 1.5\n10.2 1,5\n300.5 2\n")
    write(tmp_path, "2019-011", "header\n11.1 1.5\n")
    source, said = make(tmp_path)
    for _ in range(3):
        assert source.get_data(["pwv"], *ALL)
    (sentence,) = said
    assert (
        "PWV_UCSC_2019-010.txt: passed over lines that are no samples; the first is '10.2 1,5'; samples far" in sentence
    )
