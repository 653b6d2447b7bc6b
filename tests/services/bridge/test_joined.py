"""A field that is archived and live: one stream over the seam, whatever happens on either side."""

import math
from typing import Any

import numpy as np
import pytest
from autobahn.wamp.exception import ApplicationError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from services.bridge.reading import Window
from sisock.errors import SettingError
from sisock.shapes import OPERATORS, check_data
from sisock.thinning import aggregate, envelope

NAME = "observatory.faker.feeds.temps.channel_00"
FIELD = f"feeds::{NAME}"
START = 1_700_000_000.0


class Source:
    """A data server with the given samples of one field; `operators` makes it one of ours, which sends arrays."""

    def __init__(self, t: Any, values: Any, operators: Any = OPERATORS, kind: str = "number", name: str = NAME) -> None:
        self.t, self.values = np.asarray(t, dtype=float), np.asarray(values)
        self.operators, self.kind, self.name = operators, kind, name
        self.finalized_until: Any = "newest"
        self.asked: list[Any] = []
        if operators:
            self.get_data_packed = self._answer
        else:
            self.get_data = lambda *args: check_data(self._answer(*args), args[0])

    def get_fields(self, start: float, end: float) -> Any:
        interval = float(np.median(np.diff(self.t))) if self.t.size > 1 else None
        field = {"description": None, "timeline": "t", "type": self.kind, "units": None}
        return {self.name: field}, {"t": {"interval": interval, "field": [self.name]}}

    def _answer(self, fields: Any, start: float, end: float, stride: Any = None, operator: Any = None) -> Any:
        self.asked.append((start, end, stride, operator))
        if operator and operator not in self.operators:
            raise ApplicationError("org.simonsobservatory.error.operator", "no", [])
        inside = (self.t >= start) & (self.t < end)
        t, values = self.t[inside], {"": self.values[inside]}
        t, values = aggregate(t, values, stride, operator, start) if operator else envelope(t, values, stride)
        until = self.finalized_until
        if until == "newest":
            until = None if not self.t.size or end <= self.t[-1] else float(self.t[-1])
        timeline = {"t": {"t": t, "finalized_until": until, "fields": [self.name]}} if t.size else {}
        return {"data": {f: values[""] if f == self.name else [] for f in fields}, "timeline": timeline}


def site(archive: Any, live: Any, **others: Any) -> dict[str, Any]:
    pair = {"g3_reader": archive, "data_feed": live}
    return {name: server for name, server in pair.items() if server is not None} | others


def samples(series: dict[str, Any]) -> tuple[list[float], list[Any]]:
    drawn = [(ms / 1e3, value) for value, ms in series["datapoints"] if value is not None]
    return [t for t, _ in drawn], [value for _, value in drawn]


def seconds(count: int, first: int = 0) -> Any:
    return START + np.arange(first, first + count)


@pytest.fixture
def ask(serve, nodes):
    """Ask a site of an archive and a live server for the joined field; the series, and what each was asked."""

    def asking(archive, live, operator=None, seconds=100, points=10000, start=START, **more):
        with serve(site(archive, live), **more) as bridge:
            target = {"target": FIELD, "refId": "A", "data": {"operator": operator}}
            (series,) = bridge.query(target, seconds=seconds, maxDataPoints=points, start=start)
        return series

    return asking


def test_the_archive_comes_first_and_the_live_samples_after_its_newest(ask, nodes):
    archive, live = Source(seconds(60), np.arange(60) + 0.5), Source(seconds(70, 30), np.arange(30, 100), operators=())
    series = ask(archive, live)
    t, values = samples(series)
    assert t == seconds(100).tolist()
    assert values == [*(np.arange(60) + 0.5), *range(60, 100)]
    (asked,) = live.asked
    assert asked[0] == pytest.approx(START + 59 + 1e-5, abs=1e-6)
    assert asked[2] == archive.asked[0][2], "with the same stride"
    assert series["meta"] == {"finalized_until": (START + 59) * 1000}


def test_live_is_not_asked_for_what_the_archive_knows_to_be_final(ask):
    archive, live = Source(seconds(1000), np.arange(1000)), Source(seconds(600, 500), np.arange(500, 1100))
    series = ask(archive, live)
    assert samples(series)[0] == seconds(100).tolist()
    assert live.asked == []
    assert "meta" not in series


