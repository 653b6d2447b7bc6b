"""Samples that come back through the bridge are those that the agents published."""

import bisect
import json
from collections.abc import Callable

import pytest
from seen import Bridge, Points, until
from testinfra.host import Host

WINDOW = 120.0
# A frame is written once a minute, and it holds samples of the minute before.
ARCHIVE_DEADLINE = 300.0
STAMP_TOLERANCE = 2e-6
"""Seconds: the bridge gives milliseconds to three decimals, and a double holds them to a quarter of that."""

READ_ARCHIVE = """
import glob, json, sys
import so3g
from spt3g import core
STATUS, DATA = 1, 2
since = float(sys.argv[1])
found, providers = {}, {}
for path in sorted(glob.glob("/data/*/*.g3")):
    reader = core.G3Reader(path)
    while True:
        try:
            frames = reader.Process(None)
        except RuntimeError:
            break  # the frame that is being written
        if not frames:
            break
        frame = frames[0]
        if frame.get("hkagg_type") == STATUS:
            providers = {p["prov_id"].value: p["description"].value for p in frame["providers"]}
        if frame.get("hkagg_type") != DATA:
            continue
        for block in frame["blocks"]:
            times = [t.time / core.G3Units.s for t in block.times]
            for field in block.keys():
                column = found.setdefault(providers[frame["prov_id"]].strip('"') + "." + field, [])
                column += [(t, v) for t, v in zip(times, block[field]) if t >= since and isinstance(v, (int, float))]
json.dump(found, sys.stdout)
"""


def test_the_newest_sample_is_seconds_old(bridge: Bridge, live_fields: Callable[[set[str]], dict[str, str]]) -> None:
    """No live field lags behind by more than its publish period and two seconds."""
    fields = live_fields(bridge.search())
    assert fields
    assert bridge.stale(fields) == {}


def test_what_was_recorded_is_what_the_bridge_returned(
    host: Host, bridge: Bridge, live_fields: Callable[[set[str]], dict[str, str]]
) -> None:
    """Over two minutes, each sample in the .g3 files is the bridge's, value by value, and the reverse."""
    fields = live_fields(bridge.search())
    assert fields
    _, buffered = bridge.query(fields, -3000, 0)
    start = max(points[0][0] for points in buffered.values()) + 1.0
    archive: dict[str, Points] = {}

    def covered() -> bool:
        printed = host.check_output("/opt/ocs/current/bin/python -c %s %s", READ_ARCHIVE, str(start))
        archive.update({name: [(t, v) for t, v in points] for name, points in json.loads(printed).items()})
        return all(archive.get(each) and archive[each][-1][0] >= start + WINDOW for each in fields.values())

    until(ARCHIVE_DEADLINE, covered)
    end = min(archive[each][-1][0] for each in fields.values())
    start = end - WINDOW
    for name, field in fields.items():
        _, replies = bridge.query([name], start - 1, end + 1)
        recorded, returned = within(archive[field], start, end), within(replies[name], start, end)
        assert len(recorded) == len(returned) > WINDOW, (field, len(recorded), len(returned))
        for (stamp, value), (shown_stamp, shown_value) in zip(recorded, returned, strict=True):
            assert shown_stamp == pytest.approx(stamp, abs=STAMP_TOLERANCE)
            assert shown_value == value, (field, stamp)


def within(points: Points, start: float, end: float) -> Points:
    """The points of [start, end), in order; an edge on which the clocks' rounding could differ is set apart."""
    ordered = sorted(points)
    first = bisect.bisect_left(ordered, start - STAMP_TOLERANCE, key=lambda point: point[0])
    last = bisect.bisect_left(ordered, end - STAMP_TOLERANCE, key=lambda point: point[0])
    return ordered[first:last]
