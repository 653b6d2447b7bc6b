"""From the agents of a site configuration, and the services that ran them, to `ocs_agents`."""

import difflib
from collections.abc import Collection, Iterator
from typing import Any

from migrate.compose import Service
from migrate.inventory import Inventory
from migrate.ocs_config import Agent, OcsConfig, grouped
from migrate.report import Refused, Report

_WITHOUT_DATABASE = ("InfluxDBAgent", "InfluxDBAgentv2")
_OF_DOCKER = ("--docker-compose", "--docker-compose-bin", "--docker-service-prefix")
_OF_THE_PLACE = ("--instance-id", "--site-host", "--site-hub", "--site-http", "--site-realm", "--site-file")


def take_agents(
    services: list[Service],
    config: OcsConfig,
    host: str,
    classes: Collection[str],
    inventory: Inventory,
    report: Report,
) -> None:
    """Put the agents of one machine into the inventory.

    Parameters
    ----------
    services, config
        What the two files of the old site say.
    host
        Host of the site configuration whose agents are meant; empty for those that the services name.
    classes
        Classes of the agents that can be installed.
    inventory, report
        What is added to.

    Raises
    ------
    Refused
        There is no such host.
    """
    agents = [agent for name in _hosts_here(services, config, host, report) for agent in config.hosts[name]]
    has_manager = any(agent.kind == "HostManager" for agent in agents)
    run = set()
    for agent in agents:
        service = _service_of(agent, agents, services)
        run |= {service.name} if service else set()
        if agent.kind in _WITHOUT_DATABASE:
            report.leave(
                agent.instance_id,
                f"{agent.kind} was left out: there is no InfluxDB here, the archive is asked instead.",
            )
        elif classes and agent.kind not in classes:
            near = difflib.get_close_matches(agent.kind, classes, n=1)
            meant = f"if it is now {near[0]}, write that" if near else "one of your own needs ocs_lock"
            report.leave(
                agent.instance_id, f"no agent of ocs or socs has the class {agent.kind}; it was left out: {meant}."
            )
        else:
            _take(agent, service, has_manager, inventory, report)
    for service in services:
        if service.name not in run and is_agent(service):
            report.leave(
                service.name,
                "an OCS agent that the site configuration does not have was left out; add it to ocs_agents.",
            )


def is_agent(service: Service) -> bool:
    """Whether a service ran an OCS agent, or a HostManager."""
    return bool(service.instance_id) or service.component in ("ocs", "socs") or service.component.endswith("-agent")


def _hosts_here(services: list[Service], config: OcsConfig, host: str, report: Report) -> list[str]:
    if host and host not in config.hosts:
        raise Refused(f"the OCS site configuration has no host {host!r}, only {', '.join(config.hosts) or 'none'}")
    named = {name for service in services for name in (service.hostname, service.environment.get("SITE_HOST", ""))}
    chosen = [name for name in config.hosts if name == host or (not host and name in named)] or list(config.hosts)
    for name, agents in config.hosts.items():
        if name not in chosen and agents:
            ids = ", ".join(agent.instance_id for agent in agents)
            report.leave(
                f"host {name}", f"its agents ({ids}) ran on another machine; add that as another host of the inventory."
            )
    if len(chosen) > 1:
        report.leave(
            f"hosts {', '.join(chosen)}", "the agents of all of them are on one machine now; --host takes one's alone."
        )
    return chosen


def _service_of(agent: Agent, agents: list[Agent], services: list[Service]) -> Service | None:
    """Find the service that ran an agent: by its id, by its name, or as the only one of its class."""
    ids = [service for service in services if service.instance_id == agent.instance_id]
    names = [
        each for each in services if is_agent(each) and each.name in (agent.instance_id, f"ocs-{agent.instance_id}")
    ]
    kind = agent.kind.lower().removesuffix("agent")
    alone = sum(each.kind == agent.kind for each in agents) == 1
    kinds = [
        each
        for each in services
        if alone and not each.instance_id and is_agent(each)
        and each.component.removeprefix("ocs-").removesuffix("-agent").replace("-", "") == kind
    ]  # fmt: skip
    return next(iter([*ids, *names, *kinds]), None)


def _take(agent: Agent, service: Service | None, has_manager: bool, inventory: Inventory, report: Report) -> None:
    origin = f"service {service.name}" if service else "no service, of the OCS configuration alone"
    item: dict[str, Any] = {"class": agent.kind, "instance_id": agent.instance_id}
    arguments = [_on_host(argument, agent, service, inventory, report) for argument in _merged(agent, service)]
    if arguments := [argument for argument in arguments if argument]:
        item["arguments"] = arguments
    if agent.manage and has_manager and agent.kind != "HostManager":
        item["manage"] = agent.manage
    elif agent.manage in ("host/down", "ignore") and not has_manager:
        report.leave(
            agent.instance_id, "it was started by hand; supervisor starts it now, unless ocs_agents has a HostManager."
        )
    inventory.agents.append((origin, item))
    report.take(agent.instance_id, f"an agent of class {agent.kind} ({origin})")
    if service is None:
        return
    serial = [device for device in service.devices if device.startswith(("/dev/tty", "/dev/serial"))]
    if serial:
        inventory.variables["ocs_groups"] = ["dialout"]
    for device in set(service.devices) - set(serial):
        report.leave(
            service.name, f"it was given {device}; let the account ocs use it, by a udev rule or a group of ocs_groups."
        )
    known = {
        "INSTANCE_ID",
        "SITE_HOST",
        "SITE_HUB",
        "SITE_HTTP",
        "CROSSBAR_TIMEOUT",
        "OCS_CONFIG_DIR",
        "PYTHONUNBUFFERED",
        "TZ",
    }
    for name in set(service.environment) - known:
        report.leave(
            service.name, f"the environment variable {name} has no counterpart; an agent takes arguments alone."
        )


def _merged(agent: Agent, service: Service | None) -> Iterator[list[Any]]:
    """Arguments of the site configuration, and of the service's command, which outweigh them."""
    words = list(service.arguments) if service else []
    first = next((index for index, word in enumerate(words) if word.startswith("--")), len(words))
    given = [argument for argument in grouped(words[first:]) if argument[0] not in _OF_THE_PLACE]
    yield from (argument for argument in agent.arguments if argument[0] not in {option for option, *_ in given})
    yield from given


def _on_host(
    argument: list[Any], agent: Agent, service: Service | None, inventory: Inventory, report: Report
) -> list[Any]:
    """Write the paths of an argument as the host has them; empty for an argument that is Docker's."""
    option, *values = argument
    if option in _OF_DOCKER:
        report.leave(agent.instance_id, f"its argument {option} was left out: there is no Docker here.")
        return []
    for index, value in enumerate(values):
        if not isinstance(value, str) or not value.startswith("/") or value.startswith("/dev/"):
            continue
        path = service.on_host(value) if service else value
        if not path:
            report.leave(agent.instance_id, f"{option} {value} was inside its container; give it a path of the host.")
        if agent.kind == "AggregatorAgent" and option == "--data-dir" and path:
            inventory.data_dir = path.rstrip("/")
            if path.startswith(("/home/", "/root/")):
                report.leave(
                    agent.instance_id, f"programs only read below {path[:5]}; record elsewhere (site_data_dir)."
                )
            path = "{{ site_data_dir }}"
        values[index] = path or value
    return [option, *values]
