"""The GETs of samples, over HTTP, before data servers that exist only here."""

import csv
import io
from urllib.parse import urlencode

import numpy as np
import pytest

RANGE = {"from": "2023-11-14T22:13:20", "to": "2023-11-14T22:14:20"}


def get(bridge, what, status=200, **parameters):
    reply = bridge.ask(f"/api/v1/{what}?{urlencode(parameters, doseq=True)}")
    assert reply.status == status, reply.body
    return reply.json


def data(bridge, *fields, **parameters):
    return get(bridge, "data", field=fields, **(RANGE | parameters))["series"]


def at(bridge, *fields, **parameters):
    return get(bridge, "at", field=fields, **parameters)["values"]


def refusal(bridge, what, status, **parameters):
    return get(bridge, what, status, **parameters)["error"]["message"]


def test_every_sample_comes_with_its_exact_stamp_and_what_it_is(serve, nodes):
    def get_data(fields, start, end, stride):
        assert stride is None
        t = start + np.arange(50_000) / 1024
        return {"data": {"a": np.arange(50_000).tolist()}, "timeline": {"t": {"t": t.tolist(), "finalized_until": 7.5}}}

    with serve({"good": nodes.Node(lambda *_: nodes.table(), get_data)}) as bridge:
        (series,) = data(bridge, "good::a")
    assert series["t"] == [nodes.NOW + n / 1024 for n in range(50_000)]
    assert series["values"] == list(range(50_000))
    assert {type(value) for value in series["values"]} == {int}
    kept = {key: value for key, value in series.items() if key not in {"t", "values"}}
    assert kept == {
        "field": "good::a", "description": None, "type": "number", "units": "K", "interval": 1.0,
        "finalized_until": 7.5, "notices": [], "problem": None,
    }  # fmt: skip


def test_booleans_and_text_and_gaps_come_as_such(serve, nodes):
    servers = {
        "flag": nodes.good(lambda t: [None if x % 2 else bool(x % 4) for x in t], kind="bool", units=None),
        "text": nodes.good(lambda t: [f"w{x:.0f}" for x in t], kind="string"),
        "hole": nodes.good(lambda t: [float("nan") if x % 2 else x for x in t]),
    }
    with serve(servers) as bridge:
        flag, text, hole = data(bridge, "flag::a", "text::a", "hole::a")
    assert flag["values"][:4] == [False, None, True, None]
    assert text["values"][:2] == ["w1700000000", "w1700000001"]
    assert hole["values"][:2] == [1700000000.0, None]
    assert [flag["type"], text["type"], hole["type"]] == ["bool", "string", "number"]


@pytest.mark.parametrize(("how", "points"), [({"stride": "10"}, 6), ({"stride": "30s"}, 3), ({"points": 6}, 6)])
def test_fewer_points_are_given_where_they_are_asked_and_no_spike_is_lost(serve, nodes, how, points):
    spike = nodes.good(lambda t: [99.0 if x == nodes.NOW + 33 else 0.0 for x in t])
    with serve({"good": spike}) as bridge:
        (series,) = data(bridge, "good::a", **how)
    assert len(series["t"]) <= points
    assert max(series["values"]) == 99.0


def test_what_cannot_be_had_says_why_and_spoils_nothing(serve, nodes):
    servers = {
        "good": nodes.good(), "raising": nodes.raising(), "silent": nodes.silent(),
        "much": nodes.answering(data=False), "none": nodes.answering({"data": {"a": []}, "timeline": {}}),
    }  # fmt: skip
    names = ("good::a", "raising::a", "silent::a", "much::a", "none::a", "nobody::a", "good::zz", "nonsense")
    with serve(servers) as bridge:
        good, *others = data(bridge, *names)
    assert (len(good["t"]), good["problem"]) == (60, None)
    assert [each["field"] for each in others] == list(names[1:])
    assert all(each["t"] == each["values"] == [] for each in others)
    codes = [each["problem"]["code"] for each in others]
    assert codes == ["missing", "missing", "too_much", "empty", "missing", "missing", "missing"]
    assert "disk on fire" in others[0]["problem"]["message"]


