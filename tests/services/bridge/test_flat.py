"""The flat GETs, over HTTP, before data servers that exist only here."""

import csv
import io
import time
from urllib.parse import urlencode

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

RANGE = {"from": "2023-11-14T22:13:20", "to": "2023-11-14T22:14:20"}


def get(bridge, what, status=200, **parameters):
    reply = bridge.ask(f"/api/v1/{what}?{urlencode(parameters, doseq=True)}")
    assert reply.status == status, reply.body
    return reply.json


def data(bridge, *fields, **parameters):
    return get(bridge, "data", field=fields, **(RANGE | parameters))["series"]


def refusal(bridge, what, status, **parameters):
    return get(bridge, what, status, **parameters)["error"]["message"]


def test_nodes_are_listed_with_their_conduct_and_those_that_are_joined(serve, nodes):
    with serve({"data_feed": nodes.good(), "raising": nodes.raising()}) as bridge:
        data(bridge, "raising::a")
        reply = get(bridge, "nodes")
    assert (reply["router"], reply["hub"]) == (True, True)
    feed, raising, joined = reply["nodes"]
    assert feed == {
        "name": "data_feed", "description": "the data_feed", "online": True, "fields": 2,
        "answered": pytest.approx(time.time(), abs=10), "problem": None, "joins": [],
    }  # fmt: skip
    assert "disk on fire" in raising["problem"]
    assert (joined["name"], joined["joins"], joined["fields"]) == ("feeds", ["g3_reader", "data_feed"], 2)


def test_nodes_are_told_without_router_and_hub(serve, nodes):
    with serve({"good": nodes.good()}) as bridge:
        get(bridge, "fields")
        bridge.consumer.attached = bridge.consumer.hub = False
        reply = get(bridge, "nodes")
    assert (reply["router"], reply["hub"]) == (False, False)
    assert [(each["name"], each["online"]) for each in reply["nodes"]] == [("good", False)]


def test_fields_say_what_they_are(serve, nodes):
    with serve({"good": nodes.good(), "text": nodes.good(kind="string", units=None, names=("Wörd",))}) as bridge:
        reply = get(bridge, "fields")
    assert reply["total"] == 3
    assert reply["fields"][0] == {
        "name": "good::a", "description": None, "timeline": "t", "type": "number", "units": "K"
    }  # fmt: skip
    assert reply["fields"][2]["name"] == "text::Wörd"


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({"match": "TEMP"}, ["one::temp_1", "one::temp_2", "two::temp_1"]),
        ({"match": "temp_?"}, ["one::temp_1", "one::temp_2", "two::temp_1"]),
        ({"match": "*::temp_[2-9]"}, ["one::temp_2"]),
        ({"match": "one::*"}, ["one::pwv", "one::temp_1", "one::temp_2"]),
        ({"match": "one::temp_1"}, ["one::temp_1"]),
        ({"match": "e*p"}, []),
        ({"node": "two"}, ["two::temp_1"]),
        ({"node": "two", "match": "pwv"}, []),
        ({"node": "nobody"}, []),
        ({"offset": 1, "limit": 2}, ["one::temp_1", "one::temp_2"]),
    ],
)
def test_fields_are_found_by_text_by_pattern_and_by_node(serve, nodes, asked, names):
    servers = {"one": nodes.good(names=("pwv", "temp_1", "temp_2")), "two": nodes.good(names=("temp_1",))}
    with serve(servers) as bridge:
        assert [each["name"] for each in get(bridge, "fields", **asked)["fields"]] == names


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


def test_an_operator_is_handed_to_the_server(serve, nodes):
    with serve({"old": nodes.good()}) as bridge:
        (series,) = data(bridge, "old::a", operator="mean", stride=10)
    assert "has no operator 'mean'" in series["problem"]["message"]


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


@pytest.mark.parametrize(
    ("what", "parameters", "said"),
    [
        ("nodes", {"x": 1}, "there is no parameter 'x' here; none are known"),
        ("fields", {"q": "x"}, "there is no parameter 'q' here; match, node, offset, limit are known"),
        ("fields", {"limit": -1}, "'limit' is '-1'; give a whole number from 0 on"),
        ("fields", {"match": "*" * 1001}, "1000 are read"),
        ("data", {}, "'field' is missing"),
        ("data", {"field": "a::b", "from": "noon"}, "'noon' is no time"),
        ("data", {"field": "a::b", "from": "now", "to": "-1h"}, "the time range is empty"),
        ("data", {"field": "a::b", "from": ("-1h", "-2h")}, "'from' is given 2 times"),
        ("data", {"field": "a::b", "stride": "-1"}, "'-1' is no duration"),
        ("data", {"field": "a::b", "points": "0"}, "'points' is '0'"),
        ("data", {"field": "a::b", "operator": "median", "stride": 1}, "there is no operator 'median'; mean, min"),
        ("data", {"field": "a::b", "operator": "mean"}, "the operator 'mean' needs 'stride' or 'points'"),
        ("data", {"field": "a::b", "format": "xml"}, "'format' is 'xml'; json and csv are known"),
    ],
)
def test_a_question_that_is_none_is_refused_with_what_to_write(serve, nodes, what, parameters, said):
    with serve({}) as bridge:
        assert said in refusal(bridge, what, 400, **parameters)


def test_nobody_to_ask_is_told_as_such(serve, nodes):
    with serve({"good": nodes.good()}) as bridge:
        bridge.consumer.attached = bridge.consumer.hub = False
        assert "not connected to the WAMP router" in refusal(bridge, "data", 503, field="good::a")
        get(bridge, "fields", 503)


@pytest.fixture(scope="module")
def standing(kinds):
    serving, good, raising = kinds
    with serving({"good": good(), "raising": raising()}) as bridge:
        yield bridge


SPOKEN = st.text(max_size=12) | st.sampled_from(["good::a", "-1h", "now", "0", "1", "mean", "csv", "*", "[", "1e999"])
NAMES = st.sampled_from(["field", "from", "to", "stride", "points", "operator", "format", "match", "limit", "offset"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["nodes", "fields", "data"]), st.lists(st.tuples(NAMES, SPOKEN), max_size=5))
def test_any_question_is_answered_or_refused_in_json_and_never_with_a_fault(standing, what, parameters):
    query = urlencode(parameters, errors="surrogatepass")
    reply = standing.ask(f"/api/v1/{what}?{query}")
    assert reply.status in {200, 400, 413, 502}
    if reply.headers["Content-Type"] == "application/json":
        assert isinstance(reply.json, dict)
