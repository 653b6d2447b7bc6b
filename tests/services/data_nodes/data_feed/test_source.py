"""The buffer of OCS feeds: what it takes, names, refuses and lets go."""

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.data_nodes.data_feed.source import Feeds
from sisock.config import declared_options, load_settings
from sisock.errors import SettingError
from sisock.shapes import check_data, check_fields

NOW = 1_700_000_000.0
TOPIC = "observatory.LSA22YE.feeds.temperatures"


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def make(**environ: str) -> tuple[Feeds, Clock, list[str]]:
    said: list[str] = []
    clock = Clock()
    options = declared_options("services.data_nodes.data_feed", "server.yml")
    feeds = Feeds(load_settings(options, environ), clock, lambda event, **facts: said.append(event.format(**facts)))
    return feeds, clock, said


def message(data: dict[str, Any], stamps: Any = (NOW,), block: str = "temps", **feed: Any) -> list[Any]:
    content = {"block_name": block, "timestamps": list(stamps), "data": data, "influxdb_tags": None}
    return [{block: content}, {"record": True, "feed_name": "temperatures", "agent_class": "Lakeshore372Agent"} | feed]


def all_data(feeds: Feeds, **asked: Any) -> Any:
    fields, _ = check_fields(feeds.get_fields())
    return check_data(feeds.get_data(list(fields), NOW - 1e6, NOW + 1e6, **asked), list(fields))


def test_one_feed_names_its_fields_as_the_manual_does() -> None:
    feeds, _, _ = make(TARGET="LSA22YE", FEED="temperatures")
    assert (feeds.subscription.topic, feeds.subscription.match) == (TOPIC, "exact")
    feeds.receive(TOPIC, message({"Channel 1 T": [0.1], "State": ["ok"], "on": [True]}))
    fields, timelines = feeds.get_fields()
    assert {name: field["type"] for name, field in fields.items()} == {
        "channel_1_t": "number", "state": "string", "on": "bool"}  # fmt: skip
    assert fields["channel_1_t"]["description"] == (
        "Channel 1 T, feed temperatures of observatory.LSA22YE (Lakeshore372Agent)"
    )
    assert timelines == {"temps": {"interval": None, "field": ["channel_1_t", "state", "on"]}}


def test_all_feeds_name_their_fields_as_the_archive_does() -> None:
    feeds, _, _ = make()
    assert (feeds.subscription.topic, feeds.subscription.match) == ("observatory..feeds.", "wildcard")
    feeds.receive(TOPIC, message({"Channel_01_T": [0.1]}))
    fields, timelines = feeds.get_fields()
    assert list(fields) == [f"{TOPIC}.channel_01_t"]
    assert list(timelines) == [f"{TOPIC}.temps"]


def test_the_address_root_is_the_sites() -> None:
    feeds, _, _ = make(OCS_ADDRESS_ROOT="chile")
    assert feeds.subscription.topic == "chile..feeds."


@pytest.mark.parametrize(
    ("environ", "named"),
    [({"TARGET": "a"}, "FEED"), ({"FEED": "a"}, "TARGET"), ({"BUFFER_TIME": "0"}, "BUFFER_TIME"),
     ({"BUFFER_TIME": "nan"}, "BUFFER_TIME"), ({"MAX_FIELDS": "-1"}, "MAX_FIELDS")],
)  # fmt: skip
def test_a_setting_that_makes_no_sense_is_refused(environ: dict[str, str], named: str) -> None:
    with pytest.raises(SettingError, match=named):
        make(**environ)


def test_blocks_of_one_message_have_their_own_timelines() -> None:
    feeds, _, _ = make()
    both = message({"a": [1, 2]}, (NOW, NOW + 1))
    both[0] |= message({"b": [3]}, block="other")[0]
    feeds.receive(TOPIC, both)
    reply = all_data(feeds)
    assert reply["data"] == {f"{TOPIC}.a": [1.0, 2.0], f"{TOPIC}.b": [3.0]}
    assert reply["timeline"][f"{TOPIC}.temps"]["t"] == [NOW, NOW + 1]
    assert reply["timeline"][f"{TOPIC}.temps"]["finalized_until"] == NOW + 1


def test_many_messages_arrive_value_by_value() -> None:
    feeds, clock, said = make(TARGET="a", FEED="b")
    chance, sent = random.Random(1), []
    for _ in range(500):
        count = chance.randint(1, 20)
        stamps = [clock.now + i / 20 for i in range(count)]
        values = [chance.random() for _ in stamps]
        sent += zip(stamps, values, strict=True)
        feeds.receive("observatory.a.feeds.b", message({"x": values}, stamps))
        clock.now += 1.0
    reply = all_data(feeds)
    assert list(zip(reply["timeline"]["temps"]["t"], reply["data"]["x"], strict=True)) == sent
    assert (feeds.received, dict(feeds.dropped), said) == (len(sent), {}, [])


