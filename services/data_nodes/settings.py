"""What a data server of this folder, or of a site, is told by its environment."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from sisock.base import DataNodeServer
from sisock.config import load_settings
from sisock.errors import SettingError
from sisock.uris import NODE_NAME

_COMMON = {
    "NAME": {"type": "str", "description": "Name of the server; stands before `::` in Grafana."},
    "DESCRIPTION": {"type": "str", "description": "What the server serves, for people who look for data."},
}


def take_settings(server: DataNodeServer, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Read the settings that the YAML file beside the server's code declares: `server.yml` beside `server.py`.

    A file of a site may do without one. NAME and DESCRIPTION, which every server has, go to its attributes; where they
    are not set, those of the class stay.

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
    declaration = Path(inspect.getfile(type(server))).with_suffix(".yml")
    declared = yaml.safe_load(declaration.read_text(encoding="utf-8")) if declaration.exists() else {}
    return load_settings(declared.get("options", {}), environ)
