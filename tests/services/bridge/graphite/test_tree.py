"""Globs over the tree of names."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.bridge.graphite.tree import Tree, Trees, is_glob
from services.bridge.refusal import Refused
from sisock.graphite import path_of

NAMES = frozenset({
    "weather::pressure", "weather::wind.speed", "weather::wind.gust", "weather::wind", "weather::a b",
    "feeds::x.feeds.temps.ch_01", "feeds::x.feeds.temps.ch_02", "feeds::y.feeds.temps.ch_01", "feeds::{odd}*",
})  # fmt: skip


@pytest.mark.parametrize(
    ("glob", "paths"),
    [
        ("weather.pressure", ["weather.pressure"]),
        ("*", ["feeds", "weather"]),
        ("weather.*", ["weather.a~20b", "weather.pressure", "weather.wind"]),
        ("weather.wind.*", ["weather.wind.gust", "weather.wind.speed"]),
        ("w*.wind.[gs]*", ["weather.wind.gust", "weather.wind.speed"]),
        ("w*.wind.[!g]*", ["weather.wind.speed"]),
        ("feeds.?.feeds.*.ch_0[12]", ["feeds.x.feeds.temps.ch_01", "feeds.x.feeds.temps.ch_02",
                                      "feeds.y.feeds.temps.ch_01"]),
        ("feeds.{x,y}.feeds.temps.ch_01", ["feeds.x.feeds.temps.ch_01", "feeds.y.feeds.temps.ch_01"]),
        ("{weather,nobody}.{pres{sure,to},w*}", ["weather.pressure", "weather.wind"]),
        ("{weather.wind.gust,weather.{pressure,none}}", ["weather.pressure", "weather.wind.gust"]),
        ("feeds.~7Bodd~7D~2A", ["feeds.~7Bodd~7D~2A"]),
        ("feeds.~*", ["feeds.~7Bodd~7D~2A"]),
        ("feeds.{odd}*", []),
        ("weather", ["weather"]),
        ("nobody.*", []),
        ("weather.pressure.*", []),
        ("weather.{pressure", []),
        ("weather.[", []),
        ("", []),
        (".", []),
        ("*.*.*.*.*.*.*.*", []),
    ],
)  # fmt: skip
def test_a_glob_finds_the_paths_it_matches_level_by_level(glob, paths):
    assert Tree(NAMES).find(glob) == paths


def test_a_field_may_have_others_below_it():
    tree = Tree(NAMES)
    assert tree.name("weather.wind") == "weather::wind"
    assert tree.is_branch("weather.wind")
    assert tree.name("weather") is None
    assert not tree.is_branch("weather.pressure")
    assert not tree.is_branch("nobody")
    assert tree.fields("*.*") == ["feeds.~7Bodd~7D~2A", "weather.a~20b", "weather.pressure", "weather.wind"]


@given(st.sets(st.tuples(st.sampled_from("nm"), st.text("a.~*{", min_size=1, max_size=6)), max_size=8))
def test_every_field_is_found_by_its_path_and_by_stars_of_as_many_levels(pairs):
    names = frozenset(f"{node}::{field}" for node, field in pairs)
    tree = Tree(names)
    for name in names:
        path = path_of(name)
        assert not is_glob(path)
        assert tree.name(path) == name
        assert tree.fields(path) == [path]
        assert path in tree.fields(".".join("*" * len(path.split("."))))


@given(st.text("ab.*?[]{},!-", max_size=30))
def test_no_glob_fails(glob):
    assert set(Tree({"a::b", "a::a.b"}).find(glob)) <= {"a", "a.b", "a.a", "a.a.b"}


_MANY = "{" + ",".join(map(str, range(400))) + "}"


@pytest.mark.parametrize(
    "glob", ["{a,b}" * 20, "x" * 70_000, "{a.,b}" * 20, "n." + _MANY + "a*" * 2000, _MANY + "x" * 30_000]
)
def test_a_glob_that_stands_for_too_much_is_refused(glob):
    with pytest.raises(Refused):
        Tree({"a::b"}).find(glob)


@pytest.mark.parametrize(
    "glob", ["n." + "*a" * 60 + "*c", "n." + "{*a,*b}" * 10 + "c", "{" * 5000 + "}" * 5000, "." * 60_000]
)
def test_no_glob_takes_longer_than_a_moment(glob):
    tree = Tree({"n::" + "a" * 300, "n::" + "ab" * 200})
    started = time.process_time()
    assert tree.find(glob) == []
    assert time.process_time() - started < 2


def test_levels_beyond_any_recursion_are_levels_like_others():
    deep = "n::" + "a." * 5000 + "a"
    assert Tree({deep}).fields(path_of(deep)) == [path_of(deep)]


def test_a_tree_is_made_once_for_the_same_set():
    trees = Trees()
    assert trees.of(NAMES) is trees.of(NAMES)
    assert trees.of(frozenset({"a::b"})).find("*") == ["a"]
