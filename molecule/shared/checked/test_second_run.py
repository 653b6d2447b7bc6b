"""Hosts that are as the inventory says stay as they are."""

from plays import changes


def test_the_second_run_changes_nothing() -> None:
    """`site.yml` on a host that it has just converged."""
    assert changes("site") == []


def test_check_mode_finds_nothing_to_change() -> None:
    """`site.yml --check` reports no change and no failure."""
    assert changes("site", "--check") == []
