"""After a power cut in the midst of recording nobody had to lend a hand, and nothing that was recorded is lost."""

from collections.abc import Callable

from recorded import assert_archived, behind, recorded
from seen import BACK_AFTER_BOOT, Bridge, Program, serves, until, up_for
from testinfra.host import Host

CAUGHT_UP = 30.0
"""Seconds from then on until the archive shows what was recorded last."""


def test_every_program_runs_and_serves(
    host: Host,
    programs: Callable[[], dict[str, Program]],
    bridge: Bridge,
    live_fields: Callable[[set[str]], dict[str, str]],
) -> None:
    """All groups are up, and the newest sample of each live field is fresh."""
    until(BACK_AFTER_BOOT - up_for(host), lambda: serves(programs, bridge, live_fields))


def test_the_archive_is_what_the_files_hold(
    host: Host, bridge: Bridge, live_fields: Callable[[set[str]], dict[str, str]]
) -> None:
    """Up to the last whole frame before the cut, and after it: no sample is missing, and none is there twice."""
    fields, files = set(live_fields(bridge.search()).values()), recorded(host)
    until(CAUGHT_UP, lambda: not behind(bridge, files, fields))
    assert_archived(bridge, files, fields)


def test_no_row_of_the_index_is_double_or_lost(host: Host) -> None:
    """Each feed has as many samples as its frames, and each file of the disk is listed once; none has failed."""
    counted = (
        "SELECT feed, samples, SUM(frames.count) AS found FROM timelines JOIN frames ON timeline_id = timelines.id"
        " GROUP BY timelines.id HAVING samples <> found"
    )
    assert host.check_output("mariadb --batch --skip-column-names --execute=%s files", counted) == ""
    listed = [line.split(",") for line in host.check_output("sisock-archive list --csv").splitlines()[1:]]
    assert sorted(row[0] for row in listed) == sorted(host.check_output("find /data -name '*.g3'").split())
    assert {row[1] for row in listed} <= {"new", "partial", "done"}, listed
