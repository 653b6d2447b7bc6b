"""Check mode on hosts that are as the inventory says."""

from plays import changes


def test_check_mode_finds_nothing_to_change() -> None:
    """`site.yml --check` reports no change and no failure."""
    assert changes("site", "--check") == []