def test_a_feed_that_is_not_recorded_is_passed_over_without_a_word() -> None:
    feeds, _, said = make()
    feeds.receive("observatory.a.feeds.heartbeat", [0, {"record": False, "feed_name": "heartbeat"}])
    assert (feeds.get_fields(), feeds.unrecorded, said) == (({}, {}), 1, [])


@pytest.mark.parametrize(
    "damaged",
    [
        None, 1, "text", [], [{}], {}, [1, 2, 3], [{}, {}], [[], {"record": True}], [{"b": 1}, {"record": True}],
        [{"b": {"data": []}}, {"record": True}], [{"b": {"timestamps": [NOW]}}, {"record": True}],
        [{"b": {"timestamps": [NOW], "data": [1]}}, {"record": True}],
        [{"b": {"timestamps": None, "data": {"x": None}}}, {"record": True}],
        [{"b": {"timestamps": {"a": 1}, "data": {"x": [1]}}}, {"record": True}],
        message({1: [1]}), message({"": [1]}), message({"x" * 256: [1]}), message({"x": [1]}, block="b" * 256),
        message({"x": [[1]]}), message({"x": [b"1"]}), message({"x": [1, 2]}), message({"x": [1]}, ("now",)),
    ],
)  # fmt: skip
def test_no_message_raises_and_each_damaged_one_is_counted_and_told(damaged: Any) -> None:
    feeds, _, said = make()
    feeds.receive(TOPIC, damaged)
    assert sum(feeds.dropped.values()) > 0
    assert said
    assert said[0].startswith(f"dropping some of {TOPIC}: ")
    assert all_data(feeds)["data"] in ({}, {f"{TOPIC}.x": []})
    feeds.receive(TOPIC, message({"good": [1]}))
    assert all_data(feeds)["data"][f"{TOPIC}.good"] == [1.0]


def test_the_same_damage_is_told_when_it_begins_and_every_ten_minutes_how_much_it_was() -> None:
    feeds, clock, said = make()
    for _ in range(1300):
        clock.now += 1
        feeds.receive(TOPIC, message({"x": [1]}, ("soon",)))
    assert [line.partition(" of")[0] for line in said] == ["dropping some", "dropped 600", "dropped 600"]
    for _ in range(1300):
        clock.now += 1
        feeds.receive(TOPIC, message({"x": [1]}, (clock.now,)))
    assert [line.partition(" of")[0] for line in said[3:]] == ["dropped 100"], "the rest is told though it is over"
    feeds.receive(TOPIC, message({"x": [1]}, ("soon",)))
    assert said[-1].startswith("dropping some")


def test_a_publisher_of_ever_new_addresses_does_not_fill_the_log() -> None:
    feeds, _, said = make()
    for i in range(5000):
        feeds.receive(f"observatory.{i}.feeds.x", message({"x": [1]}, ("soon",)))
    feeds.receive("observatory.a.feeds." + "x" * 10_000, message({"x": [1]}))
    assert len(said) <= 1002
    assert feeds.dropped == {"bad_stamp": 5000, "bad_name": 1}
    assert feeds.get_fields() == ({}, {})


def test_nan_is_a_sample_without_a_value() -> None:
    feeds, _, _ = make(TARGET="a", FEED="b")
    feeds.receive("", message({"x": [1, math.nan, math.inf]}, (NOW, NOW + 1, NOW + 2)))
    assert all_data(feeds)["data"] == {"x": [1.0, None, None]}


def test_samples_older_than_the_buffers_time_are_gone_also_of_a_silent_agent() -> None:
    feeds, clock, _ = make(BUFFER_TIME="100")
    feeds.receive(TOPIC, message({"x": [1]}))
    clock.now += 99
    assert all_data(feeds)["data"] == {f"{TOPIC}.x": [1.0]}
    clock.now += 2
    assert feeds.get_fields() == ({}, {})
    assert feeds.get_data([f"{TOPIC}.x"], 1, NOW + 1e6) == {"data": {f"{TOPIC}.x": []}, "timeline": {}}
    feeds.receive("observatory.other.feeds.x", message({"y": [1]}, (clock.now,)))
    assert feeds.nbytes == 64 * 8 * 2, "the memory of the silent agent has been given back"


