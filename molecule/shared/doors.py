"""Which doors of a host the network finds open: every TCP port is tried, from this machine or from another host."""

import socket
import subprocess
import sys
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from testinfra.host import Host

_TRY_ALL = """
import resource, socket, sys, time
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
size = min(most - 100, 16000)
for first in range(1, 65536, size):
    tried = {port: socket.socket() for port in range(first, min(first + size, 65536))}
    for port, door in tried.items():
        door.setblocking(False)
        door.connect_ex((sys.argv[1], port))
    # A firewall says nothing to who is not wanted. Two seconds are time for TCP to ask a second time.
    time.sleep(2)
    for port, door in tried.items():
        try:
            door.getpeername()
            print(port)
        except OSError:
            pass
        door.close()
"""


def open_doors(address: str, seen_from: Host | None = None) -> set[int]:
    """Return the ports of an address that answer, as they are seen from a host; without one, from this machine."""
    if seen_from:
        printed = str(seen_from.check_output("python3 -c %s %s", _TRY_ALL, address))
    else:
        printed = subprocess.run(
            [sys.executable, "-c", _TRY_ALL, address], capture_output=True, text=True, check=True
        ).stdout
    return {int(port) for port in printed.split()}


def listening(host: Host) -> dict[int, str]:
    """Return the TCP ports that somebody listens on, on any address, and the account that does."""
    found = {}
    for line in host.check_output("ss --tcp --listening --numeric --extended --no-header").splitlines():
        uid = next((word[4:] for word in line.split() if word.startswith("uid:")), "0")
        found[int(line.split()[3].rpartition(":")[2])] = host.check_output("id --user --name %s", uid)
    return found


def answering(address: str, ports: Collection[int]) -> set[int]:
    """Return those ports of an address that answer to this machine. Where nobody listens, nobody need be asked."""

    def answers(port: int) -> bool:
        try:
            socket.create_connection((address, port), timeout=10).close()
        except OSError:
            return False
        return True

    with ThreadPoolExecutor(max(len(ports), 1)) as pool:
        return {port for port, answered in zip(ports, pool.map(answers, ports), strict=True) if answered}
