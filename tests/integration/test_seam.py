"""A feed that is recorded and live at the same time, as one field: nothing twice, no hole."""

import time
from collections.abc import Iterator

import pytest
from miniature_site import Site, eventually
from private_mariadb import PrivateMariaDB
from test_live import g3_samples

pytestmark = pytest.mark.integration
FIELD = "observatory.fake1.feeds.false_temperatures.channel_00"


@pytest.fixture(scope="module")
def recording(site: Site, mariadb: PrivateMariaDB) -> Iterator[Site]:
    """A fake agent at 10 Hz, the aggregator that writes a frame every few seconds, the archive, the live feed."""
    database = mariadb.fresh()
    agent = [["--mode", "acq"], ["--frame-length", "5"], ["--sample-rate", "10"]]
    aggregator = [["--initial-state", "record"], ["--time-per-file", "3600"], ["--data-dir", str(site.data)]]
    site.start_agents(
        [
            {"agent-class": "RegistryAgent", "instance-id": "registry", "arguments": []},
            {"agent-class": "AggregatorAgent", "instance-id": "aggregator", "arguments": aggregator},
            {"agent-class": "FakeDataAgent", "instance-id": "fake1", "arguments": agent},
        ]
    )
    site.start("g3_scanner", **mariadb.environ(database, "scanner"), DATA_DIRECTORY=site.data)
    site.start("data_nodes.g3_reader", name="g3_reader", **mariadb.environ(database, "reader"))
    site.start("data_nodes.data_feed", name="data_feed")
    site.start("bridge", user="consumer", PORT=site.bridge_port)
    eventually("both have samples", lambda: ask(site, "data_feed", -30, 0) and ask(site, "g3_reader", -30, 0), 90)
    yield site
    for name in ("g3_scanner", "g3_reader"):
        site.programs[name].stop()
    mariadb.drop(database)


def ask(site: Site, server: str, start: float, end: float) -> list[tuple[float, float]]:
    """Milliseconds and values between two times, UNIX seconds, or counted from now where they are not above zero."""
    now = time.time()
    start, end = (each if each > 0 else now + each for each in (start, end))
    (series,) = site.query(f"{server}::{FIELD}", start=start, end=end)
    return [(round(ms), value) for value, ms in series["datapoints"] if value is not None]


def newest(site: Site, server: str) -> float:
    return max((ms for ms, _ in ask(site, server, -60, 0)), default=0) / 1000


def test_the_joined_field_is_the_archive_and_the_live_samples_after_it(recording: Site) -> None:
    start = newest(recording, "g3_reader")
    eventually("the archive has gone on", lambda: newest(recording, "g3_reader") > start + 12, 60)
    beyond = newest(recording, "g3_reader") + 2
    eventually("the live feed is ahead", lambda: newest(recording, "data_feed") > beyond, 30)
    joined, live = ask(recording, "feeds", start, beyond), ask(recording, "data_feed", start, beyond)
    assert joined == [(ms, pytest.approx(value, rel=0, abs=0)) for ms, value in live]
    assert len({ms for ms, _ in joined}) == len(joined) > 100


def test_an_operator_counts_each_sample_once_wherever_the_seam_is(recording: Site) -> None:
    first, _ = ask(recording, "g3_reader", -600, 0)[0]
    eventually("the archive has half a minute", lambda: newest(recording, "data_feed") > first / 1000 + 30, 60)
    for points in range(1, 31):
        end = newest(recording, "data_feed")
        start = end - 25
        body = {
            "range": {"from": start * 1000, "to": end * 1000},
            "maxDataPoints": points,
            "targets": [{"target": f"feeds::{FIELD}", "data": {"operator": "count"}}],
        }
        (series,) = recording.http("/query", body)
        counted = sum(value for value, _ in series["datapoints"] if value is not None)
        # The first bin is asked whole.
        begin = min(start, series["datapoints"][0][1] / 1000)
        assert counted == len(ask(recording, "data_feed", begin, end)), series


def test_what_the_live_feed_forgets_in_a_restart_the_archive_still_has(recording: Site) -> None:
    start = newest(recording, "data_feed") - 10
    recording.programs["data_feed"].kill()
    recording.programs["data_feed"].start()
    eventually("it is back", lambda: newest(recording, "data_feed") > start + 12, 60)
    assert ask(recording, "data_feed", start, start + 8) == []
    end = newest(recording, "data_feed")
    eventually("the archive has all of it", lambda: newest(recording, "g3_reader") > end, 60)
    written = g3_samples(recording, start, end)[FIELD]
    assert ask(recording, "feeds", start, end) == [(ms, pytest.approx(value, rel=0, abs=0)) for ms, value in written]
