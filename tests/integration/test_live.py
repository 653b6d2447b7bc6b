"""One sample followed from the OCS agent to the HTTP reply, and what every program does when another one dies."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from miniature_site import Program, Site, eventually

pytestmark = pytest.mark.integration
PERIOD = 1.0
"""Seconds between two messages of OCS's fake data agent."""
FEED = "data_feed::observatory.fake1.feeds.false_temperatures.channel_00"


@pytest.fixture(scope="module")
def observatory(site: Site) -> Iterator[Site]:
    """The whole live path: registry, aggregator, two fake agents; all feeds, one feed, weather, sensors; the bridge."""
    fake = [["--mode", "acq"], ["--frame-length", "5"]]
    site.start_agents(
        [
            {"agent-class": "RegistryAgent", "instance-id": "registry", "arguments": []},
            {
                "agent-class": "AggregatorAgent",
                "instance-id": "aggregator",
                "arguments": [
                    ["--initial-state", "record"],
                    ["--time-per-file", "3600"],
                    ["--data-dir", str(site.data)],
                ],
            },
            {"agent-class": "FakeDataAgent", "instance-id": "fake1", "arguments": [*fake, ["--sample-rate", "10"]]},
            {"agent-class": "FakeDataAgent", "instance-id": "fake2", "arguments": [*fake, ["--sample-rate", "3"]]},
        ]
    )
    site.start("bridge", user="consumer", PORT=site.bridge_port)
    site.start("data_nodes.data_feed", name="data_feed")
    site.start("data_nodes.data_feed", name="one", TARGET="fake1", FEED="false_temperatures", DESCRIPTION="One feed.")
    site.start("data_nodes.weather", name="apex_archive")
    site.start("data_nodes.sensors", name="sensors")
    eventually("all servers are listed", lambda: nodes(site) == {"data_feed", "one", "apex_archive", "sensors"}, 90)
    eventually("both agents are seen", lambda: {"fake1", "fake2"} <= {agent_of(name) for name in live_names(site)}, 60)
    return site


def nodes(site: Site) -> set[str]:
    """Data servers that have listed fields; "feeds" is the name of the joined ones."""
    return {name.partition("::")[0] for name in site.http("/search", {"target": ""})} - {"feeds"}


def live_names(site: Site) -> list[str]:
    """What agents publish; when they were started comes with it once a minute."""
    listed = site.http("/search", {"target": "data_feed::*"})
    return [name for name in listed if not name.endswith(".session")]


def agent_of(name: str) -> str:
    return name.partition("::")[2].split(".")[1]


def newest(site: Site, name: str) -> float:
    now = time.time()
    (series,) = site.query(name, start=now - 30, end=now + 1)
    return float(series["datapoints"][-1][1] / 1000)


def test_every_live_field_is_at_most_a_period_and_two_seconds_old(observatory: Site) -> None:
    for name in [*live_names(observatory), "one::channel_00", "one::channel_01"]:
        eventually(f"{name} is fresh", lambda name=name: time.time() - newest(observatory, name) <= PERIOD + 2)


def test_one_feed_and_all_feeds_serve_the_same_samples(observatory: Site) -> None:
    start = time.time()
    eventually("five seconds more have come", lambda: newest(observatory, "one::channel_00") > start + 5)
    one, whole = observatory.query("one::channel_00", FEED, start=start, end=start + 5)
    assert one["datapoints"] == whole["datapoints"]
    assert len(one["datapoints"]) >= 40


def test_a_live_feed_is_there_under_its_joined_name_and_the_missing_archive_is_told(observatory: Site) -> None:
    end = time.time() - 2
    joined, live = observatory.query("feeds" + FEED[len("data_feed") :], FEED, start=end - 5, end=end)
    assert joined["datapoints"] == live["datapoints"] != []
    assert "nobody named 'g3_reader' is online" in joined["meta"]["notices"][0]["text"]


def test_numbers_of_our_servers_travel_as_bytes(observatory: Site) -> None:
    import numpy as np
    from twisted.internet.threads import blockingCallFromThread

    with observatory.client() as client:
        question = ("apex_archive", ["apex_radiometer"], 1500163200, 1500249600, 100.0)
        reply = blockingCallFromThread(client._reactor, client._consumer.get_data, *question)
        assert isinstance(reply["data"]["apex_radiometer"], np.ndarray)
        assert client.get_data(*question)["data"]["apex_radiometer"] == reply["data"]["apex_radiometer"].tolist()


