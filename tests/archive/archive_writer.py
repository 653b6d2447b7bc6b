"""Write housekeeping .g3 files as the OCS aggregator does, and as it did under older versions of the schema.

Stamps are ticks: 10 ns since the epoch, UTC.
"""

import gzip
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import so3g
from so3g.hk import HKSessionHelper
from spt3g import core

SECOND = 100_000_000
"""Ticks."""

Column = Sequence[float] | Sequence[int] | Sequence[str] | Sequence[bool]


@dataclass(frozen=True)
class Block:
    """Columns that share their stamps. What a column is written as, its first value says."""

    name: str
    ticks: Sequence[int]
    columns: Mapping[str, Column]


def seconds(stamps: Iterable[float]) -> list[int]:
    """Ticks of UNIX times."""
    return [round(stamp * SECOND) for stamp in stamps]


@dataclass
class Recording:
    """The frames of one file, from its session frame on.

    Attributes
    ----------
    version
        hkagg_version: 0 (blocks of doubles only, stamps in seconds), 1 (blocks without names) or 2.
    """

    version: int = 2
    session_id: int = 7
    start: float = 1.7e9
    frames: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._session = HKSessionHelper(self.session_id, self.start, self.version, "of a test")
        self.frames.append(self._session.session_frame())

    def status(self, providers: Mapping[int, str]) -> "Recording":
        """Say which providers there are from here on: id -> description."""
        self._session.provs = {number: {"description": description} for number, description in providers.items()}
        self.frames.append(self._session.status_frame(timestamp=self.start))
        return self

    def data(self, provider: int, *blocks: Block, address: str | None = None) -> "Recording":
        """Add a frame of data. The aggregator gives it the provider's address too."""
        frame = self._session.data_frame(provider, timestamp=self.start)
        described = self._session.provs.get(provider, {}).get("description")
        if self.version >= 2 and (address or described):
            frame["address"], frame["provider_session_id"] = address or described, str(self.session_id)
        for block in blocks:
            frame["blocks"].append(_irregular(block) if self.version == 0 else _samples(block))
            if self.version >= 2:
                frame["block_names"].append(block.name)
        self.frames.append(frame)
        return self

    def other(self) -> "Recording":
        """Add a frame that is not housekeeping."""
        frame = core.G3Frame(core.G3FrameType.Scan)
        frame["prov_id"] = 0
        self.frames.append(frame)
        return self

    def pieces(self) -> list[bytes]:
        """The bytes of each frame."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.g3"
            writer, ends = core.G3Writer(str(path)), [0]
            for frame in self.frames:
                writer(frame)
                writer.Flush()
                ends.append(path.stat().st_size)
            writer(core.G3Frame(core.G3FrameType.EndProcessing))
            content = path.read_bytes()
        assert ends[-1] == len(content)
        return [content[begin:end] for begin, end in pairwise(ends)]

    def content(self, *, compressed: bool = False) -> bytes:
        """The bytes of the file."""
        plain = b"".join(self.pieces())
        return gzip.compress(plain, 6, mtime=0) if compressed else plain

    def write(self, path: Path) -> Path:
        """Make the file, compressed when its name ends with .gz; folders that lack are made too."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.content(compressed=path.suffix == ".gz"))
        return path


def _samples(block: Block) -> Any:
    made = core.G3TimesampleMap()
    made.times = core.G3VectorTime([core.G3Time(tick) for tick in block.ticks])
    for name, values in block.columns.items():
        made[name] = _VECTORS[type(values[0]) if len(values) else float](values)
    return made


def _irregular(block: Block) -> Any:
    made = so3g.IrregBlockDouble()
    made.prefix = ""
    made.t = core.G3VectorDouble([tick / SECOND for tick in block.ticks])
    for name, values in block.columns.items():
        made.data[name] = core.G3VectorDouble([float(value) for value in values])
    return made


_VECTORS = {
    bool: core.G3VectorBool,
    float: core.G3VectorDouble,
    int: core.G3VectorInt,
    str: core.G3VectorString,
}
