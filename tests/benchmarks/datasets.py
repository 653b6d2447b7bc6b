"""Seeded data sets: hourly .g3 files as the OCS aggregator writes them, and the same samples as text for the peers."""

import functools
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np
import orjson

SEED = 20190704
DAY = 86400
FRAME = 300
KINDS = ("walk", "noise", "steps", "spikes", "nan")


@dataclass(frozen=True)
class DataSet:
    """Some feeds of one sample a second. Frames of 300 s begin 30 s later from feed to feed, across hours and days.

    Attributes
    ----------
    name
        Begins the instance-ids of its agents.
    feeds, fields
        How many feeds, and fields in each.
    start, seconds
        First UNIX second, a midnight, and how many follow.
    """

    name: str
    feeds: int
    fields: int
    start: int
    seconds: int

    @property
    def end(self) -> int:
        return self.start + self.seconds

    @property
    def field_names(self) -> list[str]:
        return [f"{KINDS[n % len(KINDS)]}_{n:02d}" for n in range(self.fields)]

    def measurement(self, feed: int) -> str:
        return f"{self.name}x{feed:02d}"

    def provider(self, feed: int) -> str:
        """What OCS calls the feed."""
        return f"observatory.{self.measurement(feed)}.feeds.bench"

    def first(self, seconds: int) -> "DataSet":
        return replace(self, seconds=min(seconds, self.seconds))

    @property
    def hours(self) -> range:
        return range(self.start, self.end, 3600)


D7 = DataSet("d7", feeds=10, fields=16, start=1767225600, seconds=7 * DAY)  # 2026-01-01
D365 = DataSet("d365", feeds=1, fields=4, start=1735689600, seconds=365 * DAY)  # 2025-01-01


