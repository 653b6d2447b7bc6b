"""Requests of simPod's data source, over HTTP, and its contract."""

import json
import os
import time
from pathlib import Path

import jsonschema
import pytest
from autobahn.wamp.exception import ApplicationError
from hypothesis import given, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("SISOCK_API_EXAMPLES", "30"))
"""Requests of each path; the same variable is of the test of the bridge's own description."""
CONTRACT = json.loads(Path(__file__).with_name("simpod_contract.json").read_text(encoding="utf-8"))


REPLIES = {
    path: jsonschema.Draft202012Validator({"$defs": CONTRACT["$defs"], **schema})
    for path, schema in CONTRACT["replies"].items()
}


def held(path, reply):
    """Hold a reply against the contract."""
    assert reply.status == 200, reply.body
    REPLIES[path].validate(reply.json)
    if path == "/query":
        for frame in reply.json:
            assert len({len(field["values"]) for field in frame["fields"]}) == 1
            times = frame["fields"][0]["values"]
            assert times == sorted(times)
    return reply.json


def row(text, letter="A", /, **payload):
    return {"refId": letter, "target": text, "editorMode": "code", "payload": payload, "hide": False}


def frames(bridge, nodes, *rows, **more):
    return held("/query", bridge.ask("/query", nodes.request(*rows, **more)))


def test_a_series_is_a_frame_with_units_description_and_name(serve, nodes):
    fields = nodes.table(units="degC", interval=1.0)
    fields[0]["a"]["description"] = "air temperature"
    node = nodes.good()
    node.get_fields = lambda *_: fields
    with serve({"good": node}) as bridge:
        (frame,) = frames(bridge, nodes, row("good::a"), seconds=3)
    time_field, values = frame["fields"]
    assert (frame["name"], frame["refId"]) == ("good::a", "A")
    assert (time_field["name"], time_field["type"]) == ("time", "time")
    assert time_field["values"] == [1000 * (nodes.NOW + step) for step in range(3)]
    assert values == {
        "name": "good::a", "type": "number", "values": [0, 1, 2], "labels": {"node": "good", "field": "a"},
        "config": {"displayNameFromDS": "good::a", "unit": "celsius", "description": "air temperature"},
    }  # fmt: skip
    assert frame["meta"] == {"executedQueryString": "good::a: envelope of 0.003 s"}


@pytest.mark.parametrize(
    ("kind", "made", "payload", "due", "values"),
    [
        ("bool", lambda t: [each % 2 == 0 for each in t.tolist()], {}, "boolean", [True, False, True]),
        ("string", lambda t: [f"état {each % 2:.0f}" for each in t], {}, "string", ["état 0", "état 1", "état 0"]),
        ("string", lambda t: [f"état {each % 2:.0f}" for each in t], {"text": "enum"}, "enum", [0, 1, 0]),
        ("number", lambda t: [float("nan")] * len(t), {}, "number", [None] * 3),
    ],
)
def test_values_keep_their_type(serve, nodes, kind, made, payload, due, values):
    with serve({"good": nodes.good(made, kind=kind)}) as bridge:
        (frame,) = frames(bridge, nodes, row("good::a", **payload), seconds=3)
    assert (frame["fields"][1]["type"], frame["fields"][1]["values"]) == (due, values)
    if due == "enum":
        assert frame["fields"][1]["config"]["type"] == {"enum": {"text": ["état 0", "état 1"]}}


@pytest.mark.parametrize("kind", ["number", "bool", "string"])
def test_a_gap_has_no_value_whatever_the_type(serve, nodes, kind):
    value = {"number": 1.5, "bool": True, "string": "on"}[kind]

    def get_data(fields, start, _end, _stride):
        t = [start + step for step in (0, 1, 2, 20)]
        return {"data": {field: [value] * 4 for field in fields}, "timeline": {"t": {"t": t}}}

    with serve({"good": nodes.Node(lambda *_: nodes.table(kind=kind), get_data)}) as bridge:
        (frame,) = frames(bridge, nodes, row("good::a"))
    assert frame["fields"][1]["values"] == [value, value, value, None, value]


