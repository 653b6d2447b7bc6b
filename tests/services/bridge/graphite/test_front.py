"""Requests of Grafana's Graphite data source, over HTTP, to data servers of every conduct."""

import json
import socket
import threading
import time
from urllib.parse import urlencode

import numpy as np
import pytest

from sisock.thinning import aggregate

HEADERS = {"Content-Type": "application/x-www-form-urlencoded"}


def form(nodes, *targets, seconds=60, **more):
    """A body of /render; a parameter that is None is left out."""
    given = {"from": int(nodes.NOW), "until": int(nodes.NOW) + seconds, "format": "json", "maxDataPoints": 500} | more
    pairs = [("target", each) for each in targets] + [(k, v) for k, v in given.items() if v is not None]
    return urlencode(pairs).encode()


def render(bridge, nodes, *targets, **more):
    """Series of a good reply."""
    reply = bridge.ask("/render", form(nodes, *targets, **more), headers=HEADERS)
    assert reply.status == 200, reply.body
    return reply.json


def refusal(bridge, nodes, *targets, **more):
    """Status and sentence of a bad reply."""
    reply = bridge.ask("/render", form(nodes, *targets, **more), headers=HEADERS)
    assert reply.json["message"] == reply.json["error"]["message"], "Grafana shows what stands at the top"
    return reply.status, reply.json["message"]


def offering(nodes, values=lambda t: t % 100, kind="number", every=1.0, names=("a", "b"), lack=lambda t: t < 0):
    """A data server with all operators: a sample `every` so many seconds, except where they `lack`."""
    asked = []

    def packed(fields, start, end, stride, operator=None):
        asked.append((sorted(fields), start, end, stride, operator))
        t = np.arange(np.ceil(start / every), np.ceil(end / every)) * every
        t = t[~lack(t)]
        v = values(t)
        if operator is not None:
            t, made = aggregate(t, {"": v}, stride, operator, start)
            v = made[""]
        return {"data": dict.fromkeys(fields, v), "timeline": {"t": {"t": t, "finalized_until": None}}}

    node = nodes.Node(lambda *_: nodes.table(kind=kind, interval=every, names=names), lambda *_: pytest.fail("lists"))
    node.get_data_packed = packed
    return node, asked


def test_a_panel_of_grafana_gets_its_series_under_the_letter_of_its_query(serve, nodes):
    # As the browser part of Grafana 12 sends it: a minute is cut to whole seconds, blanks stand after the commas.
    body = (
        b"target=aliasSub(good.a%2C%20%22(%5E.*%24)%22%2C%20%22%5C1%20A%22)"
        b"&target=aliasSub(alias(good.b%2C'the%20b')%2C%20%22(%5E.*%24)%22%2C%20%22%5C1%20B_2%22)"
        b"&from=1700000000&until=1700000060&format=json&maxDataPoints=1188"
    )
    with serve({"good": nodes.good()}) as bridge:
        reply = bridge.ask("/render", body, headers=HEADERS)
        first, second = reply.json
    assert reply.headers["Content-Type"] == "application/json"
    assert [first["target"], second["target"]] == ["good.a A", "the b B_2"]
    assert first["datapoints"] == [[t % 100, t] for t in range(1_700_000_000, 1_700_000_060)]
    assert first["tags"] == {"name": "good.a"}
    assert "notices" not in first


def test_an_alert_rule_of_grafana_gets_whole_and_different_seconds(serve, nodes):
    # As Grafana's backend writes it: in the order of the alphabet, with + for a blank.
    body = (
        b"format=json&from=1700000000&maxDataPoints=500"
        b"&target=aliasSub%28n.%2A%2C%22%28%5E.%2A%24%29%22%2C%22%5C1+A%22%29&until=1700000300"
    )
    node, _ = offering(nodes, every=0.1)
    with serve({"n": node}) as bridge:
        lines = bridge.ask("/render", body, headers=HEADERS).json
    assert [line["target"].split(" ")[-1] for line in lines] == ["A", "A"]
    for line in lines:
        assert line.keys() == {"target", "tags", "datapoints"}, "Grafana takes `meta` for Metrictank's"
        stamps = [stamp for _, stamp in line["datapoints"]]
        assert len({int(stamp) for stamp in stamps}) == len(stamps) == 300


