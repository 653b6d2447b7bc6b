"""How many panels the bridge answers in a second: `python -m tests.benchmarks.bridge_throughput [--seconds N]`.

A panel is a ``/query`` of ten targets of 1,000 points. Processes are asked by wrk (Debian's package), in turns:

- *nothing*: a Bottle route in the same Twisted container, with the same number of threads, which returns the same
  bytes ready-made. What it takes is what HTTP, container and threads take.
- *bridge*: the bridge, whose data servers are in its process and answer at once.
- *site*: the bridge of a miniature site, with a real router and a real data server, each a process.

They are asked in the same words again and again, and the latter two also *moving*: each request is for a range of its
own, so that no answer is remembered from another, as for panels whose range ends now. The share of *nothing* that each
reaches is told for the medians of all turns. All run on the same cores as wrk.
"""

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.report import machine, say
from tests.integration.miniature_site import Program, Site, eventually, free_port

TARGETS, POINTS = 10, 1000
BEGIN = 1_700_000_000.0
NAMES = [f"channel_{number:02}" for number in range(TARGETS)]
DUE = 0.5
THREADS = 96
_RATE = re.compile(r"Requests/sec:\s+([0-9.]+)")
_ERRORS = re.compile(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)")
_SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [==[{}]==]
"""
_MOVING = """
local asked, number = wrk.body, 0
request = function()
  number = (number + 1) % 900000
  return wrk.format(nil, nil, nil, (asked:gsub("999999", 999999 - number, 1)))
