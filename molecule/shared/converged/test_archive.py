"""What was recorded is in the archive: all of it, at once, and as it was."""

import json
from collections.abc import Callable
from typing import Any

from recorded import STAMP_TOLERANCE, assert_archived, assert_same, behind, recorded, within
from seen import Bridge, until
from testinfra.host import Host

IN_ANSWERS = 2.0
"""Seconds from a frame on disk to its samples in the bridge's answers."""
FRAMES = 4
"""How many frames are waited for, each for less than a minute."""

_WATCH = """
import glob, json, os, sys, time, urllib.request
import so3g
from spt3g import core
feed, field, frames = sys.argv[1], sys.argv[2], int(sys.argv[3])

def newest(path):
    reader, found = core.G3Reader(path), 0.0
    while True:
        try:
            frame, = reader.Process(None)
        except (RuntimeError, ValueError):
            return found
        if frame.get("hkagg_type") == 2 and frame["address"] == feed:
            stamps = [block.times[-1].time / core.G3Units.s for block in frame["blocks"] if len(block.times)]
            found = max([found, *stamps])

def shown(start, end):
    stamps = [time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(t)) for t in (start, end)]
    body = {"range": {"from": stamps[0], "to": stamps[1]}, "intervalMs": 1, "maxDataPoints": 11000,
            "targets": [{"target": "g3_reader::" + feed + "." + field, "type": "timeserie"}]}
    request = urllib.request.Request("http://127.0.0.1:5000/query", json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    points = json.load(urllib.request.urlopen(request, timeout=30))[0]["datapoints"]
    return max((t / 1e3 for _, t in points), default=0.0)

def sizes():
    return {path: os.stat(path).st_size for path in glob.glob("/data/*/*.g3")}

before, last, delays = sizes(), None, []
while len(delays) < frames:
    now = sizes()
    if now != before:
        flushed, before = time.time(), now
        due = newest(max(now))
        if last is not None and due > last:
            while shown(due - 60, due + 2) < due - 2e-6:
                time.sleep(0.05)
            delays.append(time.time() - flushed)
        last = due
    time.sleep(0.02)
print(json.dumps(delays))
"""


def test_a_frame_on_disk_is_in_answers_within_two_seconds(host: Host) -> None:
    """From the moment a file has grown until a panel of a minute shows the last sample of the new frame."""
    feed, field = "observatory.faker-fast.feeds.false_temperatures", "channel_00"
    printed = host.check_output("/opt/ocs/current/bin/python -c %s %s %s %s", _WATCH, feed, field, str(FRAMES))
    delays = json.loads(printed)
    assert max(delays) <= IN_ANSWERS, delays


def test_the_archive_holds_the_very_samples_of_the_files(
    host: Host, bridge: Bridge, live_fields: Callable[[set[str]], dict[str, str]]
) -> None:
    """From the first sample to the last whole frame, each is shown once, value by value, and no other."""
    fields = set(live_fields(bridge.search()).values())
    files = recorded(host)
    assert fields <= set(files)
    until(IN_ANSWERS, lambda: not behind(bridge, files, fields))
    assert_archived(bridge, files, fields)


def test_live_and_archive_are_one_field(
    bridge: Bridge, live_fields: Callable[[set[str]], dict[str, str]], site: dict[str, Any]
) -> None:
    """Across the seam between them, `feeds::` shows what data_feed holds: nothing twice, no hole."""
    assert {"g3_reader", "data_feed"} <= {each["name"] for each in site["sisock_servers"]}
    for name, field in live_fields(bridge.search()).items():
        if name.startswith("data_feed::"):
            _, shown = bridge.query([name, f"feeds::{field}"], -90, 0)
            live, joined = shown[name], shown[f"feeds::{field}"]
            newest = min(live[-1][0], joined[-1][0]) + 2 * STAMP_TOLERANCE
            assert len(live) > 30, name
            assert_same(within(joined, live[0][0], newest), within(live, live[0][0], newest), field)


def test_the_archive_lists_its_files_and_none_has_failed(host: Host) -> None:
    """`sisock-archive` is on the path of root; every file of the disk is in it."""
    listed = host.check_output("sisock-archive list --csv").splitlines()
    rows = [line.split(",") for line in listed[1:]]
    assert {row[0] for row in rows} == set(host.check_output("find /data -name '*.g3'").split())
    assert {row[1] for row in rows} <= {"new", "partial", "done"}, listed


def test_one_who_is_not_root_is_told_what_to_type(host: Host) -> None:
    """The index's password is not theirs, and the sentence says what to do."""
    refused = host.run("setpriv --reuid=nobody --regid=nogroup --clear-groups sisock-archive list")
    assert refused.rc == 1
    assert refused.stderr.strip() == "Type: sudo sisock-archive list"


def test_the_tables_of_the_manual_are_readable(host: Host, site: dict[str, Any]) -> None:
    """`feeds`, `fields` and `description`, joined as the manual does."""
    query = (
        "SELECT COUNT(DISTINCT feeds.description) FROM feeds JOIN fields ON fields.feed_id = feeds.id"
        " JOIN description ON description.description = CONCAT(feeds.description, '.', fields.field)"
        " WHERE fields.end > fields.start AND fields.end > UTC_TIMESTAMP() - INTERVAL 1 DAY"
    )
    feeds = [agent for agent in site["ocs_agents"] if agent["class"] == "FakeDataAgent"]
    shown = host.check_output("mariadb --batch --skip-column-names --execute=%s files", query)
    assert int(shown) >= len(feeds)
