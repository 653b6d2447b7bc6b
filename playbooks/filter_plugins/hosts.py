"""Who does what at a site of several hosts, and what is wrong with the way its parts are laid out."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.common.yaml import yaml_load

# Group of the inventory -> the account that its programs have.
_ACCOUNTS = {"router": "hub", "bridge": "consumer", "archive": "scanner"}
# Groups that a site has one host of.
_SINGLE = {
    "router": "everything meets at one router",
    "database": "the archive has one index",
    "archive": "one scanner writes the index",
}
# What a host may know of the items of another: settings and arguments may name what that host alone has defined.
_KNOWN = ("name", "type", "description", "class", "instance_id")
_HOST_LISTS = {"sisock_servers": "name", "ocs_agents": "instance_id"}


def account_hosts(
    groups: Mapping[str, Sequence[str]],
    hostvars: Mapping[str, Mapping[str, Any]],
    data_nodes_dir: str,
    site_servers_dir: str,
) -> dict[str, list[str]]:
    """Hosts with a program of each account: hub, consumer, server, scanner and reader.

    Parameters
    ----------
    groups
        Group of the inventory -> its hosts.
    hostvars
        Host -> its variables.
    data_nodes_dir
        Folder with one folder per type of data server, whose `server.yml` may name an account of the database.
    site_servers_dir
        Folder of the site's own types: `TYPE.py` with a `TYPE.yml` that does the same.
    """
    hosts = {account: list(groups.get(group, ())) for group, account in _ACCOUNTS.items()}
    hosts |= {"server": [], "reader": []}
    for host in groups.get("servers", ()):
        for server in _listed(hostvars[host], "sisock_servers"):
            kind = str(server.get("type"))
            declarations = (Path(data_nodes_dir) / kind / "server.yml", Path(site_servers_dir) / f"{kind}.yml")
            declared = next((path for path in declarations if path.exists()), None)
            account = (yaml_load(declared.read_text(encoding="utf-8")) or {}).get("database") if declared else None
            # What reads the index is a data server, too.
            for each in ("server", account):
                if each and host not in hosts[each]:
                    hosts[each].append(host)
    return hosts


def listed_everywhere(
    groups: Mapping[str, Sequence[str]], hostvars: Mapping[str, Mapping[str, Any]], group: str, variable: str
) -> list[Mapping[str, Any]]:
    """Items of a list that each host of a group has for itself, such as `sisock_servers`: what they are, not how."""
    found: list[Mapping[str, Any]] = []
    for host in groups.get(group, ()):
        for item in _listed(hostvars[host], variable):
            settings = item.get("settings")
            # Dashboards tell by it which instrument a server shows.
            target: dict[str, Any] = (
                {"settings": {"TARGET": settings["TARGET"]}} if settings and "TARGET" in settings else {}
            )
            found.append({key: item[key] for key in _KNOWN if key in item} | target)
    return found


def host_addresses(groups: Mapping[str, Sequence[str]], hostvars: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Host -> where the site's other hosts find it, a name or an address."""
    return {
        host: str(hostvars[host].get("site_host_address") or hostvars[host].get("ansible_host") or host)
        for host in groups.get("all", ())
    }


def tunnel_secrets(tunnels: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What role secrets makes for tunnels that each have a `name`, an `end` and `hosts`: a key for each host."""
    return [
        {
            "name": f"tunnel_{tunnel['name']}_{host}",
            "group": "sisock-tunnel",
            "origin": tunnel["end"],
            "copies": [host],
            "prefix": f"{host}:",
        }
        for tunnel in tunnels
        for host in tunnel["hosts"]
    ]


def host_problems(
    groups: Mapping[str, Sequence[str]],
    hostvars: Mapping[str, Mapping[str, Any]],
) -> list[str]:
    """What is wrong with the way that the parts of a site are spread over its hosts.

    Parameters
    ----------
    groups
        Group of the inventory -> its hosts.
    hostvars
        Host -> its variables.
    """
    problems = [
        f"The group {group!r} has {len(groups[group])} hosts ({', '.join(groups[group])}), but {why}; leave it one."
        for group, why in _SINGLE.items()
        if len(groups.get(group, ())) > 1
    ]
    if len(groups.get("all", ())) > 1 and not groups.get("router"):
        problems.append("There are several hosts but no router at which they meet; put one into the group router.")
    for host in groups.get("grafana", ()):
        if host not in groups.get("bridge", ()):
            problems.append(
                f"{host} has Grafana, which asks the bridge of its own host; put {host} into the group bridge."
            )
    for variable, identity in _HOST_LISTS.items():
        group = "servers" if variable == "sisock_servers" else "ocs"
        owners: dict[str, str] = {}
        for host in groups.get(group, ()):
            for name in {str(item.get(identity)) for item in _listed(hostvars[host], variable)}:
                if name in owners:
                    problems.append(
                        f"{variable}: {name!r} is on {owners[name]} and on {host}; "
                        "give each its own, in host_vars or below the host in the hosts file."
                    )
                owners[name] = host
    return problems


def _listed(variables: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The usable items of a host's list; what is wrong with the others is said elsewhere."""
    items = variables.get(name)
    if not isinstance(items, Sequence) or isinstance(items, str):
        return []
    return [item for item in items if isinstance(item, Mapping)]


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name the filters."""
        return {
            "account_hosts": account_hosts,
            "listed_everywhere": listed_everywhere,
            "host_addresses": host_addresses,
            "host_problems": host_problems,
            "tunnel_secrets": tunnel_secrets,
        }
