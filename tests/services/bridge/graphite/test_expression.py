"""Texts of targets and what stands in them."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.bridge.graphite.expression import Invocation, Path, parse
from services.bridge.refusal import Refused


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("weather.apex_pressure", Path("weather.apex_pressure")),
        (" a.* ", Path("a.*")),
        ("a.{b,c{d,e}}.[x-z]?", Path("a.{b,c{d,e}}.[x-z]?")),
        ("{a,b}", Path("{a,b}")),
        ("1.temp", Path("1.temp")),
        ("1e5", 100000.0),
        ("truely", Path("truely")),
        ("f()", Invocation("f")),
        ("f( )", Invocation("f")),
        ("f (a)", Invocation("f", (Path("a"),))),
        ("f(a,-1.5e3, +2,.5)", Invocation("f", (Path("a"), -1500.0, 2.0, 0.5))),
        ("f(true, FALSE, None)", Invocation("f", (True, False, None))),
        ("f(a , n = 3, m='x')", Invocation("f", (Path("a"),), {"n": 3.0, "m": "x"})),
        ("f(g(a,1),h(b))", Invocation("f", (Invocation("g", (Path("a"), 1.0)), Invocation("h", (Path("b"),))))),
        ("f({a,b}.c, 'it''s')", None),
        (r"f(a,'\'q\' \1')", Invocation("f", (Path("a"), r"'q' \1"))),
        (r'aliasSub(a.b, "(^.*$)", "\1 A")', Invocation("aliasSub", (Path("a.b"), "(^.*$)", r"\1 A"))),
        ("f(a,'5min,(x)')", Invocation("f", (Path("a"), "5min,(x)"))),
    ],
)
def test_a_text_is_a_path_or_a_call(text, parsed):
    if parsed is None:
        with pytest.raises(Refused):
            parse(text)
    else:
        assert parse(text) == parsed


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "holds no path"),
        ("f(", "at its end"),
        ("f(a", "lacks a comma or a closing bracket at its end"),
        ("f(a b)", "at 'b)'"),
        ("f(a))", "ends before ')'"),
        ("f(,a)", "at ',a)'"),
        ("f(a,)", "at ')'"),
        ("a b", "ends before 'b'"),
        ("'a", "holds no path"),
        ("a.{b", "ends before '{b'"),
        ("f(" * 60 + "a" + ")" * 60, "more than 50 calls"),
        ("x" * 70_000, "70000 characters"),
    ],
)
def test_another_text_is_refused_and_the_sentence_says_where(text, sentence):
    with pytest.raises(Refused) as refused:
        parse(text)
    assert refused.value.status == 400
    assert sentence in refused.value.message


@given(st.text(max_size=40) | st.text("fa(){},.'\"\\*=1 ", max_size=60))
def test_any_text_is_read_or_refused(text):
    with suppress(Refused):
        parse(text)


def test_no_text_takes_longer_than_a_moment():
    for text in ("{" * 60_000, "f(" + "1" * 60_000 + "x)", "'" + "\\'" * 30_000, "{{a}" * 15_000, "a{b" * 20_000):
        with pytest.raises(Refused):
            parse(text + " (")


names = st.text("ab_.*?:~-", min_size=1, max_size=8).filter(lambda text: text not in ("-", "."))
quoted = st.text("ab 1.,()=", max_size=8).map(lambda text: f"'{text}'")
calls = st.recursive(
    names | quoted | st.integers(-5, 5).map(str),
    lambda inner: st.builds(lambda args: f"f({', '.join(args)})", st.lists(inner, min_size=1, max_size=3)),
    max_leaves=8,
)


def written(parsed):
    """An expression as a text."""
    if isinstance(parsed, Invocation):
        return f"f({', '.join(map(written, parsed.arguments))})"
    return parsed.text if isinstance(parsed, Path) else f"'{parsed}'" if isinstance(parsed, str) else f"{parsed:g}"


@given(calls)
def test_what_is_written_is_what_is_read(text):
    assert written(parse(text)) == text
