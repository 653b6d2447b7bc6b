"""so3g itself, in a process of its own: plain decoding, load_range, and HKArchiveScanner as the 2019 reader used it."""

import time
from collections.abc import Sequence
from multiprocessing import get_context
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

import orjson

from tests.benchmarks.datasets import DataSet


class InProcess:
    """One worker process that reads .g3 files; `folders` are those of the data sets."""

    name: str

    def __init__(self, folders: dict[DataSet, Path]) -> None:
        self._folders = folders
        self._pool: Pool

    def start(self) -> None:
        self._pool = get_context("spawn").Pool(1)
        self._pool.apply(_ready)

    def stop(self) -> None:
        self._pool.terminate()
        self._pool.join()

    def query(self, data: DataSet, fields: list[tuple[int, str]], begin: float, end: float, points: int) -> bytes:
        names = [f"{data.provider(feed)}.{field}" for feed, field in fields]
        drawn: bytes = self._pool.apply(self.read, (str(self._folders[data]), names, begin, end, points))
        return drawn

    def drawn(self, reply: bytes) -> list[int]:
        return list(orjson.loads(reply))

    @staticmethod
    def read(folder: str, names: list[str], begin: float, end: float, points: int) -> bytes:
        raise NotImplementedError


class LoadRange(InProcess):
    """so3g.hk.load_range, every n-th sample taken."""

    name = "so3g load_range"

    @staticmethod
    def read(folder: str, names: list[str], begin: float, end: float, points: int) -> bytes:
        import so3g

        series = so3g.hk.load_range(begin, end, fields=names, data_dir=folder).values()
        return orjson.dumps([len(values[:: max(1, len(t) // points)]) for t, values in series])


class Reader2019(InProcess):
    """HKArchiveScanner on the files of the range; who has scanned them before does not do so again."""

    name = "reader of 2019"

    @staticmethod
    def read(folder: str, names: list[str], begin: float, end: float, points: int) -> bytes:
        global _scanned  # noqa: PLW0603 -- what the process remembers
        import so3g.hk

        first, last = int(begin // 3600 * 3600 - 3600), int(end)
        if (folder, first, last // 3600) != _scanned[0]:
            scanner = so3g.hk.HKArchiveScanner()
            for path in sorted(Path(folder).glob("*/*.g3")):
                if first <= int(path.stem) <= last:
                    scanner.process_file(str(path))
            _scanned = ((folder, first, last // 3600), scanner.finalize())
        data, _ = _scanned[1].get_data(names, begin, end)
        return orjson.dumps([len(data[name][:: max(1, len(data[name]) // points)]) for name in names])


_scanned: tuple[Any, Any] = (None, None)


def _ready() -> None:
    """What a process that reads .g3 has imported."""
    import so3g.hk  # noqa: F401


def decode_seconds(paths: Sequence[Path]) -> float:
    """Seconds in which one process decodes files to the last sample."""
    with get_context("spawn").Pool(1) as pool:
        pool.apply(_ready)
        seconds: float = pool.apply(_decode, ([str(path) for path in paths],))
    return seconds


def _decode(paths: list[str]) -> float:
    import so3g  # noqa: F401 -- makes spt3g known
    from spt3g import core

    began = time.perf_counter()
    for path in paths:
        for frame in core.G3File(path):
            if "blocks" in frame:
                frame["blocks"]
    return time.perf_counter() - began