def test_what_cannot_be_had_is_an_empty_frame_with_its_notice_and_the_others_still_draw(serve, nodes):
    servers = {"good": nodes.good(), "raising": nodes.raising(), "silent": nodes.silent()}
    rows = ("raising::a", "good::a", "silent::a", "good::$field", "nobody", "good::nothing")
    with serve(servers) as bridge:
        replies = frames(bridge, nodes, *(row(text, letter) for text, letter in zip(rows, "ABCDEF", strict=True)))
    assert [frame["refId"] for frame in replies] == list("ABCDEF")
    assert [len(frame["fields"][0]["values"]) for frame in replies] == [0, 60, 0, 0, 0, 0]
    for frame, sentence in zip(
        replies, ("disk on fire", "", "did not answer", "is not set", "names no field", "has no field"), strict=True
    ):
        assert sentence in nodes.notices(frame)


def test_the_builder_chooses_fields_operator_bin_and_alias_beside_a_server(serve, nodes):
    asked = []

    def packed(fields, start, _end, stride, operator=None):
        asked.append((sorted(fields), start, stride, operator))
        return {"data": {key: [1.0] for key in fields}, "timeline": {"t": {"t": [start]}}}

    node = nodes.Node(lambda *_: nodes.table(), lambda *_: pytest.fail("asked for lists"))
    node.get_data_packed = packed
    built = row("n", field=["a", "b"], operator="mean", bin="1m", alias="{{field}} of {{node}}", edge="no")
    with serve({"n": node}) as bridge:
        first, second = frames(bridge, nodes, built | {"editorMode": "builder"}, seconds=3600)
    assert [first["name"], second["name"]] == ["a of n", "b of n"]
    assert first["fields"][1]["labels"] == {"node": "n", "field": "a", "operator": "mean"}
    assert first["meta"]["executedQueryString"] == "n::a: mean of 60 s"
    assert asked == [(["a", "b"], nodes.NOW // 60 * 60, 60.0, "mean")]


def test_rows_with_bins_of_their_own_are_asked_each_with_its_own(serve, nodes):
    node = nodes.good()
    asked = []
    plain = node.get_data

    def noting(fields, start, end, stride):
        asked.append((fields, stride))
        return plain(fields, start, end, stride)

    node.get_data = noting
    with serve({"good": node}) as bridge:
        frames(bridge, nodes, row("good::a", bin="10s"), row("good::b", "B"), seconds=3600, maxDataPoints=900)
    assert sorted(asked) == [(["a"], 10.0), (["b"], 4.0)]


def test_metrics_are_servers_and_fields_and_whatever_is_chosen_already(serve, nodes):
    servers = {"good": nodes.good(), "other": nodes.good(names=("c",))}
    with serve(servers) as bridge:
        everything = held("/metrics", bridge.ask("/metrics", {}))
        assert [each["value"] for each in everything] == ["good", "other", "good::a", "good::b", "other::c"]
        parts = {each["value"]: [part["name"] for part in each["payloads"]] for each in everything}
        assert parts["good"] == ["match", "field", "operator", "bin", "alias", "edge", "text"]
        assert parts["good::a"] == ["operator", "bin", "alias", "edge", "text"]
        for chosen in ("good::a", "gone::x", r"gone::x\.y"):
            listed = [each["value"] for each in held("/metrics", bridge.ask("/metrics", {"metric": chosen}))]
            assert listed[:2] == ["good", "other"]
            assert chosen in listed
        assert "gone::x.y" in listed, "as it is saved, which may be without the backslashes"
        del servers["other"]
        assert "other" in [each["value"] for each in bridge.ask("/metrics", {}).json]


def test_a_long_list_of_fields_is_left_out_of_the_metrics(serve, nodes):
    with serve({"good": nodes.good(names=[f"channel_{place}" for place in range(1001)])}) as bridge:
        assert [each["value"] for each in held("/metrics", bridge.ask("/metrics", {}))] == ["good"]


def test_the_fields_of_a_server_are_options_that_a_text_narrows(serve, nodes):
    servers = {"good": nodes.good(names=("wind_1", "wind_2", "rain")), "other": nodes.good(names=("x",))}

    def options(metric, name="field", **payload):
        body = {"metric": metric, "payload": payload, "name": name}
        return [each["value"] for each in held(path, bridge.ask(path, body))]

    path = "/metric-payload-options"
    with serve(servers) as bridge:
        assert options("good") == ["rain", "wind_1", "wind_2"]
        assert options("good", match="WIND") == ["wind_1", "wind_2"]
        assert options("good", match="*_2") == ["wind_2"]
        assert options("(good|other)") == ["rain", "wind_1", "wind_2", "x"]
        assert options("good", match="*_2", field=["rain"]) == ["rain", "wind_2"]
        assert options("good", match="none") == []
        assert options("good", name="operator")[0] == "envelope"
        assert options("good", name="nothing") == []
        assert bridge.ask(path, {"name": "field"}).status == 400


@pytest.mark.parametrize(
    ("payload", "values"),
    [
        ({"target": "nodes"}, ["good", "other"]),
        ("nodes", ["good", "other"]),
        ({"list": "nodes"}, ["good", "other"]),
        ({"target": ""}, ["good::a.b/c", "good::b", "other::b"]),
        (None, ["good::a.b/c", "good::b", "other::b"]),
        ({"target": "good::*"}, ["good::a.b/c", "good::b"]),
        ({"target": r"good::a\.b\/c"}, ["good::a.b/c"]),
        ({"target": "(good|other)::b"}, ["good::b", "other::b"]),
        ({"list": "fields"}, ["a.b/c", "b"]),
        ({"list": "fields", "node": "other"}, ["b"]),
        ({"list": "fields", "node": "good", "match": "*.b*"}, ["a.b/c"]),
        ({"list": "names", "node": "other"}, ["other::b"]),
        ({"match": "::b"}, ["good::b", "other::b"]),
    ],
)
def test_a_variable_lists_servers_fields_or_names(serve, nodes, payload, values):
    with serve({"good": nodes.good(names=("a.b/c", "b")), "other": nodes.good(names=("b",))}) as bridge:
        listed = held("/variable", bridge.ask("/variable", {"payload": payload, "range": {}}))
    assert listed == [{"__text": value, "__value": value} for value in values]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (r"good::a\.b\/c", ["good::a.b/c"]),
        ("good::a.b/c", ["good::a.b/c"]),
        (r"good::(a\.b\/c|b)", ["good::a.b/c", "good::b"]),
        ("good::{a.b/c,b}", ["good::a.b/c", "good::b"]),
        ('good::["a.b/c","b"]', ["good::a.b/c", "good::b"]),
        ("good::a.b/c,b", ["good::a.b/c", "good::b"]),
        ("good::a.b/c,other::b", ["good::a.b/c", "other::b"]),
        ("good::a.b/c|b", ["good::a.b/c", "good::b"]),
        ("(good|other)::b", ["good::b", "other::b"]),
        ("*::[ab]", ["good::b", "other::b"]),
    ],
)
def test_variables_stand_for_their_values_in_whatever_way_they_are_written(serve, nodes, text, names):
    with serve({"good": nodes.good(names=("a.b/c", "b")), "other": nodes.good(names=("b",))}) as bridge:
        bridge.ask("/search", {})
        assert [frame["name"] for frame in frames(bridge, nodes, row(text))] == names


