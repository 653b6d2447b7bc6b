"""What the suites of every scenario begin with."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from seen import BRIDGE_PORT, Bridge, Program
from testinfra.host import Host


@pytest.fixture(scope="module")
def bridge(host: Host, site: dict[str, Any]) -> Bridge:
    """The bridge of the host."""
    return Bridge(host, site.get("site_bridge_port", BRIDGE_PORT))


@pytest.fixture(scope="module")
def site(host: Host) -> dict[str, Any]:
    """What the inventory says of the host."""
    variables: dict[str, Any] = host.ansible.get_variables()
    return variables


@pytest.fixture
def programs(host: Host) -> Callable[[], dict[str, Program]]:
    """Ask supervisor for all programs, by name."""

    def ask() -> dict[str, Program]:
        listed = host.run("supervisorctl status").stdout.splitlines()
        rows = [re.fullmatch(r"(\S+)\s+([A-Z]+)\s*(?:pid (\d+),)?.*", line) for line in listed]
        assert all(rows), listed
        return {row[1]: Program(row[2], int(row[3] or 0)) for row in rows if row}

    return ask


@pytest.fixture(scope="module")
def live_fields(site: dict[str, Any]) -> Callable[[set[str]], dict[str, str]]:
    """Choose the fields that an agent of the site publishes every second, each with its name in the archive."""
    agents = {agent["instance_id"] for agent in site["ocs_agents"] if agent["class"] == "FakeDataAgent"}
    feeds = {each["name"]: each.get("settings", {}) for each in site["sisock_servers"] if each["type"] == "data_feed"}
    assert agents, "the inventory has no FakeDataAgent, so nothing is live"
    assert feeds, "the inventory has no data_feed server"

    def choose(known: set[str]) -> dict[str, str]:
        chosen = {}
        for name in known:
            server, _, field = name.partition("::")
            # When an agent was started, once a minute, is of data_feed's own making, and in no file.
            if server in feeds and not field.endswith(".session"):
                # A server of one feed leaves away what all its fields have in common.
                settings = feeds[server]
                address = f"observatory.{settings['TARGET']}.feeds.{settings['FEED']}." if settings else ""
                if (address + field).split(".")[1] in agents:
                    chosen[name] = address + field
        return chosen

    return choose
