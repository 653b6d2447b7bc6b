"""After a reboot nobody had to lend a hand."""

from collections.abc import Callable

from seen import BACK_AFTER_BOOT, Bridge, Program, serves, until, up_for
from testinfra.host import Host


def test_every_program_runs_and_serves(
    host: Host,
    programs: Callable[[], dict[str, Program]],
    bridge: Bridge,
    live_fields: Callable[[set[str]], dict[str, str]],
) -> None:
    """All groups are up, and the newest sample of each live field is fresh."""
    until(BACK_AFTER_BOOT - up_for(host), lambda: serves(programs, bridge, live_fields))