def test_payloads_take_several_values_and_variables_as_well(serve, nodes):
    with serve({"good": nodes.good(names=("a.b/c", "b")), "other": nodes.good(names=("b",))}) as bridge:
        replies = frames(bridge, nodes, row("(good|other)", field=[r"(a\.b\/c|b)"]), row("good", "B", field="b"))
    assert [frame["name"] for frame in replies[:3]] == ["good::a.b/c", "good::b", "other::a.b/c"]
    assert [frame["refId"] for frame in replies] == list("AAAAB")


def test_an_annotation_is_a_frame_of_events(serve, nodes):
    servers = {"good": nodes.good(), "weather": nodes.good()}
    with serve(servers) as bridge:
        bridge.tell_news()
        del servers["weather"]
        bridge.tell_news()
        body = nodes.request(row("", "Anno"), start=time.time() - 60, seconds=120, maxDataPoints=100)
        body["scopedVars"] = {"__annotation": {"text": "servers", "value": {"name": "servers"}}}
        (frame,) = held("/query", bridge.ask("/query", body))
        columns = {field["name"]: field["values"] for field in frame["fields"]}
        assert list(columns) == ["time", "timeEnd", "title", "text", "tags", "id"]
        assert (columns["title"], columns["tags"]) == (["weather is gone"], ["server,weather"])
        assert columns["timeEnd"] == [None]
        body["targets"] = [row("good", "Anno", match="nothing like it")]
        (empty,) = held("/query", bridge.ask("/query", body))
        assert [field["values"] for field in empty["fields"]] == [[]] * 6


