"""One program is killed at a time: it comes back, and no other notices more than a pause."""

from collections.abc import Callable, Iterable
from functools import partial

import pytest
from recorded import assert_archived, behind, recorded
from seen import Bridge, Program, until
from testinfra.host import Host

BACK = 30.0
"""Seconds within which everything answers as before."""
DATABASE_BACK = 60.0
"""Seconds until a killed database is started again, has read its log, and a frame recorded since is shown."""
AGENTS_BACK = 60.0
"""Seconds more that OCS agents have for joining the router again; they wait longer from one attempt to the next."""


def test_each_killed_program_comes_back_alone(
    host: Host,
    bridge: Bridge,
    programs: Callable[[], dict[str, Program]],
    live_fields: Callable[[set[str]], dict[str, str]],
    subtests: pytest.Subtests,
) -> None:
    """kill -9: within 30 s it runs, all is listed and answered and nothing is lost; no other was started again."""
    # A text has no points, and some fields of a feed are silent for long: those that are always published go last.
    seen = bridge.search()
    plotted = [field for field, points in bridge.query(seen, 1, 0)[1].items() if points]
    one_of_each = {field.partition("::")[0]: field for field in [*plotted, *live_fields(seen)]}
    assert one_of_each.keys() == {field.partition("::")[0] for field in seen}
    for name in programs():
        with subtests.test(msg=name):
            before, listed = programs(), bridge.search()
            fields = live_fields(listed)
            oldest = oldest_of(fields, bridge)
            host.check_output("kill -KILL %s", str(before[name].pid))

            until(BACK, partial(is_back, name, before[name].pid, programs, bridge, listed, one_of_each.values()))
            until(AGENTS_BACK, partial(is_fresh, bridge, fields))
            after = programs()
            assert {each for each in before if after[each] != before[each]} == {name}
            assert oldest_of(fields, bridge) == oldest


def test_the_archive_outlives_its_database(
    host: Host,
    bridge: Bridge,
    programs: Callable[[], dict[str, Program]],
    live_fields: Callable[[set[str]], dict[str, str]],
) -> None:
    """kill -9 of MariaDB while frames come in: no program starts anew, and what is recorded then is shown soon."""
    fields, before = set(live_fields(bridge.search()).values()), programs()
    host.check_output("kill -KILL $(cat /run/mysqld/mysqld.pid)")
    killed = float(host.check_output("date +%s"))

    def goes_on() -> bool:
        files = recorded(host, killed)
        return fields <= {name for name, points in files.items() if points} and not behind(bridge, files, fields)

    until(DATABASE_BACK, goes_on)
    assert programs() == before


def test_after_all_that_the_archive_is_what_the_files_hold(
    host: Host, bridge: Bridge, live_fields: Callable[[set[str]], dict[str, str]]
) -> None:
    """A reboot, every program killed, the database killed: no sample is missing, and none is there twice."""
    fields, files = set(live_fields(bridge.search()).values()), recorded(host)
    until(BACK, lambda: not behind(bridge, files, fields))
    assert_archived(bridge, files, fields)


def is_back(
    name: str,
    killed: int,
    programs: Callable[[], dict[str, Program]],
    bridge: Bridge,
    listed: set[str],
    one_of_each: Iterable[str],
) -> bool:
    """Whether the killed program runs anew, every field is listed, and each server answers for one of its fields."""
    now = programs()[name]
    if now.state != "RUNNING" or now.pid == killed or not bridge.search() >= listed:
        return False
    return all(bridge.query(one_of_each, 1, 0)[1].values())


def oldest_of(fields: Iterable[str], bridge: Bridge) -> dict[str, tuple[float, float]]:
    """The oldest sample of each field in the time that live servers keep."""
    return {field: points[0] for field, points in bridge.query(fields, -3000, 0)[1].items()}


def is_fresh(bridge: Bridge, live: Iterable[str]) -> bool:
    """Whether every live field is fresh."""
    return not bridge.stale(live)