def test_a_joined_field_of_which_the_archive_holds_too_much_is_not_taken_for_whole(serve, nodes):
    with serve({"g3_reader": nodes.answering(data=False), "data_feed": nodes.good()}) as bridge:
        (series,) = data(bridge, "feeds::a")
    assert series["problem"]["code"] == "too_much"


def test_more_samples_than_a_reply_holds_are_refused_with_a_remedy(serve, nodes):
    with serve({"good": nodes.good()}, MAX_REPLY_POINTS=100) as bridge:
        assert len(data(bridge, "good::a")[0]["t"]) == 60
        error = get(bridge, "data", 413, field=("good::a", "good::b"), **RANGE)["error"]
        assert error["code"] == "too_much"
        assert error["message"].startswith("120 samples are more than the 100 of one reply; ask for")
        shared = data(bridge, "good::a", "good::b", points=1000)
        assert sum(len(series["t"]) for series in shared) <= 100


def test_an_operator_that_a_server_lacks_is_made_of_its_samples_and_a_mean_of_extremes_says_so(serve, nodes):
    with serve({"old": nodes.good()}) as bridge:
        (series,) = data(bridge, "old::a", operator="mean", stride=10)
        (every,) = data(bridge, "old::a", operator="sum", stride=10)
    assert series["problem"] is None
    assert series["values"] == pytest.approx([4.5 + 10 * cell for cell in range(6)], abs=1)
    assert [each["text"] for each in series["notices"]] == ["means are made of the extremes of each 2.5 s"]
    assert (every["values"], every["notices"]) == ([45 + 100 * cell for cell in range(6)], [])


def test_csv_has_a_row_for_each_stamp_and_a_column_for_each_field(serve, nodes):
    late = nodes.good(lambda t: [None if x < nodes.NOW + 58 else x for x in t])
    with serve({"good": nodes.good(), "late": late}) as bridge:
        reply = bridge.ask("/api/v1/data?" + urlencode(RANGE | {"format": "csv"}) + "&field=good::a&field=late::b")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    head, *lines = csv.reader(io.StringIO(reply.body.decode()))
    assert head == ["time", "unix_time", "good::a", "late::b"]
    assert lines[0] == ["2023-11-14T22:13:20.000000Z", "1700000000.0", "0.0", ""]
    assert lines[59] == ["2023-11-14T22:14:19.000000Z", "1700000059.0", "59.0", "1700000059.0"]
    assert len(lines) == 60


def test_text_that_no_encoding_has_is_written_all_the_same(serve, nodes):
    odd = nodes.good(lambda t: ["a\ud800\r\nb" for _ in t], kind="string")
    with serve({"odd": odd}) as bridge:
        assert data(bridge, "odd::a")[0]["values"][0] == "a?\r\nb"
        reply = bridge.ask("/api/v1/data?" + urlencode(RANGE | {"format": "csv"}) + "&field=odd::a")
    assert list(csv.reader(io.StringIO(reply.body.decode())))[1][2] == "a?\nb"


def test_csv_is_not_given_with_a_column_missing(serve, nodes):
    with serve({"good": nodes.good(), "raising": nodes.raising()}) as bridge:
        said = refusal(bridge, "data", 502, field=("good::a", "raising::a"), format="csv", **RANGE)
    assert "disk on fire" in said


def minutes(nodes, upto):
    """A data server with a sample each minute before `upto`, whose value is its stamp."""

    def get_data(fields, start, end, stride):
        t = np.arange(np.ceil(max(start, upto - 86400) / 60), np.ceil(min(end, upto) / 60)) * 60
        t = t[-1:] if stride and stride > 86400 else t
        stamps = t.tolist()
        return {"data": dict.fromkeys(fields, stamps), "timeline": {"t": {"t": stamps, "finalized_until": None}}}

    return nodes.Node(lambda *_: nodes.table(), get_data)


