import csv
import io
import math
import re
import sys
import tempfile
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from sisock.tables import PackageMissing, frame, rows, side_by_side, write_csv, write_parquet

STAMPS = st.lists(st.sampled_from([1.7e9 + n / 8 for n in range(12)]), unique=True).map(sorted)
NUMBERS, WHOLE = st.floats(allow_infinity=False), st.integers(-(2**53), 2**53)
KINDS = [(NUMBERS, np.float64), (WHOLE, np.int64), (st.booleans(), np.bool_), (st.none() | st.text(), object)]


@st.composite
def series(draw: Any) -> tuple[np.ndarray, np.ndarray]:
    t = draw(STAMPS)
    values, dtype = draw(st.sampled_from(KINDS))
    made = np.empty(len(t), dtype=dtype)
    made[:] = [draw(values) for _ in t]
    return np.array(t, dtype=np.float64), made


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from("abcd"), series()))
def test_every_value_stands_in_the_row_of_its_stamp_and_nothing_else_does(given_: dict[str, Any]) -> None:
    expected: dict[float, dict[str, Any]] = {}
    for name, (t, values) in given_.items():
        for stamp, value in zip(t.tolist(), values.tolist(), strict=True):
            row = expected.setdefault(stamp, {})
            if value is not None and not (isinstance(value, float) and math.isnan(value)):
                row[name] = value
    table = side_by_side(given_)
    found = list(rows(table))
    assert [row[0] for row in found] == sorted(expected)
    for t, *values in found:
        assert dict(zip(table.columns, values, strict=True)) == dict.fromkeys(given_) | expected[t]


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from("abcd"), series()))
def test_what_is_written_as_csv_reads_back_as_it_was(given_: dict[str, Any]) -> None:
    table, out = side_by_side(given_), io.StringIO(newline="")
    write_csv(table, out)
    head, *lines = csv.reader(io.StringIO(out.getvalue(), newline=""))
    assert head == ["time", "unix_time", *given_]
    for line, (t, *values) in zip(lines, rows(table), strict=True):
        assert float(line[1]) == t
        for text, value in zip(line[2:], values, strict=True):
            if value is None:
                assert text == ""
            elif isinstance(value, bool):
                assert text == str(value).lower()
            else:
                kept = re.sub("\r\n?", "\n", value) if isinstance(value, str) else value
                assert type(value)(text) == kept


def test_times_of_csv_are_iso_in_utc_beside_unix_seconds() -> None:
    out = io.StringIO()
    write_csv(side_by_side({"a": (np.array([1.5, 1700000000.25]), np.array([1, 2]))}), out)
    assert out.getvalue() == (
        "time,unix_time,a\n1970-01-01T00:00:01.500000Z,1.5,1\n2023-11-14T22:13:20.250000Z,1700000000.25,2\n"
    )


def test_a_long_table_is_written_row_by_row_without_a_seam() -> None:
    t, out = np.arange(25_000.0), io.StringIO()
    write_csv(side_by_side({"a": (t, t)}), out)
    assert [line.split(",")[1:] for line in out.getvalue().splitlines()[1:]] == [
        [f"{x:.1f}"] * 2 for x in range(25_000)
    ]


def test_a_package_that_is_missing_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("pandas", "pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    table = side_by_side({})
    with pytest.raises(PackageMissing, match=r"a DataFrame needs the Python package pandas, .* pip install pandas$"):
        frame(table)
    with pytest.raises(PackageMissing, match=r"Parquet needs the Python package pyarrow, .* pip install pyarrow$"):
        write_parquet(table, str(tmp_path / "x"), {})


@settings(max_examples=30)
@given(st.dictionaries(st.sampled_from("abcd"), series()))
def test_a_parquet_file_holds_what_was_written_and_what_is_said_of_the_fields(given_: dict[str, Any]) -> None:
    table = side_by_side(given_)
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        write_parquet(table, file.name, {"a": {"units": "K"}})
        read = parquet.read_table(file.name)
    assert read.column_names == ["time", "unix_time", *given_]
    assert [list(row.values())[1:] for row in read.to_pylist()] == list(rows(table))
    assert [time.timestamp() for time in read["time"].to_pylist()] == table.t.tolist()
    if "a" in given_:
        assert read.field("a").metadata == {b"units": b"K"}


@settings(max_examples=30)
@given(st.dictionaries(st.sampled_from("abcd"), series()))
def test_a_data_frame_has_a_row_for_each_stamp_and_no_value_where_there_is_none(given_: dict[str, Any]) -> None:
    table = side_by_side(given_)
    made = frame(table)
    assert [time.timestamp() for time in made.index] == table.t.tolist()
    assert str(made.index.tz) == "UTC"
    for number, row in enumerate(rows(table)):
        found = [None if pd.isna(value) else value for value in (made[name].iloc[number] for name in given_)]
        assert found == row[1:]
