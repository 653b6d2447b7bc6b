"""Replies whose arrays travel as bytes."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sisock import packing
from sisock.errors import ShapeError
from sisock.packing import pack, unpack
from sisock.shapes import check_data

columns = (
    st.lists(st.floats() | st.none())
    | st.lists(st.floats(allow_nan=False)).map(np.array)
    | st.lists(st.integers(-(2**63), 2**63 - 1)).map(lambda v: np.array(v, dtype=np.int64))
    | st.lists(st.integers(0, 2**64 - 1)).map(lambda v: np.array(v, dtype=np.uint64))
    | st.lists(st.integers())
    | st.lists(st.floats(width=32)).map(lambda v: np.array(v, dtype=np.float32))
    | st.lists(st.booleans() | st.none())
    | st.lists(st.booleans()).map(lambda v: np.array(v, dtype=bool))
    | st.lists(st.text(max_size=3) | st.none())
    | st.lists(st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=2) | st.none())
)


def reply(values: Any) -> dict[str, Any]:
    t = np.arange(len(values), dtype=float)
    return {"data": {"x": values}, "timeline": {"t": {"t": t, "finalized_until": 3.5, "fields": ["x"]}}}


@given(columns)
def test_whatever_a_server_answers_is_the_same_packed_and_plain(values: Any) -> None:
    packed = pack(check_data(reply(values), ["x"], arrays=True))
    assert check_data(unpack(packed), ["x"]) == check_data(reply(values), ["x"])


def test_numbers_and_booleans_travel_as_bytes_and_stay_arrays() -> None:
    for values, form in (([1.0, None], "float"), ([1, 2], "int"), (np.array([True, False]), "bool")):
        packed: Any = pack(check_data(reply(values), ["x"], arrays=True))
        assert (packed["data"]["x"]["packed"], type(packed["data"]["x"]["data"])) == (form, bytes)
        read = check_data(unpack(packed), ["x"], arrays=True)
        assert read
        assert isinstance(read["data"]["x"], np.ndarray)
        assert read["timeline"]["t"]["t"].tolist() == [0.0, 1.0]
    none: Any = pack(check_data(reply([True, None]), ["x"], arrays=True))
    assert none["data"]["x"] == {"packed": "bool", "data": b"\x01\x02"}


def test_too_much_stays_false() -> None:
    assert pack(reply=False) is False
    assert unpack(reply=False) is False


HOSTILE = {
    "an unknown form": ({"packed": "object", "data": b"12345678"}, "packed as 'object'; float, int, bool are known"),
    "a form that is no name": ({"packed": ["float"], "data": b""}, r"packed as \['float'\]"),
    "no form": ({"data": b"12345678"}, "packed as None"),
    "no bytes": ({"packed": "float", "data": "12345678"}, "no bytes but str"),
    "a list for bytes": ({"packed": "float", "data": [0.0]}, "no bytes but list"),
    "no data": ({"packed": "float"}, "no bytes but NoneType"),
    "half a number": ({"packed": "float", "data": b"1234"}, "4 bytes are no whole number of values packed as float"),
    "too few": ({"packed": "float", "data": b"12345678"}, "has 1 values, but its timeline has 2 stamps"),
    "bytes that are no booleans": ({"packed": "bool", "data": b"\x00\x03"}, "0, 1 or 2, not 3"),
    "bytes that are not packed": (b"1234567812345678", "a list or an array is due"),
    "a number": (7, "a list or an array is due"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_packed_reply_of_another_shape_is_refused_naming_the_place(name: str) -> None:
    column, sentence = HOSTILE[name]
    t = {"packed": "float", "data": np.arange(2.0).tobytes()}
    bad: Any = {"data": {"x": column}, "timeline": {"t": {"t": t, "finalized_until": None}}}
    with pytest.raises(ShapeError, match=sentence) as refusal:
        check_data(unpack(bad), ["x"], ordered=False, arrays=True)
    assert "field 'x'" in str(refusal.value)
    bad = {"data": {"x": t}, "timeline": {"t": {"t": column, "finalized_until": None}}}
    with pytest.raises(ShapeError):
        check_data(unpack(bad), ["x"], ordered=False, arrays=True)


@pytest.mark.parametrize("bad", [None, [], "x", {}, {"data": {}}, {"data": [], "timeline": {}},
                                 {"data": {"x": []}, "timeline": {"t": 3}}])  # fmt: skip
def test_what_is_no_reply_at_all_is_refused_as_a_plain_one_is(bad: Any) -> None:
    with pytest.raises(ShapeError):
        check_data(unpack(bad), ["x"])


def test_a_huge_reply_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "MOST_VALUES", 100)
    fine: Any = pack(check_data(reply([1.0] * 50), ["x"], arrays=True))
    unpack(fine)
    fine["data"]["y"] = [1.0]
    with pytest.raises(ShapeError, match="more than 100 values are too many; ask for a shorter range"):
        unpack(fine)


def test_stamps_that_are_no_times_are_refused() -> None:
    for stamps in ([0.0, math.nan], [0.0, math.inf]):
        t = {"packed": "float", "data": np.array(stamps).tobytes()}
        with pytest.raises(ShapeError, match="no UNIX time"):
            check_data(unpack({"data": {"x": t}, "timeline": {"t": {"t": t}}}), ["x"], ordered=False, arrays=True)
