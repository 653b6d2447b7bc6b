"""The two hosts, by what they are."""

import os
from typing import Any

import pytest
from testinfra import get_host
from testinfra.host import Host


@pytest.fixture(scope="session")
def observatory() -> Host:
    """The host of router, database, bridge and Grafana."""
    return _host("observatory")


@pytest.fixture(scope="session")
def telescope() -> Host:
    """The host of OCS, what it has recorded, and the data servers."""
    return _host("telescope")


@pytest.fixture(scope="session")
def addresses(observatory: Host, telescope: Host) -> dict[str, str]:
    """Where each is found."""
    hosts = {"observatory": observatory, "telescope": telescope}
    return {name: host.ansible.get_variables()["ansible_host"] for name, host in hosts.items()}


@pytest.fixture(scope="session")
def host(observatory: Host) -> Host:
    """Whom the bridge is asked on."""
    return observatory


@pytest.fixture(scope="session")
def site(telescope: Host) -> dict[str, Any]:
    """What the inventory says of the host that has the agents."""
    variables: dict[str, Any] = telescope.ansible.get_variables()
    return variables


def _host(name: str) -> Host:
    host: Host = get_host(f"ansible://{name}", ansible_inventory=os.environ["MOLECULE_INVENTORY_FILE"])
    return host
