"""What stands in the way of a restore."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any


def account_problems(
    accounts: Iterable[Mapping[str, Any]], passwd: Mapping[str, Sequence[str]], group: Mapping[str, Sequence[str]]
) -> list[str]:
    """Accounts of a backup that cannot have their numbers on a host.

    Parameters
    ----------
    accounts
        Those of the backup's manifest.
    passwd, group
        Those of the host, as `ansible.builtin.getent` returns them: names, and what follows them.
    """
    problems = []
    for account in accounts:
        for kind, name, number, there in (
            ("account", account["name"], account["uid"], {who: int(rest[1]) for who, rest in passwd.items()}),
            ("group", account["group"], account["gid"], {who: int(rest[1]) for who, rest in group.items()}),
        ):
            holders = [who for who, taken in there.items() if taken == number and who != name]
            if there.get(name, number) != number:
                problems.append(f"The {kind} {name} had number {number} and has {there[name]} here; take it away.")
            elif holders:
                problems.append(f"The {kind} {name} had number {number}, which {holders[0]} has here; change that.")
    return problems


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name the filter."""
        return {"account_problems": account_problems}