def test_an_archive_that_calls_all_final_but_ends_early_is_not_the_end(ask):
    archive, live = Source(seconds(60), np.arange(60)), Source(seconds(70, 30), np.arange(30, 100))
    archive.finalized_until = None
    series = ask(archive, live)
    assert samples(series)[0] == seconds(100).tolist()
    assert series["meta"]["finalized_until"] == (START + 99) * 1000


@pytest.mark.parametrize("shift", [-1.9e-6, 1.9e-6])
def test_the_same_sample_with_another_rounding_of_its_stamp_appears_once(ask, shift):
    archive, live = Source(seconds(60), np.zeros(60)), Source(seconds(70, 30) + shift, np.ones(70))
    t, _ = samples(ask(archive, live))
    assert np.allclose(t, seconds(100), rtol=0, atol=2e-6)
    assert len(t) == 100


@pytest.mark.parametrize("operator", [None, "mean", "first", "count"])
def test_a_field_of_only_one_of_both_is_whole(ask, nodes, operator):
    empty = Source([], [], name="another")
    t = seconds(100)
    for archive, live in ((Source(t, t), empty), (empty, Source(t, t)), (empty, Source(t, t, operators=()))):
        series = ask(archive, live, operator)
        assert samples(series)[0] == t.tolist()
        assert nodes.notices(series) == ""


def test_an_archive_without_samples_in_the_range_leaves_it_to_the_live_server(ask, nodes):
    series = ask(Source(seconds(50, -1000), np.zeros(50)), Source(seconds(100), np.arange(100)))
    assert samples(series)[0] == seconds(100).tolist()


@pytest.mark.parametrize("operator", [None, "mean", "max"])
def test_a_server_that_is_down_or_late_costs_its_part_and_a_notice_says_so(ask, nodes, operator):
    archive, live = Source(seconds(60), np.zeros(60)), Source(seconds(70, 30), np.ones(70), operators=())
    raising = nodes.raising("disk on fire")
    raising.get_fields = archive.get_fields
    late = nodes.silent()
    without = (
        (None, live, "samples of g3_reader are missing: nobody named 'g3_reader'", 30, 100, START),
        (late, live, "samples of g3_reader are missing: data server 'g3_reader' did not", 30, 100, START),
        (archive, None, "samples of data_feed are missing: nobody named 'data_feed'", 0, 60, START + 59),
        (archive, late, "samples of data_feed are missing: data server 'data_feed' did not", 0, 60, START + 59),
        (archive, raising, "samples of data_feed are missing: data server 'data_feed' failed: disk on fire", 0, 60,
         START + 59),
    )  # fmt: skip
    for first, second, sentence, begin, end, until in without:
        series = ask(first, second, operator)
        assert samples(series)[0] == seconds(end - begin, begin).tolist(), sentence
        assert sentence in nodes.notices(series)
        # A bin that the range cuts is asked whole, so that nothing is final before it.
        assert 0 <= until * 1000 - series["meta"]["finalized_until"] < (1 if operator is None else 200)
        assert {each["severity"] for each in series["meta"]["notices"]} == {"warning"}


def test_with_both_down_the_series_is_empty_and_says_both(ask, nodes):
    for operator in (None, "mean"):
        series = ask(None, None, operator)
        assert series["datapoints"] == []
        assert "nobody named 'g3_reader' is online" in nodes.notices(series)
        assert "nobody named 'data_feed' is online" in nodes.notices(series)


def test_an_archive_that_lacks_the_operator_is_missing_and_says_so(ask, nodes):
    archive, live = Source(seconds(60), np.zeros(60), operators=("min",)), Source(seconds(70, 30), np.ones(70))
    series = ask(archive, live, "mean")
    assert samples(series)[0] == seconds(70, 30).tolist()
    assert "data server 'g3_reader' has no operator 'mean'" in nodes.notices(series)


