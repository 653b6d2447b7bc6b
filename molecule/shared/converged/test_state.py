"""What live servers have received is on disk, the router's socket is used, and anybody may look at the data."""

import pytest
from testinfra.host import Host


@pytest.mark.parametrize("server", ["data_feed", "faker_slow", "health", "sensors"])
def test_a_live_server_keeps_a_journal_that_others_cannot_read(host: Host, server: str) -> None:
    """It is its account's, and grows."""
    place = f"/var/lib/sisock/{server}"
    assert host.check_output(f"stat --format '%U %a' {place}") == "sisock-server 750"
    assert int(host.check_output(f"cat {place}/*.journal | wc --bytes")) > 0


def test_programs_of_the_routers_host_join_through_its_socket(host: Host) -> None:
    """By its log, which says where it has joined."""
    assert host.file("/var/lib/sisock-router/router.sock").is_socket
    for program in ("sisock-hub", "sisock-bridge", "servers-data_feed"):
        assert "joined test_realm at unix:" in host.file(f"/var/log/sisock/{program}.log").content_string


def test_anybody_may_look_at_the_data(host: Host) -> None:
    """The command needs no secret."""
    nobody = "setpriv --reuid=nobody --regid=nogroup --clear-groups"
    assert "data_feed" in host.check_output(f"{nobody} sisock nodes")
    asked = "get lab_log::helium_level --from 2026-03-01 --to 2026-04-01"
    assert "2026-03-08T08:31" in host.check_output(f"{nobody} sisock {asked}")
