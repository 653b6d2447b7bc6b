"""One text file with samples, which may grow or be replaced: read once, asked often.

A file is indexed in blocks of some thousand lines: where each lies, its first and last stamp, and its summary, the
extremes of each hour. From then on its samples are had by reading the blocks that are asked, if they are not in memory.
"""

import errno
import os
import stat
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import BinaryIO, NamedTuple
from zlib import crc32

import numpy as np

from services.data_nodes.text_lines import Lines, read_lines
from sisock.thinning import Stamps, Values

BLOCK = 1 << 16
"""Bytes that are read at once, and so the longest line that can be a sample."""
SETTLED_SECONDS = 60.0
"""A file that has not changed for so long has no writer in the middle of a line."""
SUMMARY_SECONDS = 3600.0
"""Of each such stretch of time the summary of a block has the extremes."""
CACHE_BYTES = 64_000_000
"""Samples that are kept in memory, beside the summaries."""


class FileChangedError(OSError):
    """A file is not what it was when it was indexed."""


class Block(NamedTuple):
    """Some whole lines of a file: where they lie, and what they hold."""

    begin: int
    size: int
    checksum: int
    samples: int
    first: float
    last: float
    summary: tuple[Stamps, Values]


class SampleCache:
    """The samples of the blocks that were asked last, up to a number of bytes."""

    def __init__(self, most_bytes: int = CACHE_BYTES) -> None:
        self._most, self._bytes = most_bytes, 0
        self._kept: OrderedDict[object, tuple[Stamps, Values]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: object) -> tuple[Stamps, Values] | None:
        """The samples of a block, when they are kept."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: object, samples: tuple[Stamps, Values]) -> None:
        """Keep the samples of a block; those that were asked least recently go."""
        with self._lock:
            if key not in self._kept:
                self._kept[key] = samples
                self._bytes += 2 * samples[0].nbytes
            while self._bytes > self._most:
                _, (t, _) = self._kept.popitem(last=False)
                self._bytes -= 2 * t.nbytes


class TextFile:
    """One file, indexed; read on from its last block when it has grown, and anew when it is another one.

    Parameters
    ----------
    path
        Where it lies.
    cache
        Keeps its samples.
    header_lines
        So many of its first lines need not be samples.
    stamps
        Makes UNIX seconds of the stamps as written; None where they are.

    Attributes
    ----------
    head
        Its first lines, at most four.
    bad
        The first of its lines that should be a sample and is none; "" when there is none.
    stamps_checksum
        Equal for files with the same stamps in the same order.
    """

    def __init__(
        self, path: Path, cache: SampleCache, header_lines: int = 0, stamps: Callable[[Stamps], Stamps] | None = None
    ) -> None:
        self.path = path
        self.head: list[bytes] = []
        self.bad = ""
        self.stamps_checksum = 0
        self._cache, self._header_lines, self._stamps = cache, header_lines, stamps
        self._parts: list[_Part] = []
        self._tail: _Part | None = None
        self._end, self._within_line = 0, False
        self._version: tuple[int, int, int, int] | None = None
        self._lock = Lock()

    def blocks(self, now: float) -> list[Block]:
        """Look whether the file has changed, at `now`, UNIX seconds; return what it holds.

        A last line without an end is passed over until the file has settled: of `12.75`, a value of 1 may be all that
        has been written.

        Raises
        ------
        OSError
            It cannot be read.
        """
        with self._lock:
            about = os.stat(self.path)
            if not stat.S_ISREG(about.st_mode):
                raise OSError(errno.EINVAL, "it is no regular file")
            if _version(about) != self._version:
                with open_file(self.path) as file:
                    self._read(file)
            settled = [self._tail] if self._tail and now - about.st_mtime >= SETTLED_SECONDS else []
            parts = self._parts + settled
            self.bad = next((part.bad for part in parts if part.bad), "")
            self.stamps_checksum = parts[-1].stamps_checksum if parts else 0
            return [part.block for part in parts]

    def samples(self, block: Block) -> tuple[Stamps, Values]:
        """Samples of a block: UNIX seconds, ascending and unique, and values, both of shape (n,).

        Raises
        ------
        FileChangedError
            The block is no longer what it was.
        OSError
            The file cannot be read.
        """
        samples = self._cache.get((self.path, *block[:3]))
        if samples is None:
            try:
                with open_file(self.path) as file:
                    file.seek(block.begin)
                    text = file.read(block.size)
                if crc32(text) != block.checksum:
                    raise FileChangedError(errno.ESTALE, "it is being rewritten")
            except OSError:
                with self._lock:
                    self._version = None  # It is indexed anew the next time.
                raise
            samples = self._keep(block.begin, text, block.checksum, self._lines(block.begin, text))
        return samples

    def _read(self, file: BinaryIO) -> None:
        version, known = _version(os.fstat(file.fileno())), self._version
        self._version = None  # If anything is raised below, all is read anew the next time.
        if known is None or known[:2] != version[:2] or version[2] <= known[2] or not self._goes_on(file):
            self._parts, self._end, self._within_line = [], 0, False
            self.head = []
        elif self._parts and self._parts[-1].block.size and not self._within_line:
            self._end = self._parts.pop().block.begin
        self._tail = None
        file.seek(self._end)
        while text := file.read(BLOCK):
            if self._within_line:
                end = text.find(b"\n") + 1
                self._within_line, end = not end, end or len(text)
            elif end := text.rfind(b"\n") + 1:
                if not self._end:
                    self.head = text[:end].split(b"\n", 4)[:4]
                self._parts.append(self._part(text[:end]))
            elif len(text) == BLOCK:
                self._within_line, end = True, BLOCK
                part = self._part(b"")
                self._parts.append(part._replace(bad=f"one of more than {BLOCK} bytes"))
            else:
                self._tail = self._part(text)
                break
            self._end += end
            file.seek(self._end)
        self._version = version

    def _goes_on(self, file: BinaryIO) -> bool:
        """Whether the last block is what it was: then what has grown is the file's end."""
        if not self._parts:
            return True
        last = self._parts[-1].block
        file.seek(last.begin)
        return crc32(file.read(last.size)) == last.checksum

    def _part(self, text: bytes) -> "_Part":
        """Index the text at the place that has been reached."""
        lines, checksum = self._lines(self._end, text), crc32(text)
        t, values = self._keep(self._end, text, checksum, lines)
        first, last = (float(t[0]), float(t[-1])) if t.size else (np.inf, -np.inf)
        block = Block(self._end, len(text), checksum, t.size, first, last, extremes(t, values, SUMMARY_SECONDS))
        before = self._parts[-1].stamps_checksum if self._parts else 0
        return _Part(block, lines.bad, crc32(lines.t.tobytes(), before))

    def _lines(self, begin: int, text: bytes) -> Lines:
        lines = read_lines(text, 0 if begin else self._header_lines)
        return lines if self._stamps is None else Lines(self._stamps(lines.t), lines.values, lines.bad)

    def _keep(self, begin: int, text: bytes, checksum: int, lines: Lines) -> tuple[Stamps, Values]:
        samples = ascending(lines.t, lines.values)
        self._cache.put((self.path, begin, len(text), checksum), samples)
        return samples


