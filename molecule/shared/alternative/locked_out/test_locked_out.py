"""A converge that would have locked everybody out was undone by the dead-man's switch."""

import re

from testinfra.host import Host


def test_the_firewall_is_as_it_was_before(host: Host) -> None:
    """Off; otherwise this test could not log in to ask."""
    assert host.check_output("ufw status") == "Status: inactive"
    assert "ENABLED=no" in host.file("/etc/ufw/ufw.conf").content_string


def test_the_switch_says_what_it_did_and_is_gone(host: Host) -> None:
    """In the journal; no timer and nothing to bring back is left."""
    said = host.check_output("journalctl --identifier=sisock-firewall-switch --output=cat")
    assert re.search("Nobody logged in anew: the rules of before are in force again", said)
    assert host.file("/var/lib/sisock-firewall").listdir() == ["found"]
    assert host.check_output("systemctl list-units --all --plain --no-legend 'sisock-firewall*'") == ""
