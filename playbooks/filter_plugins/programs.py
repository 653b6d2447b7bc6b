"""From the inventory's lists to the programs that supervisor runs."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Program = dict[str, Any]


def supervised_servers(
    servers: Iterable[Mapping[str, Any]], python: str, environment: Mapping[str, Any]
) -> list[Program]:
    """One program per data server of `sisock_servers`; its settings are environment variables."""
    return [
        {
            "name": server["name"],
            "command": f"{python} -m services.data_nodes.{server['type']}",
            "user": "sisock-server",
            "environment": {
                **environment,
                "NAME": server["name"],
                **({"DESCRIPTION": server["description"]} if server.get("description") else {}),
                **{k: setting_text(v) for k, v in (server.get("settings") or {}).items() if v is not None},
            },
        }
        for server in servers
    ]


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


def setting_text(value: Any) -> str:
    """Write a setting as the program reads it from its environment."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ",".join(str(part) for part in value)
    return str(value)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name the filters."""
        return {"supervised_servers": supervised_servers, "supervised_agents": supervised_agents}