def test_the_example_weather_is_there_in_its_time(observatory: Site) -> None:
    (series,) = observatory.query("apex_archive::apex_radiometer", start=1500163200, end=1500249600, points=1000)
    assert 100 < len(series["datapoints"]) <= 1001
    assert all(0.2 < value < 3.5 for value, _ in series["datapoints"] if value is not None)


def g3_samples(site: Site, start: float, end: float) -> dict[str, list[tuple[int, float]]]:
    """Read what the aggregator wrote: field -> [(milliseconds, value)] within [start, end)."""
    import so3g  # noqa: F401 (brings spt3g)
    from spt3g import core

    samples: dict[str, dict[int, float]] = {}
    for path in sorted(site.data.glob("*/*.g3")):
        for frame in core.G3File(str(path)):
            if frame.type != core.G3FrameType.Housekeeping or frame["hkagg_type"] != 2:
                continue
            for block in frame["blocks"]:
                stamps = [stamp.time / core.G3Units.s for stamp in block.times]
                for name, values in block.items():
                    of_field = samples.setdefault(f"{frame['address']}.{name}", {})
                    of_field.update(
                        {round(t * 1000): float(v) for t, v in zip(stamps, values, strict=True) if start <= t < end}
                    )
    return {name: sorted(of_field.items()) for name, of_field in samples.items() if of_field}


def test_the_bridge_serves_every_sample_that_the_aggregator_wrote(observatory: Site) -> None:
    start = time.time()
    end = start + 10
    eventually(
        "the aggregator has written all four fields beyond",
        lambda: len(g3_samples(observatory, end, end + 60)) == 4,
        90,
    )
    written = g3_samples(observatory, start, end)
    # At 3 Hz and 10 Hz; the agent makes whole samples of a second, so that one may fall under the table.
    assert sorted(len(values) for values in written.values()) >= [20, 20, 85, 85]
    for name, values in written.items():
        (series,) = observatory.query(f"data_feed::{name}", start=start, end=end)
        served = [(round(ms), value) for value, ms in series["datapoints"] if value is not None]
        assert served == [(t, pytest.approx(v, rel=0, abs=0)) for t, v in values]


def is_whole(site: Site) -> bool:
    fresh = time.time() - newest(site, "one::channel_00") < PERIOD + 2
    return fresh and nodes(site) == {"data_feed", "one", "apex_archive", "sensors"}


def listed(site: Site) -> dict[str, str]:
    """Names and descriptions, as the hub tells them."""
    with site.client() as client:
        return {node["name"]: node["description"] for node in client.nodes()}


@pytest.mark.parametrize("victim", ["crossbar", "hub", "bridge", "apex_archive", "one"])
def test_all_is_back_within_thirty_seconds_of_a_kill_and_nobody_else_restarts(observatory: Site, victim: str) -> None:
    eventually("all is well before", lambda: is_whole(observatory))
    before_listed = listed(observatory)
    assert all(before_listed.values())
    before = time.time()
    (held,) = observatory.query(FEED, start=before - 10, end=before - 2)
    assert held["datapoints"]
    program: Program = observatory.programs[victim]
    program.kill()
    program.start()
    eventually("all is back", lambda: is_whole(observatory), 30)
    within = 30 - (time.time() - before)
    eventually("the hub lists all, each with its description", lambda: listed(observatory) == before_listed, within)
    assert [name for name, other in observatory.programs.items() if not other.alive()] == []
    (kept,) = observatory.query(FEED, start=before - 10, end=before - 2)
    # Where a line is broken depends on the usual distance of samples, which is another by now.
    before_it, after_it = ([point for point in each["datapoints"] if point[0] is not None] for each in (held, kept))
    assert after_it[: len(before_it)] == before_it, "what the feed server held is still there"


def test_two_servers_of_one_name_the_second_waits_and_takes_over(observatory: Site) -> None:
    first = observatory.programs["apex_archive"]
    second: Any = observatory.start("data_nodes.weather", name="apex_archive")
    second_log = second.log_path
    eventually("the second says that it waits", lambda: "apex_archive is not listed" in second_log.read_text())
    first.kill()
    eventually("the second is listed", lambda: second_log.read_text().count("apex_archive is listed") >= 2, 30)
