"""From the services of the original to what takes their place."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from migrate.agents import is_agent
from migrate.compose import Service
from migrate.inventory import Inventory
from migrate.report import Report

ROOT = Path(__file__).parents[1]

SERVERS = {
    "weather": ("weather", "apex_archive"),
    "sensors": ("sensors", "sensors"),
    "apex-weather": ("apex_weather", "apex_weather"),
    "radiometer": ("radiometer", "ucsc_radiometer"),
    "data-feed": ("data_feed", ""),
    "thermometry": ("thermometry", ""),
    "g3-reader": ("g3_reader", "g3_reader"),
}
"""Component of the original -> our type, and the name that it had where nobody could choose it."""

_ROUTERS = ("crossbar", "hub", "ocs-crossbar")
_BRIDGES = ("http", "grafana-http")
_DATABASES = ("mariadb", "mysql")
_READS_FILES = ("apex_weather", "radiometer")
_DATA = "/data"
"""Where the containers of the original had their files."""
# How to reach router and database is no matter of a server's settings any more, and passwords are made anew.
_CONNECTION = {
    "PYTHONUNBUFFERED", "WAMP_USER", "WAMP_SECRET", "CROSSBAR_TLS_PORT", "CROSSBAR_OCS_PORT", "CROSSBAR_HOST",
    "SQL_HOST", "SQL_PORT", "SQL_USER", "SQL_PASSWD", "SQL_DB", "TZ", "NAME", "DESCRIPTION", "LOGLEVEL", "PORT",
    "DATA_DIRECTORY",
}  # fmt: skip
_OWN_ROUTER = ("", "localhost", "127.0.0.1", "crossbar", "sisock-crossbar", "sisock_crossbar")
_OWN_MACHINE = ("127.0.0.1", "[::1]")


def take_service(service: Service, instances: set[str], inventory: Inventory, report: Report) -> None:
    """Put what takes the place of one service into the inventory.

    Parameters
    ----------
    service
        The service.
    instances
        Instance ids of all agents of the site configuration; empty when there is none.
    inventory, report
        What is added to.
    """
    component = service.component
    if component in SERVERS:
        _server(service, instances, inventory, report)
    elif component in _ROUTERS:
        _port(service, 8001, "site_router_ocs_port", inventory, report)
        _port(service, 8080, "site_router_tls_port", inventory, report)
        report.take(service.name, "the router, with a certificate and secrets of its own")
    elif component in _BRIDGES:
        _number(service.environment.get("PORT", ""), "site_bridge_port", 5000, inventory)
        _loglevel(service, report)
        report.take(service.name, "the bridge")
    elif component == "g3-file-scanner":
        _scanner(service, inventory, report)
    elif component in _DATABASES:
        name = service.environment.get("MYSQL_DATABASE") or service.environment.get("MARIADB_DATABASE") or "files"
        inventory.variables |= {"site_database_name": name} if name != "files" else {}
        report.take(service.name, "MariaDB; its index is made anew of the recorded files, and its volume is not needed")
    elif component == "grafana":
        _grafana(service, inventory, report)
    elif not is_agent(service):
        report.leave(
            service.name,
            f"nothing here takes the place of {component or 'a service without an image'}; it was left out.",
        )


def _server(service: Service, instances: set[str], inventory: Inventory, report: Report) -> None:
    kind, fixed = SERVERS[service.component]
    declared = yaml.safe_load((ROOT / f"services/data_nodes/{kind}/server.yml").read_text(encoding="utf-8"))["options"]
    item: dict[str, Any] = {"name": _name(service, fixed, report), "type": kind}
    if description := service.environment.get("DESCRIPTION"):
        item["description"] = re.sub(r"\s*[\r\n;#]\s*", ", ", description).replace('"', "'").strip()
    settings = _settings(service, declared, report)
    target = settings.get("TARGET", item["name"] if kind == "thermometry" else "")
    if kind == "thermometry" and target == item["name"]:
        settings.pop("TARGET", None)
    if instances and target and target not in instances:
        report.leave(
            service.name,
            f"its TARGET {target} is no agent of the OCS configuration; it shows nothing until there is one.",
        )
    if kind in _READS_FILES:
        folder = service.on_host(_DATA)
        if not folder:
            report.leave(
                service.name, "no folder of the host was mounted at /data; set DATA_DIRECTORY to that of its files."
            )
        settings |= {"DATA_DIRECTORY": folder} if folder not in ("", declared["DATA_DIRECTORY"]["default"]) else {}
    if kind == "g3_reader":
        _recorded(service.on_host(_DATA), service, inventory, report)
    if settings:
        item["settings"] = settings
    inventory.servers.append((f"service {service.name}", item))
    report.take(service.name, f"the data server {item['name']} of type {kind}")


def _name(service: Service, fixed: str, report: Report) -> str:
    given = fixed or service.environment.get("NAME") or service.name
    name = re.sub(r"[^A-Za-z0-9_-]", "_", given)
    name = name if name[:1].isalpha() else f"s{name}"
    if name != given:
        report.leave(
            service.name, f"its fields are called {name}::… and no longer {given}::…; change that in your dashboards."
        )
    return name


def _settings(service: Service, declared: Mapping[str, Mapping[str, Any]], report: Report) -> dict[str, Any]:
    """Take the environment variables that are settings still."""
    settings: dict[str, Any] = {}
    for name, text in service.environment.items():
        if name in declared and name not in _CONNECTION:
            is_number = declared[name]["type"] in ("int", "float") and re.fullmatch(r"\d+(\.\d+)?", text)
            value = yaml.safe_load(text) if is_number else text
            settings |= {name: value} if value != declared[name].get("default") else {}
        elif name not in _CONNECTION:
            report.leave(service.name, f"the environment variable {name} has no counterpart.")
    _loglevel(service, report)
    router = service.environment.get("CROSSBAR_HOST", "")
    if router not in _OWN_ROUTER:
        report.leave(
            service.name, f"its router was {router}, another machine; add that as another host of the inventory."
        )
    return settings


def _scanner(service: Service, inventory: Inventory, report: Report) -> None:
    inventory.groups |= {"archive", "database"}
    folder = service.environment.get("DATA_DIRECTORY") or _DATA
    _recorded(service.on_host(folder), service, inventory, report)
    interval = service.environment.get("SCAN_INTERVAL", "")
    report.take(service.name, "the scanner, which sees by itself what is new; it looks through all files once a minute")
    if interval not in ("", "60"):
        report.leave(
            service.name,
            f"SCAN_INTERVAL ({interval} s) was not taken over: looking through all files costs little now.",
        )
    _loglevel(service, report)


def _recorded(folder: str, service: Service, inventory: Inventory, report: Report) -> None:
    """Take note of where recorded files are; that is where the aggregator records, unless it says otherwise."""
    inventory.groups |= {"archive", "database"}
    folder = folder.rstrip("/")
    if not folder:
        report.leave(service.name, "no folder of the host held its .g3 files; copy them to site_data_dir.")
        return
    inventory.data_dir = inventory.data_dir or folder
    said = inventory.variables.get("sisock_scanner_settings", {}).get("DATA_DIRECTORY", inventory.data_dir)
    if folder != inventory.data_dir and said == inventory.data_dir:
        inventory.variables["sisock_scanner_settings"] = {"DATA_DIRECTORY": folder}
        report.leave(
            service.name,
            f"it read {folder}, while the aggregator records to {inventory.data_dir}: the archive holds the former. "
            "Move all recorded files to one folder, and let site_data_dir be that.",
        )
    elif folder not in (said, inventory.data_dir):
        report.leave(
            service.name, f"it read {folder}, others {said}: the archive has one folder; move the files to one."
        )
    if folder.startswith(("/home/", "/root/")):
        report.leave(
            service.name, f"see that the accounts sisock-scanner and sisock-reader may read {folder}, or move it out."
        )


def _grafana(service: Service, inventory: Inventory, report: Report) -> None:
    inventory.groups.add("grafana")
    _port(service, 3000, "site_grafana_port", inventory, report)
    report.take(service.name, "Grafana, with a data source and dashboards of its own")
    if service.mounts or "GF_INSTALL_PLUGINS" in service.environment:
        report.leave(
            service.name,
            "your dashboards and people are in its volume; docs/migrate-from-docker.md says how to bring them.",
        )
    for plugin in re.split(r"[,\s]+", service.environment.get("GF_INSTALL_PLUGINS", "").strip()):
        if plugin and plugin != "grafana-simple-json-datasource":
            report.leave(
                service.name,
                f"the plugin {plugin.split(';')[-1]} is not installed; see whether today's Grafana needs it.",
            )
    for name in sorted(set(service.environment) - {"GF_INSTALL_PLUGINS"}):
        report.leave(service.name, f"{name} was not taken over; see roles/grafana/README.md for what can be set.")


def _port(service: Service, port: int, variable: str, inventory: Inventory, report: Report) -> None:
    address, host_port = service.ports.get(port, ("127.0.0.1", port))
    _number(str(host_port), variable, port, inventory)
    if address not in _OWN_MACHINE:
        report.leave(
            service.name,
            f"port {host_port} was open to the network. Here it is on the loopback interface: people come through ssh, "
            "and programs of other machines when those are hosts of the inventory.",
        )


def _number(text: str, variable: str, default: int, inventory: Inventory) -> None:
    if text.isdigit() and int(text) != default:
        inventory.variables[variable] = int(text)


def _loglevel(service: Service, report: Report) -> None:
    level = service.environment.get("LOGLEVEL", "info")
    if level != "info":
        report.leave(service.name, f"LOGLEVEL was {level}; sisock_loglevel sets that for all programs alike.")
