"""What lies in the .g3 files of a host, as so3g reads them frame by frame, and whether the archive answers the same."""

import bisect
import json
from collections.abc import Collection

import pytest
from seen import Bridge, Points
from testinfra.host import Host

STAMP_TOLERANCE = 2e-6
"""Seconds: the bridge gives milliseconds to three decimals, and a double holds them to a quarter of that."""
CHUNK = 600.0
"""Seconds of one query: so many that every sample of a fake instrument is a point of its own."""

_READ = """
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


def recorded(host: Host, since: float = 0.0) -> dict[str, Points]:
    """Return the samples of each field in the whole frames on disk, from `since` (UNIX seconds) on, in order."""
    printed = host.check_output("/opt/ocs/current/bin/python -c %s %s", _READ, str(since))
    return {name: sorted((t, v) for t, v in points) for name, points in json.loads(printed).items()}


def within(points: Points, start: float, end: float) -> Points:
    """The points of [start, end), in order; an edge on which the clocks' rounding could differ is set apart."""
    ordered = sorted(points)
    first = bisect.bisect_left(ordered, start - STAMP_TOLERANCE, key=lambda point: point[0])
    last = bisect.bisect_left(ordered, end - STAMP_TOLERANCE, key=lambda point: point[0])
    return ordered[first:last]


def assert_same(shown: Points, due: Points, what: str) -> None:
    """Fail unless both hold the same samples: as many, at the same times, of the same values."""
    assert len(shown) == len(due), (what, len(shown), len(due))
    for (stamp, value), (shown_stamp, shown_value) in zip(due, shown, strict=True):
        assert shown_stamp == pytest.approx(stamp, abs=STAMP_TOLERANCE), (what, stamp)
        assert shown_value == value, (what, stamp)


def behind(bridge: Bridge, files: dict[str, Points], fields: Collection[str]) -> dict[str, float]:
    """Return the fields whose newest sample in `files` the archive does not show yet, with that sample's time."""
    newest = {field: files[field][-1][0] for field in fields}
    names = {f"g3_reader::{field}": field for field in fields}
    _, shown = bridge.query(names, min(newest.values()) - 1, max(newest.values()) + 1)
    seen = {names[name]: points[-1][0] for name, points in shown.items() if points}
    return {field: t for field, t in newest.items() if seen.get(field, 0.0) < t - STAMP_TOLERANCE}


def assert_archived(bridge: Bridge, files: dict[str, Points], fields: Collection[str]) -> None:
    """Fail unless the archive shows exactly the samples of `files`, value by value, from the first to the last."""
    first = min(files[field][0][0] for field in fields)
    last = max(files[field][-1][0] for field in fields)
    while first <= last:
        end = min(first + CHUNK, last + 2 * STAMP_TOLERANCE)
        _, shown = bridge.query([f"g3_reader::{field}" for field in fields], first - 1, end + 1)
        for field in fields:
            # What has come since the files were read is none of theirs.
            until = min(end, files[field][-1][0] + 2 * STAMP_TOLERANCE)
            assert_same(within(shown[f"g3_reader::{field}"], first, until), within(files[field], first, until), field)
        first += CHUNK
