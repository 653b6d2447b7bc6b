"""A server whose author only reads tables: order, types, gaps and trouble are seen to."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.data_nodes.table import Table, TableServer
from sisock.errors import SisockError
from sisock.shapes import check_data, check_fields
from sisock.testing import check_contract


class Tables(TableServer):
    """Serves what it is given, or fails as it is told."""

    name, description = "tables", "Tables of a test"

    def __init__(self, tables: Mapping[str, Table] | OSError) -> None:
        super().__init__({})
        self.asked: list[tuple[float, float]] = []
        self.tables = tables

    def read(self, start: float, end: float) -> Mapping[str, Table]:
        self.asked.append((start, end))
        if isinstance(self.tables, OSError):
            raise self.tables
        return self.tables


def data(tables: Mapping[str, Table], *names: str) -> dict[str, Any]:
    reply = check_data(Tables(tables).get_data_blocking(list(names), 1, 4e9), names)
    assert reply
    return reply["data"]


def test_every_kind_of_column_keeps_the_contract() -> None:
    t = np.arange(1e9, 1e9 + 50)
    numbers: dict[str, Any] = {"float": np.sin(t), "float32": np.float32(t), "int": np.arange(50), "list": [1.5] * 50,
                               "byte": np.arange(50, dtype=np.uint8), "gaps": [None, 2.5] * 25}  # fmt: skip
    others = {
        "bool": t > 1e9 + 20,
        "perhaps": [True, None] * 25,
        "text": ["a", "b"] * 25,
        "words": np.array(["x"] * 50),
    }
    server = Tables({"one": Table(t, numbers), "two": Table(t - 7, others, {"bool": None}, {"bool": "A switch"})})
    check_contract(server)
    fields, timelines = check_fields(server.get_fields_blocking(1, 4e9))
    assert {name: field["type"] for name, field in fields.items()} == {
        **dict.fromkeys(numbers, "number"), "bool": "bool", "perhaps": "bool", "text": "string", "words": "string",
    }  # fmt: skip
    assert timelines == {"one": {"interval": 1.0, "field": [*numbers]}, "two": {"interval": 1.0, "field": [*others]}}
    assert fields["bool"]["description"] == "A switch"


@given(rows=st.lists(st.tuples(st.integers(1, 30) | st.just(float("nan")), st.floats(-9, 9)), max_size=40))
def test_rows_in_disorder_and_twice_are_put_in_order_the_first_of_a_stamp_counts(
    rows: list[tuple[float, float]],
) -> None:
    samples = Table([t for t, _ in rows], {"a": [value for _, value in rows]}).samples()
    plain: dict[float, float] = {}
    for t, value in rows:
        if not math.isnan(t):
            plain.setdefault(t, value)
    assert samples.t.tolist() == sorted(plain)
    assert samples.values["a"].tolist() == [plain[t] for t in sorted(plain)]
    assert samples.finalized_until == (max(plain) if plain else None)


def test_a_value_that_is_none_is_a_gap_and_a_table_without_rows_has_no_data() -> None:
    assert data({"t": Table([1e9, 1e9 + 1], {"a": [None, 1]}), "u": Table([], {"b": []})}, "a", "b", "c") == {
        "a": [None, 1.0], "b": [], "c": [],
    }  # fmt: skip


def test_a_column_of_another_length_is_named() -> None:
    with pytest.raises(SisockError, match="'a' has 3 values for 2 stamps"):
        data({"t": Table([1e9, 2e9], {"a": [1, 2, 3]})}, "a")


def test_the_author_is_asked_for_unix_times() -> None:
    server = Tables({"t": Table([1e9], {"a": [1]})})
    server.get_data_blocking(["a"], -60, 0)
    ((start, end),) = server.asked
    assert end - start == 60
    assert start > 1e9


def test_what_cannot_be_read_is_nothing_and_is_said_once_until_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    server, said = Tables({}), []
    monkeypatch.setattr(server.log, "warn", lambda event, **facts: said.append(event.format(**facts)))
    for problem in (FileNotFoundError(2, "No such file", "/a"), PermissionError(13, "Denied", "/a")):
        server.tables = problem
        for _ in range(2):
            assert server.get_fields_blocking(1, 0) == ({}, {})
            assert server.get_data_blocking(["a"], 1, 0) == {"data": {"a": []}, "timeline": {}}
    server.tables = {}
    server.get_fields_blocking(1, 0)
    server.tables = problem
    server.get_fields_blocking(1, 0)
    assert [line.partition("[")[0] for line in said] == ["tables: nothing can be read: "] * 3
    assert "Denied" in said[1]


def test_max_points_is_a_cap_when_the_server_declares_it(tmp_path: Path) -> None:
    server = Tables({"t": Table(np.arange(1e9, 1e9 + 1000), {"a": np.arange(1000)})})
    server.settings = {"MAX_POINTS": 50}
    reply = server.get_data_blocking(["a"], 1, 0)
    assert isinstance(reply, dict)
    assert len(reply["data"]["a"]) <= 50
    assert max(reply["data"]["a"]) == 999
