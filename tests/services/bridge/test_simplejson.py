"""Requests of Grafana's SimpleJSON data source, over HTTP, to data servers of every conduct."""

import json
import math
import time

import pytest
from autobahn.wamp.exception import ApplicationError

PANEL = {
    # As Grafana 10 sends it.
    "app": "dashboard", "requestId": "Q101", "timezone": "browser", "panelId": 2, "dashboardUID": "live",
    "range": {"from": "2023-11-14T22:13:20.000Z", "to": "2023-11-14T22:14:20.000Z",
              "raw": {"from": "now-1m", "to": "now"}},
    "interval": "1s", "intervalMs": 1000,
    "targets": [
        {"datasource": {"type": "grafana-simple-json-datasource", "uid": "x"}, "refId": "A", "target": "good::a",
         "type": "timeserie", "hide": False},
        {"refId": "B", "target": "select metric", "type": "timeserie"},
        {"refId": "C", "target": "good::b", "type": "timeserie", "hide": True},
    ],
    "maxDataPoints": 800,
    "scopedVars": {"__interval": {"text": "1s", "value": "1s"}, "__interval_ms": {"text": "1000", "value": 1000}},
    "startTime": 1700000061000, "rangeRaw": {"from": "now-1m", "to": "now"}, "adhocFilters": [],
}  # fmt: skip


def test_a_panel_of_grafana_gets_the_samples_of_its_range_and_no_others(serve, nodes):
    with serve({"good": nodes.good()}) as bridge:
        (series,) = bridge.ask("/query", PANEL).json
    assert (series["target"], series["refId"], series["unit"]) == ("good::a", "A", "kelvin")
    assert "meta" not in series
    assert series["datapoints"] == [[t % 100, t * 1000] for t in range(1_700_000_000, 1_700_000_060)]


def test_replies_come_in_the_order_of_the_targets_whichever_server_is_first(serve, nodes):
    with serve({"one": nodes.good(), "two": nodes.good()}) as bridge:
        replies = bridge.query("two::b", "one::a", "two::a", "one::b", "two::b")
    assert [each["target"] for each in replies] == ["two::b", "one::a", "two::a", "one::b", "two::b"]
    assert [each["refId"] for each in replies] == list("ABCDE")
    asked = [args for procedure, args in bridge.consumer.calls if procedure.endswith("two.get_data")]
    assert [sorted(args[0]) for args in asked] == [["a", "b"]], "a server is asked once for all of its fields"


def test_no_bad_target_and_no_bad_server_spoils_another(serve, nodes):
    short = {"data": {"a": [1.0]}, "timeline": {"t": {"t": [1.0, 2.0], "finalized_until": None}}}
    servers = {
        "good": nodes.good(),
        "silent": nodes.silent(),
        "raising": nodes.raising(),
        "too_much": nodes.answering(data=False),
        "short": nodes.answering(short),
        "empty_reply": nodes.answering({}),
        "text": nodes.answering("<html>"),
        "no_fields": nodes.answering({}, fields=None),
        "bad_fields": nodes.answering({}, fields=[1, 2]),
    }
    reasons = {
        "silent::a": "did not answer within", "raising::a": "disk on fire", "too_much::a": "holds more data",
        "short::a": "2 stamps", "empty_reply::a": "'data' and 'timeline'", "text::a": "'data' and 'timeline'",
        "bad_fields::a": "a pair of dictionaries", "nobody::a": "nobody named 'nobody' is online",
        "good::zz": "has no field 'zz'", "good::A": "did you mean 'a'?", "without separator": "write <server>::<field>",
        "::a": "names no field", "good::": "names no field", "a b::c": "names no field", "$var::a": "variable $var",
        "a.b.c::x": "names no field",
    }  # fmt: skip
    with serve(servers) as bridge:
        replies = bridge.query(*reasons, "good::b")
    assert len(replies[-1]["datapoints"]) == 60
    for reply, (target, reason) in zip(replies, reasons.items(), strict=False):
        assert reply["target"] == target
        assert reply["datapoints"] == []
        assert reason in nodes.notices(reply), target
        assert {each["severity"] for each in reply["meta"]["notices"]} <= {"info", "warning", "error"}