def test_fields_beyond_the_bound_are_refused_and_those_there_go_on() -> None:
    feeds, _, said = make(MAX_FIELDS="2")
    feeds.receive(TOPIC, message({"a": [1], "b": [2], "c": [3], "d": [4]}))
    feeds.receive(TOPIC, message({"a": [5]}, (NOW + 1,)))
    assert all_data(feeds)["data"] == {f"{TOPIC}.a": [1.0, 5.0], f"{TOPIC}.b": [2.0, None]}
    assert feeds.dropped == {"too_many_fields": 2}
    assert "MAX_FIELDS" in said[0]


def test_a_publisher_that_runs_away_does_not_take_the_memory_of_the_host() -> None:
    feeds, clock, said = make(MAX_MEMORY="1", MAX_SAMPLES="1000000")
    feeds.receive("observatory.good.feeds.f", message({"x": [1] * 50}, [NOW - i for i in range(50)]))
    for i in range(300):
        stamps = clock.now + np.arange(1000) / 1000
        feeds.receive(TOPIC, message({"x": stamps.tolist(), "s": [f"{i} text"] * 1000}, stamps.tolist()))
        clock.now += 1.0
        assert feeds.nbytes <= 2**20
    assert feeds.dropped["memory"] > 0
    assert "MAX_MEMORY" in said[0]
    reply = feeds.get_data([f"{TOPIC}.x", "observatory.good.feeds.f.x"], 1, clock.now)
    assert reply
    assert len(reply["data"][f"{TOPIC}.x"]) > 1000
    assert len(reply["data"]["observatory.good.feeds.f.x"]) == 50


def test_samples_beyond_the_bound_of_a_timeline_push_out_the_oldest() -> None:
    feeds, _, _ = make(MAX_SAMPLES="3")
    feeds.receive(TOPIC, message({"x": [1, 2, 3, 4, 5]}, [NOW + i for i in range(5)]))
    assert all_data(feeds)["data"] == {f"{TOPIC}.x": [3.0, 4.0, 5.0]}
    assert feeds.dropped == {"overflow": 2}


def test_two_fields_of_one_name_do_not_mix() -> None:
    feeds, _, said = make()
    feeds.receive(TOPIC, message({"Temp": [1], "temp": [2]}))
    assert all_data(feeds)["data"] == {f"{TOPIC}.temp": [1.0]}
    assert feeds.dropped == {"name_taken": 1}
    assert "same name" in said[0]


def test_the_hosts_clock_set_back_leaves_the_buffer_working() -> None:
    feeds, clock, _ = make()
    feeds.receive(TOPIC, message({"x": [1]}))
    clock.now -= 3600
    feeds.receive(TOPIC, message({"x": [2]}, (clock.now,)))
    reply = feeds.get_data([f"{TOPIC}.x"], 1, NOW + 1)
    assert reply
    assert list(reply["data"][f"{TOPIC}.x"]) == [2.0]


def test_the_answer_is_thinned_where_points_are_capped() -> None:
    feeds, _, _ = make(MAX_POINTS="100")
    values = [100.0 if i == 777 else math.sin(i / 100) for i in range(3000)]
    feeds.receive(TOPIC, message({"x": values}, [NOW - 3000 + i for i in range(3000)]))
    thinned = all_data(feeds)["data"][f"{TOPIC}.x"]
    assert len(thinned) <= 100
    assert max(thinned) == 100.0


def restarted(feeds: Feeds, clock: Clock, **environ: str) -> tuple[Feeds, list[str]]:
    feeds.journal.close()
    after, itself, said = make(**environ)
    itself.now = clock.now
    return after, said


def test_a_restart_loses_nothing_and_invents_nothing(tmp_path: Path) -> None:
    kept = {"BUFFER_DIRECTORY": str(tmp_path), "BUFFER_TIME": "100"}
    feeds, clock, _ = make(**kept)
    list(feeds.replay())
    chance = random.Random(2)
    for number in range(300):
        clock.now += 1.0
        stamps = [clock.now + i / 4 for i in range(chance.choice((0, 1, 4)))]
        columns: dict[str, Any] = {"x": [chance.choice((1, 2.5, math.nan)) for _ in stamps]}
        columns |= {"s": [f"{number}" for _ in stamps], "b": [number % 3 == 0 for _ in stamps]}
        feeds.receive(TOPIC, message(columns, stamps))
        if number % 7 == 0:
            feeds.receive(TOPIC, message({"x": [0.0], "s": [1]}, (clock.now - 50,)))
        feeds.receive("observatory.silent.feeds.f", message({"y": [1]}, (NOW,)))
    before = all_data(feeds)
    assert len(before["data"][f"{TOPIC}.x"]) > 50
    after, said = restarted(feeds, clock, **kept)
    list(after.replay())
    assert all_data(after) == before
    assert after.get_fields() == feeds.get_fields()
    assert (after.received, dict(after.dropped), said) == (0, {}, []), "what was counted and told then is not again"


