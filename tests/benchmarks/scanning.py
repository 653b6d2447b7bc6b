"""What is to be said of scanner and index: speed, size, unchanged files, fresh frames, and many files beside few."""

import shutil
import statistics
from pathlib import Path

from tests.benchmarks import measure
from tests.benchmarks.datasets import DAY, DataSet
from tests.benchmarks.g3 import decode_seconds
from tests.benchmarks.measure import Cell, Times
from tests.benchmarks.ours import Sisock
from tests.benchmarks.report import Report, say

MB = 1e6


def archive(ours: Sisock, d7: DataSet, d365: DataSet, g3: dict[DataSet, Path], report: Report) -> None:
    """Scan; in the end, the whole archive is in the index, and everything of ours runs.

    Parameters
    ----------
    ours
        With MariaDB running, and nothing else.
    d7, d365, g3
        The data sets, and the folders of their files.
    report
        Gets the figures.
    """
    rounds = (5, 5.0) if report.quick else (100, 40.0)
    few = d365.first(max(d365.seconds // 100 // 3600, 30) * 3600)
    queries = [Cell(f"{name}, few and many files", few, span, 7200) for name, span in (("1 h", 3600), ("1 d", DAY))]
    little = _with_few_files(ours, few, g3[d365], queries, rounds)
    _first_scan(ours, g3[d7], report)

    say("Scan of the other data set")
    ours.add(g3[d365])
    before = sum(path.stat().st_size for path in g3[d7].rglob("*.g3"))
    scan = ours.scan()
    report.claim(f"scan of {d365.name}", (scan.size - before) / scan.seconds / MB, "MB/s", note=f"{scan.seconds:.1f} s")
    report.raw["tables of both"] = ours.table_sizes()
    seconds, opened, total = ours.unchanged_pass()
    report.claim("pass over unchanged files", seconds, "s", ("<=", 1), f"{total} files")
    report.claim("files opened by it", opened, "", ("<=", 0))
    ours.start()
    much = measure.warm(Times(*rounds), queries, [ours])
    for cell in queries:
        grown = much.median(cell.name, ours.name) / little.median(cell.name, ours.name)
        report.claim(f"{cell.name}: warm latency", grown, "x", ("<=", 1.5), f"{few.seconds // 3600} and {total} files")
    fresh = ours.freshness(3 if report.quick else 20)
    report.claim("a flushed frame is served, median", statistics.median(fresh), "s")
    report.claim("a flushed frame is served, the latest", max(fresh), "s", ("<=", 2))


def _with_few_files(ours: Sisock, few: DataSet, folder: Path, queries: list[Cell], rounds: tuple[int, float]) -> Times:
    say("Queries on an archive of few files")
    ours.use()
    ours.add(folder, few.seconds // 3600)
    ours.scan()
    ours.start()
    times = measure.warm(Times(*rounds), queries, [ours])
    ours.stop()
    shutil.rmtree(ours.archive)
    ours.archive.mkdir()
    ours.database.start()
    return times


def _first_scan(ours: Sisock, folder: Path, report: Report) -> None:
    say("First scan")
    ours.use()
    ours.add(folder)
    paths = sorted(ours.archive.glob("*/*.g3"))
    decoded = [decode_seconds(paths) for _ in range(3)]
    scan = ours.scan()
    ours.stop_scanner()
    decoded += [decode_seconds(paths) for _ in range(2)]
    decode, speed = scan.size / statistics.median(decoded), scan.size / scan.seconds
    spent = f"scanner {scan.scanner:.1f} s, MariaDB {scan.database:.1f} s, of {scan.seconds:.1f} s"
    cores = measure.CORES
    report.claim("so3g decodes, one core", decode / MB, "MB/s")
    report.claim("first scan", speed / MB, "MB/s", note=f"{scan.files} files, {scan.size / MB:.0f} MB")
    report.claim("first scan per core to so3g's decoding", speed / cores / decode, "", (">=", 0.25), f"{cores} cores")
    report.claim("cores used by it", (scan.scanner + scan.database) / scan.seconds, note=spent)
    counted, on_disk = ours.index_size()
    report.raw["tables"] = ours.table_sizes()
    report.claim("index to .g3 bytes", counted / scan.size, "", ("<=", 0.12), f"tables, {counted / MB:.1f} MB")
    report.claim("index files to .g3 bytes", on_disk / scan.size, note=f".ibd files, {on_disk / MB:.1f} MB")
