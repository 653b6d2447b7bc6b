"""What a data server of this folder is told by its environment."""

from collections.abc import Mapping
from typing import Any

from sisock.base import DataNodeServer
from sisock.config import declared_options, load_settings
from sisock.errors import SettingError
from sisock.uris import NODE_NAME

_COMMON = {
    "NAME": {"type": "str", "description": "Name of the server; stands before `::` in Grafana."},
    "DESCRIPTION": {"type": "str", "description": "What the server serves, for people who look for data."},
}


def take_settings(server: DataNodeServer, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Read the settings that the `server.yml` beside the server's code declares.

    NAME and DESCRIPTION, which every server has, go to its attributes; where they are not set, those of the class
    stay.

    Returns
    -------
    Each declared name with its value.

    Raises
    ------
    SettingError
        Naming the setting, what is wrong, and what to do.
    """
    common = load_settings(_COMMON, environ)
    server.name = common["NAME"] or server.name
    if not NODE_NAME.fullmatch(server.name or ""):
        raise SettingError("NAME", f"{server.name!r} is no name of a data server", "use letters, digits, _ and -")
    server.description = common["DESCRIPTION"] or server.description
    package = type(server).__module__.rpartition(".")[0]
    return load_settings(declared_options(package, "server.yml"), environ)