def test_the_health_check_of_grafana_gets_a_line_at_one_value(serve, nodes):
    with serve({}) as bridge:
        (line,) = render(
            bridge, nodes, 'aliasSub(constantLine(100), "(^.*$)", "\\1 A")', seconds=3600, maxDataPoints=100
        )
        assert line["target"] == "100 A"
        assert {value for value, _ in line["datapoints"]} == {100}
        assert len(line["datapoints"]) <= 100
        bridge.consumer.attached = False
        assert refusal(bridge, nodes, "constantLine(100)")[0] == 503, "nothing works without the router"


def test_a_script_may_ask_by_get_with_times_before_now(serve, nodes):
    with serve({"good": nodes.good()}) as bridge:
        (line,) = bridge.ask("/render?target=good.a&from=-90s&until=now&maxDataPoints=30").json
    stamps = [stamp for _, stamp in line["datapoints"]]
    assert abs(stamps[-1] - time.time()) < 10
    assert set(np.diff(stamps)) == {stamps[1] - stamps[0]}


def test_points_lie_on_whole_seconds_of_the_epoch_and_are_no_more_than_asked(serve, nodes):
    node, _ = offering(nodes)
    with serve({"n": node}) as bridge:
        for seconds, points in ((300, 500), (600, 500), (7200, 333), (86_400, 1000), (60, 1), (61, 7)):
            (line,) = render(bridge, nodes, "n.a", seconds=seconds, maxDataPoints=points)
            stamps = np.array([stamp for _, stamp in line["datapoints"]])
            (step,) = set(np.diff(stamps))
            assert step >= 1
            assert np.all(stamps % step == 0)
            assert len(stamps) <= max(points, 2)
            assert stamps[0] <= nodes.NOW < stamps[0] + step
            assert stamps[-1] < nodes.NOW + seconds <= stamps[-1] + step


def test_a_range_of_seconds_may_have_points_closer_than_one(serve, nodes):
    node, _ = offering(nodes, every=0.125)
    with serve({"n": node}) as bridge:
        (line,) = render(bridge, nodes, "n.a", seconds=10, maxDataPoints=1000)
    held = {stamp: value for value, stamp in line["datapoints"]}
    assert all(abs(value - (stamp - nodes.NOW)) <= 0.25 for stamp, value in held.items())
    assert set(held.values()) == set(np.arange(80) * 0.125), "every sample is there"


def test_a_hole_is_null_and_jitter_is_none(serve, nodes):
    jitter, _ = offering(nodes, values=lambda t: t, lack=lambda t: (t % 60 >= 20) & (t % 60 < 40))
    ragged, _ = offering(nodes, every=10.4)
    with serve({"n": jitter, "r": ragged}) as bridge:
        (line,) = render(bridge, nodes, "n.a", seconds=600, maxDataPoints=5000)
        nulls = [stamp for value, stamp in line["datapoints"] if value is None]
        assert nulls == [t for t in range(1_700_000_000, 1_700_000_600) if 20 <= t % 60 < 40]
        (line,) = render(bridge, nodes, "r.a", seconds=600, maxDataPoints=5000)
    values = [value for value, _ in line["datapoints"]]
    assert None not in values[1:-1]
    assert line["datapoints"][1][1] - line["datapoints"][0][1] == 10, "as far apart as samples are"


def test_no_spike_of_one_sample_is_lost(serve, nodes):
    node, _ = offering(nodes, values=lambda t: np.where(t == 1_700_003_333, 5000.0, np.sin(t)))
    with serve({"n": node}) as bridge:
        (line,) = render(bridge, nodes, "n.a", seconds=86_400, maxDataPoints=100)
    values = [value for value, _ in line["datapoints"]]
    assert max(values) == 5000
    assert abs(values.index(5000) * 900 - 3333) < 4 * 900
    assert min(abs(value) for value in values) > 0.9, "extremes up to both edges"