def test_a_field_that_its_server_cannot_send_does_not_spoil_the_servers_other_fields(serve, nodes):
    def get_data(fields, start, _end, _stride):
        t = [start, start + 1]
        return {"data": {f: [1, 2] if f == "a" else [1] for f in fields}, "timeline": {"t": {"t": t}}}

    with serve({"half": nodes.Node(lambda *_: nodes.table(), get_data)}) as bridge:
        bad, fine = bridge.query("half::b", "half::a")
    assert "has 1 values" in nodes.notices(bad)
    assert [value for value, _ in fine["datapoints"]] == [1, 2]


def test_a_field_without_samples_in_the_range_says_so(serve, nodes):
    def outside(fields, start, _end, _stride):
        return {"data": {field: [1.0] for field in fields}, "timeline": {"t": {"t": [start - 5]}}}

    servers = {
        "empty": nodes.answering({"data": {"a": []}, "timeline": {}}),
        "outside": nodes.Node(lambda *_: nodes.table(), outside),
    }
    with serve(servers) as bridge:
        for reply in bridge.query("empty::a", "outside::a", {"target": "empty::a", "type": "table"}):
            assert not reply.get("datapoints")
            assert not reply.get("rows")
            (notice,) = reply["meta"]["notices"]
            assert notice["severity"] == "info"
            assert "has no samples of 'a' in this time range" in notice["text"]


def test_fields_are_listed_once_for_all_ranges(serve, nodes):
    with serve({"good": nodes.good()}) as bridge:
        for moment in range(5):
            (series,) = bridge.query("good::a", start=nodes.NOW + moment)
            assert len(series["datapoints"]) == 60
        assert [procedure.rpartition(".")[2] for procedure, _ in bridge.consumer.calls].count("get_fields") == 1


def test_a_server_with_other_fields_and_timelines_in_other_ranges_is_asked_what_there_is_in_this_one(serve, nodes):
    def get_fields(start, _end):
        early = start < nodes.NOW
        names, timelines = (("old", "both"), ("t", "u")) if early else (("new", "both"), ("v", "w"))
        fields = {
            name: {"description": None, "timeline": timeline, "type": "number", "units": None}
            for name, timeline in zip(names, timelines, strict=True)
        }
        return fields, {each["timeline"]: {"interval": 1.0, "field": [name]} for name, each in fields.items()}

    def get_data(fields, start, end, _stride):
        listed, _ = get_fields(start, end)
        if not listed.keys() >= set(fields):
            raise ApplicationError("org.simonsobservatory.error.server", "no such field")
        timelines = {each["timeline"]: {"t": [start, start + 1]} for each in listed.values()}
        return {"data": {field: [1, 2] for field in fields}, "timeline": timelines}

    with serve({"archive": nodes.Node(get_fields, get_data)}) as bridge:
        early, late = nodes.NOW - 1000, nodes.NOW
        for start, name in ((early, "old"), (late, "new"), (late, "both"), (early, "both"), (late, "both")):
            (series,) = bridge.query(f"archive::{name}", start=start)
            assert [value for value, _ in series["datapoints"]] == [1, 2], (start, name)
            assert "meta" not in series
        (gone,) = bridge.query("archive::old", start=late)
        assert "has no samples of 'old'" in nodes.notices(gone)


def test_a_silent_server_costs_its_deadline_and_the_next_request_less(serve, nodes):
    with serve({"silent": nodes.silent(), "good": nodes.good()}) as bridge:
        body = nodes.request("silent::a", "good::a")
        first = bridge.ask("/query", body)
        assert 0.4 < first.seconds < 2
        assert bridge.consumer.cancelled == ["silent"]
        assert len(first.json[1]["datapoints"]) == 60


