"""How long queries take: warm and cold, the contestants in turn, so that a drift of the machine hits all."""

import os
import random
import statistics
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.benchmarks.datasets import DAY, SEED, DataSet

CORES = len(os.sched_getaffinity(0))
POINTS = 1000
"""Points asked for, as a panel of that many pixels does."""
REFRESH = 7
"""Seconds by which the range moves on from one query to the next, as that of a panel that is refreshed."""
IDLE = 0.02
"""Share of a core below which a program is done with what it was loaded with."""


class Contestant(Protocol):
    """Who answers queries. `query` gives its reply, and `drawn` the number of points of each series in a reply."""

    name: str

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def query(self, data: DataSet, fields: list[tuple[int, str]], begin: float, end: float, points: int) -> bytes: ...

    def drawn(self, reply: bytes) -> list[int]: ...


@dataclass(frozen=True)
class Cell:
    """One kind of query.

    Attributes
    ----------
    name
        As it stands in the table.
    data, feeds
        The data set, and from how many of its feeds the first field is asked.
    seconds
        The length of the range.
    offset
        Seconds from the beginning of the data set to that of the range; None: anywhere, each time elsewhere.
    """

    name: str
    data: DataSet
    seconds: int
    offset: int | None = 0
    feeds: int = 1

    @property
    def fields(self) -> list[tuple[int, str]]:
        return [(feed, "walk_00") for feed in range(self.feeds)]

    def range(self, number: int) -> tuple[int, int]:
        """The range of the query of that number."""
        if self.offset is None:
            offset = random.Random(SEED + number).randrange(self.data.seconds - self.seconds)
        else:
            offset = self.offset + REFRESH * number
        return self.data.start + offset, self.data.start + offset + self.seconds


def cells(d7: DataSet, d365: DataSet) -> list[Cell]:
    """The queries of the table."""
    middle = d7.seconds * 4 // 7 + 5 * 3600
    return [
        Cell("1 h", d7, 3600, middle),
        Cell("1 h, anywhere", d7, 3600, None),
        Cell("1 d", d7, DAY, min(middle, d7.seconds - DAY)),
        Cell("7 d", d7, d7.seconds),
        Cell("10 fields x 7 d", d7, d7.seconds, feeds=10),
        Cell("1 y", d365, d365.seconds),
    ]


@dataclass
class Times:
    """Seconds of each query, by cell and contestant; and how often each is asked.

    A contestant that has taken `budget` seconds in a cell is asked there no more, once it has been asked `least` times.
    """

    rounds: int
    budget: float
    least: int = 3
    seconds: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def due(self, cell: Cell, who: Contestant) -> bool:
        so_far = self.seconds.setdefault((cell.name, who.name), [])
        return len(so_far) < self.rounds and (len(so_far) < self.least or sum(so_far) < self.budget)

    def ask(self, cell: Cell, who: Contestant, number: int) -> None:
        begin, end = cell.range(number)
        began = time.perf_counter()
        who.query(cell.data, cell.fields, begin, end, POINTS)
        self.seconds[(cell.name, who.name)].append(time.perf_counter() - began)

    def median(self, cell: str, who: str) -> float | None:
        of_cell = self.seconds.get((cell, who))
        return statistics.median(of_cell) if of_cell else None


def check(queries: Iterable[Cell], contestants: Iterable[Contestant]) -> dict[str, int]:
    """Ask everything once; the least points that anybody draws of a series, by cell and contestant.

    Raises
    ------
    ValueError
        A series is missing, or has less than a third or more than thrice the points asked for.
    """
    least = {}
    for cell in queries:
        for who in contestants:
            begin, end = cell.range(0)
            drawn = who.drawn(who.query(cell.data, cell.fields, begin, end, POINTS))
            if len(drawn) != cell.feeds or not all(POINTS / 3 < points < 3 * POINTS for points in drawn):
                raise ValueError(
                    f"{who.name} answers the query {cell.name!r} with {drawn} points of {cell.feeds} series"
                )
            least[f"{cell.name}: {who.name}"] = min(drawn)
    return least


def warm(times: Times, queries: Sequence[Cell], contestants: Sequence[Contestant]) -> Times:
    """Ask everybody everything, in turn, again and again."""
    for number in range(times.rounds):
        for cell in queries:
            for who in contestants:
                if times.due(cell, who):
                    times.ask(cell, who, number)
    return times


def cold(times: Times, queries: Sequence[Cell], contestants: Sequence[Contestant], folders: Collection[Path]) -> None:
    """The same, each query being the first after a start, and with nothing of the data in the page cache.

    It begins and ends with everybody started.
    """
    for number in range(times.rounds):
        for cell in queries:
            for who in contestants:
                if times.due(cell, who):
                    who.stop()
                    who.start()
                    forget_pages(folders)
                    times.ask(cell, who, number)


def forget_pages(folders: Iterable[Path]) -> str:
    """Empty the page cache; without the right to do so, let the kernel drop the files below `folders` from it.

    Returns
    -------
    Which of both it was.
    """
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError:
        for path in (path for folder in folders for path in folder.rglob("*") if path.is_file()):
            handle = os.open(path, os.O_RDONLY)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)
        return "pages of the data's files dropped (posix_fadvise)"
    return "page cache dropped (drop_caches)"


# -- what processes use -------------------------------------------------------------------------------------------


def processes(session: int) -> Iterator[Path]:
    """The folders in /proc of the processes of a session, that of a program and what it has started."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(stat[3]) == session:
                yield folder


def cpu_seconds(session: int) -> float:
    """Seconds of processor time of a session, its ended children too."""
    ticks = 0
    for folder in processes(session):
        try:
            ticks += sum(map(int, (folder / "stat").read_text().rpartition(")")[2].split()[11:15]))
        except OSError:
            continue
    return ticks / os.sysconf("SC_CLK_TCK")


def peak_memory(session: int) -> int:
    """Most bytes that the processes of a session have had in memory, each at its time."""
    total = 0
    for folder in processes(session):
        for line in (folder / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                total += int(line.split()[1]) * 1024
    return total


def rest(session: int, within: float = 300.0) -> None:
    """Wait until a program has nothing to do."""
    deadline = time.monotonic() + within
    before = cpu_seconds(session)
    while time.monotonic() < deadline:
        time.sleep(2.0)
        now = cpu_seconds(session)
        if now - before < IDLE * 2.0:
            return
        before = now
