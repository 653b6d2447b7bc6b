"""Rows of a panel, as SimpleJSON and simPod write them."""

import time

import pytest

from services.bridge.refusal import Refused
from services.bridge.rows import read_rows

KNOWN = frozenset({"n::a", "n::odd;mean"})


def one(**target):
    (row,) = read_rows([target], KNOWN, 10)
    return row


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("n::a", ("n::a", None, False, 0)),
        ("n::a;mean", ("n::a", "mean", False, 0)),
        ("n::a;mean;10s", ("n::a", "mean", False, 10)),
        ("n::a; max ; 2m ", ("n::a", "max", False, 120)),
        ("n::a;raw", ("n::a", None, True, 0)),
        ("n::a;envelope;500ms", ("n::a", None, False, 0.5)),
        ("n::odd;mean", ("n::odd;mean", None, False, 0)),
        ("n::b;other", ("n::b;other", None, False, 0)),
    ],
)
def test_operator_and_bin_may_stand_behind_the_name(text, asked):
    row = one(target=text)
    assert (*row.texts, row.operator, row.raw, row.bin) == asked
    assert row.problem is None


@pytest.mark.parametrize(
    ("payload", "texts"),
    [
        ({"field": "a"}, ("n::a",)),
        ({"field": ["a", "b"]}, ("n::a", "n::b")),
        ({"field": ["a", "", 5, " b "]}, ("n::a", "n::b")),
        ({"field": ["m::x"]}, ("m::x",)),
        ({"field": []}, ("n",)),
        ({"field": None}, ("n",)),
        ({}, ("n",)),
    ],
)
def test_the_fields_of_a_server_are_chosen_beside_it(payload, texts):
    assert one(target="n", payload=payload).texts == texts


def test_what_a_builder_sends_is_text_and_read_as_what_it_means():
    row = one(target="n::a", payload={"operator": "mean", "bin": "30", "edge": "yes", "text": "enum", "alias": " x "})
    assert (row.operator, row.bin, row.edge, row.enum, row.alias) == ("mean", 30.0, True, True, "x")
    row = one(target="n::a", payload={"operator": "", "bin": "", "edge": "no", "text": "", "alias": ""})
    assert (row.operator, row.bin, row.edge, row.enum, row.alias) == (None, 0.0, False, False, "")


@pytest.mark.parametrize("width", ["soon", "1x", "-5", True, {"s": 1}, ["5"]])
def test_a_bin_that_is_no_duration_is_the_rows_own_problem(width):
    assert "no duration" in one(target="n::a", payload={"bin": width}).problem


def test_an_operator_that_nobody_knows_is_the_rows_own_problem():
    assert "there is no operator 'median'" in one(target="n::a", data={"operator": "median"}).problem


@pytest.mark.parametrize(
    ("alias", "label"),
    [
        ("", "mean(n::a.b)"),
        ("Wind", "Wind"),
        ("{{node}} {{ field }}", "n a.b"),
        ("{{name}}: {{operator}} {{other}}", "n::a.b: mean {{other}}"),
    ],
)
def test_an_alias_says_how_a_series_is_called(alias, label):
    assert one(target="n::a.b", payload={"operator": "mean", "alias": alias}).labelled("n::a.b") == label


def test_hidden_rows_and_rows_without_a_choice_are_left_out():
    rows = [{"target": "n::a", "hide": True}, {"target": ""}, {"target": None}, {}, {"target": "select metric"}]
    assert read_rows(rows, KNOWN, 10) == []


@pytest.mark.parametrize("spoken", [None, {}, ["n::a"], [{"target": 5}], [{"target": ["n::a"]}]])
def test_what_is_no_list_of_targets_is_refused(spoken):
    with pytest.raises(Refused, match="targets"):
        read_rows(spoken, KNOWN, 10)
    with pytest.raises(Refused, match="at most 10"):
        read_rows([{}] * 11, KNOWN, 10)


def test_no_text_takes_long_to_read():
    started = time.monotonic()
    for text in ("a" + " " * 200_000 + "b", ";" * 200_000, "n::a;" + " " * 200_000 + "mean;x" * 2, "{{" * 100_000):
        row = one(target=text, payload={"alias": text})
        row.labelled("n::a")
    assert time.monotonic() - started < 1
