"""Samples that come back through the bridge are those that the agents published."""

from collections.abc import Callable

from recorded import assert_same, recorded, within
from seen import Bridge, Points, until
from testinfra.host import Host

WINDOW = 120.0
# A frame is written once a minute, and it holds samples of the minute before.
ARCHIVE_DEADLINE = 300.0


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
        archive.update(recorded(host, start))
        return all(archive.get(each) and archive[each][-1][0] >= start + WINDOW for each in fields.values())

    until(ARCHIVE_DEADLINE, covered)
    end = min(archive[each][-1][0] for each in fields.values())
    start = end - WINDOW
    for name, field in fields.items():
        _, replies = bridge.query([name], start - 1, end + 1)
        due = within(archive[field], start, end)
        assert len(due) > WINDOW
        assert_same(within(replies[name], start, end), due, field)