@pytest.mark.parametrize(
    ("target", "operators"),
    [
        ("n.a", {None}),
        ("scale(alias(n.a,'x'),2)", {None}),
        ("consolidateBy(n.a,'max')", {"max"}),
        ("consolidateBy(scale(n.a,2),'average')", {"mean"}),
        ("consolidateBy(consolidateBy(n.a,'min'),'max')", {"min"}),
        ("sumSeries(n.a,consolidateBy(n.b,'last'))", {"mean", "last"}),
        ("consolidateBy(sumSeries(n.*),'max')", {"max"}),
        ("consolidateBy(sumSeries(n.*),'envelope')", {None}),
        ("maxSeries(n.*)", {"max"}),
        ("minSeries(offset(n.*,1))", {"min"}),
        ("derivative(n.a)", {"mean"}),
        ("summarize(n.a,'1h','count')", {"count"}),
        ("summarize(scale(n.a,2),'1h','max')", {"max"}),
    ],
)
def test_what_is_made_of_the_samples_is_asked_of_the_data_server(serve, nodes, target, operators):
    node, asked = offering(nodes)
    with serve({"n": node}) as bridge:
        render(bridge, nodes, target, seconds=7200, maxDataPoints=100)
    assert {operator for *_, operator in asked} == operators


@pytest.mark.parametrize(
    ("operator", "values"),
    [("max", [59, 119]), ("min", [0, 60]), ("average", [29.5, 89.5]), ("sum", [1770, 5370]), ("count", [60, 60]),
     ("first", [0, 60]), ("last", [59, 119])],
)  # fmt: skip
def test_what_a_data_server_does_not_make_of_its_samples_is_made_of_them(serve, nodes, operator, values):
    node = nodes.good(values=lambda t: (t - 1_700_000_040).tolist())
    with serve({"old": node, "words": nodes.good(values=lambda t: ["x"] * len(t), kind="string")}) as bridge:
        for target in (f"consolidateBy(old.a,'{operator}')", f"summarize(old.a,'1min','{operator}')"):
            (line,) = render(bridge, nodes, target, seconds=640, maxDataPoints=12)
            assert line["datapoints"][1:3] == [[values[0], 1_700_000_040], [values[1], 1_700_000_100]]
            assert ("notices" in line) is (operator == "average"), "the samples are closer than was asked for"
        (counted,) = render(bridge, nodes, "summarize(words.a,'10s','count')", maxDataPoints=12)
        assert {value for value, _ in counted["datapoints"]} == {10}
        assert "are text" in refusal(bridge, nodes, "derivative(words.a)")[1]


def test_intervals_of_summarize_hold_what_all_samples_in_them_make(serve, nodes):
    node, asked = offering(nodes, values=lambda t: t)
    with serve({"n": node}) as bridge:
        (line,) = render(bridge, nodes, "summarize(n.a,'1h','max')", seconds=7200, maxDataPoints=5000)
        (counted,) = render(bridge, nodes, "summarize(n.a,'10min','count')", seconds=7200, maxDataPoints=5000)
    hour = 1_700_000_000 // 3600 * 3600
    assert line["datapoints"] == [[hour + 3599, hour], [hour + 7199, hour + 3600], [hour + 10799, hour + 7200]]
    assert {value for value, _ in counted["datapoints"]} == {600}
    assert {stride for *_, stride, _ in asked} == {3600, 600}


def test_an_average_over_time_begins_with_samples_of_before_the_range(serve, nodes):
    node, asked = offering(nodes, values=lambda t: t - nodes.NOW)
    with serve({"n": node}) as bridge:
        (line,) = render(bridge, nodes, "movingAverage(n.a,'20s')", maxDataPoints=600)
        (points,) = render(bridge, nodes, "movingAverage(n.a,5)", maxDataPoints=600)
        (twice,) = render(bridge, nodes, "movingAverage(movingAverage(n.a,5),'20s')", maxDataPoints=600)
    assert line["datapoints"][0] == [-9.5, nodes.NOW]
    assert points["datapoints"][10] == [8, nodes.NOW + 10]
    assert twice["datapoints"][10] == [10 - 2 - 9.5, nodes.NOW + 10]
    assert [start - nodes.NOW for _, start, *_ in asked] == [-20, -5, -25]


