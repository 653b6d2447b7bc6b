"""Reading a docker-compose file: what its services were, as far as it matters here."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from migrate.report import Refused, Report

NAMES = ("docker-compose.yaml", "docker-compose.yml", "compose.yaml", "compose.yml")
"""What Compose itself looks for."""

_READ = {"image", "build", "environment", "env_file", "volumes", "ports", "hostname", "command", "devices"}
# What Docker needed and nobody needs here.
_MEANINGLESS = {
    "restart", "container_name", "logging", "depends_on", "networks", "labels", "user", "init", "tty", "stdin_open",
    "expose", "links", "external_links", "healthcheck", "pull_policy", "stop_grace_period", "ulimits", "network_mode",
    "stop_signal", "dns", "platform",
}  # fmt: skip
_VARIABLE = re.compile(
    r"\$(?:(?P<dollar>\$)|(?P<plain>[A-Za-z_]\w*)|\{(?P<name>[A-Za-z_]\w*)(?:(?P<kind>:?[-?+])(?P<rest>[^}]*))?\})"
)
_PORT = re.compile(r"(?:(?P<address>\[.*\]|\d+(?:\.\d+){3}):)?(?:(?P<host>\d+):)?(?P<container>\d+)(?:/tcp)?")


class _Texts(yaml.SafeLoader):
    """Takes every scalar for a text, as Compose's variables and ports are; `8:10` is no number of base 60."""


_Texts.yaml_implicit_resolvers = {"<": [("tag:yaml.org,2002:merge", re.compile("^(?:<<)$"))]}


@dataclass(frozen=True)
class Service:
    """One service of the file.

    Attributes
    ----------
    component
        What it is, by its image: `data-feed` for `example.org/sisock-data-feed-server:latest`.
    mounts
        Path in the container -> path on the host; volumes that have a name only are left out.
    ports
        Port in the container -> address and port on the host.
    """

    name: str
    component: str
    environment: Mapping[str, str]
    mounts: Mapping[str, str]
    ports: Mapping[int, tuple[str, int]]
    hostname: str
    arguments: tuple[str, ...]
    devices: tuple[str, ...]

    @property
    def instance_id(self) -> str:
        """The OCS agent that it says it runs; empty when it says nothing."""
        for index, word in enumerate(self.arguments):
            if word.startswith("--instance-id="):
                return word.partition("=")[2]
            if word == "--instance-id" and index + 1 < len(self.arguments):
                return self.arguments[index + 1]
        return self.environment.get("INSTANCE_ID", "")

    def on_host(self, path: str) -> str:
        """Return the path on the host of a path in the container; empty when it was the container's own."""
        inside = PurePosixPath(path)
        for mounted in sorted(self.mounts, key=len, reverse=True):
            if inside.is_relative_to(mounted):
                return str(PurePosixPath(self.mounts[mounted]) / inside.relative_to(mounted))
        return ""


