"""What a firewall should let in, beside what it does: ports of SSH, doors of the inventory, rules of ufw."""

import ipaddress
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

OURS = "sisock"
"""What the comment of a rule of ours begins with; rules of others are theirs to change."""

_LISTENING = "0A"
# As ufw writes the rules that this module makes; with "limit" SSH is let in as well.
_RULE = re.compile(
    r"ufw (?:allow|limit) (?:from (?P<from>\S+) to any port (?P<port>\d+) proto tcp|(?P<open>\d+)/tcp)"
    r"(?: comment '(?P<comment>.*)')?"
)

Rule = tuple[int, str]
"""A TCP port, and the address or network that may come to it; empty for anybody."""


def ssh_ports(sshd: str, connection: str) -> list[int]:
    """Ports by which SSH is reached.

    Parameters
    ----------
    sshd
        What `sshd -T` says; empty without sshd.
    connection
        SSH_CONNECTION of the session by which Ansible came; empty when it came otherwise.

    Examples
    --------
    >>> ssh_ports("listenaddress 0.0.0.0:2222", "10.0.0.7 51000 10.0.0.5 22")
    [22, 2222]
    """
    listening = re.findall(r"^listenaddress .*:(\d+)$", sshd, re.MULTILINE)
    return sorted({int(port) for port in [*listening, *connection.split()[3:4]]})


def firewall_changes(
    added: str, ssh: Iterable[int], doors: Iterable[Mapping[str, Any]]
) -> dict[str, list[dict[str, Any]]]:
    """Rules that are `missing`, and rules of ours that are `stale`; each has port, from and comment.

    Parameters
    ----------
    added
        What `ufw show added` says.
    ssh
        Ports that anybody may come to, for SSH.
    doors
        As the inventory gives them: port, and from.
    """
    wanted = {(port, ""): f"{OURS}: SSH" for port in ssh}
    for door in doors:
        wanted |= {(int(door["port"]), _plain(source)): f"{OURS}: site" for source in door["from"]}
    present: dict[Rule, str] = {}
    for line in added.splitlines():
        if match := _RULE.fullmatch(line.strip()):
            rule = (int(match["port"] or match["open"]), match["from"] or "")
            present[rule] = match["comment"] or ""
    return {
        "missing": [_task(rule, comment) for rule, comment in wanted.items() if rule not in present],
        "stale": [
            _task(rule, comment)
            for rule, comment in present.items()
            if comment.startswith(f"{OURS}:") and rule not in wanted
        ],
    }


def doors_within(openings: Iterable[Mapping[str, Any]], addresses: Mapping[str, str]) -> list[dict[str, Any]]:
    """Doors for hosts of the site itself.

    Parameters
    ----------
    openings
        Each with the port, and the names of the hosts that may come to it.
    addresses
        Name of a host -> its address, as the one that opens knows it.
    """
    return [{"port": opening["port"], "from": [addresses[host] for host in opening["hosts"]]} for opening in openings]


def door_problems(doors: Any, variable: str) -> list[str]:
    """What is wrong with a list of doors, whose name in the inventory is `variable`."""
    if not isinstance(doors, Sequence) or isinstance(doors, str):
        return [f"{variable} is no list; begin each door with a dash."]
    problems = []
    for index, door in enumerate(doors):
        where = f"{variable}[{index}]"
        if not isinstance(door, Mapping) or set(door) != {"port", "from"}:
            problems.append(f"{where}: a door has port and from, and nothing else.")
            continue
        if not re.fullmatch(r"\d{1,5}", str(door["port"])) or not 0 < int(door["port"]) < 65536:
            problems.append(f"{where}: {door['port']!r} is no port; take a number from 1 to 65535.")
        sources = door["from"]
        if not isinstance(sources, Sequence) or isinstance(sources, str) or not sources:
            problems.append(f"{where}: from must be a list of addresses or networks, such as [10.10.10.4].")
            continue
        for source in sources:
            try:
                everybody = ipaddress.ip_network(str(source), strict=False).prefixlen == 0
            except ValueError:
                problems.append(
                    f"{where}: {source!r} is no address; take one as 10.10.10.4, or a network as 10.10.10.0/24."
                )
            else:
                problems += [f"{where}: {source!r} is everybody; name those who may come."] * everybody
    return problems


def closed_ports(texts: Sequence[str], opened: Collection[int]) -> list[str]:
    """Ports that the network reaches now, and nobody once the firewall stands, each with the account that listens.

    Parameters
    ----------
    texts
        What /proc/net/tcp, /proc/net/tcp6 and /etc/passwd of the host hold.
    opened
        Ports that stay open, if not for everybody.
    """
    tcp, tcp6, passwd = texts
    accounts = {fields[2]: fields[0] for fields in (line.split(":") for line in passwd.splitlines()) if len(fields) > 2}
    found = {}
    for line in [*tcp.splitlines(), *tcp6.splitlines()]:
        fields = line.split()
        if len(fields) > 7 and fields[3] == _LISTENING:
            address, _, port = fields[1].rpartition(":")
            if not _is_loopback(address) and int(port, 16) not in opened:
                found[int(port, 16)] = accounts.get(fields[7], f"number {fields[7]}")
    return [f"{port} ({account})" for port, account in sorted(found.items())]


def _is_loopback(address: str) -> bool:
    """Whether an address, as the kernel's tables have it in words of the machine's order, is the loopback's."""
    words = [bytes.fromhex(address[start : start + 8])[::-1] for start in range(0, len(address), 8)]
    numbers = ipaddress.ip_address(b"".join(words))
    mapped = getattr(numbers, "ipv4_mapped", None)
    return (mapped or numbers).is_loopback


def _plain(source: Any) -> str:
    """Write an address or network as ufw does."""
    network = ipaddress.ip_network(str(source), strict=False)
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def _task(rule: Rule, comment: str) -> dict[str, Any]:
    return {"port": rule[0], "from": rule[1], "comment": comment}


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name the filters."""
        return {
            "ssh_ports": ssh_ports,
            "firewall_changes": firewall_changes,
            "doors_within": doors_within,
            "door_problems": door_problems,
            "closed_ports": closed_ports,
        }
