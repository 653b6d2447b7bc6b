"""Reading an OCS site configuration: where the router was, and which agents there were."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from migrate.report import Refused, Report

_MANAGED = {
    "up": "host/up", "host": "host/up", "yes": "host/up", "True": "host/up", "host/up": "host/up",
    "docker": "host/up", "docker/up": "host/up", "down": "host/down", "host/down": "host/down",
    "docker/down": "host/down", "ignore": "ignore", "no": "ignore", "False": "ignore",
}  # fmt: skip
"""What OCS calls it -> what it is without Docker."""


@dataclass
class Agent:
    """An agent as the inventory has it; `manage` is empty where nothing was said."""

    kind: str
    instance_id: str
    arguments: list[list[Any]]
    manage: str = ""


@dataclass
class OcsConfig:
    """A site configuration; the defaults are those of OCS's own examples."""

    realm: str = "test_realm"
    address_root: str = "observatory"
    port: int = 8001
    hosts: dict[str, list[Agent]] = field(default_factory=dict)


def is_ocs_config(path: Path) -> bool:
    """Whether the YAML file at this path has the parts of a site configuration."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return False
    return isinstance(document, dict) and {"hub", "hosts"} <= set(document)


def read_ocs_config(path: Path, report: Report) -> OcsConfig:
    """Read the file.

    Raises
    ------
    Refused
        It is no site configuration.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise Refused(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict) or not isinstance(document.get("hub"), dict):
        raise Refused(f"{path} is no OCS site configuration: it has no mapping called hub")
    hub, hosts = document["hub"], document.get("hosts") or {}
    config = OcsConfig()
    config.realm = str(hub.get("wamp_realm", config.realm))
    config.address_root = str(hub.get("address_root", config.address_root))
    if port := re.search(r":(\d+)(?:/|$)", str(hub.get("wamp_server", ""))):
        config.port = int(port[1])
    if hub.get("registry_address", f"{config.address_root}.registry") != f"{config.address_root}.registry":
        report.leave(
            path.name, f"the registry is {config.address_root}.registry here; clients that asked another must change."
        )
    for key in set(hub) - {"wamp_server", "wamp_http", "wamp_realm", "address_root", "registry_address"}:
        report.leave(path.name, f"`{key}` of hub has no counterpart.")
    if not isinstance(hosts, dict):
        raise Refused(f"{path}: hosts is no mapping")
    for name, host in hosts.items():
        where = f"{path.name}: {name}"
        body = host if isinstance(host, dict) else {}
        for key in set(body) - {"agent-instances", "log-dir", "crossbar", "crossbar_timeout"}:
            report.leave(where, f"`{key}` has no counterpart; see whether an agent needs it.")
        config.hosts[str(name)] = list(_agents(body.get("agent-instances"), where, report))
    return config


def _agents(given: Any, where: str, report: Report) -> Iterator[Agent]:
    for body in given if isinstance(given, list) else []:
        if not isinstance(body, Mapping) or not {"agent-class", "instance-id"} <= set(body):
            report.leave(where, "an agent without agent-class or instance-id was left out.")
            continue
        kind, instance = str(body["agent-class"]), str(body["instance-id"])
        for key in set(body) - {"agent-class", "instance-id", "arguments", "manage"}:
            report.leave(f"{where}: {instance}", f"`{key}` has no counterpart.")
        manage = str(body.get("manage") or ("no" if body.get("manage") is False else ""))
        yield Agent(kind, instance, grouped(body.get("arguments")), _MANAGED.get(manage, ""))


def grouped(given: Any) -> list[list[Any]]:
    """Write arguments as lists of an option and its values, however OCS was given them.

    >>> grouped([["--mode", "acq"], "--rate", -2, "--quiet"])
    [['--mode', 'acq'], ['--rate', -2], ['--quiet']]
    """
    groups: list[list[Any]] = []
    for word in _flat(given):
        option, equals, value = str(word).partition("=")
        if not option.startswith("--") and groups:
            groups[-1].append(word)
        elif option.startswith("--") and equals:
            groups.append([option, value])
        else:
            groups.append([word])
    return groups


def _flat(given: Any) -> Iterator[Any]:
    for each in given if isinstance(given, (list, tuple)) else [] if given is None else [given]:
        if isinstance(each, (list, tuple)):
            yield from _flat(each)
        else:
            yield each
