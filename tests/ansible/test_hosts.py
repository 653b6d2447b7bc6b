"""Which host has what, and what is wrong with a site of several hosts."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
GROUPS = {
    "all": ["a", "b"],
    "router": ["a"],
    "database": ["a"],
    "bridge": ["a"],
    "grafana": ["a"],
    "archive": ["b"],
    "servers": ["a", "b"],
    "ocs": ["b"],
}
HOSTVARS: dict[str, Mapping[str, Any]] = {
    "a": {"ansible_host": "10.0.0.1", "sisock_servers": [{"name": "sensors_of_a", "type": "sensors"}]},
    "b": {
        "site_host_address": "b.example.org",
        "ansible_host": "10.0.0.2",
        "sisock_servers": [{"name": "data_feed", "type": "data_feed"}, {"name": "g3_reader", "type": "g3_reader"}],
        "ocs_agents": [{"class": "RegistryAgent", "instance_id": "registry"}],
    },
}


@pytest.fixture(scope="module")
def hosts() -> ModuleType:
    """The filters, as Ansible loads them."""
    spec = importlib.util.spec_from_file_location("hosts", ROOT / "playbooks/filter_plugins/hosts.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_account_is_where_its_programs_are(hosts: ModuleType, tmp_path: Path) -> None:
    found = hosts.account_hosts(GROUPS, HOSTVARS, str(ROOT / "services/data_nodes"), str(tmp_path))
    assert found == {"hub": ["a"], "consumer": ["a"], "scanner": ["b"], "server": ["a", "b"], "reader": ["b"]}


def test_a_type_of_the_sites_own_may_need_the_index(hosts: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "own.yml").write_text("short_description: x\ndatabase: reader\n", encoding="utf-8")
    hostvars = {"a": {"sisock_servers": [{"name": "o", "type": "own"}]}}
    found = hosts.account_hosts({"servers": ["a"]}, hostvars, str(ROOT / "services/data_nodes"), str(tmp_path))
    assert (found["server"], found["reader"]) == (["a"], ["a"])


def test_lists_of_a_group_are_put_together(hosts: ModuleType) -> None:
    listed = hosts.listed_everywhere(GROUPS, HOSTVARS, "servers", "sisock_servers")
    assert [item["name"] for item in listed] == ["sensors_of_a", "data_feed", "g3_reader"]


def test_of_another_hosts_lists_only_what_is_no_matter_of_that_host_is_known(hosts: ModuleType) -> None:
    class OfThatHost(dict[str, Any]):
        """Settings and arguments may name variables that only that host has."""

        def __getitem__(self, key: str) -> Any:
            if key in ("DATA_DIRECTORY", "arguments"):
                raise AssertionError(key)
            return super().__getitem__(key)

    server = {"name": "s", "type": "t", "settings": OfThatHost(TARGET="LSA22YE", DATA_DIRECTORY="")}
    agent = OfThatHost({"class": "AggregatorAgent", "instance_id": "aggregator", "arguments": ""})
    hostvars = {"b": {"sisock_servers": [server], "ocs_agents": [agent]}}
    groups = {"servers": ["b"], "ocs": ["b"]}
    assert hosts.listed_everywhere(groups, hostvars, "servers", "sisock_servers") == [
        {"name": "s", "type": "t", "settings": {"TARGET": "LSA22YE"}}
    ]
    assert hosts.listed_everywhere(groups, hostvars, "ocs", "ocs_agents") == [
        {"class": "AggregatorAgent", "instance_id": "aggregator"}
    ]


def test_a_host_is_found_where_the_inventory_says(hosts: ModuleType) -> None:
    assert hosts.host_addresses(GROUPS, HOSTVARS) == {"a": "10.0.0.1", "b": "b.example.org"}
    assert hosts.host_addresses({"all": ["monitor"]}, {"monitor": {}}) == {"monitor": "monitor"}


def test_each_host_has_a_key_of_its_own_for_each_tunnel(hosts: ModuleType) -> None:
    tunnels = [{"name": "ocs", "end": "a", "hosts": ["b", "c"]}, {"name": "database", "end": "a", "hosts": []}]
    made = hosts.tunnel_secrets(tunnels)
    assert [(each["name"], each["origin"], each["copies"], each["prefix"]) for each in made] == [
        ("tunnel_ocs_b", "a", ["b"], "b:"),
        ("tunnel_ocs_c", "a", ["c"], "c:"),
    ]


def test_a_sound_site_has_no_problems(hosts: ModuleType) -> None:
    assert hosts.host_problems(GROUPS, HOSTVARS) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"router": ["a", "b"]}, "The group 'router' has 2 hosts (a, b), but everything meets at one router"),
        ({"database": ["a", "b"]}, "The group 'database' has 2 hosts (a, b), but the archive has one index"),
        ({"archive": ["a", "b"]}, "The group 'archive' has 2 hosts (a, b), but one scanner writes the index"),
        ({"router": []}, "There are several hosts but no router at which they meet"),
        ({"bridge": ["b"]}, "a has Grafana, which asks the bridge of its own host"),
    ],
)
def test_parts_that_do_not_fit_are_refused(hosts: ModuleType, changes: dict[str, list[str]], said: str) -> None:
    [problem] = hosts.host_problems(GROUPS | changes, HOSTVARS)
    assert problem.startswith(said)


def test_one_list_for_two_hosts_is_refused(hosts: ModuleType) -> None:
    both = {"sisock_servers": [{"name": "data_feed", "type": "data_feed"}], "ocs_agents": []}
    [problem] = hosts.host_problems(GROUPS, {"a": both, "b": both})
    assert problem == (
        "sisock_servers: 'data_feed' is on a and on b; "
        "give each its own, in host_vars or below the host in the hosts file."
    )
