import math
from typing import Any

import numpy as np
import pytest

from sisock.errors import ShapeError
from sisock.shapes import check_data, check_fields, plain

FIELD = {"description": None, "timeline": "slow", "type": "number", "units": "K"}
GOOD_FIELDS: Any = ({"x": FIELD}, {"slow": {"interval": 1.0, "field": ["x"]}})


def test_a_good_list_of_fields_passes_as_it_is() -> None:
    assert check_fields(GOOD_FIELDS) == GOOD_FIELDS


@pytest.mark.parametrize(
    ("reply", "named"),
    [
        (None, "a pair of dictionaries"),
        ([{}, {}, {}], "a pair of dictionaries"),
        (({"x": FIELD}, {}), "field 'x': follows the timeline 'slow', which is not listed"),
        (({"x": FIELD}, {"slow": {"interval": 1, "field": []}}), "field 'x': is missing in 'field' of its timeline"),
        (({}, {"slow": {"interval": 1, "field": ["y"]}}), "timeline 'slow': lists the field 'y'"),
        (({"x": FIELD | {"type": "float"}}, GOOD_FIELDS[1]), "'type' is one of number, string, bool, not 'float'"),
        (({"x": FIELD | {"timeline": [1]}}, GOOD_FIELDS[1]), "'timeline' is a name"),
        (({"x": FIELD | {"type": []}}, GOOD_FIELDS[1]), "'type' is one of number, string, bool"),
        (({"x": FIELD}, {"slow": {"interval": 1, "field": [["x"]]}}), "'field' is a list of names"),
        (({"x": FIELD | {"units": 3}}, GOOD_FIELDS[1]), "'units' is a string or None"),
        (({"x": FIELD}, {"slow": {"interval": math.nan, "field": ["x"]}}), "'interval' is seconds or None"),
    ],
)
def test_a_bad_list_of_fields_is_refused_naming_the_place(reply: object, named: str) -> None:
    with pytest.raises(ShapeError, match=named.replace("(", r"\(")):
        check_fields(reply)


def data(values: object, t: object, **timeline: object) -> dict[str, Any]:
    return {"data": {"x": values}, "timeline": {"slow": {"t": t, "finalized_until": None} | timeline}}


def test_arrays_leave_as_plain_lists_and_no_number_is_nan() -> None:
    reply = check_data(data(np.array([1.5, np.nan, np.inf]), np.array([1.0, 2.0, 3.0])), ["x"])
    assert reply
    assert reply["data"]["x"] == [1.5, None, None]
    assert reply["timeline"]["slow"]["t"] == [1.0, 2.0, 3.0]


def test_a_revision_passes_with_what_it_is_about() -> None:
    reply = check_data(data([1], [1.0], revision="3", settled_until=np.int64(9)), ["x"])
    assert reply
    timeline = {"t": [1.0], "finalized_until": None, "revision": "3", "settled_until": 9.0}
    assert reply["timeline"]["slow"] == timeline


def test_too_much_passes_as_false() -> None:
    assert check_data(reply=False, requested=["x"]) is False


@pytest.mark.parametrize(
    ("reply", "named"),
    [
        ([], "a dictionary of 'data' and 'timeline'"),
        (data([1], [1.0, 2.0]), "has 1 values, but its timeline has 2 stamps"),
        (data([1, 2], [2.0, 1.0]), "'t' is not ascending and unique"),
        (data([1, 2], [1.0, 1.0]), "'t' is not ascending and unique"),
        (data([1], [None]), "holds something that is no UNIX time"),
        (data([[1]], [1.0]), "numbers, strings, booleans or None are due"),
        (data(np.ones((1, 1)), [1.0]), "one dimension is due"),
        (data([1], [1.0], fields=[["x"]]), "'fields' is a list of names"),
        (data([1], [1.0], fields=3), "'fields' is a list of names"),
        (data([1], [1.0], finalized_until="now"), "'finalized_until' is UNIX seconds or None"),
        (data([1], [1.0], revision=3, settled_until=1.0), "'revision' is a string of at most 1000 characters, not 3"),
        (data([1], [1.0], revision="3" * 1001, settled_until=1.0), "'revision' is a string of at most"),
        (data([1], [1.0], revision="3"), "with 'revision' goes 'settled_until', UNIX seconds, not None"),
        (data([1], [1.0], revision="3", settled_until="now"), "goes 'settled_until', UNIX seconds, not 'now'"),
        ({"data": {}, "timeline": {}}, "was asked and is missing"),
        ({"data": {"x": [1]}, "timeline": {}}, "its timeline has no stamps"),
    ],
)
def test_bad_data_is_refused_naming_the_place(reply: object, named: str) -> None:
    with pytest.raises(ShapeError, match=named):
        check_data(reply, ["x"])


def test_a_field_is_held_against_the_timeline_that_it_follows() -> None:
    reply = {
        "data": {"x": [1, 2]},
        "timeline": {"a": {"t": [1.0, 2.0], "finalized_until": None}, "b": {"t": [1.0], "finalized_until": None}},
    }
    assert check_data(reply, ["x"], {"x": "a"})
    with pytest.raises(ShapeError, match="2 values, but its timeline has 1 stamps"):
        check_data(reply, ["x"], {"x": "b"})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2.5, "a", True, None], [1, 2.5, "a", True, None]),
        ((np.float32(1.5), np.int64(2), np.bool_(1)), [1.5, 2, True]),
        (np.array(["a", "b"]), ["a", "b"]),
        (np.array([True, False]), [True, False]),
        (np.array([1, None, float("nan")], dtype=object), [1, None, None]),
    ],
)
def test_plain_values(values: object, expected: list[object]) -> None:
    assert plain(values) == expected