end
"""


def body(server: str) -> bytes:
    """The request of one panel."""
    times = [datetime.fromtimestamp(t, UTC).isoformat() for t in (BEGIN, BEGIN + POINTS - 1e-6)]
    targets = [{"target": f"{server}::{name}", "refId": chr(65 + n)} for n, name in enumerate(NAMES)]
    asked = {"range": dict(zip(("from", "to"), times, strict=True)), "maxDataPoints": POINTS, "targets": targets}
    return json.dumps(asked).encode()


def samples() -> tuple[Any, dict[str, Any]]:
    """What the data server lists and holds: a noisy sine each second, as temperatures are."""
    t = BEGIN + np.arange(POINTS)
    noise = np.random.default_rng(1)
    values = {name: np.sin(t / 60 + n) * 4 + noise.normal(0, 0.01, POINTS) for n, name in enumerate(NAMES)}
    fields = {name: {"description": None, "timeline": "t", "type": "number", "units": "K"} for name in NAMES}
    listed = (fields, {"t": {"interval": 1.0, "field": NAMES}})
    return listed, {"t": t, "values": values}


def serve_nothing(port: int, reply: Path) -> None:
    """Be the route that returns the bytes of a file."""
    from bottle import Bottle
    from twisted.internet import reactor as chosen

    from services.bridge.listener import site

    reactor: Any = chosen
    app, content = Bottle(), reply.read_bytes()
    app.route("/query", method="POST", callback=lambda: content)
    reactor.listenTCP(port, site(reactor, app, THREADS, 2**20), interface="127.0.0.1")
    reactor.run()


def serve_bridge(port: int) -> None:
    """Be the bridge, with a data server in its own process."""
    from twisted.internet import reactor as chosen
    from twisted.internet.defer import Deferred, succeed

    from services.bridge.server import bridge
    from sisock.config import declared_options, load_settings
    from sisock.shapes import DataReply, FieldsReply

    reactor: Any = chosen
    listed, held = samples()

    class AtOnce:
        """Answers without a router."""

        on_nodes_changed = None

        def is_attached(self) -> bool:
            return True

        def nodes(self, **_deadline: float) -> Deferred[list[dict[str, str]]]:
            return succeed([{"name": "bench", "description": ""}])

        def get_fields(self, *_asked: object, **_deadline: float) -> Deferred[FieldsReply]:
            return succeed(listed)

        def get_data(self, _node: str, fields: list[str], *_asked: object, **_deadline: float) -> Deferred[DataReply]:
            timeline: Any = {"t": {"t": held["t"], "finalized_until": None}}
            return succeed({"data": {name: held["values"][name] for name in fields}, "timeline": timeline})

    settings = load_settings(declared_options("services.bridge", "service.yml"), {})
    consumer: Any = AtOnce()
    reactor.listenTCP(port, bridge(consumer, reactor, settings), interface="127.0.0.1")
    reactor.run()


def serve_samples() -> None:
    """Be the data server of the miniature site."""
    from sisock.base import DataNodeServer
    from sisock.session import run

    listed, held = samples()

    class Bench(DataNodeServer):
        """Holds everything in memory."""

        name = "bench"
        description = "samples of a benchmark"

        def get_fields(self, start: float, end: float) -> Any:
            return listed

        def get_data(self, field: list[str], start: float, end: float, min_stride: float | None = None) -> Any:
            timeline = {"t": {"t": held["t"], "finalized_until": None}}
            return {"data": {name: held["values"][name] for name in field}, "timeline": timeline}

    run(Bench)


def ask(port: int, content: bytes) -> bytes:
    """Send one request; its reply, which must be good."""
    import urllib.request

    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/query", content, {"Content-Type": "application/json"}
    )  # fmt: skip
    with urllib.request.urlopen(request, timeout=30) as reply:
        received: bytes = reply.read()
        return received


def rate(port: int, script: Path, seconds: float, connections: int) -> float:
    """Requests that wrk gets answered in a second; none may fail."""
    said = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "30s", "-s", script,
         f"http://127.0.0.1:{port}/query"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    if failed := _ERRORS.search(said):
        raise SystemExit(f"wrk got answers that are none: {failed[0]}")
    found = _RATE.search(said)
    assert found, said
    return float(found[1])


def measure(folder: Path, seconds: float, rounds: int, connections: int, with_site: bool) -> dict[str, Any]:
    """Start them all, ask them in turns, and compare."""
    site = Site(folder)
    with ExitStack() as running:
        running.callback(site.stop)
        ports = {"nothing": free_port(), "bridge": free_port()}
        start(site, "bridge", "--bridge", str(ports["bridge"]))
        reply = eventually("the bridge answers", lambda: complete(ask(ports["bridge"], body("bench"))))
        (folder / "reply.json").write_bytes(reply)
        start(site, "nothing", "--nothing", str(ports["nothing"]), "--reply", str(folder / "reply.json"))
        eventually("the route answers", lambda: ask(ports["nothing"], b"{}") == reply)
        if with_site:
            ports["site"] = site.bridge_port
            site.start_router()
            site.start("hub", user="hub")
            start(site, "bench", "--samples", environ=site.environ("server"))
            site.start("bridge", name="the_bridge", user="consumer", PORT=site.bridge_port)
            eventually(
                "the site answers", lambda: ask(site.bridge_port, body("bench")) == reply, 60
            )  # fmt: skip
        same, moving = folder / "panel.lua", folder / "moving.lua"
        same.write_text(_SCRIPT.format(body("bench").decode()))
        moving.write_text(same.read_text() + _MOVING)
        turns = {name: (port, same) for name, port in ports.items()}
        turns |= {f"{name}, moving": (port, moving) for name, port in ports.items() if name != "nothing"}
        rates: dict[str, list[float]] = {name: [] for name in turns}
        for number in range(rounds + 1):
            for name, (port, script) in turns.items():
                measured = rate(port, script, seconds if number else 2.0, connections)
                if number:  # The first turn is to warm up.
                    rates[name].append(round(measured, 1))
    medians = {name: statistics.median(each) for name, each in rates.items()}
    return {
        "machine": machine({}),
        "panel": f"{TARGETS} targets of {POINTS} points, {len(reply)} bytes",
        "connections": connections,
        "seconds of a turn": seconds,
        "requests a second": rates,
        "medians": medians,
        "share of nothing": {name: round(each / medians["nothing"], 3) for name, each in medians.items()},
    }


def start(site: Site, name: str, *arguments: str, environ: dict[str, str] | None = None) -> Program:
    """Start one of the roles of this module as a process."""
    return site.run(name, [sys.executable, "-m", "tests.benchmarks.bridge_throughput", *arguments], environ or {})


def complete(reply: bytes) -> bytes | None:
    """The reply, if all targets have their points."""
    series = json.loads(reply)
    return reply if [len(each["datapoints"]) for each in series] == [POINTS] * TARGETS else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="of a turn")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--no-site", action="store_true", help="without the miniature site")
    for hidden in ("--nothing", "--bridge"):
        parser.add_argument(hidden, type=int, metavar="PORT", help=argparse.SUPPRESS)
    parser.add_argument("--reply", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--samples", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.nothing:
        serve_nothing(asked.nothing, asked.reply)
    elif asked.bridge:
        serve_bridge(asked.bridge)
    elif asked.samples:
        serve_samples()
    elif shutil.which("wrk") is None:
        sys.exit("there is no wrk; apt-get install wrk")
    else:
        with tempfile.TemporaryDirectory() as folder:
            result = measure(Path(folder), asked.seconds, asked.rounds, asked.connections, not asked.no_site)
        say(json.dumps(result, indent=2))
        if min(result["share of nothing"][name] for name in ("bridge", "bridge, moving")) < DUE:
            sys.exit(f"the bridge reaches less than {DUE} of what a route that does nothing does")


if __name__ == "__main__":
    main()
