"""What the host offers to the network: SSH, and nothing of ours."""

import json
import re
import shlex
import socket
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

from doors import open_doors
from seen import until
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


def test_who_follows_the_printed_way_in_sees_the_bridge_and_grafana(
    host: Host, site: dict[str, Any], tmp_path: Path
) -> None:
    """The block that the host has written, put into a file of ssh's: `ssh -N SITE`, and its addresses answer."""
    doors: dict[int, int] = {}

    def of_this_machine(door: re.Match[str]) -> str:
        # Another site may be shown on this machine, where the tests run.
        with socket.create_server(("127.0.0.1", 0)) as free:
            doors[int(door[1])] = free.getsockname()[1]
        return f"LocalForward {doors[int(door[1])]} "

    block = host.file("/etc/sisock/ssh_config").content_string
    config = tmp_path / "config"
    config.write_text(re.sub(r"LocalForward (\d+) ", of_this_machine, block))
    command = [
        *("ssh", "-F", config, "-i", site["ansible_private_key_file"]),
        *shlex.split(site["ansible_ssh_common_args"]),
        *("-o", "ControlPath=none", "-l", site["ansible_user"], "-N", site["site_name"]),
    ]
    assert set(doors) == {5000, 3000}
    with subprocess.Popen(command) as tunnel:
        try:
            until(30, lambda: all(answers(port) for port in doors.values()))
            page = urllib.request.urlopen(f"http://localhost:{doors[5000]}/quicklook", timeout=10)
            assert "Quicklook" in page.read().decode()
            health = urllib.request.urlopen(f"http://localhost:{doors[3000]}/api/health", timeout=10)
            assert json.load(health)["database"] == "ok"
        finally:
            tunnel.terminate()


def answers(port: int) -> bool:
    """Whether somebody of this machine listens there."""
    with socket.socket() as door:
        return door.connect_ex(("127.0.0.1", port)) == 0


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
