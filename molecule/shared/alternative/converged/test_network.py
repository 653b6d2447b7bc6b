"""What the network reaches of a host that has the firewall, and how people get in."""

from collections.abc import Iterator
from typing import Any

import pytest
from doors import answering, listening
from testinfra.host import Host

SSH, FOR_US, FOR_OTHERS, FOR_NOBODY = 2222, 9998, 9999, 9997
OURS = {9443: "crossbar", 9001: "crossbar", 5500: "sisock-bridge", 3316: "mysql"}


@pytest.fixture
def careless(host: Host) -> Iterator[None]:
    """Programs that listen on every address, as one does that somebody installs next year."""
    ports = (FOR_US, FOR_OTHERS, FOR_NOBODY)
    for port in ports:
        host.check_output(f"systemd-run --quiet --unit=careless-{port} python3 -m http.server {port}")
        host.check_output(f"timeout 10 sh -c 'until ss -ltn | grep -q :{port}; do sleep 0.1; done'")
    yield
    for port in ports:
        host.check_output(f"systemctl stop careless-{port}")


@pytest.mark.usefixtures("careless")
def test_ssh_and_the_door_for_this_machine_answer_and_no_other(host: Host, site: dict[str, Any]) -> None:
    """Whoever listens: the port of SSH is open, the one that was opened to this machine, and nothing else."""
    ports = listening(host).keys()
    assert {SSH, FOR_US, FOR_OTHERS, FOR_NOBODY} < ports
    assert answering(site["ansible_host"], ports) == {SSH, FOR_US}


def test_the_rules_are_those_of_the_inventory(host: Host, site: dict[str, Any]) -> None:
    """One of SSH on its own port, and one for each address of the doors."""
    rules = host.check_output("ufw show added").splitlines()[1:]
    assert set(rules) == {
        f"ufw allow {SSH}/tcp comment 'sisock: SSH'",
        *(
            f"ufw allow from {address} to any port {port} proto tcp comment 'sisock: site'"
            for port, address in [
                (FOR_US, site["ansible_host"].rpartition(".")[0] + ".1"),
                (FOR_OTHERS, "192.0.2.0/24"),
                (FOR_OTHERS, "2001:db8::7"),
            ]
        ),
    }


def test_nothing_is_left_of_the_dead_mans_switch(host: Host) -> None:
    """It was armed, and cancelled by a new connection."""
    assert not host.file("/var/lib/sisock-firewall/before").exists
    assert host.check_output("systemctl list-units --all --plain --no-legend 'sisock-firewall*'") == ""


def test_every_program_listens_on_its_own_port(host: Host) -> None:
    """Those of the inventory, and none by default."""
    found = listening(host)
    assert {port: account for port, account in found.items() if account in OURS.values()} == OURS


def test_the_way_in_is_one_that_ssh_understands(host: Host, site: dict[str, Any]) -> None:
    """Name, port, account, gateway and bridge as people's ssh reads them; without Grafana there is no door to it."""
    read = host.check_output("ssh -G -F /etc/alternative/ssh_config alternative").splitlines()
    assert {
        f"hostname {site['ansible_host']}",
        f"port {SSH}",
        "user astronomer",
        "proxyjump guest@gateway.example.org",
        "localforward 5500 [localhost]:5500",
        "exitonforwardfailure yes",
    } <= set(read)
    assert sum(line.startswith("localforward") for line in read) == 1