def test_nan_and_infinities_are_null(serve, nodes):
    strange = [1.0, math.nan, math.inf, -math.inf, None, 2.0]

    def get_data(fields, start, _end, _stride):
        t = [start + step for step in range(6)]
        return {"data": dict.fromkeys(fields, strange), "timeline": {"t": {"t": t, "finalized_until": None}}}

    with serve({"good": nodes.Node(lambda *_: nodes.table(), get_data)}) as bridge:
        (series,) = bridge.query("good::a")
    assert [value for value, _ in series["datapoints"]] == [1, None, None, None, None, 2]


def test_integers_too_great_for_json_are_rounded_with_a_notice(serve, nodes):
    with serve(
        {"good": nodes.good(lambda t: [2**53 + 1, 10**400, -(2**70)] * (len(t) // 3) + [1] * (len(t) % 3))}
    ) as b:
        (series,) = b.query("good::a")
        table = b.query({"target": "good::a", "type": "table"})[0]
    assert "rounded" in nodes.notices(series)
    assert {value for value, _ in series["datapoints"]} <= {2**53, None, -(2**70), 1}
    assert {row[1] for row in table["rows"]} <= {2**53, None, -(2**70), 1}


def test_booleans_draw_as_zero_and_one_and_stay_booleans_in_a_table(serve, nodes):
    with serve({"good": nodes.good(lambda t: [int(each) % 2 == 0 for each in t], kind="bool", units=None)}) as bridge:
        series, table = bridge.query("good::a", {"target": "good::a", "type": "table", "refId": "T"}, seconds=3)
    assert [value for value, _ in series["datapoints"]] == [1, 0, 1]
    assert "unit" not in series
    assert table["type"] == "table"
    assert [column["type"] for column in table["columns"]] == ["time", "boolean"]
    assert [row[1] for row in table["rows"]] == [True, False, True]


def test_text_is_a_table_or_a_notice(serve, nodes):
    with serve({"good": nodes.good(lambda t: [f"état {int(each) % 10}" for each in t], kind="string")}) as bridge:
        series, table = bridge.query("good::a", {"target": "good::a", "type": "table", "refId": "T"}, seconds=2)
    assert series["datapoints"] == []
    assert "table" in nodes.notices(series)
    assert table["rows"] == [[nodes.NOW * 1000, "état 0"], [nodes.NOW * 1000 + 1000, "état 1"]]
    assert table["columns"][1] == {"text": "good::a", "type": "string", "unit": "kelvin"}
    assert (series["unit"], table["unit"]) == ("kelvin", "K")


def test_text_of_a_server_that_calls_everything_a_number_is_text(serve, nodes):
    with serve({"good": nodes.good(lambda t: ["on"] * len(t))}) as bridge:
        (series,) = bridge.query("good::a")
    assert "table" in nodes.notices(series)


def test_a_series_has_at_most_max_data_points_and_no_spike_is_lost(serve, nodes):
    spike = nodes.NOW + 1234
    with serve({"good": nodes.good(lambda t: [99.0 if each == spike else 0.0 for each in t])}) as bridge:
        for points in (1, 2, 7, 100, 1000):
            (series,) = bridge.query("good::a", seconds=3600, maxDataPoints=points)
            drawn = series["datapoints"]
            stamps = [t for _, t in drawn]
            assert 0 < len(drawn) <= max(points, 2)
            assert points == 1 or max(value for value, _ in drawn) == 99.0, points
            assert stamps == sorted(set(stamps))
            assert all(nodes.NOW * 1000 <= t < (nodes.NOW + 3600) * 1000 for t in stamps)
        asked = bridge.consumer.calls[-1][1]
        assert asked[3] == 4


@pytest.mark.parametrize(
    ("asked", "stride"),
    [
        ({"maxDataPoints": 600, "intervalMs": 30000}, 30),
        ({"maxDataPoints": 360, "intervalMs": 1000}, 10),
        ({"maxDataPoints": None}, 4),
        ({"maxDataPoints": 0, "intervalMs": 0}, 4),
        ({"maxDataPoints": -5, "intervalMs": -1}, 4),
        ({"maxDataPoints": 1e300}, 0.4),
        ({"interval": "1m", "maxDataPoints": 500}, 60),
        ({"interval": ">10s", "maxDataPoints": 500}, 10),
        ({"interval": "2w", "maxDataPoints": 500}, 3600),
        ({"interval": "1M", "intervalMs": 20000, "maxDataPoints": 500}, 20),
    ],
)  # fmt: skip
def test_servers_are_asked_for_the_spacing_that_the_panel_needs(serve, nodes, asked, stride):
    with serve({"good": nodes.good()}) as bridge:
        bridge.query("good::a", seconds=3600, **asked)
        procedure, args = bridge.consumer.calls[-1]
    assert procedure.endswith("good.get_data")
    assert args[3] == pytest.approx(stride)


def test_series_of_one_reply_share_a_cap(serve, nodes):
    with serve({"good": nodes.good()}, MAX_REPLY_POINTS=100) as bridge:
        replies = bridge.query("good::a", "good::b", seconds=3600, maxDataPoints=1000)
    assert all(0 < len(each["datapoints"]) <= 50 for each in replies)


def test_a_gap_shows_as_a_null(serve, nodes):
    def get_data(fields, start, _end, _stride):
        t = [start + step for step in (0, 1, 2, 3, 20, 21)]
        return {"data": {field: [5.0] * 6 for field in fields}, "timeline": {"t": {"t": t, "finalized_until": None}}}

    with serve({"good": nodes.Node(lambda *_: nodes.table(), get_data)}) as bridge:
        (series,) = bridge.query("good::a")
    assert [(value, t / 1000 - nodes.NOW) for value, t in series["datapoints"]] == [
        (5, 0), (5, 1), (5, 2), (5, 3), (None, 4), (5, 20), (5, 21)]  # fmt: skip


def test_times_keep_their_fraction(serve, nodes):
    def get_data(fields, _start, _end, _stride):
        t = [nodes.NOW + 0.25, nodes.NOW + 1.1234567]
        return {"data": {field: [1, 2] for field in fields}, "timeline": {"t": {"t": t, "finalized_until": None}}}

    with serve({"good": nodes.Node(lambda *_: nodes.table(), get_data)}) as bridge:
        (series,) = bridge.query("good::a", seconds=2)
    assert [t for _, t in series["datapoints"]] == pytest.approx(
        [nodes.NOW * 1000 + 250, nodes.NOW * 1000 + 1123.457], abs=2e-3, rel=0
    )


def test_timelines_named_as_so3g_does_are_found_by_their_list_of_fields(serve, nodes):
    start = nodes.NOW
    reply = {
        "data": {"a": [1, 2, 3], "b": [4, 5]},
        "timeline": {
            "group0": {"t": [start, start + 2, start + 4], "finalized_until": start, "fields": ["a"]},
            "group1": {"t": [start + 1, start + 3], "finalized_until": start, "fields": ["b"]},
        },
    }
    with serve({"archive": nodes.answering(reply)}) as bridge:
        a, b = bridge.query("archive::a", "archive::b")
    assert [t / 1000 - start for _, t in a["datapoints"]] == [0, 2, 4]
    assert [t / 1000 - start for _, t in b["datapoints"]] == [1, 3]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (r"good::(a|b)", ["good::a", "good::b"]),
        (r"good::{b,a}", ["good::b", "good::a"]),
        (r"(good|other)::a", ["good::a", "other::a"]),
        (r"good::*", ["good::a", "good::a.b/c", "good::b"]),
        (r"*::a", ["good::a", "other::a"]),
        (r"good::a\.b\/c", ["good::a.b/c"]),
        (r"good::a.b/c", ["good::a.b/c"]),
        (r"  good::a ", ["good::a"]),
        (r"good::(a\.b\/c|b)", ["good::a.b/c", "good::b"]),
    ],
)
def test_variables_of_a_dashboard_stand_for_their_values(serve, nodes, text, names):
    servers = {"good": nodes.good(names=("a", "b", "a.b/c")), "other": nodes.good(names=("a",))}
    with serve(servers) as bridge:
        replies = bridge.query(text)
    assert [each["target"] for each in replies] == names
    assert all(len(each["datapoints"]) == 60 and each["refId"] == "A" for each in replies)


def test_search_lists_all_names_and_keeps_those_of_a_server_that_went_away(serve, nodes):
    servers = {"good": nodes.good(), "other": nodes.good(names=("c",))}
    with serve(servers) as bridge:
        everything = ["good::a", "good::b", "other::c"]
        assert bridge.ask("/search", {"target": ""}).json == everything
        assert bridge.ask("/search", method="GET").json == everything, "as a browser asks"
        del servers["other"]
        for body in ({"target": ""}, {}, b"", {"target": "*"}, {"target": None}):
            assert bridge.ask("/search", body).json == everything
        assert bridge.ask("/search", {"target": "good::*"}).json == ["good::a", "good::b"]
        assert bridge.ask("/search", {"target": "THER"}).json == ["other::c"]
        assert bridge.ask("/search", {"target": "nothing like it"}).json == []


def test_search_is_answered_when_one_server_is_silent_or_the_hub_is_away(serve, nodes):
    with serve({"good": nodes.good(), "silent": nodes.silent()}) as bridge:
        assert bridge.ask("/search", {}).json == ["good::a", "good::b"]
        bridge.consumer.hub = False
        assert bridge.ask("/search", {}).json == ["good::a", "good::b"]


def test_a_server_that_is_new_is_listed_within_seconds(serve, nodes):
    servers = {}
    with serve(servers) as bridge:
        assert bridge.ask("/search", {}).json == []
        servers["good"] = nodes.good()
        deadline = time.monotonic() + 10
        while bridge.ask("/search", {}).json != ["good::a", "good::b"]:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_filters_are_answered(serve, nodes):
    with serve({"good": nodes.good(), "other": nodes.good()}) as bridge:
        keys = [{"type": "string", "text": "node"}, {"type": "string", "text": "field"}]
        assert bridge.ask("/tag-keys", {}).json == keys
        assert bridge.ask("/tag-keys", b"").json == keys
        assert bridge.ask("/tag-values", {"key": "field"}).json == [{"text": "a"}, {"text": "b"}]
        assert bridge.ask("/tag-values", {"key": "node"}).json == [{"text": "good"}, {"text": "other"}]
        assert bridge.ask("/tag-values", {"key": "colour"}).json == []
        only = [{"key": "node", "operator": "=", "value": "other"}]
        assert [each["target"] for each in bridge.query("*::a", adhocFilters=only)] == ["other::a"]
        strange = bridge.query("good::a", adhocFilters=[{"key": "x", "operator": "=~", "value": "y"}])
        assert "not heeded" in nodes.notices(strange[0])


def test_without_router_every_question_is_503_and_the_program_is_live(serve, nodes):
    with serve({"good": nodes.good()}) as bridge:
        bridge.consumer.attached = False
        for path, body in (("/", None), ("/search", {}), ("/query", nodes.request("good::a")), ("/health/ready", None)):
            reply = bridge.ask(path, body)
            assert reply.status == 503, path
            assert "router" in reply.json["error"]["message"]
            assert int(reply.headers["Retry-After"]) > 0
        assert bridge.ask("/health/live").status == 200
        bridge.consumer.attached = True
        assert bridge.ask("/").status == 200
        assert len(bridge.query("good::a")[0]["datapoints"]) == 60


def test_health_says_what_answers_and_what_does_not(serve, nodes):
    with serve({"good": nodes.good(), "silent": nodes.silent()}) as bridge:
        bridge.ask("/search", {})
        bridge.query("silent::a")
        report = bridge.ask("/health/ready").json
        assert (report["status"], report["router"], report["hub"]) == ("ready", True, True)
        good, silent = report["servers"]
        assert (good["name"], good["online"], good["fields"], good["problem"]) == ("good", True, 2, None)
        assert good["description"] == "the good"
        assert silent["fields"] == 0
        assert "did not answer" in silent["problem"]
        bridge.consumer.hub = False
        reply = bridge.ask("/health/ready")
        assert reply.status == 503
        assert "hub" in reply.json["error"]["message"]
        assert reply.json["router"] is True


def test_health_misses_who_should_be_there_and_nobody_else(serve, nodes, tmp_path):
    named = tmp_path / "servers"
    named.write_text("good\nnever_seen\n")
    with serve({"good": nodes.good(), "tried": nodes.good()}, SERVERS_FILE=named) as bridge:
        bridge.ask("/search", {})

        def online():
            return {each["name"]: each["online"] for each in bridge.ask("/health/ready").json["servers"]}

        assert online() == {"good": True, "never_seen": False, "tried": True}
        del bridge.consumer.servers["good"], bridge.consumer.servers["tried"]
        assert online() == {"good": False, "never_seen": False}
        named.unlink()
        assert online() == {"good": False, "tried": False}, "all ever seen, when nobody says"


def test_an_empty_range_and_an_empty_list_of_targets_are_answered(serve, nodes):
    with serve({"good": nodes.good()}) as bridge:
        (series,) = bridge.query("good::a", seconds=0)
        assert series["datapoints"] == []
        assert "empty" in nodes.notices(series)
        assert bridge.query() == []
        assert json.loads(bridge.ask("/query", nodes.request({"target": None}, {"target": ""}, {})).body) == []


def test_all_time_may_be_asked_from_the_epoch_on(serve, nodes):
    with serve({"good": nodes.good()}) as bridge:
        body = nodes.request("good::a") | {"range": {"from": "1969-12-31T00:00:00Z", "to": "1970-01-01T00:00:10Z"}}
        (series,) = bridge.ask("/query", body).json
    assert [t for _, t in series["datapoints"]] == [1000 * t for t in range(1, 10)]
    assert bridge.consumer.calls[-1][1][1] == 1.0, "zero and below would be seconds before now"


def offering(nodes, *operators):
    """A data server that offers operators, and answers 7 three times: in the first, fourth and fifth second."""
    asked = []

    def packed(fields, start, _end, stride, operator=None):
        asked.append((sorted(fields), stride, operator))
        if operator is not None and operator not in operators:
            raise ApplicationError("org.simonsobservatory.error.operator", "no", list(operators))
        t = [start, start + 3, start + 4]
        return {"data": {f: [7.0] * 3 for f in fields}, "timeline": {"t": {"t": t, "finalized_until": start + 3.5}}}

    node = nodes.Node(lambda *_: nodes.table(), lambda *_: pytest.fail("asked for lists"))
    node.get_data_packed = packed
    return node, asked


@pytest.mark.parametrize("place", ["data", "payload"])
def test_a_target_may_ask_for_an_operator_and_what_it_makes_is_not_thinned_again(serve, nodes, place):
    node, asked = offering(nodes, "mean", "min")
    mean = {"target": "n::a", "refId": "A", "type": "timeserie", place: {"operator": "mean"}}
    least = {"target": "n::(a|b)", "refId": "B", "type": "timeserie", place: {"operator": "min", "other": 1}}
    plain = {"target": "n::a", "refId": "C", "type": "timeserie", place: {"operator": ""}}
    with serve({"n": node}) as bridge:
        replies = bridge.query(mean, least, plain, seconds=60, maxDataPoints=10)
    assert [each["target"] for each in replies] == ["mean(n::a)", "min(n::a)", "min(n::b)", "n::a"]
    assert [len(each["datapoints"]) for each in replies] == [3, 3, 3, 1]
    assert sorted(asked, key=lambda call: str(call[2])) == [
        (["a"], 6.0, None), (["a"], 6.0, "mean"), (["a", "b"], 6.0, "min")
    ]  # fmt: skip


def test_an_operator_that_nobody_knows_is_said_and_costs_its_series_only(serve, nodes):
    targets = [{"target": "n::a", "data": {"operator": each}} for each in ("median", 5, {"x": 1}, "mean")]
    with serve({"n": offering(nodes, "mean", "min")[0]}) as bridge:
        *bad, good = bridge.query(*targets)
    sentences = ["there is no operator 'median'; mean, min, max, first, last, count, sum are known",
                 "there is no operator 5", "there is no operator"]  # fmt: skip
    for reply, sentence in zip(bad, sentences, strict=True):
        assert sentence in nodes.notices(reply)
        assert reply["datapoints"] == []
    assert good["datapoints"]


@pytest.mark.parametrize(
    ("operator", "due"), [("max", [9, 19, 29]), ("min", [0, 10, 20]), ("sum", [45, 145, 245]), ("count", [10, 10, 10])]
)
def test_an_operator_that_the_server_has_not_is_made_of_its_samples(serve, nodes, operator, due):
    with serve({"old": nodes.good()}) as bridge:
        row = {"target": "old::a", "data": {"operator": operator, "bin": "10s"}}
        (reply,) = bridge.query(row, seconds=30)
    assert [value for value, _ in reply["datapoints"]] == due


def test_what_is_beside_a_target_and_no_object_says_nothing(serve, nodes):
    with serve({"good": nodes.good()}) as bridge:
        for beside in (None, [], "mean", 3, {"operator": None}, {"operator": "envelope"}):
            (series,) = bridge.query({"target": "good::a", "type": "timeserie", "data": beside, "payload": beside})
            assert len(series["datapoints"]) == 60


def test_a_series_says_until_when_it_is_final_where_its_server_says_so(serve, nodes):
    node, _ = offering(nodes)
    with serve({"n": node, "good": nodes.good()}) as bridge:
        series, without = bridge.query("n::a", "good::a")
    assert series["meta"] == {"finalized_until": nodes.NOW * 1000 + 3500}
    assert "meta" not in without


def test_the_count_of_text_is_a_number(serve, nodes):
    node, _ = offering(nodes, "count")
    node.get_fields = lambda *_: nodes.table(kind="string")
    with serve({"n": node}) as bridge:
        (series,) = bridge.query({"target": "n::a", "data": {"operator": "count"}})
    assert series["datapoints"][0][0] == 7


def test_annotations_say_which_servers_went_and_came_back(serve, nodes):
    gone = nodes.good()
    servers = {"good": nodes.good(), "weather": gone}
    annotation = {"name": "servers", "enable": True, "iconColor": "red", "query": ""}
    with serve(servers) as bridge:
        now = time.time()
        body = {"range": {"from": nodes.iso(now - 60), "to": nodes.iso(now + 60)}, "annotation": annotation}
        bridge.tell_news()
        assert bridge.ask("/annotations", body).json == []
        del servers["weather"]
        bridge.tell_news()
        (event,) = bridge.ask("/annotations", body).json
        assert (event["annotation"], event["title"]) == (annotation, "weather is gone")
        assert event["tags"] == ["server", "weather"]
        assert "timeEnd" not in event, "it goes on"
        servers["weather"] = gone
        bridge.tell_news()
        (event,) = bridge.ask("/annotations", body).json
        assert event["title"] == "weather was gone"
        assert now * 1000 - 1000 <= event["time"] <= event["timeEnd"] <= time.time() * 1000
        body["annotation"] = annotation | {"query": "{good::a,good::b}"}
        assert bridge.ask("/annotations", body).json == [], "none concerns these fields"


def test_the_annotations_of_no_range_are_none(serve, nodes):
    with serve({"good": nodes.good()}) as bridge:
        assert bridge.ask("/annotations", {}).json == []
        assert bridge.ask("/annotations", {"range": {"from": 2000, "to": 1000}}).status == 400


@pytest.mark.parametrize(
    ("text", "operator", "stride"),
    [("n::a;mean", "mean", 6), ("n::a ; min ; 30s", "min", 30), ("n::a;raw", None, 0), ("n::a;envelope;2", None, 2)],
)
def test_a_target_may_carry_operator_and_bin_in_its_text(serve, nodes, text, operator, stride):
    node, asked = offering(nodes, "mean", "min")
    with serve({"n": node}) as bridge:
        bridge.query(text, maxDataPoints=10)
    assert asked == [(["a"], stride or None, operator)]


def test_a_reduced_series_says_so(serve, nodes):
    with serve({"good": nodes.good()}) as bridge:
        (series,) = bridge.query("good::a", seconds=3600, maxDataPoints=100)
        (whole,) = bridge.query("good::a", seconds=3600, maxDataPoints=3600)
    assert "reduced to points 36 s apart" in nodes.notices(series)
    assert "meta" not in whole


def test_a_server_that_has_fallen_silent_is_told_of_where_the_range_goes_on(serve, nodes):
    def get_data(fields, _start, end, _stride):
        t = [end - 2000 + step for step in range(1000)]
        return {"data": {field: [1.0] * 1000 for field in fields}, "timeline": {"t": {"t": t}}}

    with serve({"n": nodes.Node(lambda *_: nodes.table(), get_data)}) as bridge:
        (now,) = bridge.query("n::a", start=time.time() - 3600, seconds=3600)
        (then,) = bridge.query("n::a", seconds=3600)
    assert "nothing has come since" in nodes.notices(now)
    assert "nothing has come since" not in nodes.notices(then)


def test_bins_of_an_operator_are_whole_wherever_the_range_begins(serve, nodes):
    asked = []

    def packed(fields, start, _end, stride, operator=None):
        asked.append((start, stride, operator))
        return {"data": {key: [1.0] for key in fields}, "timeline": {"t": {"t": [start]}}}

    node = nodes.Node(lambda *_: nodes.table(), lambda *_: pytest.fail("asked for lists"))
    node.get_data_packed = packed
    target = {"target": "n::a", "type": "timeserie", "data": {"operator": "mean", "bin": "1m"}}
    with serve({"n": node}) as bridge:
        for start in (nodes.NOW, nodes.NOW + 7, nodes.NOW + 59):
            bridge.query(target, start=start, seconds=600)
    assert {stride for _, stride, _ in asked} == {60.0}
    assert all(start % 60 == 0 for start, _, _ in asked)
    assert [nodes.NOW - 60 < start <= nodes.NOW + 59 for start, _, _ in asked] == [True] * 3


def test_edge_shows_one_sample_to_each_side_of_the_range(serve, nodes):
    target = {"target": "good::a", "type": "timeserie", "data": {"edge": True}}
    with serve({"good": nodes.good()}) as bridge:
        (series,) = bridge.query(target, seconds=10)
        (plain,) = bridge.query("good::a", seconds=10)
    assert [t / 1000 - nodes.NOW for _, t in plain["datapoints"]] == list(range(10))
    assert [t / 1000 - nodes.NOW for _, t in series["datapoints"]] == list(range(-1, 11))


def test_raw_samples_that_do_not_fit_are_thinned_with_a_warning(serve, nodes):
    target = {"target": "good::a", "type": "timeserie", "data": {"operator": "raw"}}
    with serve({"good": nodes.good()}, MAX_REPLY_POINTS=1000) as bridge:
        (series,) = bridge.query(target, seconds=3600, maxDataPoints=100)
        (whole,) = bridge.query(target, seconds=1000, maxDataPoints=100)
    assert len(series["datapoints"]) <= 101
    assert "ask for a shorter range" in nodes.notices(series)
    assert len(whole["datapoints"]) == 1000
    assert "meta" not in whole


def test_a_bin_that_is_none_or_too_short_is_said(serve, nodes):
    def binned(width):
        return {"target": "good::a", "type": "timeserie", "data": {"bin": width}}

    with serve({"good": nodes.good()}) as bridge:
        bad, short, number = bridge.query(binned("often"), binned("1ms"), binned(10), seconds=3600, maxDataPoints=100)
    assert "'often' is no duration" in nodes.notices(bad)
    assert "bins of 0.001 s are too many for this range; they are of 36 s" in nodes.notices(short)
    assert [t / 1000 % 10 for _, t in number["datapoints"][:-1]] == [0.0] * (len(number["datapoints"]) - 1)
