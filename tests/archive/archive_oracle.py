"""What a query must answer, found by reading every file of the archive in plain loops. Slow, and nothing of ours.

The rules: files count in the order of their paths, frames of a file in their order, up to the first that is broken; of
samples of one field that share a stamp, the one written last counts, but one without a value never hides one with a
value; NaN and infinities are no values; stamps outside the years 1970 to 3999 are passed over.
"""

import math
import re
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import so3g
from so3g.hk import HKTranslator
from spt3g import core

SECOND = 100_000_000
YEAR_4000 = 64_060_588_800
"""UNIX seconds."""

Value = float | str | bool
Series = tuple[str, str, str, str]
"""Feed, block, field as it is in the file, kind."""
KINDS = ("number", "bool", "string")


@dataclass(frozen=True)
class Summary:
    """What there is of one field; first and last are ticks, of samples with a value."""

    kind: str
    first: int
    last: int
    count: int


class Oracle:
    """The content of an archive.

    Attributes
    ----------
    series
        The samples of each series: tick -> place in the order of writing, value (None for no value).
    dropped
        Stamps outside the years that count.
    """

    def __init__(self, root: Path) -> None:
        self.series: dict[Series, dict[int, tuple[int, Value | None]]] = {}
        self.dropped = 0
        self._merged: dict[str, list[tuple[int, Value]]] = {}
        order = 0
        for path in archived(root):
            for feed, block_name, block in blocks(path):
                ticks = [stamp.time for stamp in block.times]
                self.dropped += sum(1 for tick in ticks if not 0 < tick < YEAR_4000 * SECOND)
                for field in block.keys():  # noqa: SIM118 (no dictionary)
                    kind = _KIND[type(block[field])]
                    samples = self.series.setdefault((feed, block_name, field, kind), {})
                    for place, (tick, written) in enumerate(zip(ticks, block[field], strict=True)):
                        if 0 < tick < YEAR_4000 * SECOND:
                            value = _value(kind, written)
                            if value is not None or samples.get(tick, (0, None))[1] is None:
                                samples[tick] = (order + place, value)
                order += len(ticks)
        self.series = {key: samples for key, samples in self.series.items() if samples}

    @cached_property
    def names(self) -> dict[str, list[Series]]:
        """The sisock names, and the series that each stands for."""
        fields: dict[str, set[str]] = {}
        for feed, _, field, _ in self.series:
            fields.setdefault(feed, set()).add(field)
        kinds: dict[tuple[str, str], set[str]] = {}
        for feed, _, field, kind in self.series:
            kinds.setdefault((feed, field), set()).add(kind)
        named: dict[str, list[Series]] = {}
        for key in sorted(self.series):
            feed, _, field, kind = key
            name = _tame(field)
            if sum(1 for other in fields[feed] if _tame(other) == name) > 1:
                name = field
            best = min(kinds[feed, field], key=KINDS.index)
            named.setdefault(f"{feed}.{name}" + ("" if kind == best else f".{kind}"), []).append(key)
        return named

    def merged(self, name: str) -> list[tuple[int, Value]]:
        """Tick and value of every sample of a field that has a value, in the order of time."""
        if name in self._merged:
            return self._merged[name]
        together: dict[int, tuple[int, Value]] = {}
        for key in self.names.get(name, []):
            for tick, (order, value) in self.series[key].items():
                if value is not None and order >= together.get(tick, (-1, 0))[0]:
                    together[tick] = (order, value)
        self._merged[name] = [(tick, together[tick][1]) for tick in sorted(together)]
        return self._merged[name]

    def fields(self) -> dict[str, Summary]:
        """Every field that has a value."""
        found = {}
        for name, keys in self.names.items():
            samples = self.merged(name)
            if samples:
                found[name] = Summary(keys[0][3], samples[0][0], samples[-1][0], len(samples))
        return found

    def samples(self, name: str, start: float, end: float) -> list[tuple[float, Value]]:
        """UNIX time and value of the samples in [start, end)."""
        return [(tick / SECOND, v) for tick, v in self.merged(name) if start <= tick / SECOND < end]

    def buckets(self, name: str, start: float, end: float, length: int) -> dict[int, list[Value]]:
        """Values in [start, end) by the start of their bucket; buckets begin on multiples of `length`, seconds."""
        found: dict[int, list[Value]] = {}
        for tick, value in self.merged(name):
            if start <= tick / SECOND < end:
                found.setdefault(tick // (length * SECOND) * length, []).append(value)
        return found


def operate(operator: str, values: Sequence[Any]) -> float:
    """One value of a bucket of values, in the order of time."""
    return float(_OPERATORS[operator](values))


def mean(values: Sequence[float]) -> float:
    """The mean, rounded but once before it is divided."""
    return math.fsum(values) / len(values)


_OPERATORS: dict[str, Any] = {
    "mean": mean,
    "min": min,
    "max": max,
    "sum": math.fsum,
    "count": len,
    "first": lambda values: values[0],
    "last": lambda values: values[-1],
}
OPERATORS = tuple(_OPERATORS)


def archived(root: Path) -> list[Path]:
    """Files of an archive in the order of their paths."""
    found = [path for path in root.rglob("*") if path.name.endswith((".g3", ".g3.gz")) and path.is_file()]
    return sorted(found, key=lambda path: str(path).encode())


def blocks(path: Path) -> Iterator[tuple[str, str, Any]]:
    """Feed, block name and block of a file, up to the first frame that is broken."""
    providers: dict[int, str] = {}
    session: int | None = None
    for original in whole_frames(path):
        if original.type != core.G3FrameType.Housekeeping or "hkagg_type" not in original:
            continue
        (frame,) = HKTranslator()(original)
        if frame["hkagg_type"] == so3g.HKFrameType.session:
            if frame["session_id"] != session:
                providers = {}
            session = frame["session_id"]
        elif frame["hkagg_type"] == so3g.HKFrameType.status:
            providers = {provider["prov_id"].value: provider["description"].value for provider in frame["providers"]}
        elif frame["hkagg_type"] == so3g.HKFrameType.data:
            # A frame whose provider no status frame has told may say itself whose it is.
            feed = providers.get(frame["prov_id"]) or frame.get("address")
            for name, block in zip(frame["block_names"], frame["blocks"], strict=True):
                if feed:
                    yield feed, name, block


def whole_frames(path: Path) -> Iterator[Any]:
    """Frames of a file up to the first that is broken, be it compressed or not."""
    if path.suffix == ".gz":
        with tempfile.NamedTemporaryFile(suffix=".g3") as plain:
            plain.write(_decompressed(path.read_bytes()))
            plain.flush()
            yield from whole_frames(Path(plain.name))
        return
    # What so3g writes to its own log of a broken frame is no news here.
    logger, core.G3Logger.global_logger = core.G3Logger.global_logger, core.G3NullLogger()
    try:
        reader = core.G3Reader(str(path))
        while frames := _next(reader):
            yield from frames
    finally:
        core.G3Logger.global_logger = logger


def _next(reader: Any) -> list[Any]:
    try:
        return list(reader.Process(None))
    except (RuntimeError, MemoryError):
        return []


def _decompressed(packed: bytes) -> bytes:
    """All that can be had of a file that may be cut or spoilt."""
    plain, stream = [], zlib.decompressobj(31)
    try:
        for place in range(len(packed)):
            plain.append(stream.decompress(packed[place : place + 1]))
    except zlib.error:
        pass
    return b"".join(plain)


def _value(kind: str, value: Any) -> Value | None:
    if kind == "string":
        return str(value)
    if kind == "bool":
        return bool(value)
    return float(value) if math.isfinite(value) else None


def _tame(field: str) -> str:
    return re.sub(r"\s+", "_", field.strip()).lower()


_KIND = {
    core.G3VectorDouble: "number",
    core.G3VectorInt: "number",
    core.G3VectorBool: "bool",
    core.G3VectorString: "string",
}
