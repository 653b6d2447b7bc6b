"""What is measured and recorded on one host is seen on the other."""

from collections.abc import Callable

from recorded import assert_archived, behind, recorded
from seen import BACK_AFTER_BOOT, Bridge, until
from testinfra.host import Host

CAUGHT_UP = 30.0
"""Seconds until the archive shows what was recorded last."""


def test_live_fields_are_fresh(bridge: Bridge, live_fields: Callable[[set[str]], dict[str, str]]) -> None:
    """Instrument, router's tunnel, data server, router, bridge: the newest sample is a few seconds old."""

    def fresh() -> bool:
        fields = live_fields(bridge.search())
        return bool(fields) and not bridge.stale(fields)

    until(BACK_AFTER_BOOT, fresh)


def test_every_server_of_both_hosts_is_listed(bridge: Bridge, observatory: Host) -> None:
    """Grafana's dashboards and the bridge know them all."""
    listed = {name.partition("::")[0] for name in bridge.search()}
    assert {"data_feed", "g3_reader", "feeds", "sensors", "sensors_of_the_router"} <= listed
    due = observatory.file("/etc/sisock/servers").content_string.split()
    assert {"data_feed", "g3_reader", "sensors_of_the_router"} <= set(due)


def test_the_archive_is_what_the_files_hold(
    telescope: Host, bridge: Bridge, live_fields: Callable[[set[str]], dict[str, str]]
) -> None:
    """Its index is on this host, its files on the other: no sample is missing, and none is there twice."""
    fields, files = set(live_fields(bridge.search()).values()), recorded(telescope)
    assert fields <= set(files)
    until(CAUGHT_UP, lambda: not behind(bridge, files, fields))
    assert_archived(bridge, files, fields)


def test_each_program_runs_where_the_inventory_puts_it(observatory: Host, telescope: Host) -> None:
    """And all of them run."""
    rows = {
        host: [line.split()[:2] for line in host.run("supervisorctl status").stdout.splitlines()]
        for host in (observatory, telescope)
    }
    groups = {host: {name.partition(":")[0] for name, _ in rows[host]} for host in rows}
    assert groups[observatory] == {"router", "tunnel", "sisock", "servers", "grafana"}
    assert groups[telescope] == {"tunnel", "archive", "servers", "ocs"}
    assert {state for host in rows for _, state in rows[host]} == {"RUNNING"}, rows


def test_a_host_manager_runs_the_agents_of_the_instruments(telescope: Host) -> None:
    """Supervisor runs it, the registry and the aggregator; it has started the agents of the instruments."""
    programs = {line.split()[0] for line in telescope.run("supervisorctl status ocs:*").stdout.splitlines()}
    assert programs == {"ocs:registry", "ocs:aggregator", "ocs:hm-telescope"}
    manager = telescope.check_output("supervisorctl pid ocs:hm-telescope")
    running = telescope.check_output("pgrep --list-full --pgroup %s", manager)
    assert {"ocs-agent:hm-telescope", "ocs-agent:faker-fast", "ocs-agent:faker-slow"} <= set(running.split())