def test_globs_braces_and_classes_stand_for_fields(serve, nodes):
    names = ("x.one", "x.two", "y.one", "y z.{odd}")
    with serve({"n": nodes.good(names=names), "m": nodes.good(names=names)}) as bridge:
        for target, paths in {
            "n.*.one": ["n.x.one", "n.y.one"],
            "{n,m}.x.{one,none}": ["m.x.one", "n.x.one"],
            "[a-m].[!x].*": ["m.y.one"],
            "n.y~20z.~7Bodd~7D": ["n.y~20z.~7Bodd~7D"],
            "n.*.~*": ["n.y~20z.~7Bodd~7D"],
            "n.?.three": [],
        }.items():
            assert [each["target"] for each in render(bridge, nodes, target)] == paths
        (one,) = render(bridge, nodes, "aliasByNode(n.*.~*,0,2,1,-9,9)")
        assert one["target"] == "n.{odd}.y z"
        asked = [args[0] for procedure, args in bridge.consumer.calls if procedure.endswith("m.get_data")]
        assert sorted(map(sorted, asked)) == [["x.one"], ["y.one"]]


def test_fields_of_one_server_are_asked_in_one_call_however_many_targets_name_them(serve, nodes):
    with serve({"n": nodes.good()}) as bridge:
        render(bridge, nodes, "n.a", "n.*", "scale(n.b,2)", "alias(n.a,'x')")
        asked = [args[0] for procedure, args in bridge.consumer.calls if procedure.endswith("n.get_data")]
    assert list(map(sorted, asked)) == [["a", "b"]]


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("sumSerie(n.a)", "there is no function 'sumSerie'; did you mean 'sumSeries'?"),
        ("holtWintersForecast(n.a)", "there is no function 'holtWintersForecast'; alias,"),
        ("scale(asPercent(n.a),2)", "there is no function 'asPercent'"),
        ("seriesByTag('name=x')", "there is no function 'seriesByTag'"),
        ("scale(n.a)", "scale: 'factor' is missing; write scale(seriesList, factor)"),
        ("scale(n.a,'2')", "scale: 'factor' is '2'; give a number"),
        ("scale(n.a,1e999)", "scale: 'factor' is inf; give a number"),
        ("scale(n.a,2,factor=3)", "scale: 'factor' is given twice"),
        ("scale(n.a,2,3)", "scale does not take 3.0"),
        ("scale(n.a,2,colour='red')", "scale does not take colour"),
        ("scale(2,n.a)", "scale: 'seriesList' is 2.0; give a path or a call"),
        ("aliasByNode(n.a,0.5)", "aliasByNode: 'nodes' is 0.5; give a whole number"),
        ("movingAverage(n.a,0)", "movingAverage: 'windowSize' is 0.0; give a number of points, above 0"),
        ("movingAverage(n.a,'soon')", "'soon' is no duration"),
        ("movingAverage(n.a,'90y')", "most of them from before the range"),
        ("summarize(n.a,'1h','median')", "'func' is 'median'; give one of envelope, average"),
        ("summarize(n.a,'1h','envelope')", "an envelope has two values"),
        ("consolidateBy(n.a,max)", "'consolidationFunc' is 'max'; give one of"),
        ("aliasSub(n.a,'(','x')", "is no regular expression that can be used"),
        (f"aliasSub(n.a,'{'x' * 1001}','x')", "it has 1001 characters"),
        (r"aliasSub(n.a,'(a)','\2')", r"has no group \2; it has 1"),
        (r"aliasSub(n.a,'(?=a)','x')", "invalid perl operator"),
        ("aliasSub(" * 12 + "n.a" + r",'(.*)','\1\1\1')" * 12, "longer than 4096 characters"),
        ("5", "the target '5.0' is no path"),
        ("'text'", "the target 'text' is no path"),
        ("n.a)", "ends before ')'"),
        ("n.{a,b}" + "{a,b}" * 14, "stand for more than 10000 texts"),
    ],
)
def test_a_target_that_cannot_be_answered_is_400_and_the_sentence_says_why(serve, nodes, target, sentence):
    node, _ = offering(nodes)
    with serve({"n": node}) as bridge:
        status, said = refusal(bridge, nodes, "n.a", target)
    assert status == 400
    assert sentence in said