@pytest.mark.parametrize(
    ("time", "stamp"),
    [
        ("1700000040", 1_700_000_040.0),
        ("1700000039.999", 1_699_999_980.0),
        ("1700000099.5", 1_700_000_040.0),
        ("2023-11-15T12:00:00", 1_700_006_340.0),
        ("2025-01-01", 1_700_006_340.0),
    ],
)
def test_the_value_at_a_time_is_that_of_the_newest_sample_not_after_it_however_old(serve, nodes, time, stamp):
    with serve({"good": minutes(nodes, nodes.NOW + 6400)}) as bridge:
        (value,) = at(bridge, "good::a", time=time)
    assert value == {
        "field": "good::a", "description": None, "type": "number", "units": "K", "t": stamp, "value": stamp,
        "problem": None,
    }  # fmt: skip


def test_values_at_a_time_come_in_the_order_asked_and_what_cannot_be_had_says_why(serve, nodes):
    servers = {"good": minutes(nodes, nodes.NOW), "old": minutes(nodes, nodes.NOW - 7200), "raising": nodes.raising()}
    asked = ("raising::a", "old::b", "good::a", "nobody::a", "old::b")
    with serve(servers) as bridge:
        values = at(bridge, *asked, time=nodes.NOW, within="1h")
    assert [each["field"] for each in values] == ["raising::a", "old::b", "good::a", "nobody::a"]
    assert [(each["problem"] or {}).get("code") for each in values] == ["missing", "empty", None, "missing"]
    assert [each["t"] for each in values] == [None, None, 1_699_999_980.0, None]


def test_a_value_that_is_text_or_truth_is_told_as_such(serve, nodes):
    servers = {
        "flag": nodes.good(lambda t: [bool(x % 2) for x in t], kind="bool", units=None),
        "text": nodes.good(lambda t: [f"w{x:.0f}" for x in t], kind="string"),
        "none": nodes.good(lambda t: [None for _ in t]),
    }
    with serve(servers) as bridge:
        flag, text, none = at(bridge, "flag::a", "text::a", "none::a", time=nodes.NOW + 1)
    assert (flag["value"], text["value"], none["value"]) == (True, "w1700000001", None)
    assert none["t"] == nodes.NOW + 1


@pytest.mark.parametrize(
    ("what", "parameters", "said"),
    [
        ("data", {}, "'field' is missing"),
        ("data", {"field": "a::b", "from": "noon"}, "'noon' is no time"),
        ("data", {"field": "a::b", "from": "now", "to": "-1h"}, "the time range is empty"),
        ("data", {"field": "a::b", "from": ("-1h", "-2h")}, "'from' is given 2 times"),
        ("data", {"field": "a::b", "stride": "-1"}, "'-1' is no duration"),
        ("data", {"field": "a::b", "points": "0"}, "'points' is '0'"),
        ("data", {"field": "a::b", "operator": "median", "stride": 1}, "there is no operator 'median'; mean, min"),
        ("data", {"field": "a::b", "operator": "mean"}, "the operator 'mean' needs 'stride' or 'points'"),
        ("data", {"field": "a::b", "format": "xml"}, "there is no format 'xml'; json, csv are known"),
        ("at", {}, "'field' is missing"),
        ("at", {"field": "a::b", "time": "noon"}, "'noon' is no time"),
        ("at", {"field": "a::b", "within": "-1"}, "'-1' is no duration"),
    ],
)
def test_a_question_that_is_none_is_refused_with_what_to_write(serve, nodes, what, parameters, said):
    with serve({}) as bridge:
        assert said in refusal(bridge, what, 400, **parameters)


def test_nobody_to_ask_is_told_as_such(serve, nodes):
    with serve({"good": nodes.good()}) as bridge:
        bridge.consumer.attached = bridge.consumer.hub = False
        assert "not connected to the WAMP router" in refusal(bridge, "data", 503, field="good::a")
        assert "not connected to the WAMP router" in refusal(bridge, "at", 503, field="good::a")
