"""Finding fields by name."""

import time
from contextlib import suppress
from fnmatch import fnmatchcase

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.bridge.refusal import Refused
from services.bridge.search import Index, Indexed

NAMES = [
    "lakeshore::cold.temp",
    "lakeshore::temp",
    "lakeshore::temp_setpoint",
    "lakeshore::attempts",
    "lakeshore::Temperature of 4K stage",
    "weather::outdoor_temp",
    "weather::contemporary",
    "temp::a",
]


@pytest.fixture
def index():
    return Index(NAMES)


@pytest.fixture(scope="module")
def many():
    return Index([f"node{n % 9}::site.agent-{n % 70}.feeds.temps_{n % 300}.channel_{n:05d}" for n in range(50_000)])


def test_a_text_finds_first_what_it_is_all_of_then_its_words_then_beginnings_then_the_rest(index):
    assert index.find("TEMP") == [
        "lakeshore::temp",
        "lakeshore::Temperature of 4K stage",
        "lakeshore::cold.temp",
        "lakeshore::temp_setpoint",
        "temp::a",
        "weather::outdoor_temp",
        "lakeshore::attempts",
        "weather::contemporary",
    ]


def test_a_text_that_stands_nowhere_is_looked_for_word_by_word(index):
    assert index.find("stage lakeshore") == ["lakeshore::Temperature of 4K stage"]
    assert index.find("stage weather") == []


def test_no_text_finds_all_in_the_order_of_the_alphabet(index):
    assert index.find("") == sorted(NAMES)
    assert Index([]).find("a") == Index([]).find("") == Index([]).find("*") == []


@pytest.mark.parametrize(
    ("glob", "found"),
    [
        ("temp*", ["lakeshore::temp", "lakeshore::Temperature of 4K stage", "lakeshore::temp_setpoint", "temp::a"]),
        ("*::temp", ["lakeshore::temp"]),
        ("weather::*", ["weather::contemporary", "weather::outdoor_temp"]),
        ("*of ?k*", ["lakeshore::Temperature of 4K stage"]),
        ("*_[!t]*", ["lakeshore::temp_setpoint"]),
        ("*_[a-t]emp", ["weather::outdoor_temp"]),
        ("[", []),
        ("*.temp", ["lakeshore::cold.temp"]),
    ],
)
def test_a_glob_is_of_the_whole_name_or_of_the_whole_field(index, glob, found):
    assert sorted(index.find(glob, "glob")) == sorted(found)


def test_a_regular_expression_finds_anywhere_and_first_what_it_covers_whole(index):
    assert index.find("t.mp$", "regex") == ["lakeshore::temp", "lakeshore::cold.temp", "weather::outdoor_temp"]
    assert index.find("(?-i)Temp", "regex") == ["lakeshore::Temperature of 4K stage"]


def test_an_exact_name_is_found_alone_even_if_it_reads_as_a_pattern():
    index = Index(["a::b[1]", "a::b[1]x", "a::b1"])
    assert index.find("a::b[1]") == ["a::b[1]"]
    assert index.find("b[1]") == ["a::b1"]
    assert index.find("b[1]", "text") == ["a::b[1]", "a::b[1]x"]


def test_names_that_no_encoding_has_are_found_too():
    index = Index(["a::\ud800x\ny", "a::É"])
    assert index.find("x\ny") == index.find("*x*") == index.find("x", "regex") == ["a::\ud800x\ny"]
    assert index.find("é") == index.find("^a::é", "regex") == ["a::É"]
    assert index.find("\ud801") == ["a::\ud800x\ny"], "both are question marks"


@pytest.mark.parametrize("pattern", ["(?=a)b", r"(a)\1", "(", "a{1001}", "a**"])
def test_what_is_no_regular_expression_of_re2_is_refused_and_not_handed_to_another(index, pattern):
    with pytest.raises(Refused, match="is no regular expression that can be looked for"):
        index.find(pattern, "regex")


@pytest.mark.parametrize(
    ("pattern", "kind"),
    [
        ("(x+x+)+y", "regex"), ("(a|a)*$", "regex"), ("(.*.*)*=", "regex"), ("(.{0,30}){0,30}x", "regex"),
        ("(?:.?){300}x", "regex"), ("*a*e*e*s*n*z" * 80, "glob"),
    ],
)  # fmt: skip
def test_no_pattern_hangs(many, pattern, kind):
    started = time.monotonic()
    with suppress(Refused):
        many.find(pattern, kind)
    assert time.monotonic() - started < 5


def test_a_pattern_that_takes_too_long_is_refused_with_what_to_do(many):
    with pytest.raises(Refused, match=r"takes too long to look for; write a simpler one"):
        many.find("(.{0,30}){0,30}x", "regex")


@pytest.mark.parametrize(
    ("pattern", "kind"), [("temps_1", None), ("e", None), ("*.temps_1*7", None), ("_1.*7$", "regex")]
)
def test_fifty_thousand_names_are_searched_in_a_moment(many, pattern, kind):
    best = float("inf")
    for _ in range(5):
        many._found.clear()
        started = time.process_time()
        many.find(pattern, kind)
        best = min(best, time.process_time() - started)
    assert best < 0.1


def test_all_names_of_a_server_are_those_before_its_separator():
    index = Index(["a::x", "a-b::x", "a:::y", "ab::x", "b::a::x"])
    assert index.of_node("a") == ["a:::y", "a::x"]
    assert index.of_node("c") == []


def test_an_index_is_made_once_for_the_same_names():
    indexed, names = Indexed(), frozenset(NAMES)
    assert indexed(names) is indexed(names)
    assert indexed(names) is not indexed(frozenset([*NAMES, "a::b"]))


TEXT = st.text(st.characters() | st.sampled_from("*?[]!^-\\:.ab"), max_size=8)


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXT, max_size=5), TEXT, st.sampled_from(["text", "glob", "regex", None]))
def test_any_pattern_finds_some_of_the_names_or_is_refused(names, pattern, kind):
    names = [f"n::{name}" for name in names if name]
    try:
        found = Index(set(names)).find(pattern, kind)
    except Refused:
        return
    assert set(found) <= set(names)
    assert len(found) == len(set(found))


@settings(max_examples=100, deadline=None)
@given(st.text("ab.:_", min_size=1, max_size=6), st.text("ab*?.", min_size=1, max_size=5))
def test_a_glob_finds_what_pythons_own_would(field, glob):
    name = f"n::{field}"
    fits = fnmatchcase(name, glob) or fnmatchcase(field, glob)
    assert Index([name]).find(glob, "glob") == ([name] if fits else [])