@pytest.mark.parametrize("operator", [None, "last"])
def test_of_two_types_the_archives_is_shown_and_the_other_is_told(ask, nodes, operator):
    live = Source(seconds(70, 30), np.array(["on"] * 70, dtype=object), kind="string")
    series = ask(Source(seconds(60), np.zeros(60)), live, operator)
    assert samples(series)[0] == seconds(60).tolist()
    assert "a number in the archive and a string in data_feed, whose samples are not shown" in nodes.notices(series)


def test_text_and_booleans_go_on_over_the_seam(serve):
    words = np.array([f"w{n}" for n in range(100)], dtype=object)
    flags = np.array([None if n == 5 else n % 3 == 0 for n in range(100)], dtype=object)
    for values, kind in ((words, "string"), (flags, "bool"), (flags[6:].astype(bool), "bool")):
        t = seconds(len(values))
        archive = Source(t[:60], values[:60], kind=kind)
        for operators in (OPERATORS, ()):
            live = Source(t[30:], values[30:], kind=kind, operators=operators)
            with serve(site(archive, live)) as bridge:
                (table,) = bridge.query({"target": FIELD, "type": "table"}, seconds=100, maxDataPoints=10000)
            assert [row[1] for row in table["rows"]] == values.tolist()


cases = st.fixed_dictionaries(
    {
        "t": st.lists(st.integers(1, 400), min_size=1, max_size=80, unique=True).map(sorted),
        "archived": st.integers(0, 80),
        "forgotten": st.integers(0, 80),
        "points": st.integers(2, 500),
        "begin": st.integers(0, 150),
        "length": st.integers(50, 300),
        "shift": st.sampled_from([-1.5e-6, 0.0, 1.5e-6]),
        "values": st.randoms(use_true_random=False),
        "lists": st.booleans(),
    }
)


@pytest.fixture(scope="module")
def mutable(request):
    """One bridge before two servers whose samples each example replaces."""
    serving, *_ = request.getfixturevalue("kinds")
    servers = {"g3_reader": Source([], []), "data_feed": Source([], [])}
    with serving(servers) as bridge:
        yield bridge, servers


def split(
    case: dict[str, Any], servers: dict[str, Any], offset: float = 0.0, stride: float = 0.0
) -> tuple[Any, Any, float]:
    """Give both servers their part of the samples, overlapping; the samples in the range, and its begin.

    With a `stride`, the samples are those from the begin of the bin that the range cuts.
    """
    t = START + np.array(case["t"], dtype=float)
    values = np.array([float(case["values"].randint(-9, 9)) for _ in t])
    archived = min(case["archived"], t.size)
    forgotten = min(case["forgotten"], archived)
    servers["g3_reader"] = Source(t[:archived], values[:archived])
    operators = () if case["lists"] else OPERATORS
    servers["data_feed"] = Source(t[forgotten:] + case["shift"], values[forgotten:], operators=operators)
    begin = START + case["begin"] + offset
    inside = (t >= (begin // stride * stride if stride else begin)) & (t < begin + case["length"])
    return t[inside], values[inside], begin


def stamps_of(series: dict[str, Any]) -> Any:
    """Stamps of a series; those of the nulls that stand in gaps do not count."""
    return np.array([ms / 1e3 for value, ms in series["datapoints"] if value is not None])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cases)
def test_no_sample_and_no_extreme_is_lost_or_told_twice_wherever_the_seam_is(mutable, case):
    bridge, servers = mutable
    bridge.consumer._nodes_changed()
    t, values, begin = split(case, servers, offset=0.5)  # the same samples are in the range, however they are rounded
    (series,) = bridge.query(FIELD, start=begin, seconds=case["length"], maxDataPoints=case["points"])
    got_t, got = stamps_of(series), [value for value, _ in series["datapoints"] if value is not None]
    stride = Window(begin, begin + case["length"], case["points"]).stride
    assert np.all(np.diff(got_t) >= stride - 1e-5)
    if np.all(np.diff(t) >= stride + 1e-5):
        assert np.allclose(got_t, t, rtol=0, atol=2e-5)
        assert got == values.tolist()
    elif t.size and len(got) > 3:
        assert (min(got), max(got), got[-1]) == (values.min(), values.max(), values[-1])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cases, st.sampled_from(OPERATORS))