def test_lines_of_no_field_count_as_series_too(serve, nodes):
    with serve({}) as bridge:
        status, said = refusal(bridge, nodes, "sumSeries(" + ",".join(["constantLine(1)"] * 1001) + ")")
    assert (status, said) == (413, "1001 series are more than 1000; choose fewer")


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"from": 999999999999}, "'from' is '999999999999', which is no time"),
        ({"from": "yesterday-ish"}, "'from' is 'yesterday-ish', which is no time"),
        ({"until": "-5parsecs"}, "'5parsecs' is no duration"),
        ({"from": 1_700_000_060, "until": 1_700_000_000}, "the time range is empty"),
        ({"maxDataPoints": "many"}, "'maxDataPoints' is 'many'; give a number"),
        ({"format": "png"}, "'format' is 'png'; json is known"),
    ],
)
def test_a_request_that_says_nothing_readable_is_400(serve, nodes, more, sentence):
    with serve({}) as bridge:
        status, said = refusal(bridge, nodes, "n.a", **more)
    assert status == 400
    assert sentence in said


@pytest.mark.parametrize("points", [None, "", 0, -5, "nan", 1e30])
def test_without_a_sensible_number_of_points_there_are_as_many_as_are_good(serve, nodes, points):
    node, _ = offering(nodes)
    with serve({"n": node}) as bridge:
        (line,) = render(bridge, nodes, "n.a", seconds=86_400, maxDataPoints=points)
    assert 500 <= len(line["datapoints"]) <= 11_000


def test_no_bad_server_spoils_a_good_one(serve, nodes):
    servers = {
        "good": nodes.good(), "silent": nodes.silent(), "raising": nodes.raising(),
        "garbage": nodes.answering("<html>"), "too_much": nodes.answering(data=False),
    }  # fmt: skip
    targets = ["silent.a", "raising.a", "garbage.a", "too_much.a", "nobody.a", "good.zz", "good.a"]
    with serve(servers) as bridge:
        reply = bridge.ask("/render", form(nodes, *targets), headers=HEADERS)
        *bad, good = reply.json
        assert reply.seconds < 2
        assert len(good["datapoints"]) == 60
        sentences = ["did not answer within", "disk on fire", "'data' and 'timeline'", "holds more data",
                     "nobody named", "has no field 'zz'"]  # fmt: skip
        for line, target, sentence in zip(bad, targets, sentences, strict=False):
            assert line["target"] == target
            assert {value for value, _ in line["datapoints"]} == {None}
            assert sentence in line["notices"][0]
        status, said = refusal(bridge, nodes, *targets[:3])
    assert status == 404
    assert all(sentence in said for sentence in sentences[:3])


def test_a_sum_says_which_part_of_it_is_missing(serve, nodes):
    node, _ = offering(nodes)
    with serve({"n": node, "silent": nodes.silent()}) as bridge:
        (line,) = render(bridge, nodes, "sumSeries(n.a,n.b,silent.a)")
        assert line["datapoints"][10] == [20, nodes.NOW + 10]
        assert "did not answer within" in line["notices"][0]
        assert refusal(bridge, nodes, "sumSeries(silent.a,silent.b)")[0] == 404


def test_text_is_left_out_and_said(serve, nodes):
    def fields(*_):
        listed, timelines = nodes.table(names=("a", "word"))
        listed["word"]["type"] = "string"
        return listed, timelines

    node = nodes.good()
    node.get_fields = fields
    words = nodes.good(values=lambda t: ["x"] * len(t), kind="string")
    with serve({"n": node, "words": words}) as bridge:
        (line,) = render(bridge, nodes, "n.*")
        assert line["target"] == "n.a"
        assert line["notices"] == ["the values of 'n::word' are text, which the Graphite API cannot show"]
        assert refusal(bridge, nodes, "words.a")[1].startswith("the values of 'words::a' are text")
        assert [each["target"] for each in render(bridge, nodes, "words.*", "n.a")] == ["words.*", "n.a"]


def test_booleans_are_zero_and_one(serve, nodes):
    node = nodes.good(values=lambda t: [bool(round(x) % 2) for x in t], kind="bool")
    with serve({"n": node}) as bridge:
        (line,) = render(bridge, nodes, "n.a")
    assert line["datapoints"][:2] == [[0, nodes.NOW], [1, nodes.NOW + 1]]


