"""A site with other names, ports and paths works as the usual one does."""

from collections.abc import Callable
from typing import Any

import pytest
from seen import Bridge, Program, until
from testinfra.host import Host

READY = 30.0


def test_every_program_of_the_inventory_runs(programs: Callable[[], dict[str, Program]], site: dict[str, Any]) -> None:
    """Router, hub, bridge, scanner, each data server and each agent; no more."""
    due = {f"servers:{server['name']}" for server in site["sisock_servers"]}
    due |= {f"ocs:{agent['instance_id']}" for agent in site["ocs_agents"]}
    due |= {"router:crossbar", "sisock:hub", "sisock:bridge", "archive:g3_scanner"}
    assert {name: program.state for name, program in programs().items()} == dict.fromkeys(due, "RUNNING")


def test_live_and_recorded_samples_are_one_field(bridge: Bridge) -> None:
    """Under the name that the site gives it, and with the root of its own addresses."""
    field = "cmb.cryostat.feeds.false_temperatures.channel_00"
    names = [f"{server}::{field}" for server in ("live", "recorded", "everything")]
    assert set(names) <= bridge.search()
    until(READY, lambda: all(bridge.query(names, -60, 0)[1].values()))
    assert not bridge.stale([names[0], names[2]])


def test_a_server_of_the_sites_own_reads_its_file(bridge: Bridge) -> None:
    """It has another name and another file than in the demonstration."""
    assert {name for name in bridge.search() if name.startswith("notebook::")}


def test_the_recordings_are_on_the_disk(host: Host) -> None:
    """They belong to OCS there, and so does their folder."""
    assert set(host.check_output("find /srv/disk/hk -printf '%u:%g\\n'").split()) == {"ocs:ocs"}
    assert host.check_output("find /srv/disk/hk -name '*.g3' -size +0")


@pytest.mark.parametrize("path", ["/data", "/etc/sisock", "/etc/ocs", "/opt", "/var/log/sisock", "/var/lib/sisock",
                                  "/var/lib/crossbar", "/var/lib/sisock-router", "/var/lib/ocs"])  # fmt: skip
def test_nothing_is_where_it_would_be_by_default(host: Host, path: str) -> None:
    """What the inventory names otherwise is nowhere else."""
    assert host.run(f"find {path} -mindepth 1 -not -type d").stdout == ""


def test_the_machine_shows_utc_and_asks_the_servers_of_the_site_for_it(host: Host) -> None:
    """It came with Chile's time."""
    assert host.check_output("date +%Z") == "UTC"
    sources = host.file("/etc/chrony/sources.d/sisock.sources").content_string
    assert "server time.example.org iburst\nserver 192.0.2.123 iburst\n" in sources
    assert host.service("chrony").is_enabled


def test_an_operator_reads_logs_and_runs_supervisorctl(host: Host) -> None:
    """The account was there before; it needs no sudo for that."""
    as_operator = "setpriv --reuid=astronomer --regid=astronomer --init-groups"
    assert host.check_output(f"{as_operator} supervisorctl pid").isdigit()
    assert host.check_output(f"{as_operator} ls /var/log/alternative")