def test_an_operator_that_a_server_has_not_is_made_of_its_samples_and_an_unknown_one_costs_its_frame_only(serve, nodes):
    def packed(fields, start, _end, _stride, operator=None):
        if operator:
            raise ApplicationError("org.simonsobservatory.error.operator", "no", [])
        return {"data": {key: [1.0] for key in fields}, "timeline": {"t": {"t": [start]}}}

    node = nodes.Node(lambda *_: nodes.table(), lambda *_: pytest.fail("asked for lists"))
    node.get_data_packed = packed
    with serve({"n": node}) as bridge:
        made, unknown, fine = frames(
            bridge, nodes, row("n::a", operator="mean"), row("n::a", operator="median"), row("n::a")
        )
    assert made["fields"][1]["values"] == [1.0]
    assert "there is no operator 'median'" in nodes.notices(unknown)
    assert len(fine["fields"][0]["values"]) == 1


NAMES = st.sampled_from(
    ["good::a", "good", "bad::a", "good::*", "*", "", r"good::(a|b)", "$x", "good::text", "good::on"]
)
WORDS = NAMES | st.text(max_size=20)
SPOKEN = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | WORDS | st.lists(WORDS, max_size=3)
PAYLOADS = st.dictionaries(
    st.sampled_from(["field", "operator", "bin", "alias", "edge", "text", "match", "list", "node", "target"]),
    SPOKEN | st.sampled_from(["mean", "raw", "10s", "1m", "yes", "enum", "nodes"]),
    max_size=4,
)
TARGETS = st.fixed_dictionaries(
    {"refId": st.sampled_from("ABC"), "editorMode": st.sampled_from(["code", "builder"])},
    optional={"target": st.none() | WORDS, "payload": PAYLOADS | st.none(), "hide": st.booleans()},
)
REQUESTS = {
    "/metrics": st.fixed_dictionaries({}, optional={"metric": SPOKEN, "payload": PAYLOADS}),
    "/metric-payload-options": st.fixed_dictionaries(
        {"metric": WORDS, "name": WORDS | st.just("field"), "payload": PAYLOADS}
    ),
    "/variable": st.fixed_dictionaries({}, optional={"payload": PAYLOADS | WORDS | st.none()}),
    "/tag-keys": st.fixed_dictionaries({}, optional={"key": SPOKEN}),
    "/tag-values": st.fixed_dictionaries({"key": st.sampled_from(["node", "field"]) | SPOKEN}),
    "/query": st.fixed_dictionaries(
        {
            "range": st.just({"from": "2023-11-14T22:13:20.000Z", "to": "2023-11-14T22:14:20.000Z"}),
            "targets": st.lists(TARGETS, min_size=1, max_size=4),
        },
        optional={
            "maxDataPoints": st.integers(-5, 20000) | st.none(),
            "intervalMs": st.integers(-5, 10**9) | st.none(),
            "filters": st.lists(st.dictionaries(st.sampled_from(["key", "operator", "value"]), SPOKEN), max_size=2),
            "panelId": SPOKEN,
            "scopedVars": st.dictionaries(st.text(max_size=5), SPOKEN, max_size=2),
        },
    ),
}


@pytest.fixture(scope="module")
def site(kinds):
    serving, good, raising = kinds
    names = ("a", "b")
    servers = {
        "good": good(names=names), "bad": raising(),
        "words": good(lambda t: ["on"] * len(t), kind="string"), "flags": good(lambda t: [True] * len(t), kind="bool"),
    }  # fmt: skip
    with serving(servers) as bridge:
        yield bridge


@pytest.mark.parametrize("path", REQUESTS)
def test_every_request_of_the_contract_is_answered_by_the_contract(site, path):
    @settings(max_examples=EXAMPLES)
    @given(REQUESTS[path])
    def held_against_it(body):
        held(path, site.ask(path, body))

    held_against_it()
