"""Housekeeping frames: found in a file by their offsets, and taken apart into blocks of samples.

A frame in a file is: 1 byte (1, the byte order), and little-endian its version (u32), number of entries (u32) and type
(u32); for each entry a name and a value, each with its length (u64) before it; and a checksum (u32). That is how
spt3g_software writes them (core/src/G3Frame.cxx). Only the lengths are read here, so that a frame that is not whole
yet is told from one that is broken, and no length that is garbage is believed; everything else is so3g's work, until
a frame comes whose like so3g has read before.
"""

import gzip
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import so3g
from crc32c import crc32c
from numpy.typing import NDArray
from so3g.hk.util import get_g3_time
from spt3g import core

from services.g3_index.schema import Kind
from services.g3_index.vectors import BlockSpans, Bytes, Vectors, spans_of, taken
from sisock.errors import SisockError

_HEAD = struct.Struct("<BIII")
_LENGTH = struct.Struct("<Q")
_CHECKSUM = 4
_INVERTED = 0xFFFFFFFF
_MOST_ENTRIES = 10_000
_LONGEST_NAME = 10_000
_LARGEST = 2**30
_CHUNK = 2**22
_VERSIONS = range(3)
_READ = {b"hkagg_type", b"hkagg_version", b"prov_id", b"address", b"block_names", b"blocks"}
"""Entries of a data frame that are looked at."""
_MOST_FORMS, _MOST_BYTES = 1000, 2**25
"""Forms that are known, and bytes that tell them apart."""
_KINDS = {"f": Kind.NUMBER, "i": Kind.NUMBER, "b": Kind.BOOL, "O": Kind.STRING}


class BrokenFrameError(SisockError):
    """What stands at an offset of a file is no frame, or a damaged one."""

    def __init__(self, offset: int, problem: str) -> None:
        super().__init__(f"at byte {offset}: {problem}; what follows is not read")


class Block(NamedTuple):
    """Samples that one provider wrote together.

    Attributes
    ----------
    number
        Its place in the frame.
    name
        Its name; frames before version 2 have none, and get the one that so3g would give.
    t
        Stamps, ticks, int64, shape (n,).
    columns
        Field -> values, shape (n,): float64, integers, bool or objects (str).
    """

    number: int
    name: str
    t: NDArray[np.int64]
    columns: Mapping[str, NDArray[Any]]


class Frame(NamedTuple):
    """A data frame in its file: where it begins, its length in bytes, whose it is, and what it holds."""

    offset: int
    size: int
    prov_id: int
    feed: str
    blocks: list[Block]


@dataclass(frozen=True)
class _Form:
    """What is the same in all data frames that have the same bytes but for samples, stamps and what is not read."""

    prov_id: int
    address: str
    names: list[str]
    spans: list[BlockSpans]
    parts: Callable[[memoryview], tuple[memoryview, ...]]

    def blocks(self, raw: Bytes) -> list[Block]:
        return _named(self.names, (taken(raw, each) for each in self.spans))


class Forms:
    """The forms of the frames of some files, which may share them."""

    def __init__(self) -> None:
        self._places: dict[int, dict[bytes, NDArray[np.intp]]] = {}
        self._known: dict[bytes, _Form] = {}
        self._latest = self._bytes = 0

    def next_of(self, buffer: memoryview, start: int) -> tuple[memoryview, _Form] | None:
        """The frame that begins at `start`, if it is as long as the one before, of a form that is known, and sound."""
        raw = buffer[start : start + self._latest]
        if len(raw) < self._latest or not raw:
            return None
        form = self.of(raw)
        return None if form is None else (raw, form)

    def of(self, raw: Bytes) -> _Form | None:
        """The form of a frame, if it is known."""
        every = np.frombuffer(raw, np.uint8)
        for places in self._places.get(len(raw), {}).values():
            form = self._known.get(every[places].tobytes())
            if form is not None and _is_sound(raw, form.parts):
                self._latest = len(raw)
                return form
        return None

    def learn(self, raw: bytes, frame: Any) -> None:
        """Remember the form of a data frame that could be read; one with text never comes again."""
        entries = dict(_entries(raw))
        spans = spans_of(raw, *entries[b"blocks"])
        listed = [span for block in spans or [] for span in (block.stamps, *block.columns.places.values())]
        if not listed or any(span.kind.hasobject for span in listed):
            return
        # Names and values: what the checksum is of.
        parts = itemgetter(*(slice(*place) for each in _entry_places(raw) for place in each))
        if not _is_sound(raw, parts):
            return  # Of a writer with another checksum; so3g, which has read it, must read the next one, too.
        fixed = np.ones(len(raw), dtype=bool)
        fixed[-_CHECKSUM:] = False
        for name, (at, end) in entries.items():
            fixed[at:end] &= name in _READ
        for kind, at, size in listed:
            fixed[at : at + size * kind.itemsize] = False
        places = np.flatnonzero(fixed)
        self._bytes += 2 * places.nbytes + places.size
        if len(self._known) >= _MOST_FORMS or self._bytes > _MOST_BYTES:  # Those that are still in use come back.
            self._known.clear()
            self._places.clear()
            self._bytes = 0
        self._places.setdefault(len(raw), {})[places.tobytes()] = places
        names = list(frame["block_names"]) if "block_names" in frame else []
        address = str(frame.get("address", ""))
        self._known[np.frombuffer(raw, np.uint8)[places].tobytes()] = _Form(
            int(frame["prov_id"]), address, names, spans or [], parts
        )


