"""Of a site that was taken off, also the firewall is gone."""

import socket
from typing import Any

import pytest
from testinfra.host import Host


@pytest.mark.parametrize("path", ["/usr/sbin/ufw", "/etc/default/ufw", "/usr/local/sbin/sisock-firewall-switch",
                                  "/etc/systemd/system/sisock-undo-firewall.service",
                                  "/var/lib/sisock-firewall"])  # fmt: skip
def test_nothing_of_it_is_left(host: Host, path: str) -> None:
    """ufw was not there before, so that it goes with our rules."""
    assert not host.file(path).exists


def test_whoever_listens_is_reached(host: Host, site: dict[str, Any]) -> None:
    """No rule in the kernel holds anything back."""
    host.check_output("systemd-run --quiet --unit=careless python3 -m http.server 9997")
    try:
        host.check_output("timeout 10 sh -c 'until ss -ltn | grep -q :9997; do sleep 0.1; done'")
        socket.create_connection((site["ansible_host"], 9997), timeout=5).close()
    finally:
        host.check_output("systemctl stop careless")


def test_the_recordings_stay_on_their_disk(host: Host) -> None:
    """They are nobody else's, and nobody asked for their end."""
    recorded = host.check_output("find /srv/disk/hk -name '*.g3' -size +0 -printf '%u:%g\\n'").split()
    assert set(recorded) == {"ocs:ocs"}
