"""From the inventory's lists to the programs that supervisor runs."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.common.yaml import yaml_load

Program = dict[str, Any]

# What stays the same while a program runs.
_RUNNING = re.compile(r"(?P<program>\S+ +RUNNING +pid \d+),")


def supervised_servers(
    servers: Iterable[Mapping[str, Any]],
    python: str,
    environments: Mapping[str, Mapping[str, Any]],
    data_nodes_dir: str,
    site_servers_dir: str,
    installed_dir: str,
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
    site_servers_dir
        Folder of the site's own types, as the controller sees it: `TYPE.py` with a `TYPE.yml` that does the same.
    installed_dir
        Where their files lie on the host.
    """
    data_nodes, own = Path(data_nodes_dir), Path(site_servers_dir)
    return [_supervised_server(server, python, environments, data_nodes, own, installed_dir) for server in servers]


def _supervised_server(
    server: Mapping[str, Any],
    python: str,
    environments: Mapping[str, Mapping[str, Any]],
    data_nodes: Path,
    own: Path,
    installed_dir: str,
) -> Program:
    kind, digest = server["type"], {}
    declaration = data_nodes / kind / "server.yml"
    command = f"{python} -m services.data_nodes.{kind}"
    if not declaration.exists():
        declaration = own / f"{kind}.yml"
        # -P: a file beside it cannot pass for a package of the same name.
        command = f"{python} -P {installed_dir}/{kind}.py"
        digest = {"SERVER_DIGEST": _digest(_own_files(kind, own))}
    declared = yaml_load(declaration.read_text(encoding="utf-8")) if declaration.exists() else {}
    account = declared.get("database", "server")
    return {
        "name": server["name"],
        "command": command,
        "user": f"sisock-{account}",
        "environment": {
            **environments[account],
            **digest,
            "NAME": server["name"],
            **({"DESCRIPTION": server["description"]} if server.get("description") else {}),
            **environment_texts(server.get("settings")),
        },
    }


def site_server_files(servers: Iterable[Mapping[str, Any]], data_nodes_dir: str, site_servers_dir: str) -> list[str]:
    """Files of the site's own types that `sisock_servers` names: of each type all that are called `TYPE.*`.

    Parameters
    ----------
    servers, data_nodes_dir, site_servers_dir
        As `supervised_servers` has them.
    """
    kinds = {server["type"] for server in servers if not (Path(data_nodes_dir) / server["type"]).is_dir()}
    return [str(path) for kind in sorted(kinds) for path in _own_files(kind, Path(site_servers_dir))]


def _own_files(kind: str, own: Path) -> list[Path]:
    return sorted(path for path in own.glob(f"{kind}.*") if path.is_file() and not path.name.endswith("~"))


def _digest(files: Iterable[Path]) -> str:
    contents = [[path.name, hashlib.sha256(path.read_bytes()).hexdigest()] for path in files]
    return hashlib.sha256(json.dumps(contents).encode()).hexdigest()[:12]


def supervised_agents(
    agents: Iterable[Mapping[str, Any]], command: str, manager_command: str, environment: Mapping[str, Any]
) -> list[Program]:
    """One program per OCS agent of `ocs_agents` that supervisor runs; with a HostManager, that one runs the others.

    An agent reads its arguments from the site configuration; their digest is in its environment, so that the agent
    whose arguments changed is restarted, and no other; and HostManager, when one that it runs has changed.

    Parameters
    ----------
    agents
        The list, as the inventory gives it.
    command, manager_command
        What starts an agent, and a HostManager; the name of the instance follows.
    environment
        What every agent is started with.
    """
    everyone = [dict(agent) for agent in agents]
    managers = [agent for agent in everyone if agent["class"] == "HostManager"]
    others = [agent for agent in everyone if agent["class"] != "HostManager"]
    managed = [agent for agent in others if managers and agent.get("manage") != "ignore"]
    alone = [agent for agent in others if agent not in managed]
    return [_supervised_agent([agent], command, environment) for agent in alone] + [
        _supervised_agent([manager, *managed], manager_command, environment) for manager in managers
    ]


def _supervised_agent(agents: list[dict[str, Any]], command: str, environment: Mapping[str, Any]) -> Program:
    """Write the program of the first agent, which is made anew when any of them changes."""
    digest = hashlib.sha256("\n".join(json.dumps(agent, sort_keys=True) for agent in agents).encode())
    return {
        "name": agents[0]["instance_id"],
        "command": f"{command} --instance-id {agents[0]['instance_id']}",
        "user": "ocs",
        "environment": {**environment, "OCS_AGENT_DIGEST": digest.hexdigest()[:12]},
    }


def instruments(agents: Iterable[Mapping[str, Any]], classes_file: str) -> list[str]:
    """Instance ids of agents that speak to an instrument, which may be switched off: all that are not OCS's own.

    Parameters
    ----------
    agents
        Those of all hosts.
    classes_file
        YAML file that says which classes of agents each package brings.
    """
    own = yaml_load(Path(classes_file).read_text(encoding="utf-8"))["ocs"]["classes"]
    return [agent["instance_id"] for agent in agents if agent["class"] not in own]


def steady_servers(
    servers: Iterable[Mapping[str, Any]], agents: Iterable[Mapping[str, Any]], classes_file: str
) -> list[str]:
    """Names of the servers that show samples whatever is switched off: all but those of one instrument.

    Parameters
    ----------
    servers, agents
        Those of all hosts.
    classes_file
        As `instruments` has it.
    """
    agents = list(agents)
    steady = {agent["instance_id"] for agent in agents} - set(instruments(agents, classes_file))
    return [server["name"] for server in servers if (_target(server) or None) in (None, *steady)]


def not_running(status: Iterable[str]) -> list[str]:
    """Choose the lines of `supervisorctl status` about programs that do not run.

    Examples
    --------
    >>> not_running(["ocs:a  RUNNING  pid 7, uptime 0:00:01", "ocs:b  BACKOFF  Exited too quickly"])
    ['ocs:b  BACKOFF  Exited too quickly']
    """
    return [line for line in status if not _RUNNING.match(line)]


def restless_programs(before: Iterable[str], after: Iterable[str]) -> list[str]:
    """Names of the programs that do not run, or that have been started anew in between.

    Parameters
    ----------
    before, after
        Lines of `supervisorctl status`, two times.

    Examples
    --------
    >>> restless_programs(["ocs:a RUNNING pid 7, uptime 0:00:01"], ["ocs:a RUNNING pid 9, uptime 0:00:02"])
    ['ocs:a']
    """
    running = {match["program"] for line in before if (match := _RUNNING.match(line))}
    return [line.split()[0] for line in after if not (match := _RUNNING.match(line)) or match["program"] not in running]


def _target(server: Mapping[str, Any]) -> str:
    by_default = server["name"] if server["type"] == "thermometry" else ""
    return str((server.get("settings") or {}).get("TARGET") or by_default)


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
            "site_server_files": site_server_files,
            "supervised_agents": supervised_agents,
            "environment_texts": environment_texts,
            "instruments": instruments,
            "steady_servers": steady_servers,
            "not_running": not_running,
            "restless_programs": restless_programs,
        }
