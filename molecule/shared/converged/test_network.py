"""What the host offers to the network: SSH, and nothing of ours."""

import shlex
import subprocess
from typing import Any

import pytest
from doors import open_doors
from testinfra.host import Host

LOOPBACK = ("127.", "[::1]", "[::ffff:127.")
PORTS = {8080: "crossbar", 8001: "crossbar", 5000: "sisock-bridge", 3306: "mysql", 3000: "grafana"}


def listening(host: Host) -> set[tuple[str, int]]:
    """Addresses and TCP ports that take connections."""
    listed = host.check_output("ss --tcp --listening --numeric --no-header").splitlines()
    sockets = [line.split()[3].rpartition(":") for line in listed]
    return {(address, int(port)) for address, _, port in sockets}


def test_only_ssh_is_reached_from_outside(host: Host) -> None:
    """Every other port is bound to the loopback interface."""
    outside = {(address, port) for address, port in listening(host) if not address.startswith(LOOPBACK)}
    assert {port for _, port in outside} == {22}, outside


def test_another_machine_finds_no_door_but_sshs(site: dict[str, Any]) -> None:
    """Of all ports, tried one by one."""
    assert open_doors(site["ansible_host"]) == {int(site["ansible_port"])}


@pytest.mark.parametrize(("port", "path"), [(5000, "/"), (3000, "/api/health")])
def test_ssh_brings_the_bridge_and_grafana(site: dict[str, Any], port: int, path: str) -> None:
    """What `ssh -L` forwards answers HTTP."""
    command = [
        *("timeout", "30", "ssh", "-i", site["ansible_private_key_file"]),
        *shlex.split(site["ansible_ssh_common_args"]),
        *("-p", site["ansible_port"], "-W", f"localhost:{port}", f"{site['ansible_user']}@{site['ansible_host']}"),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as tunnel:
        assert tunnel.stdin is not None
        assert tunnel.stdout is not None
        tunnel.stdin.write(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")
        tunnel.stdin.flush()  # And not closed: who hangs up is not answered.
        answer = tunnel.stdout.read()
    assert answer.split()[1:2] == ["200"], answer


def test_no_program_of_ours_takes_datagrams(host: Host) -> None:
    """UDP is nobody's business here."""
    listed = host.check_output("ss --udp --listening --numeric --no-header").splitlines()
    assert [line for line in listed if not line.split()[3].startswith(LOOPBACK)] == []


def test_every_door_of_the_design_is_open_on_the_loopback(host: Host) -> None:
    """Router (TLS and OCS), bridge, database and Grafana listen."""
    assert set(PORTS) <= {port for address, port in listening(host) if address.startswith(LOOPBACK)}


def test_the_routers_certificate_names_the_host(host: Host) -> None:
    """Clients that verify the authority and the name get in by every name of the host."""
    name = host.check_output("hostname")
    shown = host.check_output(
        "openssl s_client -connect 127.0.0.1:8080 -CAfile /etc/sisock/tls/ca.crt -verify_return_error"
        " </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName"
    )
    names = {each.strip() for each in shown.splitlines()[-1].split(",")}
    assert {"DNS:localhost", "IP Address:127.0.0.1", f"DNS:{name}"} <= names


def test_the_routers_certificate_lasts(host: Host) -> None:
    """It is good for a month at least, and no longer than clients accept."""
    month, limit = 30 * 86400, 398 * 86400
    certificate = "openssl x509 -in /etc/sisock/tls/router.crt -noout -checkend %s"
    assert host.run(certificate, str(month)).rc == 0
    assert host.run(certificate, str(limit)).rc == 1
