"""Texts of targets and the names they stand for."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.bridge.targets import has_wildcard, matcher, resolve

KNOWN = frozenset({"n::a", "n::ab", "n::b", "m::a", "m::x.y/z", "m::{odd}", "m::1+1", "m::a*"})


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("n::a", ["n::a"]),
        ("unheard::of", ["unheard::of"]),
        (" n::a\n", ["n::a"]),
        (r"m::x\.y\/z", ["m::x.y/z"]),
        (r"m::1\+1", ["m::1+1"]),
        ("m::{odd}", ["m::{odd}"]),
        ("m::a*", ["m::a*"]),
        (r"m::a\*", ["m::a*"]),
        ("n::{a,b}", ["n::a", "n::b"]),
        ("n::(a|b)", ["n::a", "n::b"]),
        ("n::(b|a|b)", ["n::b", "n::a"]),
        ("n::{a{,b},b}", ["n::a", "n::ab", "n::b"]),
        ("(n|m)::{a,b}", ["n::a", "n::b", "m::a", "m::b"]),
        ("n::a|m::a", ["n::a", "m::a"]),
        (r"n::(a\|b|c)", ["n::a|b", "n::c"]),
        ("n::?", ["n::a", "n::b"]),
        ("n::a*", ["n::a", "n::ab"]),
        ("n::.*", ["n::a", "n::ab", "n::b"]),
        ("*::a", ["m::a", "n::a"]),
        ("n::(a", ["n::(a"]),
        ("n::a)", ["n::a)"]),
        ("n::{a,b", ["n::{a,b"]),
        ("n::a\\", ["n::a\\"]),
        (r"n::\d", [r"n::\d"]),
    ],
)
def test_a_text_stands_for_names(text, names):
    resolved = resolve(text, KNOWN, 10)
    assert list(resolved.names) == names
    assert resolved.notice is None


@pytest.mark.parametrize(
    ("text", "notice"),
    [
        ("$node::a", "variable $node is not set"),
        ("${node}::a", "variable ${node} is not set"),
        ("${node:regex}::a", "variable ${node:regex} is not set"),
        ("[[node]]::a", "variable [[node]] is not set"),
        ("z*", "no known field matches"),
        ("x" * 300_000, "characters"),
        ("{a,b}" * 21, "too many groups"),
        ("n::\x00", "control characters"),
    ],
)
def test_a_text_that_stands_for_nothing_says_why(text, notice):
    resolved = resolve(text, KNOWN, 10)
    assert resolved.names == ()
    assert notice in resolved.notice


def test_more_names_than_are_allowed_are_cut_with_a_notice():
    resolved = resolve("n::{1,2,3,4,5}{1,2,3,4,5}", KNOWN, 10)
    assert len(resolved.names) == 10
    assert "first 10" in resolved.notice


def test_only_a_wildcard_needs_the_list_of_names():
    assert all(map(has_wildcard, ["n::*", "(a|b?)::x", ".*"]))
    assert not any(map(has_wildcard, [r"n::a\*b", "n::{a,b}"]))


@given(st.text(alphabet="ab*?", max_size=12), st.text(alphabet="ab", max_size=12))
def test_wildcards_match_as_a_regular_expression_would(pattern, name):
    expected = re.fullmatch(pattern.replace("*", ".*").replace("?", "."), name) is not None
    found = resolve("n::" + pattern, frozenset({"n::" + name}), 10).names == ("n::" + name,)
    assert found == expected


def test_no_pattern_takes_long():
    started = time.process_time()
    resolve("n::" + "a*" * 2000 + "b", frozenset({"n::" + "a" * 255 + str(n) for n in range(100)}), 10)
    resolve("(" * 60000, KNOWN, 10)
    resolve('n::["a",' + "[" * 60000, KNOWN, 10)
    resolve("[a" * 30000, KNOWN, 10)
    matcher("{" + ",".join("*a*" * 100 + str(each) for each in range(500)) + "}")("a" * 200)
    resolve("(a|" * 20 + "x" + ")" * 20, KNOWN, 10)
    resolve("a|" * 30000, KNOWN, 10)
    resolve("[ab]" * 20000, KNOWN, 10)
    matcher("[ab]" * 20000)
    matcher("{" + ",".join(map(str, range(5000))) + "}" + "x" * 50000)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('n::["a","b"]', ["n::a", "n::b"]),
        ('n::["a"', ['n::["a"']),
        ("n::a,b", ["n::a", "n::b"]),
        ("n::a, m::a", ["n::a", "m::a"]),
        ("n::a,nothing", ["n::a,nothing"]),
        (r"n::a,m::x\.y\/z", ["n::a", "m::x.y/z"]),
        ("n::a|b", ["n::a", "n::b"]),
        ("n::[ab]", ["n::a", "n::b"]),
        ("n::[a-c]?", ["n::ab"]),
        ("[m-n]::a", ["m::a", "n::a"]),
        ("n::[!a]", ["n::[!a]"]),
        ("n::[]", ["n::[]"]),
        ("n::a.+", ["n::ab"]),
    ],
)
def test_lists_and_sets_stand_for_names(text, names):
    assert list(resolve(text, KNOWN, 10).names) == names


@pytest.mark.parametrize(
    ("text", "matched"),
    [
        ("a", "a"),
        ("a|b", "ab"),
        ("(a|c)", "ac"),
        (r"a\.b", []),
        ("*", "abc"),
        ("[bc]", "bc"),
        (".*", "abc"),
        ("$v", []),
    ],
)
def test_a_matcher_says_of_each_name_whether_it_is_meant(text, matched):
    assert [name for name in "abc" if matcher(text)(name)] == list(matched)


def test_a_text_of_many_wildcards_beside_many_values_is_refused():
    known = frozenset(f"n::{place}" for place in range(50_000))
    alike = "n::{" + ",".join(f"*{place}" for place in range(100)) + "}"
    assert "too many patterns" in resolve(alike, known, 500).notice
    started = time.monotonic()
    assert len(resolve("n::{1*,2*,30*}7", known, 5000).names) == 2333
    assert time.monotonic() - started < 2