@dataclass
class Stream:
    """A reading of a file, frame by frame, from where an earlier one has ended.

    Attributes
    ----------
    path
        The file, `.g3` or `.g3.gz`.
    reached
        Bytes (of a compressed file, as unpacked) up to which whole frames have been read.
    session, providers
        Session id, and provider id -> description, as said by the last frames before `reached` that say so.
    end
        Bytes that the file had when it was last looked at.
    strange
        Frames that were passed over, by reason.
    forms
        Of the frames that were read before, of this file and others.
    """

    path: Path
    reached: int = 0
    session: int | None = None
    providers: dict[int, str] = field(default_factory=dict)
    end: int = 0
    strange: dict[str, int] = field(default_factory=dict)
    forms: Forms = field(default_factory=Forms, repr=False)

    def frames(self) -> Iterator[Frame]:
        """Read the data frames that are whole; what follows the last of them is left for later.

        Raises
        ------
        BrokenFrameError
            A frame is damaged. The frames before it have been given.
        OSError
            The file cannot be read.
        """
        with closing(_open(self.path)) as file:
            try:
                yield from self._frames(file)
            except (zlib.error, gzip.BadGzipFile) as error:
                raise BrokenFrameError(self.reached, f"the compressed data are damaged ({error})") from error

    def _frames(self, file: IO[bytes]) -> Iterator[Frame]:
        _skip(file, self.reached)
        buffer, start = b"", 0
        view = memoryview(buffer)
        while True:
            known = self.forms.next_of(view, start)  # It is not copied: who has a block of it keeps the buffer.
            size = _whole(buffer, start, self.reached) if known is None else len(known[0])
            if size is None:
                more = _read(file, max(_CHUNK, len(buffer) - start))
                if not more:
                    self.end = self.reached + len(buffer) - start
                    return
                buffer, start = buffer[start:] + more, 0
                view = memoryview(buffer)
                continue
            frame = self._frame(*(known or (buffer[start : start + size], None)))
            start += size
            self.reached += size
            if frame is not None:
                yield frame

    def _frame(self, raw: Bytes, form: _Form | None) -> Frame | None:
        form = form or self.forms.of(raw)
        if form is not None and (feed := self.providers.get(form.prov_id, form.address)):
            return Frame(self.reached, len(raw), form.prov_id, feed, form.blocks(raw))
        raw = bytes(raw)
        frame = _load(raw, self.reached)
        if frame.type != core.G3FrameType.Housekeeping:
            return None
        try:
            return self._read(frame, raw)
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            why = str(error) if isinstance(error, _StrangeFrameError) else f"{type(error).__name__}: {error}"
            self.strange[why] = self.strange.get(why, 0) + 1
        return None

    def _read(self, frame: Any, raw: bytes) -> Frame | None:
        version, kind = int(frame.get("hkagg_version", 0)), frame["hkagg_type"]
        if version not in _VERSIONS:
            raise _StrangeFrameError(f"of hkagg_version {version}, which is not known")
        if kind == so3g.HKFrameType.session:
            if self.session != int(frame["session_id"]):
                self.session, self.providers = int(frame["session_id"]), {}
        elif kind == so3g.HKFrameType.status:
            listed = frame["providers"]
            self.providers = {int(p["prov_id"].value): str(p["description"].value) for p in listed}
        elif kind == so3g.HKFrameType.data:
            feed = self.providers.get(int(frame["prov_id"]), frame.get("address", ""))
            if not feed:
                raise _StrangeFrameError("of a provider that no status frame names")
            read = Frame(self.reached, len(raw), int(frame["prov_id"]), str(feed), _blocks(frame, raw))
            self.forms.learn(raw, frame)
            return read
        return None


class _StrangeFrameError(ValueError):
    """A frame of which nothing can be taken."""


def read_blocks(path: Path, places: list[tuple[int, int]]) -> Iterator[list[Block]]:
    """Read single frames again.

    Parameters
    ----------
    path
        The file.
    places
        Offset and size of each frame, ascending.

    Raises
    ------
    BrokenFrameError
        There is no such frame any more.
    OSError
        The file cannot be read.
    """
    forms = Forms()
    with closing(_open(path)) as file:
        at = 0
        for offset, size in places:
            if isinstance(file, gzip.GzipFile):
                _skip(file, offset - at)
                raw = b""
                while len(raw) < size and (more := _read(file, size - len(raw))):
                    raw += more
            else:
                raw = os.pread(file.fileno(), size, offset)
            at = offset + size
            if form := forms.of(raw):
                yield form.blocks(raw)
                continue
            if _whole(raw, 0, offset) != size:
                raise BrokenFrameError(offset, "the frame that was indexed is not there any more")
            frame = _load(raw, offset)
            blocks = _blocks(frame, raw)
            forms.learn(raw, frame)
            yield blocks