def read_compose(path: Path, report: Report) -> list[Service]:
    """Read the services of a file.

    Raises
    ------
    Refused
        It is no docker-compose file.
    """
    variables = {"OCS_CONFIG_DIR": str(path.parent)} | _environment_file(path.parent / ".env")
    try:
        text = path.read_text(encoding="utf-8")
        document = yaml.load(text, _Texts)  # noqa: S506 - a SafeLoader
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise Refused(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    services = document.get("services", document) if isinstance(document, dict) else None
    if not isinstance(services, dict) or not all(isinstance(each, dict) for each in _services(services).values()):
        raise Refused(f"{path} is no docker-compose file: it has no mapping of services")
    override = [each for name in NAMES if (each := path.with_name(name.replace(".y", ".override.y"))).exists()]
    for each in override:
        report.leave(
            each.name, "Compose would have merged this file; it was not read: merge it by hand, and migrate anew."
        )
    return [
        _service(name, _filled(body, variables, f"{path.name}: {name}", report), path, report)
        for name, body in _services(services).items()
    ]


def _services(found: Mapping[str, Any]) -> dict[str, Any]:
    """Of a file of the first version, which has services at its top, leave out what is none."""
    return {name: body for name, body in found.items() if name not in ("version", "volumes") and name[:2] != "x-"}


def _service(name: str, body: Mapping[str, Any], path: Path, report: Report) -> Service:
    where = f"{path.name}: {name}"
    for key in body:
        if key not in _READ | _MEANINGLESS and not key.startswith("x-"):
            report.leave(where, f"`{key}` has no counterpart; see whether the program needs it.")
    environment: dict[str, str] = {}
    for file in _texts(body.get("env_file")):
        if (path.parent / file).is_file():
            environment |= _environment_file(path.parent / file)
        else:
            report.leave(where, f"its env_file {file} is not here; put it beside {path.name}, and migrate anew.")
    command = body.get("command") or []
    return Service(
        name=name,
        component=_component(body),
        environment=environment | _environment(body.get("environment")),
        mounts=dict(_mounts(body.get("volumes"), path, where, report)),
        ports=dict(_ports(body.get("ports"), where, report)),
        hostname=body.get("hostname", ""),
        arguments=tuple(command.split() if isinstance(command, str) else command),
        devices=tuple(device.split(":")[0] for device in _texts(body.get("devices"))),
    )


def _component(body: Mapping[str, Any]) -> str:
    build = body.get("build", "")
    context = build.get("context", "") if isinstance(build, Mapping) else build
    # What is built from a folder of the sources is named by it; an image may be called anything then.
    source = str(context).rstrip("/") if "components/" in str(context) else body.get("image") or str(context)
    name = re.sub(r"[:@].*", "", source.rpartition("/")[2]).lower().replace("_", "-")
    # The folder of the bridge is called after what it serves.
    return "http" if name == "grafana-server" else name.removeprefix("sisock-").removesuffix("-server")


def _environment(given: Any) -> dict[str, str]:
    if isinstance(given, Mapping):
        return {name: str(value) for name, value in given.items()}
    return {name: value for name, _, value in (line.partition("=") for line in _texts(given))}


def _environment_file(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    pairs = (line.strip().partition("=") for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip().strip("'\"") for name, _, value in pairs}


def _mounts(given: Any, path: Path, where: str, report: Report) -> Iterator[tuple[str, str]]:
    for volume in given if isinstance(given, list) else []:
        if isinstance(volume, Mapping):
            source, target = volume.get("source", ""), volume.get("target", "")
        else:
            source, _, rest = str(volume).partition(":")
            target = rest.split(":")[0]
        if source.startswith("~"):
            report.leave(where, f"{source} was in somebody's home directory; write its whole path, and migrate anew.")
        elif source.startswith("."):
            yield target, str((path.parent / source).resolve())
        elif source.startswith("/") and target:
            yield target, source


def _ports(given: Any, where: str, report: Report) -> Iterator[tuple[int, tuple[str, int]]]:
    for port in given if isinstance(given, list) else []:
        if isinstance(port, Mapping):
            address, host, container = port.get("host_ip", ""), port.get("published", ""), port.get("target", "")
            port = f"{address}:{host}:{container}".strip(":")  # noqa: PLW2901 - the same, as the short form has it
        match = _PORT.fullmatch(port)
        if match is None:
            report.leave(where, f"the port {port} was not understood.")
        elif match["host"]:
            yield int(match["container"]), (match["address"] or "", int(match["host"]))


def _texts(given: Any) -> list[str]:
    if isinstance(given, Mapping):
        return list(given)
    return [str(each) for each in (given if isinstance(given, list) else [given] if given else [])]


def _filled(value: Any, variables: Mapping[str, str], where: str, report: Report) -> Any:
    """Put variables in their places, as Compose does."""

    def fill(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        name, kind, rest = match["name"] or match["plain"], match["kind"] or "", match["rest"] or ""
        known = variables.get(name, "")
        is_set = name in variables and (bool(known) or ":" not in kind)
        if kind.endswith("+"):
            return rest if is_set else ""
        if is_set:
            return known
        if not kind.endswith("-"):
            report.leave(
                where, f"the variable {name} has no value; write it into .env beside the file, and migrate anew."
            )
        return rest if kind.endswith("-") else ""

    if isinstance(value, Mapping):
        return {key: _filled(each, variables, where, report) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, variables, where, report) for each in value]
    return _VARIABLE.sub(fill, value) if isinstance(value, str) else value