def test_a_range_without_samples_is_nulls_and_no_error(serve, nodes):
    node, _ = offering(nodes, lack=lambda t: t > 0)
    with serve({"n": node}) as bridge:
        (line,) = render(bridge, nodes, "n.a", seconds=600, maxDataPoints=500)
    assert {value for value, _ in line["datapoints"]} == {None}
    assert "notices" not in line


def test_no_reply_has_more_points_than_the_bridge_allows(serve, nodes):
    names = [f"f{number}" for number in range(30)]
    node, _ = offering(nodes, names=names)
    with serve({"n": node}, MAX_TARGETS=20, MAX_REPLY_POINTS=2000) as bridge:
        lines = render(bridge, nodes, "n.*", seconds=86_400)
        assert len(lines) == 20
        assert "matches 30 fields; the first 20 are shown" in lines[0]["notices"][0]
        assert sum(len(line["datapoints"]) for line in lines) <= 2000
        assert refusal(bridge, nodes, "sumSeries(n.*)") == (
            413,
            "'n.*' matches 30 fields; at most 20 can be put together",
        )
        assert refusal(bridge, nodes, "n.*", "alias(n.*,'b')", "scale(n.*,3)", "maxSeries(n.f1)")[0] == 413
        assert refusal(bridge, nodes, *["n.f1"] * 21)[0] == 413


def test_the_tree_is_walked_level_by_level(serve, nodes):
    with serve({"n": nodes.good(names=("x.one", "x", "a b")), "m": nodes.good()}) as bridge:

        def found(query, **more):
            reply = bridge.ask("/metrics/find", urlencode({"query": query} | more).encode(), headers=HEADERS)
            return [(each["text"], each["id"], each["leaf"], each["expandable"]) for each in reply.json]

        assert found("*") == [("m", "m", 0, 1), ("n", "n", 0, 1)]
        assert found("n.*") == [("a~20b", "n.a~20b", 1, 0), ("x", "n.x", 0, 1), ("x", "n.x", 1, 0)]
        assert found("n.x.*") == [("one", "n.x.one", 1, 0)]
        assert found("{n,m}.[ab]") == [("a", "m.a", 1, 0), ("b", "m.b", 1, 0)]
        assert found("z.*") == []
        # The browser part of Grafana sends a query as it is, and a range in the address.
        reply = bridge.ask("/metrics/find?from=1700000000&until=1700000060", b"query=n.a~20*", headers=HEADERS)
        assert reply.json == [{"text": "a~20b", "id": "n.a~20b", "leaf": 1, "expandable": 0, "allowChildren": 0,
                               "context": {}}]  # fmt: skip
        assert bridge.ask("/metrics/find").status == 400
        assert bridge.ask("/metrics/expand?query=n.*&query=m.a&from=-1h&until=now").json == {
            "results": ["m.a", "n.a~20b", "n.x"]
        }
        assert bridge.ask("/metrics/expand?query=*&leavesOnly=1").json == {"results": []}
        bridge.consumer.servers.clear()
        assert found("m.*") == [("a", "m.a", 1, 0), ("b", "m.b", 1, 0)], "fields of a server that is away stay"


def test_grafana_is_told_which_functions_there_are(serve, nodes):
    with serve({}) as bridge:
        functions = bridge.ask("/functions").json
    assert {"alias", "aliasByNode", "aliasSub", "scale", "offset", "sumSeries", "averageSeries", "minSeries",
            "maxSeries", "derivative", "movingAverage", "consolidateBy", "removeBelowValue", "removeAboveValue",
            "transformNull", "summarize", "constantLine"} == functions.keys()  # fmt: skip
    for name, each in functions.items():
        assert each["name"] == name
        assert each["function"].startswith(f"{name}(")
        assert each["group"] != "Graph", "Grafana leaves these out"
        assert all({"name", "type", "required"} <= parameter.keys() for parameter in each["params"])
    assert functions["sumSeries"]["params"][0] == {
        "name": "seriesLists", "type": "seriesLists", "required": True, "multiple": True
    }  # fmt: skip
    assert functions["transformNull"]["params"][1]["default"] == 0
    assert "max" in functions["consolidateBy"]["params"][1]["options"]


