"""Benchmarks of the archive: generate, load, measure, report; everything below one directory and on loopback."""

import argparse
import shutil
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

from tests.benchmarks import datasets, measure
from tests.benchmarks.datasets import D7, D365, DAY, DataSet
from tests.benchmarks.g3 import LoadRange, Reader2019
from tests.benchmarks.measure import CORES, Contestant, Times
from tests.benchmarks.ours import Sisock
from tests.benchmarks.peers import InfluxDB, Peer, VictoriaMetrics
from tests.benchmarks.report import Report, machine, say
from tests.benchmarks.scanning import MB, archive


def main() -> None:
    parser = argparse.ArgumentParser(prog="./appliance bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="days instead of a year: whether it works, not how fast")
    parser.add_argument("--directory", type=Path, default=Path(".cache/bench"), help="for all data (5 GB)")
    parser.add_argument("--programs", type=Path, default=Path("/usr/bin"), help="where the peers' programs are")
    arguments = parser.parse_args()
    folder = arguments.directory.resolve() / ("quick" if arguments.quick else "full")
    report = Report(arguments.quick)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # So that what was started is stopped.
    with ExitStack() as running:
        running.callback(report.write, folder)
        bench(folder, arguments.programs.resolve(), running, report)
    say(report.markdown())
    say(f"Written: report.md, report.json and report.png in {folder}")


def bench(folder: Path, programs: Path, running: ExitStack, report: Report) -> None:
    """Everything; what it starts is stopped with `running`."""
    d7, d365 = (D7.first(2 * DAY), D365.first(14 * DAY)) if report.quick else (D7, D365)
    warm_rounds, cold_rounds = ((5, 5.0), (1, 1.0)) if report.quick else ((50, 30.0), (5, 40.0))
    say(f"Data sets below {folder}")
    g3 = {data: datasets.write(data, folder / data.name, CORES) for data in (d7, d365)}
    sizes = ", ".join(f"{data.name} {sum(p.stat().st_size for p in g3[data].rglob('*.g3')) / MB:.0f} MB" for data in g3)
    report.raw["machine"] = machine({"data": sizes})
    peers = [VictoriaMetrics(folder / "victoria-metrics", programs), InfluxDB(folder / "influxdb", programs)]
    for peer in peers:
        load(peer, [d7, d365], report)
    shutil.rmtree(folder / "sisock", ignore_errors=True)
    ours = Sisock(folder / "sisock")
    running.callback(ours.stop)
    ours.database.start()
    archive(ours, d7, d365, g3, report)

    contestants: list[Contestant] = [ours, *peers, LoadRange(g3), Reader2019(g3)]
    for who in contestants[1:]:
        running.callback(who.stop)
        who.start()
    say("Waiting until all are at rest")
    for session in [*ours.sessions, *(peer.pid for peer in peers)]:
        measure.rest(session)
    queries = measure.cells(d7, d365)
    report.cells, report.names = [cell.name for cell in queries], [who.name for who in contestants]
    report.raw["points"] = measure.check(queries, contestants)
    say("Queries, warm")
    report.times["warm"] = Times(*warm_rounds)
    measure.warm(report.times["warm"], queries, contestants)
    say("Queries, cold")
    folders = [*g3.values(), *(peer.folder for peer in peers), ours.site.folder]
    report.raw["machine"]["cold"] = "started anew, " + measure.forget_pages(folders)
    report.times["cold"] = Times(*cold_rounds)
    measure.cold(report.times["cold"], queries, contestants, folders)
    year, hour = (report.times["warm"].median(cell, ours.name) for cell in ("1 y", "1 h"))
    report.claim("1 y query to 1 h query, warm", year / hour, "x", ("<=", 3))
    say("Memory of the reader")
    peak, asked = ours.reader_memory([d365, d7], clients=8, seconds=5 if report.quick else 60)
    report.claim("reader's memory, 8 clients at every zoom", peak / MB, "MB", ("<=", 300), f"{asked} queries")


def load(peer: Peer, sets: list[DataSet], report: Report) -> None:
    """Load the data sets into a peer, and let it come to rest."""
    peer.start()
    try:
        for data in sets:
            say(f"Loading {data.name} into {peer.name}")
            samples, seconds = peer.load(data, CORES)
            speed = samples / seconds / 1e6
            report.claim(
                f"{peer.name} loads {data.name}",
                speed,
                "M samples/s",
                note=f"{seconds:.0f} s, {peer.fields(data)} of {data.fields} fields",
            )
        measure.rest(peer.pid)
    finally:
        peer.stop()


if __name__ == "__main__":
    main()
