"""Write the inventory of a site that ran the Docker-based original: `./appliance migrate FOLDER NAME`.

FOLDER is the old site's, with its docker-compose file and its OCS site configuration. Nothing in it is changed.
"""

import argparse
import re
import sys
from pathlib import Path

import yaml

from migrate.agents import take_agents
from migrate.compose import NAMES, read_compose
from migrate.inventory import PLACEHOLDER, Inventory, write
from migrate.ocs_config import OcsConfig, is_ocs_config, read_ocs_config
from migrate.report import Refused, Report
from migrate.servers import take_service
from playbooks.filter_plugins import validation

ROOT = Path(__file__).parents[1]
_SITE = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def migrated(compose: Path | None, ocs: Path | None, host: str = "") -> tuple[Inventory, Report]:
    """Make the inventory of the machine that the files tell of, one of which may be missing.

    Raises
    ------
    Refused
        A file cannot be read, or is none of its kind, or the host is none.
    """
    report, inventory = Report(), Inventory()
    services = read_compose(compose, report) if compose else []
    config = read_ocs_config(ocs, report) if ocs else OcsConfig()
    _common(config, bool(services), inventory)
    packages = yaml.safe_load((ROOT / "roles/ocs/files/agent_classes.yml").read_text(encoding="utf-8"))
    classes = [name for package in packages.values() for name in package["classes"]]
    take_agents(services, config, host, classes, inventory, report)
    instances = {agent.instance_id for agents in config.hosts.values() for agent in agents}
    for service in services:
        take_service(service, instances, inventory, report)
    inventory.groups |= {"servers"} if inventory.servers else set()
    inventory.groups |= {"ocs"} if inventory.agents else set()
    if inventory.data_dir and not any(server["type"] == "g3_reader" for _, server in inventory.servers):
        report.leave("The archive", "nothing showed what was recorded; inventories/template has a g3_reader to add.")
    for problem in _problems(inventory):
        report.leave("The inventory", problem)
    return inventory, report


def _common(config: OcsConfig, in_containers: bool, inventory: Inventory) -> None:
    given = {"site_realm": config.realm, "site_address_root": config.address_root}
    usual = {"site_realm": "test_realm", "site_address_root": "observatory"}
    # In a container, the port that the configuration names is the container's.
    if not in_containers:
        given["site_router_ocs_port"], usual["site_router_ocs_port"] = str(config.port), "8001"
    different = {name: value for name, value in given.items() if value != usual[name]}
    inventory.variables |= {name: int(value) if value.isdigit() else value for name, value in different.items()}


def _problems(inventory: Inventory) -> list[str]:
    """What the playbook validate would refuse."""
    servers, agents = ([item for _, item in items] for items in (inventory.servers, inventory.agents))
    groups = {group: ["monitor"] for group in inventory.groups}
    classes = str(ROOT / "roles/ocs/files/agent_classes.yml")
    return [
        *validation.server_problems(servers, str(ROOT / "services/data_nodes"), groups),
        *validation.agent_problems(agents, classes),
        *validation.target_problems(servers, [agent["instance_id"] for agent in agents]),
    ]


def find(folder: Path) -> tuple[Path | None, Path | None]:
    """Find the docker-compose file and the site configuration in a folder.

    Raises
    ------
    Refused
        There is neither, or more than one could be meant.
    """
    if not folder.is_dir():
        raise Refused(f"{folder} is no folder; give that of the old site, with its docker-compose file")
    compose = next((folder / name for name in NAMES if (folder / name).is_file()), None)
    default = folder / "default.yaml"
    files = [path for path in sorted(folder.glob("*.y*ml")) if path != compose and is_ocs_config(path)]
    # default.yaml is a link to the one that is used.
    configs = {path.resolve(): path for path in ([default] if default in files else files)}
    if len(configs) > 1:
        named = ", ".join(path.name for path in configs.values())
        raise Refused(f"{folder} has several OCS site configurations ({named}); say which by --ocs")
    ocs = next(iter(configs), None)
    if not compose and not ocs:
        raise Refused(f"{folder} has neither a docker-compose file nor an OCS site configuration")
    return compose, ocs


def said(report: Report, site: str, address: str, sources: list[Path]) -> str:
    """Write the report for people."""
    first = [f"inventories/{site}/hosts.yml: give the machine's address."] if address == PLACEHOLDER else []
    return "\n".join(
        [
            f"# How {site} was migrated",
            "",
            f"From {' and '.join(path.name for path in sources)}. docs/migrate-from-docker.md tells the whole way.",
            "",
            "## What became of it",
            "",
            *(f"- {line}" for line in report.taken),
            "",
            "## What is left to do or to look at",
            "",
            *(f"- {line}" for line in [*first, *report.left] or ["nothing"]),
            "",
        ]
    )


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(
        prog="./appliance migrate", description="Write the inventory of a Docker-based site."
    )
    parser.add_argument(
        "folder", metavar="FOLDER", type=Path, help="the old site's, with docker-compose.yaml and OCS configuration"
    )
    parser.add_argument("site", metavar="NAME", help="of the new site, whose folder is inventories/NAME")
    parser.add_argument("--compose", type=Path, help="the docker-compose file, where it is not in FOLDER")
    parser.add_argument("--ocs", type=Path, help="the OCS site configuration, where it is not in FOLDER")
    parser.add_argument("--host", default="", help="the host of that configuration whose agents are meant")
    parser.add_argument("--address", default=PLACEHOLDER, help="of the new machine, for ssh; localhost for this one")
    given = parser.parse_args()
    target = ROOT / "inventories" / given.site
    try:
        if not _SITE.fullmatch(given.site):
            raise Refused(f"{given.site!r} is no name of a site; take letters, digits, _ and -, a letter first")
        if target.exists():
            raise Refused(f"inventories/{given.site} exists already; take another name, or take it away")
        found = find(given.folder) if not (given.compose and given.ocs) else (None, None)
        compose, ocs = given.compose or found[0], given.ocs or found[1]
        inventory, report = migrated(compose, ocs, given.host)
        text = said(report, given.site, given.address, [path for path in (compose, ocs) if path])
        written = write(inventory, target, given.site, given.address, text)
    except Refused as refusal:
        sys.exit(f"migrate: {refusal}.")
    print(text)  # noqa: T201 - for the person who called
    print("Written:", *(f"  {path.relative_to(ROOT)}" for path in written), sep="\n")  # noqa: T201
    print(f"Look at them, then: ./appliance validate {given.site}")  # noqa: T201


if __name__ == "__main__":
    main()