def test_the_version_is_one_with_functions_and_tags_of_which_there_are_none(serve, nodes):
    with serve({}) as bridge:
        assert bridge.ask("/version").body == b'"1.1.10"'
        for path in ("/tags", "/tags/autoComplete/tags?tagPrefix=n", "/tags/autoComplete/values?expr=a&tag=name"):
            assert bridge.ask(path).json == []


def test_what_happened_is_answered_as_events(serve, nodes):
    away, _ = offering(nodes, lack=lambda t: (t % 600 >= 100) & (t % 600 < 200))
    with serve({"n": away}) as bridge:
        bridge.ask("/metrics/find?query=*")
        path = "/events/get_data?from=1700000000&until=1700001200&tags="
        events = bridge.ask(f"{path}hole n::a".replace(" ", "%20")).json
        assert [each["when"] for each in events] == [1_700_000_499]
        assert events[0]["tags"] == ["hole", "n::a"]
        assert events[0]["what"] == "no data of n::a"
        assert "without a sample" in events[0]["data"]
        assert bridge.ask(f"{path}hole,colour,n::a").json == []
        assert bridge.ask(path).json == []
        assert bridge.ask("/events/get_data?from=-1h&until=-2h").status == 400


def test_a_client_that_goes_away_takes_its_calls_along(serve, nodes):
    def wait_until(holds):
        deadline = time.monotonic() + 10
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    silent = nodes.Node(lambda *_: nodes.table(), nodes.silent().get_data)
    with serve({"silent": silent}, SERVER_DEADLINE=30.0) as bridge:
        body = form(nodes, "silent.a", "movingAverage(silent.b,'1min')")
        with socket.create_connection(("127.0.0.1", bridge.port), timeout=5) as connection:
            connection.sendall(b"POST /render HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            calls = bridge.consumer.calls
            wait_until(lambda: sum("get_data" in procedure for procedure, _ in calls) >= 2)
            assert bridge.consumer.cancelled == []
        wait_until(lambda: bridge.consumer.cancelled == ["silent", "silent"])


def test_without_router_every_question_is_503(serve, nodes):
    with serve({"n": nodes.good()}) as bridge:
        bridge.consumer.attached = bridge.consumer.hub = False
        bridge.consumer.servers.clear()
        assert bridge.ask("/metrics/find?query=*").status == 503


def test_many_ask_at_once(serve, nodes):
    node, _ = offering(nodes)
    replies = []
    with serve({"n": node}) as bridge:

        def ask(letter):
            target = f"aliasSub(sumSeries(n.*),'(^.*$)','\\1 {letter}')"
            replies.append((letter, render(bridge, nodes, target)[0]["target"]))

        threads = [threading.Thread(target=ask, args=(letter,)) for letter in "ABCDEFGHIJ"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(replies) == [(letter, f"sumSeries(n.a,n.b) {letter}") for letter in "ABCDEFGHIJ"]


def test_nothing_that_a_client_sends_is_a_fault_of_ours(serve, nodes):
    node, _ = offering(nodes)
    bodies = [
        b"", b"target", b"target=", b"=&&=", b"target=%FF%FE", b"\xff\xfe=\xff", b"target=%00", b"{}",
        b"target=n.a" * 999,
        b"&".join([b"a=1"] * 20_000), b"target=" + b"(" * 5000, b"target=" + b"f(" * 5000, b"target=n.%ED%A0%80",
        b"target=" + b"{" * 5000 + b"}" * 5000, b"from=1e999&target=n.a", b"target=n.a&maxDataPoints=%F0%9F%98%80",
        b"target=alias(n.a,%22%0A%22)", b"target=n.~ED~A0~80&target=constantLine(1)", b"target=.&target=..&target=n.",
        json.dumps({"target": "n.a"}).encode(), b"target=*&from=0&until=253402214400", b"target=constantLine(-0)",
    ]  # fmt: skip
    with serve({"n": node}) as bridge:
        for path in ("/render", "/metrics/find", "/metrics/expand", "/events/get_data", "/functions", "/tags"):
            for body in bodies:
                assert bridge.ask(path, body, "POST", HEADERS).status in (200, 400, 404, 413), (path, body[:80])