def _open(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return gzip.open(path, "rb")  # type: ignore[return-value]
    return path.open("rb", buffering=0)


def _read(file: IO[bytes], size: int) -> bytes:
    """Up to `size` bytes; a compressed file that ends too early ends where it does."""
    try:
        return file.read1(size) if isinstance(file, gzip.GzipFile) else file.read(size)
    except EOFError:
        return b""


def _skip(file: IO[bytes], distance: int) -> None:
    if not isinstance(file, gzip.GzipFile):
        file.seek(distance)
        return
    while distance > 0 and (skipped := len(_read(file, min(distance, _CHUNK)))):
        distance -= skipped


def _whole(buffer: bytes, start: int, offset: int) -> int | None:
    """Size of the frame that begins at `start`; None when not all of it is there.

    Raises
    ------
    BrokenFrameError
        Its lengths are impossible; `offset` is where in the file it begins.
    """
    if len(buffer) < start + _HEAD.size:
        if len(buffer) > start and buffer[start] != 1:
            raise BrokenFrameError(offset, "no frame begins here")
        return None
    order, version, entries, _type = _HEAD.unpack_from(buffer, start)
    if order != 1 or version != 1 or entries > _MOST_ENTRIES:
        raise BrokenFrameError(offset, "no frame begins here")
    at = start + _HEAD.size
    for _ in range(entries):
        for longest in (_LONGEST_NAME, _LARGEST):
            if len(buffer) < at + _LENGTH.size:
                return None
            (length,) = _LENGTH.unpack_from(buffer, at)
            if length > longest:
                raise BrokenFrameError(offset, f"a frame with an entry of {length} bytes is none")
            at += _LENGTH.size + length
    at += _CHECKSUM
    return at - start if at <= len(buffer) else None


def _load(raw: bytes, offset: int) -> Any:
    frame = core.G3Frame()
    try:
        frame.__setstate__(({}, raw))
    except RuntimeError as error:
        raise BrokenFrameError(offset, f"the frame is damaged ({str(error)[:200]})") from error
    return frame


def _blocks(frame: Any, raw: bytes) -> list[Block]:
    """The blocks of a data frame, which are in `raw`."""
    names = list(frame["block_names"]) if "block_names" in frame else []
    entries = dict(_entries(raw))
    spans = spans_of(raw, *entries[b"blocks"]) if b"blocks" in entries else None
    return _named(names, _by_so3g(frame) if spans is None else (taken(raw, each) for each in spans))


def _named(names: list[str], vectors: Iterable[Vectors]) -> list[Block]:
    blocks = []
    for number, (t, columns) in enumerate(vectors):
        if t.size and columns:
            name = names[number] if number < len(names) else f"block_for_{min(columns)}"
            blocks.append(Block(number, name, t, columns))
    return blocks


def _by_so3g(frame: Any) -> Iterator[Vectors]:
    for block in frame["blocks"]:
        if isinstance(block, core.G3TimesampleMap):
            t, columns = np.asarray(block.times), block
        elif isinstance(block, so3g.IrregBlockDouble):
            t, columns = np.asarray(get_g3_time(core.G3VectorDouble(block.t))), block.data
        else:
            raise _StrangeFrameError(f"with a block that is a {type(block).__name__}")
        read = {name: np.asarray(each) for name, each in zip(columns.keys(), columns.values(), strict=True)}
        yield t, {name: _text(each) for name, each in read.items() if each.size == t.size}


def _entries(raw: bytes) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """The names in a whole frame, and where the value of each begins and ends."""
    for (first, end), value in _entry_places(raw):
        yield raw[first:end], value


def _entry_places(raw: bytes) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Where each name and each value of a whole frame begins and ends."""
    at = _HEAD.size
    for _ in range(_HEAD.unpack_from(raw)[2]):
        places = []
        for _ in range(2):
            (length,) = _LENGTH.unpack_from(raw, at)
            at += _LENGTH.size + length
            places.append((at - length, at))
        yield places[0], places[1]


def _is_sound(raw: Bytes, parts: Callable[[memoryview], tuple[memoryview, ...]]) -> bool:
    """Whether the checksum of a whole frame is that of its names and values, CRC-32C without the last inversion."""
    checksum = _INVERTED
    for part in parts(memoryview(raw)):
        checksum = crc32c(part, checksum)
    return checksum ^ _INVERTED == int.from_bytes(raw[-_CHECKSUM:], "little")


def _text(column: NDArray[Any]) -> NDArray[Any]:
    return column.astype(object) if column.dtype.kind == "U" else column


def kind_of(values: np.dtype[Any]) -> Kind:
    """What the values of a column of this type are."""
    return _KINDS[values.kind]
