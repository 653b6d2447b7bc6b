"""Names of fields and their paths."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sisock.graphite import name_of, path_of

NODES = st.text("abcXYZ019_-", min_size=1, max_size=8)
FIELDS = st.text(min_size=1, max_size=20) | st.text(". ~(){}[]*?\"'%=;/,\\|#$:é\ud800", min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("weather::apex_pressure", "weather.apex_pressure"),
        ("feeds::observatory.LSA-1.feeds.temps.Ch_01", "feeds.observatory.LSA-1.feeds.temps.Ch_01"),
        ("n::a.b c", "n.a.b~20c"),
        ("n::a::b", "n.a::b"),
        ("n::~", "n.~7E"),
        ("n::.", "n.~2E"),
        ("n::a..b", "n.a~2E.b"),
        ("n::.a.", "n.~2Ea~2E"),
        ("n::{x,y}*", "n.~7Bx~2Cy~7D~2A"),
        ("n::µ", "n.~C2~B5"),
    ],
)  # fmt: skip
def test_a_name_has_a_path_that_people_can_read(name, path):
    assert path_of(name) == path
    assert name_of(path) == name


@given(NODES, FIELDS)
@example("n", "\ud800")
@example("n", "a\n")
@example("n", "..\n.")
def test_every_name_comes_back_from_its_path_which_means_nothing_to_globs_and_calls(node, field):
    path = path_of(f"{node}::{field}")
    assert name_of(path) == f"{node}::{field}"
    assert re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_:~-]+)+", path)


@given(st.text(max_size=20) | st.text("n.~0123456789abcdefABCDEF\x80é", max_size=20))
def test_any_text_that_is_no_path_of_a_field_still_has_a_name(text):
    assert isinstance(name_of(text), str)


def test_bytes_that_are_no_text_make_a_name_that_no_field_has():
    assert name_of("n.~FF~FE") == "n::��"
