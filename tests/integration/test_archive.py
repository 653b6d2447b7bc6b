"""One recorded frame followed from the aggregator's writer to the HTTP reply."""

import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from archive_writer import SECOND, Block, Recording
from miniature_site import Site, eventually
from private_mariadb import PrivateMariaDB, without_secrets
from spt3g import core

from sisock.client import Client

pytestmark = pytest.mark.integration
FEED = "observatory.lab.feeds.temperatures"
X = f"g3_reader::{FEED}.channel_1_t"
SPIKE = 12345.0


@pytest.fixture(scope="module")
def archive(site: Site, mariadb: PrivateMariaDB) -> Iterator[Site]:
    """Scanner, index, reader and bridge."""
    database = mariadb.fresh()
    site.start("g3_scanner", **mariadb.environ(database, "scanner"), DATA_DIRECTORY=site.data)
    site.start("data_nodes.g3_reader", name="g3_reader", **mariadb.environ(database, "reader"))
    site.start("bridge", user="consumer", PORT=site.bridge_port)
    eventually("the bridge answers", lambda: site.http("/"), 60)
    yield site
    for name in ("g3_scanner", "g3_reader", "bridge"):
        site.programs[name].stop()
        assert without_secrets(site.programs[name].log())
    mariadb.drop(database)


