"""The inventory that comes of it, and how it is written."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

GROUPS = ("router", "database", "archive", "servers", "bridge", "grafana", "ocs")
HOST = "monitor"
PLACEHOLDER = "monitor.example.org"
"""Address of the machine while nobody has given one."""


@dataclass
class Inventory:
    """What the inventory will say of its one host.

    Attributes
    ----------
    groups
        Groups that the host is in.
    variables
        Variables of roles, but for the two lists.
    servers, agents
        Items of `sisock_servers` and `ocs_agents`, each with the words that say where it comes from.
    data_dir
        Where the aggregator records; empty while nobody has said.
    """

    groups: set[str] = field(default_factory=lambda: {"router", "bridge"})
    variables: dict[str, Any] = field(default_factory=dict)
    servers: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    agents: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    data_dir: str = ""

    def hosts_file(self, site: str, address: str) -> str:
        """Write `hosts.yml`; an address that is localhost is the machine where Ansible runs."""
        here = f"ansible_host: {address}\n      ansible_user: root"
        if address in ("localhost", "127.0.0.1"):
            here = "ansible_connection: local"
        # The first group that names the host says what the others repeat.
        first = next(group for group in GROUPS if group in self.groups)
        names = {group: f"*{HOST}" if group in self.groups else "{}" for group in GROUPS}
        names[first] = f"&{HOST}\n        {HOST}:"
        groups = "".join(f"    {group}:\n      hosts: {names[group]}\n" for group in GROUPS)
        return (
            f"# The machine of {site}, as migrated from Docker; inventories/template explains every line.\n"
            f"all:\n  hosts:\n    {HOST}:\n      {here}\n  children:\n{groups}"
        )

    def variables_file(self, site: str) -> str:
        """Write `group_vars/all.yml`."""
        parts = [f"# What {site} is, as migrated from Docker; inventories/template explains every variable.\n"]
        data_dir = {} if self.data_dir in ("", "/data") else {"site_data_dir": self.data_dir}
        parts.append(_yaml({"site_name": site} | self.variables | data_dir))
        parts += _list("ocs_agents", self.agents)
        parts += _list("sisock_servers", self.servers)
        return "".join(parts)


def write(inventory: Inventory, folder: Path, site: str, address: str, report: str) -> list[Path]:
    """Write the folder of a site; return the paths of its files."""
    files = {
        folder / "hosts.yml": inventory.hosts_file(site, address),
        folder / "group_vars/all.yml": inventory.variables_file(site),
        folder / "MIGRATION.md": report,
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(files)


class _Dumper(yaml.SafeDumper):
    """Writes as the other inventories are written: lists indented, those of plain values in a line."""

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        """Put a list of plain values in a line."""
        is_plain = not any(isinstance(each, (list, dict)) for each in sequence)
        return super().represent_sequence(tag, sequence, is_plain)

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Make no exception for lists."""
        super().increase_indent(flow, indentless=False)


def _yaml(value: Any) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, default_flow_style=False, width=100, allow_unicode=True)


def _list(variable: str, items: list[tuple[str, dict[str, Any]]]) -> Iterator[str]:
    yield f"\n{variable}:{'' if items else ' []'}\n"
    for origin, item in items:
        yield f"  # {origin}\n"
        yield from (f"  {line}\n" for line in _yaml([item]).splitlines())
