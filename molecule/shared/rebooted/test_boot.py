"""After a reboot nobody had to lend a hand."""

from collections.abc import Callable

from seen import Bridge, Program, until

BACK = 120.0
"""Seconds within which a rebooted host serves again."""


def test_every_program_runs_and_serves(
    programs: Callable[[], dict[str, Program]], bridge: Bridge, live_fields: Callable[[set[str]], dict[str, str]]
) -> None:
    """All groups are up, and the newest sample of each live field is fresh."""

    def all_run() -> bool:
        return {each.state for each in programs().values()} == {"RUNNING"}

    def serves() -> bool:
        fields = live_fields(bridge.search())
        return bool(fields) and not bridge.stale(fields)

    until(BACK, all_run)
    until(BACK, serves)
