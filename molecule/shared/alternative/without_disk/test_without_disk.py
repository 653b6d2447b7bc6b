"""The host was started without the disk for data: nothing is recorded until it is there, and all else goes on."""

from collections.abc import Callable
from typing import Any

from doors import answering, listening
from seen import Bridge, Program, until
from testinfra.host import Host

BACK = 120.0
"""Seconds within which a rebooted host serves again."""
RECORDED = 60.0
"""Seconds after which what is recorded anew is shown."""
FIELD = "cmb.cryostat.feeds.false_temperatures.channel_00"


def test_live_data_are_fresh_without_it(bridge: Bridge, programs: Callable[[], dict[str, Program]]) -> None:
    """Every program runs or waits; the live server serves."""
    until(BACK, lambda: f"live::{FIELD}" in bridge.search() and not bridge.stale([f"live::{FIELD}"]))
    assert {program.state for program in programs().values()} == {"RUNNING"}


def test_nothing_is_recorded_into_the_empty_mount_point(host: Host) -> None:
    """It is empty, and OCS may not write there."""
    assert host.run("mountpoint --quiet /mnt/recorded").rc != 0
    assert host.check_output("find /mnt/recorded -mindepth 1") == ""
    assert host.run("runuser --user=ocs -- mkdir /mnt/recorded/hk").failed


def test_who_waits_says_so(host: Host) -> None:
    """The recorder and the scanner, in their logs; the instrument waits for nothing."""
    waits = "Nothing is mounted at /mnt/recorded; waiting for it"
    logs = {name: host.file(f"/var/log/alternative/{name}.log") for name in ("ocs-recorder", "archive-g3_scanner")}
    assert [name for name, log in logs.items() if waits not in log.content_string] == []
    assert waits not in host.file("/var/log/alternative/ocs-cryostat.log").content_string


def test_the_firewall_stands_after_a_reboot(host: Host, site: dict[str, Any]) -> None:
    """SSH answers on its own port, and nothing else."""
    assert "Status: active" in host.check_output("ufw status")
    assert answering(site["ansible_host"], listening(host).keys()) == {2222}


def test_all_goes_on_once_it_is_there(host: Host, bridge: Bridge, programs: Callable[[], dict[str, Program]]) -> None:
    """Mounting it is all there is to do."""
    before = programs()
    host.check_output("mount --bind /srv/disk /mnt/recorded")
    mounted = float(host.check_output("date +%s"))

    def is_recorded() -> bool:
        points = bridge.query([f"recorded::{FIELD}"], mounted, 0)[1].get(f"recorded::{FIELD}")
        return bool(points) and points[-1][0] > mounted

    until(RECORDED, is_recorded)
    assert programs() == before
