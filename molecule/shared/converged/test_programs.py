"""Programs of the inventory run, and what they serve is listed."""

from collections.abc import Callable
from typing import Any

import pytest
from seen import Bridge, Program
from testinfra.host import Host

SISOCK = ("hub", "bridge", "server", "scanner", "reader", "dashboards")


def test_every_program_of_the_inventory_runs(programs: Callable[[], dict[str, Program]], site: dict[str, Any]) -> None:
    """Router, hub, bridge, each data server and each OCS agent, in their groups."""
    listed = programs()
    due = {f"servers:{server['name']}" for server in site["sisock_servers"]}
    due |= {f"ocs:{agent['instance_id']}" for agent in site["ocs_agents"]}
    due |= {"router:crossbar", "sisock:hub", "sisock:bridge", "archive:g3_scanner", "grafana:dashboards"}
    assert due <= set(listed)
    assert {name: program.state for name, program in listed.items() if program.state != "RUNNING"} == {}


def test_no_program_can_gain_a_privilege(host: Host, programs: Callable[[], dict[str, Program]]) -> None:
    """As supervisor's unit says: not by set-user-ID programs either."""
    read = " ".join(f"/proc/{program.pid}/status" for program in programs().values())
    assert set(host.check_output(f"awk '/^NoNewPrivs/ {{print $2}}' {read}").split()) == {"1"}


def test_settings_of_programs_are_read_by_root_alone(host: Host) -> None:
    """A site may give a server a setting that is a secret."""
    assert set(host.check_output("stat --format '%U %a' /etc/supervisor/conf.d/*").splitlines()) == {"root 600"}


@pytest.mark.parametrize("timer", ["sisock-backup.timer", "sisock-renew-tls.timer"])
def test_what_is_done_in_time_has_a_timer(host: Host, timer: str) -> None:
    """Which runs, and runs after the next reboot."""
    assert host.service(timer).is_running
    assert host.service(timer).is_enabled


def test_every_server_of_the_inventory_is_listed(bridge: Bridge, site: dict[str, Any]) -> None:
    """/search knows fields of each."""
    assert {name.partition("::")[0] for name in bridge.search()} >= {each["name"] for each in site["sisock_servers"]}


def test_recorded_data_belong_to_ocs(host: Host) -> None:
    """The aggregator writes below /data, and anybody may read what it wrote."""
    assert (host.file("/data").user, host.file("/data").group) == ("ocs", "ocs")
    owners = set(host.check_output("find /data -type f -printf '%u:%g\\n'").split())
    assert owners == {"ocs:ocs"}


@pytest.mark.parametrize("account", ["ocs", "crossbar", "grafana", "nobody", *(f"sisock-{each}" for each in SISOCK)])
def test_what_belongs_to_the_system_still_does(host: Host, account: str) -> None:
    """No program of ours can change a file below /etc, /opt or /usr."""
    as_account = f"setpriv --reuid={account} --regid=$(id -g {account}) --init-groups"
    writable = host.run(f"{as_account} find /etc /opt /usr -xdev -not -type l -writable -print").stdout
    assert writable == ""
