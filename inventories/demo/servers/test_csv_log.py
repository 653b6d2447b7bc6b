"""The server of a CSV log, with the example beside it and with files that people leave behind."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inventories.demo.servers.csv_log import CsvLog
from sisock.shapes import check_data


def example_server(directory: Path) -> CsvLog:
    """Give the tests that every server passes one with data: here the example, else what is written to `directory`."""
    return CsvLog({})


def data(file: Path, *names: str) -> dict[str, object]:
    reply = check_data(CsvLog({"FILE": str(file)}).get_data_blocking(list(names), 1, 2e9), names)
    assert reply
    stamps = {"t": list(reply["timeline"]["log"]["t"])} if reply["timeline"] else {}
    return {name: list(reply["data"][name]) for name in names} | stamps


def test_it_is_written_in_less_than_40_lines() -> None:
    text = Path(__file__).with_name("csv_log.py").read_text(encoding="utf-8")
    assert sum(bool(line.strip()) for line in text.splitlines()) < 40


def test_a_head_gives_name_and_units_and_a_column_without_a_number_is_text() -> None:
    fields, _ = CsvLog({}).get_fields_blocking(1, 0)
    assert {name: (field["type"], field["units"]) for name, field in fields.items()} == {
        "helium_level": ("number", "%"), "cold_plate": ("number", "K"), "remark": ("string", ""),
    }  # fmt: skip


def test_an_empty_cell_is_a_gap_and_a_row_without_a_time_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    file.write_text(
        'time,a [K],b\n2020-01-01T00:00,1,"x, y"\n\n?,9,z\n2020-01-01T01:00:01Z,,\n2020-01-01T03:00+02:00,3\n'
    )
    assert data(file, "a", "b") == {
        "a": [1.0, 3.0, None],
        "b": ["x, y", None, None],
        "t": [1577836800.0, 1577840400.0, 1577840401.0],
    }


DAMAGE = st.sampled_from(
    [
        "",
        '"',
        'a "quote',
        "2020-13-40T00:00,5,x",
        "\x00\x00",
        "2019-01-01T00:0",
        "ÿ,1",
        "," * 50,
        "9" * 200_000,
        "1e999,1",
    ]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.integers(0, 59) | DAMAGE, max_size=30), end=st.sampled_from(["\n", "\r\n"]))
def test_no_damage_costs_a_good_row(tmp_path: Path, lines: list[int | str], end: str) -> None:
    file = tmp_path / "log.csv"
    rows = [line if isinstance(line, str) else f"2020-01-01T00:{line:02}Z,{line}.5" for line in lines]
    file.write_bytes(end.join(["time,a", *rows]).encode("latin-1"))
    minutes = sorted({line for line in lines if isinstance(line, int)})
    assert data(file, "a")["a"] == [minute + 0.5 for minute in minutes]


def test_a_line_that_is_added_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    file.write_text("time,a\n2020-01-01T00:00,1\n")
    assert data(file, "a")["a"] == [1.0]
    with file.open("a") as log:
        log.write("2020-01-02T00:00,2\n")
    os.utime(file, ns=(0, 1))
    assert data(file, "a")["a"] == [1.0, 2.0]


@pytest.mark.parametrize("text", ["", "\n", "time\n", "time,a\n"])
def test_a_file_without_samples_has_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "log.csv"
    file.write_text(text)
    assert data(file, "a") == {"a": []}


def test_a_missing_file_is_an_empty_log(tmp_path: Path) -> None:
    assert data(tmp_path / "none.csv", "a") == {"a": []}