class Aggregator:
    """Writes frames as the OCS aggregator does, and flushes each."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = core.G3Writer(str(path))
        self._recording = Recording(start=time.time()).status({0: FEED})
        self._written = 0
        self._flush()

    def write(self, *samples: tuple[float, float]) -> None:
        t = [int(stamp * SECOND) for stamp, _ in samples]
        self._recording.data(0, Block("temps", t, {"Channel 1 T": [value for _, value in samples]}))
        self._flush()

    def close(self) -> None:
        self._writer(core.G3Frame(core.G3FrameType.EndProcessing))

    def _flush(self) -> None:
        for frame in self._recording.frames[self._written :]:
            self._writer(frame)
        self._writer.Flush()
        self._written = len(self._recording.frames)


def values(site: Site, start: float, end: float, points: int = 11000) -> list[float]:
    (series,) = site.query(X, start=start, end=end, points=points)
    return [value for value, _ in series["datapoints"] if value is not None]


def answers(site: Site, start: float, due: int) -> bool:
    return len(values(site, start - 60, start + 600)) == due


def within(what: str, so: Callable[[], Any], seconds: float) -> float:
    begun = time.monotonic()
    eventually(what, so, seconds)
    return time.monotonic() - begun


def test_a_frame_is_in_the_answer_within_two_seconds_of_its_flush(archive: Site) -> None:
    start = time.time() - 600
    folder = archive.data / f"{start:.0f}"[:5]
    aggregator = Aggregator(folder / f"{start:.0f}.g3")
    aggregator.write((start, 0.0))
    eventually("the first frame is answered", lambda: values(archive, start - 60, start + 600) == [0.0], 60)
    took = []
    for number in range(1, 8):
        if number == 4:  # A new file begins with the next hour.
            aggregator.close()
            aggregator = Aggregator(folder / f"{start + 60:.0f}.g3")
        samples = [(start + 10 * number + place, 10.0 * number + place) for place in range(10)]
        aggregator.write(*samples)
        due = 1 + 10 * number
        took.append(within("it is answered", partial(answers, archive, start, due), 10))
    assert max(took) < 2, took
    assert values(archive, start - 60, start + 600) == [0.0, *(float(place) for place in range(10, 80))]
    aggregator.close()


def test_the_field_is_found_by_name_and_drawn_thin_without_losing_a_spike(archive: Site) -> None:
    start = 1_650_000_000.0
    samples = [(start + place, SPIKE if place == 54_321 else float(place % 60)) for place in range(86_400)]
    recording = Recording().status({0: FEED})
    for begin in range(0, 86_400, 3600):
        part = samples[begin : begin + 3600]
        ticks = [int(t * SECOND) for t, _ in part]
        recording.data(0, Block("temps", ticks, {"Channel 1 T": [value for _, value in part]}))
    recording.write(archive.data / "16500" / "1650000000.g3")
    eventually("it is indexed", lambda: len(values(archive, start, start + 86_400, 1000)) > 900, 60)
    assert X in archive.http("/search", {"target": "channel_1"})
    for points in (100, 500, 2000):
        drawn = values(archive, start, start + 86_400, points)
        assert len(drawn) <= 1.1 * points
        assert max(drawn) == SPIKE
        assert min(drawn) == 0.0


@pytest.mark.parametrize(("length", "points"), [(3600, 900), (100_000, 800)])
def test_a_panel_of_settled_days_is_asked_for_once_and_shows_what_comes_late(
    archive: Site, length: int, points: int
) -> None:
    """Point by point it shows the same, whether the bridge asks the reader or not; a late file within two seconds."""
    start = 1_600_041_600.0 + 10 * length
    for number in range(4):
        recording = Recording().status({0: FEED})
        for begin in range(86_400 * number, 86_400 * (number + 1), 3600):
            t = [start + place for place in range(begin, begin + 3600) if place != 50_000]
            block = Block("temps", [int(each * SECOND) for each in t], {"Channel 1 T": [each % 977 for each in t]})
            recording.data(0, block)
        recording.write(archive.data / f"{start:.0f}"[:5] / f"{start + number}.g3")
    begin = start + 47_000.0
    # The panel itself must not ask before: for a while, it would not be tried again.
    with archive.client() as client:
        eventually("it is settled", lambda: _settled_until(client, begin) > begin + 1.5 * length, 60)

    def shown(move: float) -> list[Any]:
        ((series),) = archive.query(X, start=begin + move, end=begin + move + length, points=points)
        return list(series["datapoints"])

    direct = {move: shown(move) for move in (0.0, 7.0)}
    repeated = [shown(move) for _ in range(20) for move in direct]
    assert repeated == [direct[move] for _ in range(20) for move in direct]
    moves = itertools.count(8.0, 1 / 8)  # In the very same words, it would be told the same again.
    eventually("the reader is not needed", lambda: _answered_without(archive, "g3_reader", lambda: shown(next(moves))))
    assert shown(7.0) == direct[7.0]
    late = Recording().status({0: FEED})
    late.data(0, Block("temps", [int((start + 50_000) * SECOND)], {"Channel 1 T": [SPIKE]}))
    late.write(archive.data / f"{start:.0f}"[:5] / f"{start + 9}.g3")
    assert within("it is shown", lambda: max(value for value, _ in shown(7.0)) == SPIKE, 10) < 2


def _settled_until(client: Client, t: float) -> float:
    node, _, field = X.partition("::")
    timelines = client.get_data(node, [field], t, t + 60)["timeline"].values()
    return max((timeline["settled_until"] for timeline in timelines), default=0.0)


def _answered_without(site: Site, program: str, ask: Callable[[], Any]) -> bool:
    """Whether a question is answered while a program stands still."""
    pid = site.programs[program].pid
    os.kill(pid, signal.SIGSTOP)
    goes_on = Timer(1.0, os.kill, (pid, signal.SIGCONT))
    goes_on.start()
    ask()
    answered = goes_on.is_alive()
    goes_on.join()
    return answered


@pytest.mark.parametrize("victim", ["g3_scanner", "g3_reader", "mariadb"])
def test_new_frames_are_answered_again_after_a_kill(archive: Site, mariadb: PrivateMariaDB, victim: str) -> None:
    start = time.time() - 40_000 + 1000 * len(victim)
    aggregator = Aggregator(archive.data / "18000" / f"{victim}.g3")
    aggregator.write((start, 1.0))
    eventually("all is well before", lambda: values(archive, start - 1, start + 60) == [1.0], 60)
    if victim == "mariadb":
        mariadb.kill()
        aggregator.write((start + 5, 2.0))
        mariadb.start()
    else:
        archive.programs[victim].kill()
        aggregator.write((start + 5, 2.0))
        archive.programs[victim].start()
    eventually("all is well after", lambda: values(archive, start - 1, start + 60) == [1.0, 2.0], 60)
    aggregator.close()
