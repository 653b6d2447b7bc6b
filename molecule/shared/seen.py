"""A site as its users see it: the bridge as a client on the host asks it, and programs as supervisor lists them."""

import json
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from testinfra.host import Host

BRIDGE_PORT = 5000
PUBLISH_PERIOD = 2.0
"""Seconds between messages of a FakeDataAgent: it reports every second, and its feed holds back what is younger."""
FRESH = PUBLISH_PERIOD + 2.0
"""Seconds of age that the newest sample of a live field may have."""
BACK_AFTER_BOOT = 120.0
"""Seconds from the start of PID 1 within which a host serves again."""
MOST_POINTS = 11000
"""Points that the bridge gives of one field in one reply."""

_ASK = """
import sys, time, urllib.request
body = sys.argv[2].encode() or None
request = urllib.request.Request(sys.argv[1], body, {"Content-Type": "application/json"})
reply = urllib.request.urlopen(request, timeout=30).read().decode()
print(time.time(), reply)
"""

_UP_FOR = """
import os
with open("/proc/uptime") as uptime, open("/proc/1/stat") as first:
    started = int(first.read().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    print(float(uptime.read().split()[0]) - started)
"""

Points = list[tuple[float, float]]
"""(UNIX seconds, value) in order; gaps are left out."""


class BridgeSilent(Exception):
    """The bridge gave no reply, or one that says it cannot."""


@dataclass(frozen=True)
class Program:
    """A program of supervisor as `supervisorctl status` lists it."""

    state: str
    pid: int


class Bridge:
    """The bridge, asked on the host, where it listens on the loopback interface only."""

    def __init__(self, host: Host, port: int = BRIDGE_PORT) -> None:
        self._host, self._address = host, f"http://127.0.0.1:{port}"

    def search(self) -> set[str]:
        """Return the names of all fields."""
        return set(self._ask("/search", {"target": ""})[1])

    def query(self, targets: Iterable[str], start: float, end: float) -> tuple[float, dict[str, Points]]:
        """Return the host's time when the reply was there, UNIX seconds, and the points of each target.

        A relative time, zero or below, counts from the host's present.
        """
        now = float(self._host.check_output("date +%s.%N"))
        start, end = (moment if moment > 0 else now + moment for moment in (start, end))
        body = {
            "range": {"from": _iso(start), "to": _iso(end)},
            "intervalMs": 1,
            "maxDataPoints": MOST_POINTS,
            "targets": [{"target": target, "type": "timeserie"} for target in targets],
        }
        answered, series = self._ask("/query", body)
        return answered, {
            each["target"]: [(stamp / 1e3, value) for value, stamp in each["datapoints"] if value is not None]
            for each in series
        }

    def stale(self, targets: Iterable[str]) -> dict[str, float]:
        """Return the targets whose newest sample is not fresh, with its age in seconds (infinite without samples)."""
        targets = list(targets)
        answered, series = self.query(targets, -60, 0)
        ages = {name: answered - series[name][-1][0] if series.get(name) else math.inf for name in targets}
        return {name: age for name, age in ages.items() if age > FRESH}

    def _ask(self, path: str, body: dict[str, Any]) -> tuple[float, Any]:
        done = self._host.run("python3 -c %s %s %s", _ASK, self._address + path, json.dumps(body))
        if done.failed:
            raise BridgeSilent(done.stderr.strip().rpartition("\n")[2])
        answered, reply = done.stdout.split(" ", 1)
        return float(answered), json.loads(reply)


def serves(
    programs: Callable[[], dict[str, Program]], bridge: Bridge, live_fields: Callable[[set[str]], dict[str, str]]
) -> bool:
    """Whether every program runs, and the newest sample of each live field is fresh."""
    if {each.state for each in programs().values()} != {"RUNNING"}:
        return False
    fields = live_fields(bridge.search())
    return bool(fields) and not bridge.stale(fields)


def up_for(host: Host) -> float:
    """Return the seconds since PID 1 of a host began."""
    return float(host.check_output("python3 -c %s", _UP_FOR))


def until(deadline: float, done: Callable[[], bool]) -> None:
    """Ask every half second until it is done; fail after `deadline` seconds. A silent bridge is not done."""
    began = time.monotonic()
    while True:
        said = ""
        try:
            if done():
                return
        except BridgeSilent as silence:
            said = str(silence)
        assert time.monotonic() < began + deadline, f"not so within {deadline} s: {done} {said}"
        time.sleep(0.5)


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds")