def test_what_is_published_while_the_journal_is_taken_up_comes_after_it(tmp_path: Path) -> None:
    kept = {"BUFFER_DIRECTORY": str(tmp_path)}
    feeds, clock, _ = make(**kept)
    list(feeds.replay())
    for number in range(5):
        feeds.receive(TOPIC, message({"x": [number]}, (NOW + number / 2,)))
    after, _ = restarted(feeds, clock, **kept)
    after.receive(TOPIC, message({"x": [5]}, (NOW + 2.5,)))
    for number, _ in enumerate(after.replay()):
        reply = all_data(after)
        assert reply["data"][f"{TOPIC}.x"] == [float(n) for n in range(number + 1)]
    after.receive(TOPIC, message({"x": [6]}, (NOW + 3,)))
    assert all_data(after)["data"][f"{TOPIC}.x"] == [float(n) for n in range(7)]
    assert (after.received, after.dropped) == (2, {})


def test_a_change_of_type_before_the_restart_is_one_after_it(tmp_path: Path) -> None:
    kept = {"BUFFER_DIRECTORY": str(tmp_path)}
    feeds, clock, _ = make(**kept)
    list(feeds.replay())
    for number in range(25):
        feeds.receive(TOPIC, message({"x": [number if number < 5 else str(number)]}, (NOW + number / 10,)))
    before = all_data(feeds)
    kept_values = [value for value in before["data"][f"{TOPIC}.x"] if value is not None]
    assert kept_values == [str(number) for number in range(14, 25)]
    after, _ = restarted(feeds, clock, **kept)
    list(after.replay())
    assert all_data(after) == before


def test_its_figures_count_what_came_what_was_dropped_and_how_late() -> None:
    feeds, _, _ = make()
    feeds.receive(TOPIC, message({"x": [1, 2]}, (NOW - 3, NOW - 2)))
    feeds.receive(TOPIC, message({"x": [1]}, (NOW - 3,)))
    feeds.receive(TOPIC, message({"x": [1]}, (NOW + 60,)))
    feeds.receive(TOPIC, message({"x": [3]}))
    feeds.receive("observatory.a.feeds.heartbeat", [0, {"record": False}])
    assert feeds.figures() == {
        "received": 5, "unrecorded": 1, "dropped": 2, "dropped.backward": 1, "dropped.future": 1, "lag": 3.0,
        "fields": 1, "buffer": feeds.nbytes, "disk": 0, "unwritten": 0,
    }  # fmt: skip
    assert "lag" not in feeds.figures(), "nothing has come since"


def test_what_was_received_of_another_feed_is_not_shown_as_this_one(tmp_path: Path) -> None:
    kept = {"BUFFER_DIRECTORY": str(tmp_path)}
    feeds, clock, _ = make(**kept)
    list(feeds.replay())
    feeds.receive(TOPIC, message({"x": [1]}))
    feeds.receive("observatory.other.feeds.f", message({"x": [2]}))
    after, _ = restarted(feeds, clock, TARGET="other", FEED="f", **kept)
    list(after.replay())
    assert all_data(after)["data"] == {"x": [2.0]}


def test_since_when_an_agent_is_in_its_session_is_a_field_and_a_restart_shows() -> None:
    feeds, clock, _ = make()
    for began, moment in (("1690000000.5", 0.0), ("1690000000.5", 30.0), ("1690000000.5", 60.0), ("1690009000", 61.0)):
        clock.now = NOW + moment
        feeds.receive(TOPIC, message({"x": [1.0]}, (NOW + moment,), session_id=began))
    name = "observatory.LSA22YE.session"
    assert name in feeds.get_fields()[0]
    data = all_data(feeds)
    assert list(data["data"][name]) == [1690000000.5, 1690000000.5, 1690009000.0]
    assert list(data["timeline"][name]["t"]) == [NOW, NOW + 60, NOW + 61]


@pytest.mark.parametrize("session", [None, "", "soon", 5, ["1690000000"], "1e400", "9" * 40])
def test_a_session_of_another_form_is_passed_over(session: Any) -> None:
    feeds, _, said = make()
    feeds.receive(TOPIC, message({"x": [1.0]}, session_id=session))
    assert (list(feeds.get_fields()[0]), said) == ([f"{TOPIC}.x"], [])
