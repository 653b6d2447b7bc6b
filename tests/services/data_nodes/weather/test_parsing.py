"""The parser of weather files against a plain loop, with damage put in."""

import io
import math
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.data_nodes.weather.parsing import NotWeatherError, _lines, read_weather_file

NOW = 1_700_000_000.0
LATER = 4e9
"""UNIX seconds at which every file of these tests has been unchanged for long."""
HEADER = "# a description\n# hourly\n# mBar\n# 2017-07-14\n"

good = st.tuples(st.integers(1_500_000_000, 1_500_000_050), st.floats(-1e6, 1e6)).map(lambda s: f"{s[0]} {s[1]!r}")
damage = st.sampled_from(
    ["", "   ", "1500000001", "1500000001 3,5", "nan 4", "inf 4", "1500000001 3.2150000002 4.1", "1500000001 x",
     "1500000001 1_5", "# a comment", "\x00\x00\x00", "1500000001 \xff", "-", "1500000001 2 " + "9" * 10_000]
)  # fmt: skip


def plainly(text: str) -> tuple[dict[int, float], int]:
    samples: dict[int, float] = {}
    bad = 0
    for line in text.split("\n"):
        parts = line.split()
        if not parts or line.startswith("#"):
            continue
        try:
            assert len(parts) == 2
            assert "_" not in line
            t, value = float(parts[0]), float(parts[1])
            assert math.isfinite(t)
        except (AssertionError, ValueError):
            bad += 1
            continue
        samples.setdefault(int(t), value)
    return samples, bad


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.one_of(good, good, damage), max_size=40), end=st.sampled_from(["\n", "\r\n"]),
       closed=st.booleans())  # fmt: skip
def test_no_damage_costs_a_good_sample(tmp_path: Path, lines: list[str], end: str, closed: bool) -> None:
    path = tmp_path / "a.dat"
    path.write_bytes((HEADER.replace("\n", end) + end.join(lines) + (end if closed else "")).encode("latin-1"))
    read = read_weather_file(path, LATER)
    samples, bad = plainly("\n".join(lines))
    assert dict(zip(read.t.tolist(), read.values.tolist(), strict=True)) == samples
    assert read.t.tolist() == sorted(samples)
    assert (read.description, read.timeline, read.units, read.bad_lines) == ("a description", "hourly", "mBar", bad)


def test_nan_is_a_sample_without_a_value(tmp_path: Path) -> None:
    (tmp_path / "a.dat").write_text(HEADER + "1500000000 nan\n", encoding="utf-8")
    assert math.isnan(read_weather_file(tmp_path / "a.dat", LATER).values[0])


def test_a_file_without_a_date_loses_no_sample(tmp_path: Path) -> None:
    (tmp_path / "a.dat").write_text("# a\n# b\n# c\n1500000000 1\n", encoding="utf-8")
    assert read_weather_file(tmp_path / "a.dat", LATER).t.tolist() == [1500000000]


@pytest.mark.parametrize("text", ["", "\n", "1500000000 1\n" * 9, "# a\n# b\n", "# a\n#\n# c\n# d\n"])
def test_a_file_without_the_header_is_refused_with_what_is_due(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.dat").write_text(text, encoding="utf-8")
    with pytest.raises(NotWeatherError, match=r"a\.dat is no weather file; its first lines must be"):
        read_weather_file(tmp_path / "a.dat", LATER)


def test_a_line_of_many_megabytes_is_one_bad_line(tmp_path: Path) -> None:
    (tmp_path / "a.dat").write_bytes(HEADER.encode() + b"1500000000 1\n" + b"7" * 20_000_000 + b"\n1500000060 2\n")
    read = read_weather_file(tmp_path / "a.dat", LATER)
    assert (read.values.tolist(), read.bad_lines) == ([1.0, 2.0], 1)


def test_the_last_line_is_a_sample_once_it_is_whole_or_the_file_has_settled(tmp_path: Path) -> None:
    path = tmp_path / "a.dat"
    path.write_text(HEADER + "1500000000 10.5\n1500000060 1", encoding="utf-8")
    os.utime(path, (NOW, NOW))
    growing, settled = read_weather_file(path, NOW + 59), read_weather_file(path, NOW + 60)
    assert (growing.values.tolist(), growing.unfinished, growing.bad_lines) == ([10.5], True, 0)
    assert (settled.values.tolist(), settled.unfinished) == ([10.5, 1.0], False)
    path.write_text(HEADER + "1500000000 10.5\n1500000060 12.75\n", encoding="utf-8")
    os.utime(path, (NOW, NOW))
    assert read_weather_file(path, NOW).values.tolist() == [10.5, 12.75]


def test_what_is_appended_to_half_a_line_while_it_is_read_is_no_line_of_its_own() -> None:
    class Growing(io.BytesIO):
        def readline(self, size: int | None = -1) -> bytes:
            line = super().readline(size)
            if line == b"1500000060 1":
                self.write(b"2 3\n")
                self.seek(-4, os.SEEK_CUR)
            return line

    assert list(_lines(Growing(b"1500000000 1\n1500000060 1"))) == [(b"1500000000 1", True), (b"1500000060 1", False)]
