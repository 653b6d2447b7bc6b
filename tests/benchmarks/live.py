"""The live path under load: `python -m tests.benchmarks.live [--fields N] [--seconds N] [--kill]`.

One process publishes N fields once a second, as OCS agents do, through a real router to a data_feed server that keeps
a journal; in the end every sample that was published is held against what get_data answers. With `--kill`, the server
is killed (-9) halfway and started again: what it had received must be there, what it could not receive is a hole.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.integration.miniature_site import ROOT, Program, Site, eventually

PER_FEED = 100
"""Fields of one feed: the last is an integer, a text and a boolean by turns."""
TICK = os.sysconf("SC_CLK_TCK")


def content(feed: int, tick: int) -> dict[str, Any]:
    """What feed number `feed` publishes at its tick number `tick`: field -> value."""
    numbers: dict[str, Any] = {f"channel_{i:02}": feed + i / 128 + tick / 8192 for i in range(PER_FEED - 3)}
    return numbers | {"count": feed + tick, "state": f"state {tick % 7}", "on": (feed + tick) % 2 == 0}


def topic(feed: int) -> str:
    return f"observatory.agent{feed:03}.feeds.f"


def publish(url: str, feeds: int, seconds: int) -> None:
    """Be the publisher; writes the stamp of each tick as a line, once its messages are sent."""
    from autobahn.twisted.wamp import ApplicationRunner, ApplicationSession
    from twisted.internet import reactor as chosen
    from twisted.internet.task import LoopingCall

    reactor: Any = chosen

    class Agents(ApplicationSession):
        """All agents in one session; spreads their messages over the second as they would."""

        def onJoin(self, details: object) -> None:
            self.tick = 0
            self.beat = LoopingCall(self.publish_all)
            self.beat.start(1.0)

        def publish_all(self) -> None:
            now = time.time()
            for feed in range(feeds):
                reactor.callLater(0.8 * feed / feeds, self.publish_one, feed, self.tick, now)
            reactor.callLater(0.9, print, "sent", repr(now), flush=True)
            self.tick += 1
            if self.tick == seconds:
                self.beat.stop()
                reactor.callLater(2.0, self.leave)

        def publish_one(self, feed: int, tick: int, now: float) -> None:
            data = {name: [value] for name, value in content(feed, tick).items()}
            block = {"block_name": "b", "timestamps": [now], "data": data}
            about = {"record": True, "agent_class": "Load", "feed_name": "f", "agent_address": topic(feed)[:-8]}
            self.publish(topic(feed), [{"b": block}, about])

        def onDisconnect(self) -> None:
            reactor.stop()

    ApplicationRunner(url, "test_realm").run(Agents)


def family(pid: int) -> Iterator[int]:
    """The process and all that it has started."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from family(int(child))


def cpu_seconds(pid: int) -> float:
    """Time that the process and what it has started have computed, s."""
    stats = [Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split() for each in family(pid)]
    return sum(int(fields[11]) + int(fields[12]) for fields in stats) / TICK


def resident_mib(pid: int) -> float:
    """Memory of the process and what it has started, less what they share, MiB."""
    rollups = [Path(f"/proc/{each}/smaps_rollup").read_text() for each in family(pid)]
    return sum(int(text.partition("\nPss:")[2].split()[0]) for text in rollups) / 1024


def compare(site: Site, feeds: int, stamps: list[float]) -> dict[str, int]:
    """Hold every sample against what get_data answers."""
    counts = {"published": 0, "missing": 0, "wrong": 0, "invented": 0}
    with site.client() as client:
        for feed in range(feeds):
            names = {name: f"{topic(feed)}.{name}" for name in content(feed, 0)}
            published = [content(feed, tick) for tick in range(len(stamps))]
            reply = client.get_data("data_feed", list(names.values()), 1, 0)
            assert reply, "data_feed answers False"
            for name, full in names.items():
                values = reply["data"][full]
                got = dict(zip(reply["timeline"][f"{topic(feed)}.b"]["t"], values, strict=True)) if values else {}
                for tick, stamp in enumerate(stamps):
                    counts["published"] += 1
                    counts["missing"] += stamp not in got
                    counts["wrong"] += stamp in got and got.pop(stamp) != published[tick][name]
                counts["invented"] += len(got)
    return counts


