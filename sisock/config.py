"""Settings: from the environment, declared once in a YAML file, refused with a sentence when wrong.

A program declares its settings in a `server.yml` or `service.yml` beside its code. The mapping `options` there has the
form of an Ansible argument specification, so that a playbook refuses a wrong inventory by the same words before
anything is touched.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from sisock.errors import SettingError

Options = Mapping[str, Mapping[str, Any]]

_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off", "")


def declared_options(package: str, filename: str) -> dict[str, Any]:
    """Read the `options` mapping of the YAML file `filename` that lies in `package`."""
    declared = yaml.safe_load(files(package).joinpath(filename).read_text(encoding="utf-8"))
    return dict(declared["options"])


def load_settings(options: Options, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Read every declared setting from the environment.

    Parameters
    ----------
    options
        Name of the environment variable -> its declaration: `type` (str, int, float, bool, path, list; str when not
        said), `required`, `default`, `choices`. A list is separated by commas.
    environ
        The environment; that of the process when not given.

    Returns
    -------
    Each name with its value, converted; None for one that is neither set nor has a default.

    Raises
    ------
    SettingError
        Naming the setting, what is wrong, and what to do.
    """
    environ = os.environ if environ is None else environ
    return {name: _setting(name, option, environ.get(name)) for name, option in options.items()}


def _setting(name: str, option: Mapping[str, Any], text: str | None) -> Any:
    if text is None:
        if option.get("required"):
            raise SettingError(name, "is missing", f"set it in the environment: {_sentence(option)}")
        default = option.get("default")
        return Path(default) if option.get("type") == "path" and default else default
    try:
        value = _convert(text.strip(), option.get("type", "str"))
    except ValueError:
        raise SettingError(name, f"{text!r} is no {option['type']}", _sentence(option)) from None
    if "choices" in option and value not in option["choices"]:
        raise SettingError(name, f"{text!r} is unknown", f"take one of {', '.join(map(str, option['choices']))}")
    return value


def _sentence(option: Mapping[str, Any]) -> str:
    description = option.get("description", "it has no description")
    return description if isinstance(description, str) else " ".join(description)


def _convert(text: str, kind: str) -> Any:
    if kind == "bool":
        if text.lower() not in _TRUE + _FALSE:
            raise ValueError(text)
        return text.lower() in _TRUE
    if kind == "list":
        return [part.strip() for part in text.split(",") if part.strip()]
    if kind == "path":
        return Path(text) if text else None
    return {"str": str, "int": int, "float": float}[kind](text)


@dataclass(frozen=True)
class Router:
    """How to reach the WAMP router, and as whom.

    The certificate authority and the secret are read when they are needed, so that both may be renewed under a
    running program.
    """

    socket: Path | None
    host: str
    tls_port: int
    ocs_port: int
    realm: str
    ca: Path
    user: str
    given_secret: str | None
    secret_file: Path | None

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> "Router":
        """Read the settings that are common to all programs; they are declared in `sisock/router.yml`.

        Raises
        ------
        SettingError
            A setting is of the wrong kind.
        """
        settings = load_settings(declared_options("sisock", "router.yml"), environ)
        return cls(
            socket=settings["CROSSBAR_SOCKET"],
            host=settings["CROSSBAR_HOST"],
            tls_port=settings["CROSSBAR_TLS_PORT"],
            ocs_port=settings["CROSSBAR_OCS_PORT"],
            realm=settings["REALM"],
            ca=settings["CROSSBAR_CA"],
            user=settings["WAMP_USER"],
            given_secret=settings["WAMP_SECRET"],
            secret_file=settings["WAMP_SECRET_FILE"],
        )

    @property
    def url(self) -> str:
        """Address of the router where those with an account join: its Unix socket, else its WebSocket."""
        return f"unix:{self.socket}" if self.socket else f"wss://{self.host}:{self.tls_port}/ws"

    def secret(self) -> str:
        """The account's secret; there is no default one.

        Raises
        ------
        SettingError
            None is set, or its file cannot be read.
        """
        if self.given_secret:
            return self.given_secret
        if self.secret_file is None:
            raise SettingError("WAMP_SECRET", "is missing", f"set it, or WAMP_SECRET_FILE, for the user {self.user!r}")
        try:
            secret = self.secret_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            problem = f"{self.secret_file} cannot be read ({error.strerror})"
            raise SettingError("WAMP_SECRET_FILE", problem, "let the program's user read it") from error
        except UnicodeDecodeError as error:
            raise SettingError("WAMP_SECRET_FILE", f"{self.secret_file} is no text", "put the secret there") from error
        if not secret:
            raise SettingError("WAMP_SECRET_FILE", f"{self.secret_file} is empty", "put the secret there")
        return secret

    def __repr__(self) -> str:
        return f"Router({self.url}, realm {self.realm}, user {self.user})"