class _Part(NamedTuple):
    """A block, its first bad line, and the checksum of all stamps up to its end."""

    block: Block
    bad: str
    stamps_checksum: int


def open_file(path: Path) -> BinaryIO:
    """Open a file to read, without waiting for anybody who might write into it."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")


def ascending(t: Stamps, values: Values) -> tuple[Stamps, Values]:
    """Put samples in order of their stamps, shape (n,); of those that share one, the first stays."""
    if t.size < 2 or bool((t[1:] > t[:-1]).all()):
        return t, values
    order = np.argsort(t, kind="stable")
    order = order[np.r_[True, np.diff(t[order]) > 0]]
    return t[order], values[order]


def extremes(t: Stamps, values: Values, bucket: float) -> tuple[Stamps, Values]:
    """Of samples in order, shape (n,), keep the first and the last, and of each `bucket` seconds least and greatest."""
    if t.size < 3:
        return t, values
    index = np.floor(t / bucket)
    first = np.flatnonzero(np.r_[True, np.diff(index) > 0])
    least, greatest = (np.lexsort((v, index))[first] for v in (values, -values))  # NaN comes last.
    kept = np.unique(np.r_[0, least, greatest, t.size - 1])
    return t[kept], values[kept]


def interval_of(blocks: Sequence[Block]) -> float | None:
    """Mean seconds between the samples of some blocks; None below two of them."""
    count = sum(block.samples for block in blocks)
    if count < 2:
        return None
    return (max(block.last for block in blocks) - min(block.first for block in blocks)) / (count - 1)


def _version(about: os.stat_result) -> tuple[int, int, int, int]:
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns
