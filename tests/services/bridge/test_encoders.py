"""Replies as bytes."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.bridge.encoders import encode, written


def refuse(token):
    raise AssertionError(token)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters(), max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    )
)
def test_everything_becomes_json_that_every_parser_takes(value):
    json.loads(encode(value), parse_constant=refuse)


def test_what_json_cannot_say_is_said_as_near_as_it_can():
    assert encode([math.nan, math.inf, -math.inf]) == b"[null,null,null]"
    assert encode(["\ud800", 2**80, -(10**400)]) == b'["?",1.2089258196146292e+24,null]'
    assert encode({"\ud800": 2**64}) == b'{"?":1.8446744073709552e+19}'
    assert encode(np.array([[1.5, np.nan], [np.inf, 2.0]])) == b"[[1.5,null],[null,2.0]]"
    assert encode(["\ud800", np.array([1.0])]) == b'["?",[1.0]]'


@pytest.mark.parametrize("size", [0, 3, 3000])
def test_columns_are_written_as_lists_and_side_by_side_as_rows_whatever_was_written_before(size):
    dice = np.random.default_rng(size)
    for _ in range(3):
        values, t = dice.normal(size=(2, size))
        values[1::2] = np.nan
        told = [None if np.isnan(value) else value for value in values]
        for _ in range(2):
            assert json.loads(encode({"a": written(values), "b": written(values, t)})) == {
                "a": told,
                "b": [list(row) for row in zip(told, t.tolist(), strict=True)],
            }
    assert encode(["\ud800", written(np.array([1.0]))]) == b'["?",[1.0]]'
