"""What the inventory says of the site, as the playbook hands it over: one JSON file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sisock.errors import SisockError


class SiteUnreadable(SisockError):
    """The file is missing, or holds something else."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} does not say what the site is ({reason}); a run of the playbook writes it")


@dataclass(frozen=True)
class Server:
    """A data server of the inventory; `target` is the one agent whose feed it shows, if there is one."""

    type: str
    description: str = ""
    target: str = ""


@dataclass(frozen=True)
class Site:
    """The site.

    Attributes
    ----------
    name
        Of the site.
    servers
        Name of a data server -> what the inventory says of it.
    agents
        Instance id of an OCS agent -> its class.
    """

    name: str = "sisock"
    servers: Mapping[str, Server] = field(default_factory=dict)
    agents: Mapping[str, str] = field(default_factory=dict)

    def kind(self, server: str) -> str:
        """Type of a data server; empty when the inventory does not know it."""
        return self.servers[server].type if server in self.servers else ""


def read_site(path: Path) -> Site:
    """Read the file.

    ``{"name": "yale", "servers": [{"name": "sensors", "type": "sensors", "target": "", "description": ".."}],
    "agents": [{"instance_id": "LSA22YE", "class": "Lakeshore372Agent"}]}``

    Raises
    ------
    SiteUnreadable
        It is not there, or something else.
    """
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return Site(
            name=str(said["name"]),
            servers={
                str(each["name"]): Server(str(each["type"]), str(each["description"]), str(each["target"]))
                for each in said["servers"]
            },
            agents={str(each["instance_id"]): str(each["class"]) for each in said["agents"]},
        )
    except OSError as error:
        raise SiteUnreadable(path, error.strerror or str(error)) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SiteUnreadable(path, f"{type(error).__name__}: {error}") from error