def test_an_operator_makes_over_the_seam_what_it_makes_of_all_samples(mutable, case, operator):
    bridge, servers = mutable
    bridge.consumer._nodes_changed()
    case["shift"] = 0.0
    case["t"] = [stamp + 0.1234567 for stamp in case["t"]]  # none on the border of two cells
    stride = Window(START, START + case["length"], points=case["points"]).stride
    t, values, begin = split(case, servers, stride=stride)
    target = {"target": FIELD, "data": {"operator": operator}}
    (series,) = bridge.query(target, start=begin, seconds=case["length"], maxDataPoints=case["points"])
    due_t, due = aggregate(t, {"": values}, stride, operator, begin // stride * stride)
    assert np.allclose(stamps_of(series), due_t, rtol=0, atol=2e-5)
    got = [value for value, _ in series["datapoints"] if value is not None]
    assert np.allclose(got, due[""], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("archived", [0, 1, 40, 63, 99])
def test_cells_after_the_seam_are_those_of_the_archive_which_may_be_longer_than_asked(ask, operator, archived):
    class Coarse(Source):
        def _answer(self, fields: Any, start: float, end: float, stride: Any = None, operator: Any = None) -> Any:
            return super()._answer(fields, start, end, 10.0 if operator else stride, operator)

    t, values = START - 50 + np.arange(150), np.random.default_rng(3).normal(size=150)
    archive, live = Coarse(t[: 50 + archived], values[: 50 + archived]), Source(t[40:], values[40:], operators=())
    got_t, got = samples(ask(archive, live, operator, points=14))
    cell = 10.0 if archived > 30 else 100 / 14
    due_t, due = aggregate(t[50:], {"": values[50:]}, cell, operator, START)
    if archived > 30:
        assert got_t == due_t.tolist()
        assert np.allclose(got, due[""])
    elif operator == "count":
        assert sum(got) == 100


def test_an_operator_costs_the_archive_two_questions_where_all_is_final(ask):
    archive, live = Source(seconds(1000), np.arange(1000)), Source(seconds(10, 990), np.zeros(10))
    assert samples(ask(archive, live, "mean", points=10))[1] == [4.5 + 10 * n for n in range(10)]
    assert sorted(operator or "" for *_, operator in archive.asked) == ["", "mean"]
    assert live.asked == []


def test_joined_names_are_listed_while_any_of_the_servers_is_remembered(serve, nodes):
    archive, live = Source(seconds(5), np.zeros(5), name="x.old"), Source(seconds(5), np.zeros(5))
    servers = site(archive, live, other=nodes.good())
    names = ["data_feed::" + NAME, "feeds::" + NAME, "feeds::x.old", "g3_reader::x.old", "other::a", "other::b"]
    with serve(servers) as bridge:
        assert bridge.ask("/search", {}).json == names
        assert bridge.ask("/search", {"target": "feeds::*"}).json == names[1:3]
        assert {"text": "feeds"} in bridge.ask("/tag-values", {"key": "node"}).json
        del servers["g3_reader"], servers["data_feed"]
        assert bridge.ask("/search", {}).json == names
    with serve({"other": nodes.good()}) as bridge:
        assert bridge.ask("/search", {}).json == names[-2:]


def test_a_data_server_of_the_same_name_goes_before_and_is_logged_once(serve, nodes, logged):
    servers = site(Source(seconds(5), np.zeros(5)), None, feeds=nodes.good())
    with serve(servers) as bridge:
        (series,) = bridge.query("feeds::a")
        assert len(series["datapoints"]) == 60
        for _ in range(2):
            assert "feeds::a" in bridge.ask("/search", {}).json
        assert f"feeds::{NAME}" not in bridge.ask("/search", {}).json
    assert sum("has the name" in str(event.get("log_format")) for event in logged) == 1


def test_the_name_may_be_another_or_none(serve, nodes):
    servers = site(Source(seconds(100), np.zeros(100)), None)
    with serve(servers, JOINED_NAME="all", JOINED_SERVERS=["g3_reader"]) as bridge:
        assert len(bridge.query(f"all::{NAME}", seconds=100)[0]["datapoints"]) == 100
        assert f"all::{NAME}" in bridge.ask("/search", {}).json
    with serve(servers, JOINED_NAME="") as bridge:
        assert "nobody named 'feeds'" in nodes.notices(bridge.query(FIELD)[0])
        assert bridge.ask("/search", {}).json == [f"g3_reader::{NAME}"]


@pytest.mark.parametrize(
    ("name", "servers", "setting"),
    [("a b", ["x"], "JOINED_NAME"), ("feeds", ["x", "x"], "JOINED_SERVERS"), ("feeds", ["feeds"], "JOINED_SERVERS"),
     ("feeds", ["a.b"], "JOINED_SERVERS")],
)  # fmt: skip
def test_names_that_cannot_be_joined_are_refused(serve, name, servers, setting):
    with pytest.raises(SettingError, match=setting), serve({}, JOINED_NAME=name, JOINED_SERVERS=servers):
        pass


def test_an_unknown_field_is_unknown_in_both_with_a_hint(ask, serve, nodes):
    with serve(site(Source(seconds(5), np.zeros(5)), Source(seconds(5), np.zeros(5)))) as bridge:
        for operator in ("", "mean"):
            (series,) = bridge.query({"target": f"feeds::{NAME.upper()}", "data": {"operator": operator}})
            assert f"did you mean '{NAME}'?" in nodes.notices(series)


def test_a_field_that_one_server_lacks_is_not_asked_of_it_again_and_again(serve):
    archive, live = Source(seconds(5), np.zeros(5), name="another"), Source(seconds(100), np.zeros(100))
    with serve(site(archive, live)) as bridge:
        for moment in range(10):
            assert bridge.query(FIELD, start=START + moment)[0]["datapoints"]
        asked = [procedure for procedure, _ in bridge.consumer.calls if "g3_reader" in procedure]
    assert len(asked) <= 3


def test_two_hundred_feeds_that_end_at_different_times_take_one_place_in_the_line(serve):
    class Many(Source):
        def __init__(self, *, archived: bool) -> None:
            super().__init__([], [])
            self.archived = archived

        def get_fields(self, start: float, end: float) -> Any:
            names = [f"f{n}" for n in range(200)]
            about = {"description": None, "type": "number", "units": None}
            fields = {name: about | {"timeline": name} for name in names}
            return fields, {name: {"interval": 1.0, "field": [name]} for name in names}

        def _answer(self, fields: Any, start: float, end: float, *_: Any) -> Any:
            t = {f: seconds(20 + int(f[1:]) % 100 if self.archived else 150) for f in fields}
            t = {f: stamps[(stamps >= start) & (stamps < end)] for f, stamps in t.items()}
            timeline = {f: {"t": stamps, "finalized_until": START} for f, stamps in t.items()}
            return {"data": {f: np.zeros(stamps.size) for f, stamps in t.items()}, "timeline": timeline}

    with serve(site(Many(archived=True), Many(archived=False))) as bridge:
        replies = bridge.query(*[f"feeds::f{n}" for n in range(200)], seconds=130, maxDataPoints=1000)
    assert {len(each["datapoints"]) for each in replies} == {130}
    assert not any("notices" in each["meta"] for each in replies)


def test_a_silent_archive_does_not_keep_the_live_samples_beyond_the_requests_deadline(serve, nodes):
    silent = nodes.silent()
    silent.get_fields = Source(seconds(5), np.zeros(5)).get_fields
    live = Source(seconds(60), np.zeros(60))
    live.get_data_packed = lambda *_: Deferred()
    with serve(site(silent, live), SERVER_DEADLINE=0.5, REQUEST_DEADLINE=0.8) as bridge:
        reply = bridge.ask("/query", nodes.request(FIELD))
    assert reply.seconds < 1.5
    assert math.isclose(len(reply.json[0]["datapoints"]), 0)


def test_a_fault_that_nobody_foresaw_costs_the_joined_series_only(serve, nodes, monkeypatch, logged):
    monkeypatch.setattr("services.bridge.joined.Course.take", lambda *_: 1 // 0)
    with serve(site(Source(seconds(5), np.zeros(5)), None, good=nodes.good())) as bridge:
        joined, good = bridge.query(FIELD, "good::a")
    assert "could not be joined; see the log" in nodes.notices(joined)
    assert len(good["datapoints"]) == 60
    assert any("could not be joined" in str(event.get("log_format")) for event in logged)
