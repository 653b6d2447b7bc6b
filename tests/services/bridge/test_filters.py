"""Ad hoc filters of a dashboard."""

import pytest

from services.bridge.filters import read_filters
from services.bridge.refusal import Refused

NAMES = ["weather::wind", "weather::pressure", "sensors::wind", "sensors::temp.1"]


def shown(*spoken):
    filters, unheeded = read_filters([dict(zip(("key", "operator", "value"), each, strict=False)) for each in spoken])
    assert unheeded is None
    return [name for name in NAMES if all(each.passes(name) for each in filters)]


@pytest.mark.parametrize(
    ("spoken", "names"),
    [
        ([], NAMES),
        ([("node", "=", "weather")], NAMES[:2]),
        ([("node", "!=", "weather")], NAMES[2:]),
        ([("field", "=", "wind")], ["weather::wind", "sensors::wind"]),
        ([("field", "=", "wind"), ("node", "=", "sensors")], ["sensors::wind"]),
        ([("node", "=~", "wea.*")], NAMES[:2]),
        ([("node", "=~", "(weather|sensors)")], NAMES),
        ([("node", "=~", "we")], []),
        ([("field", "!~", "wind|pressure")], ["sensors::temp.1"]),
        ([("field", "=~", r"temp\.1")], ["sensors::temp.1"]),
        ([("field", "=~", "temp.[0-9]")], ["sensors::temp.1"]),
    ],
)
def test_a_filter_keeps_or_leaves_out_servers_and_fields(spoken, names):
    assert shown(*spoken) == names


def test_a_filter_of_several_values_keeps_or_leaves_out_each_of_them():
    for operator, names in (("=|", NAMES[:3]), ("!=|", NAMES[3:])):
        filters, unheeded = read_filters([{"key": "field", "operator": operator, "values": ["wind", "pressure"]}])
        assert unheeded is None
        assert [name for name in NAMES if filters[0].passes(name)] == names


@pytest.mark.parametrize(
    "spoken",
    [
        [{"key": "colour", "operator": "=", "value": "red"}],
        [{"key": "node", "operator": "<", "value": "weather"}],
        [{"key": "node", "operator": "=", "value": 5}],
        [{"key": "node", "operator": "=|", "value": "weather"}],
        [{"key": ["node"], "operator": {}, "value": "weather"}],
        ["node"],
    ],
)
def test_a_filter_that_cannot_be_heeded_is_said(spoken):
    filters, unheeded = read_filters(spoken)
    assert filters == []
    assert "not heeded" in unheeded


@pytest.mark.parametrize("spoken", [None, {}, "x", 3, []])
def test_no_list_of_filters_filters_nothing(spoken):
    assert read_filters(spoken) == ([], None)


def test_more_filters_than_a_person_makes_are_refused() -> None:
    with pytest.raises(Refused, match="51 filters"):
        read_filters([{"key": "node", "operator": "=", "value": "a"}] * 51)
