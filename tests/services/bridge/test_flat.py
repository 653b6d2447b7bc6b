"""The flat GETs, over HTTP, before data servers that exist only here."""

import time
from urllib.parse import urlencode

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
    assert [(each["name"], each["online"]) for each in reply["nodes"]] == [("good", None)]


def test_fields_say_what_they_are(serve, nodes):
    with serve({"good": nodes.good(), "text": nodes.good(kind="string", units=None, names=("Wörd",))}) as bridge:
        reply = get(bridge, "fields")
    assert reply["total"] == 3
    assert reply["fields"][0] == {
        "name": "good::a", "description": None, "timeline": "t", "type": "number", "units": "K",
        "stale": False, "seen": pytest.approx(time.time(), abs=10),
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
        ({"match": "temp", "offset": 2, "limit": 2}, ["two::temp_1"]),
        ({"match": "p[wu]v|_2$", "kind": "regex"}, ["one::pwv", "one::temp_2"]),
        ({"match": "temp_[1]", "kind": "glob"}, ["one::temp_1", "two::temp_1"]),
        ({"match": "temp_?", "kind": "text"}, []),
    ],
)
def test_fields_are_found_by_text_by_pattern_and_by_node(serve, nodes, asked, names):
    servers = {"one": nodes.good(names=("pwv", "temp_1", "temp_2")), "two": nodes.good(names=("temp_1",))}
    with serve(servers) as bridge:
        assert [each["name"] for each in get(bridge, "fields", **asked)["fields"]] == names


def test_fields_of_a_server_that_is_down_stay_listed_as_stale_and_those_of_one_that_is_back_do_not(serve, nodes):
    servers = {"down": nodes.good(names=("b",)), "up": nodes.good(names=("a",))}
    with serve(servers) as bridge:
        before = get(bridge, "fields")["fields"]
        gone = bridge.consumer.servers.pop("down")
        bridge.consumer.hear_news()
        stale = get(bridge, "fields")["fields"]
        bridge.consumer.servers["down"] = gone
        bridge.consumer.hear_news()
        back = get(bridge, "fields")["fields"]
    assert [(each["name"], each["stale"]) for each in before] == [("down::b", False), ("up::a", False)]
    assert [(each["name"], each["stale"]) for each in stale] == [("down::b", True), ("up::a", False)]
    assert stale[0]["seen"] == pytest.approx(before[0]["seen"], abs=5)
    assert [each["stale"] for each in back] == [False, False]


def test_a_joined_field_is_stale_only_while_no_server_that_has_it_is_online(serve, nodes):
    servers = {"g3_reader": nodes.good(names=("a",)), "data_feed": nodes.good(names=("a", "live"))}
    with serve(servers) as bridge:
        get(bridge, "fields")
        del bridge.consumer.servers["data_feed"]
        bridge.consumer.hear_news()
        listed = {each["name"]: each["stale"] for each in get(bridge, "fields", node="feeds")["fields"]}
    assert listed == {"feeds::a": False, "feeds::live": True}


def test_fields_are_known_after_a_restart_even_before_their_server_is_there(serve, nodes, tmp_path):
    kept = tmp_path / "catalogue.json"
    with serve({"down": nodes.good()}, CATALOGUE_FILE=kept) as bridge:
        before = get(bridge, "fields")["fields"]
    with serve({}, CATALOGUE_FILE=kept) as bridge:
        bridge.consumer.attached = bridge.consumer.hub = False
        reply = get(bridge, "fields")
    assert reply["fields"] == [each | {"stale": True} for each in before]


def test_lists_of_servers_are_not_asked_for_with_each_request(serve, nodes):
    with serve({"good": nodes.good()}) as bridge:
        for _ in range(20):
            get(bridge, "fields", match="a")
        asked = [procedure for procedure, _ in bridge.consumer.calls if procedure.endswith("get_fields")]
    assert len(asked) == 1


def test_what_happened_is_listed_with_its_time_and_whom_it_concerns(serve, nodes):
    with serve({"good": nodes.good(), "other": nodes.good()}) as bridge:
        bridge.consumer.hear_news()
        del bridge.consumer.servers["other"]
        bridge.consumer.hear_news()
        reply = get(bridge, "annotations", **{"from": "-1h", "to": "+1m"})
        (gone,) = reply["annotations"]
        assert get(bridge, "annotations", **{"from": "-1h", "to": "+1m", "match": "good"})["annotations"] == []
    assert reply["end"] - reply["start"] == pytest.approx(3660, abs=1)
    assert gone["start"] == pytest.approx(time.time(), abs=10)
    assert (gone["end"], gone["title"], gone["tags"]) == (None, "other is gone", ["server", "other"])


@pytest.mark.parametrize(
    ("what", "parameters", "said"),
    [
        ("nodes", {"x": 1}, "there is no parameter 'x' here; none are known"),
        ("fields", {"q": "x"}, "there is no parameter 'q' here; match, kind, node, offset, limit are known"),
        ("fields", {"limit": -1}, "'limit' is '-1'; give a whole number from 0 on"),
        ("fields", {"match": "*" * 1001}, "1000 are read"),
        ("fields", {"match": "a", "kind": "sql"}, "there is no kind 'sql'; text, glob, regex are known"),
        (
            "fields",
            {"match": "(a", "kind": "regex"},
            "'match' is no regular expression that can be looked for (missing",
        ),
        ("annotations", {"from": "now", "to": "-1h"}, "the time range is empty"),
        ("annotations", {"from": "noon"}, "'noon' is no time"),
    ],
)
def test_a_question_that_is_none_is_refused_with_what_to_write(serve, nodes, what, parameters, said):
    with serve({}) as bridge:
        assert said in refusal(bridge, what, 400, **parameters)


def test_nobody_to_ask_is_told_as_such(serve, nodes):
    with serve({"good": nodes.good()}) as bridge:
        bridge.consumer.attached = bridge.consumer.hub = False
        assert "not connected to the WAMP router" in refusal(bridge, "fields", 503)


@pytest.fixture(scope="module")
def standing(kinds):
    serving, good, raising = kinds
    with serving({"good": good(), "raising": raising()}) as bridge:
        yield bridge


SPOKEN = st.text(max_size=12) | st.sampled_from(
    ["good::a", "-1h", "now", "0", "1", "mean", "csv", "regex", "*", "[", "1e999"]
)
NAMES = st.sampled_from(
    ["field", "from", "to", "stride", "points", "operator", "format", "match", "limit", "offset", "kind"]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["nodes", "fields", "data", "at", "annotations"]), st.lists(st.tuples(NAMES, SPOKEN), max_size=5)
)
def test_any_question_is_answered_or_refused_in_json_and_never_with_a_fault(standing, what, parameters):
    query = urlencode(parameters, errors="surrogatepass")
    reply = standing.ask(f"/api/v1/{what}?{query}")
    assert reply.status in {200, 400, 404, 413, 502}
    if reply.headers["Content-Type"] == "application/json":
        assert isinstance(reply.json, dict)
