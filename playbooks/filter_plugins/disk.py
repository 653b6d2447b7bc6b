"""Programs that must wait for the disk that recorded data lie on."""

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import PurePath
from typing import Any


def recorders(agents: Iterable[Mapping[str, Any]], data_dir: str) -> list[str]:
    """Names of the OCS agents whose arguments name the data directory, or a place in it."""
    return [
        agent["instance_id"]
        for agent in agents
        if any(_within(str(word), data_dir) for argument in agent.get("arguments") or [] for word in argument)
    ]


def waiting(programs: Iterable[Mapping[str, Any]], wait: str, names: Collection[str]) -> list[dict[str, Any]]:
    """Let those programs that are named begin with `wait`, which may be empty."""
    return [
        {**program, "command": f"{wait}{program['command']}" if program["name"] in names else program["command"]}
        for program in programs
    ]


def _within(word: str, folder: str) -> bool:
    # Also as --option=value.
    return PurePath(word.rpartition("=")[2]).is_relative_to(folder)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name the filters."""
        return {"recorders": recorders, "waiting": waiting}