def load(feeds: int, seconds: int, kill: bool, folder: Path) -> dict[str, Any]:
    """Run the whole of it; give what was counted and measured."""
    site = Site(folder)
    try:
        site.start_router()
        site.start("hub", user="hub")
        server = site.start("data_nodes.data_feed", name="data_feed", BUFFER_DIRECTORY=folder / "state")
        eventually("data_feed is listed", lambda: "data_feed is listed" in server.log(), 60)
        command = [sys.executable, "-m", "tests.benchmarks.live", "--feeds", str(feeds), "--seconds", str(seconds)]
        publisher = Program("publisher", [*command, "--url", f"ws://127.0.0.1:{site.ocs_port}/ws"],
                            dict(os.environ) | {"PYTHONPATH": str(ROOT)}, folder)  # fmt: skip
        watched = {"publisher": publisher, "crossbar": site.programs["crossbar"], "data_feed": server}
        site.programs["publisher"] = publisher.start()
        eventually("it publishes", lambda: len(ticks(publisher)) >= 2, 60)
        began = time.monotonic()
        before = {name: cpu_seconds(program.pid) for name, program in watched.items()}
        killed_at, lost = None, 0.0
        if kill:
            eventually("half is published", lambda: len(ticks(publisher)) >= seconds // 2, seconds + 60)
            lost = cpu_seconds(server.pid)
            server.kill()
            killed_at = time.time()
            server.start()
        # As long as all of it lives.
        eventually("nearly all is published", lambda: len(ticks(publisher)) >= seconds - 1, seconds * 2 + 60)
        elapsed = time.monotonic() - began
        measured = {
            name: {
                "cores": round((cpu_seconds(program.pid) + (lost if name == "data_feed" else 0) - before[name])
                               / elapsed, 3),
                "MiB": round(resident_mib(program.pid)),
            }
            for name, program in watched.items()
        }  # fmt: skip
        eventually("all is published", lambda: len(ticks(publisher)) >= seconds, 60)
        stamps = ticks(publisher)
        result: dict[str, Any] = {"fields": feeds * PER_FEED, "seconds": seconds, "used": measured}
        if killed_at is None:
            with site.client() as client:
                last = f"{topic(feeds - 1)}.count"
                eventually(
                    "the last is served", lambda: client.get_data("data_feed", [last], stamps[-1], 0)["data"][last]
                )
            result |= compare(site, feeds, stamps)
        else:
            eventually("the journal is taken up", lambda: server.log().count("has taken up its journal") == 2, 600)
            # What was under way when the server was killed it had not received; what was sent a second before it had.
            received = [stamp for stamp in stamps if stamp < killed_at - 2.0]
            counts = compare(site, feeds, stamps)
            result |= {"received before the kill": compare_part(site, feeds, stamps, len(received)), "in all": counts}
        result["journal MiB"] = round(sum(p.stat().st_size for p in (folder / "state").rglob("*.journal")) / 2**20, 1)
        return result
    finally:
        site.stop()


def compare_part(site: Site, feeds: int, stamps: list[float], count: int) -> dict[str, int]:
    """Hold the first `count` ticks against what get_data answers."""
    counts = compare(site, feeds, stamps[:count])
    return {name: counts[name] for name in ("published", "missing", "wrong")}


def ticks(publisher: Program) -> list[float]:
    """Stamps of what was sent."""
    return [float(line.rpartition(" ")[2]) for line in publisher.log().splitlines() if " sent " in line]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fields", type=int, default=10_000, help="a multiple of 100")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--kill", action="store_true", help="kill the server halfway")
    parser.add_argument("--feeds", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.url:
        publish(given.url, given.feeds, given.seconds)
        return
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(load(given.fields // PER_FEED, given.seconds, given.kill, Path(folder)), indent=2))  # noqa: T201


if __name__ == "__main__":
    main()
