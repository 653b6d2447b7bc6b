"""From the inventory's lists to the programs that supervisor runs."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

Program = dict[str, Any]


def supervised_servers(
    servers: Iterable[Mapping[str, Any]],
    python: str,
    environments: Mapping[str, Mapping[str, Any]],
    data_nodes_dir: str,
) -> list[Program]:
    """One program per data server of `sisock_servers`; its settings are environment variables.

    Parameters
    ----------
    servers
        The list, as the inventory gives it.
    python
        Path of the Python that runs them.
    environments
        Account -> what every program of that account is started with.
    data_nodes_dir
        Folder with one folder per type of data server, whose `server.yml` may name an account of the database.
    """
    return [_supervised_server(server, python, environments, Path(data_nodes_dir)) for server in servers]


def _supervised_server(
    server: Mapping[str, Any], python: str, environments: Mapping[str, Mapping[str, Any]], data_nodes: Path
) -> Program:
    declared = yaml.safe_load((data_nodes / server["type"] / "server.yml").read_text(encoding="utf-8"))
    account = declared.get("database", "server")
    return {
        "name": server["name"],
        "command": f"{python} -m services.data_nodes.{server['type']}",
        "user": f"sisock-{account}",
        "environment": {
            **environments[account],
            "NAME": server["name"],
            **({"DESCRIPTION": server["description"]} if server.get("description") else {}),
            **environment_texts(server.get("settings")),
        },
    }


def supervised_agents(
    agents: Iterable[Mapping[str, Any]], command: str, environment: Mapping[str, Any]
) -> list[Program]:
    """One program per OCS agent of `ocs_agents`.

    An agent reads its arguments from the site configuration; their digest is in its environment, so that the agent
    whose arguments changed is restarted, and no other.
    """
    return [
        {
            "name": agent["instance_id"],
            "command": f"{command} --instance-id {agent['instance_id']}",
            "user": "ocs",
            "environment": {
                **environment,
                "OCS_AGENT_DIGEST": hashlib.sha256(json.dumps(dict(agent), sort_keys=True).encode()).hexdigest()[:12],
            },
        }
        for agent in agents
    ]


def environment_texts(settings: Mapping[str, Any] | None) -> dict[str, str]:
    """Write settings as a program reads them from its environment; one without a value is left out."""
    return {name: _text(value) for name, value in (settings or {}).items() if value is not None}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ",".join(str(part) for part in value)
    return str(value)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name the filters."""
        return {
            "supervised_servers": supervised_servers,
            "supervised_agents": supervised_agents,
            "environment_texts": environment_texts,
        }