@functools.lru_cache(maxsize=24)
def day(data: DataSet, feed: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples of one feed on one day.

    Returns
    -------
    Stamps, UNIX milliseconds, ascending, int64, shape (n,), and values, float64, shape (fields, n).
    """
    rng = np.random.default_rng([SEED, data.start, feed, number])
    t = (data.start + number * DAY + np.arange(DAY)) * 1000 + 100 + 50 * feed + rng.integers(0, 6, DAY)
    values = np.empty((data.fields, DAY))
    for n in range(data.fields):
        values[n] = _KIND[KINDS[n % len(KINDS)]](rng, np.random.default_rng([SEED, data.start, feed, n]), number)
    # Few digits, as instruments send them: a peer's text then is as exact as the file.
    values = values.round(6)
    keep = np.ones(DAY, dtype=bool)
    if feed % 3 == 2:
        length, begin = (6 * 3600 if number % 7 == 3 else 600), int(rng.integers(0, DAY // 2))
        keep[begin : begin + length] = False
    return t[keep], np.ascontiguousarray(values[:, keep])


def _walk(rng: np.random.Generator, whole: np.random.Generator, number: int) -> np.ndarray:
    """A random walk that continues from day to day, although each day is made alone."""
    begin, end = (20 + np.cumsum(whole.normal(0, 1, number + 2)))[-2:]
    way = np.cumsum(rng.normal(0, 0.01, DAY))
    return begin + way + (end - begin - way[-1]) * np.arange(1, DAY + 1) / DAY


def _noise(rng: np.random.Generator, whole: np.random.Generator, number: int) -> np.ndarray:
    return rng.normal(0.1, 0.001, DAY)


def _steps(rng: np.random.Generator, whole: np.random.Generator, number: int) -> np.ndarray:
    return np.repeat(rng.integers(0, 20, DAY // 600).astype(float), 600)


def _spikes(rng: np.random.Generator, whole: np.random.Generator, number: int) -> np.ndarray:
    values = rng.normal(4, 0.01, DAY)
    values[rng.integers(0, DAY, 8)] = 300.0
    return values


def _nan(rng: np.random.Generator, whole: np.random.Generator, number: int) -> np.ndarray:
    values = rng.normal(0, 1, DAY)
    values[rng.random(DAY) < 0.02] = np.nan
    begin = int(rng.integers(0, DAY - 3600))
    values[begin : begin + 3600] = np.nan
    return values


_KIND = {"walk": _walk, "noise": _noise, "steps": _steps, "spikes": _spikes, "nan": _nan}


def span(data: DataSet, feed: int, begin: int, end: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples of one feed between two UNIX seconds, as `day` gives them."""
    begin, end = max(begin, data.start), min(end, data.end)
    pieces = []
    for number in range((begin - data.start) // DAY, max((end - 1 - data.start) // DAY, 0) + 1):
        t, values = day(data, feed, number)
        low, high = np.searchsorted(t, [begin * 1000, end * 1000])
        pieces.append((t[low:high], values[:, low:high]))
    return np.concatenate([t for t, _ in pieces]), np.concatenate([values for _, values in pieces], axis=1)


# -- .g3 ----------------------------------------------------------------------------------------------------------


def write(data: DataSet, folder: Path, workers: int) -> Path:
    """Write its hourly files below `folder`, if they are not there; the mark ``complete`` tells."""
    complete = folder / "complete"
    if complete.exists() and complete.read_text() == repr(data):
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    days = [(data, folder, hour) for hour in range(data.start, data.end, DAY)]
    with Pool(workers) as pool:
        pool.starmap(_write_day, days, chunksize=max(1, len(days) // workers // 4))
    complete.write_text(repr(data))
    return folder


def _write_day(data: DataSet, folder: Path, begin: int) -> None:
    for hour in data.hours:
        if begin <= hour < begin + DAY:
            path = folder / str(hour)[:5] / f"{hour}.g3"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_file(data, hour, path)


def write_file(data: DataSet, hour: int, path: Path) -> None:
    """Write the file that the aggregator begins at `hour`: every frame that is full within the hour after it."""
    session = aggregator(data)
    last = hour + 3600 + (FRAME if hour + 3600 >= data.end else 0)
    frames = [
        (full, feed)
        for feed in range(data.feeds)
        for full in range(hour + (30 * feed % FRAME or FRAME), last + 1, FRAME)
        if full - FRAME < data.end
    ]
    writer = spt3g_core().G3Writer(str(path))
    for frame in header(data, session, hour):
        writer(frame)
    for full, feed in sorted(frames):
        t, values = span(data, feed, full - FRAME, full)
        if t.size:
            writer(data_frame(data, session, feed, t, values))
    writer(spt3g_core().G3Frame(spt3g_core().G3FrameType.EndProcessing))


def aggregator(data: DataSet) -> Any:
    """The session of an aggregator that knows every feed."""
    import so3g.hk

    session = so3g.hk.HKSessionHelper(
        session_id=data.start << 28, start_time=float(data.start), hkagg_version=2, description="HK data"
    )
    for feed in range(data.feeds):
        session.add_provider(data.provider(feed))
    return session


def header(data: DataSet, session: Any, hour: float) -> Iterator[Any]:
    """The frames that begin each file."""
    yield session.session_frame()
    yield session.status_frame(timestamp=float(hour))


def data_frame(data: DataSet, session: Any, feed: int, t: np.ndarray, values: np.ndarray) -> Any:
    """One data frame of one block, for stamps in UNIX milliseconds."""
    core = spt3g_core()
    block = core.G3TimesampleMap()
    block.times = core.G3VectorTime(t * 100_000)
    for name, row in zip(data.field_names, values, strict=True):
        block[name] = core.G3VectorDouble(row)
    frame = session.data_frame(prov_id=feed, timestamp=float(t[-1]) / 1000)
    frame["address"] = data.provider(feed)
    frame["provider_session_id"] = f"{data.start}.{feed}"
    frame["blocks"].append(block)
    frame["block_names"].append("bench")
    return frame


def spt3g_core() -> Any:
    """The module spt3g.core, which so3g brings."""
    import so3g  # noqa: F401 -- makes spt3g known
    from spt3g import core

    return core


# -- text for the peers -------------------------------------------------------------------------------------------


def lines(data: DataSet, feed: int, number: int, fields: int) -> bytes:
    """One day of the first fields of a feed in InfluxDB's line protocol, stamps in milliseconds; NaN is left out."""
    t, values = day(data, feed, number)
    names = data.field_names[:fields]
    columns = [_texts(row) for row in values[:fields]]
    template = b"%s %s %%b\n" % (
        data.measurement(feed).encode(),
        b",".join(b"%s=%%b" % name.encode() for name in names),
    )
    text = b"".join(map(template.__mod__, zip(*columns, _texts(t), strict=True)))
    for name in names:
        if name.startswith("nan"):
            text = text.replace(b",%s=null" % name.encode(), b"")
    return text


def _texts(row: np.ndarray) -> list[bytes]:
    return orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")
