"""The vectors of a data frame, taken straight out of its bytes.

so3g makes an object of each vector, which takes longer than everything that the index does with it. What stands in a
frame under `blocks` is, little-endian, as spt3g_software writes it (core/include/core/serialization.h: cereal's
portable binary): a head, the number of blocks (u64), and for each block a head, the number of columns (u32), for each
column its name and its value, each with its length (u64) before it, and then the stamps: their number (u64) and int64
ticks. A value is a head, the number of elements (u64), and these. All heads are constant. Where one is another than
those here, which are those of files since 2019, this module leaves the frame to so3g.

A provider writes frame after frame that differ in samples and stamps alone. So it pays to find out once where the
vectors are (`spans_of`), to take them (`taken`) out of each frame that is the same outside of them, and to lay those
of many such frames side by side at once (`lay_out`).
"""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Bytes = bytes | memoryview
"""A frame; one that has text is `bytes`."""
Vectors = tuple[NDArray[np.int64], Mapping[str, NDArray[Any]]]
"""Stamps, ticks, shape (n,), and the columns, shape (n,) each: float64, integers, bool or objects (str)."""


class Span(NamedTuple):
    """Where the elements of a vector are in a frame.

    Attributes
    ----------
    kind
        What they are; objects for text, of which each is a length and as many bytes.
    at
        Offset of the first.
    size
        How many.
    """

    kind: np.dtype[Any]
    at: int
    size: int


class ColumnSpans:
    """Where the columns of a block are in a frame, and in each that has the same form.

    Attributes
    ----------
    places
        Key of each column -> its vector.
    length
        Bytes of the frame.
    """

    def __init__(self, places: Mapping[Any, Span], length: int) -> None:
        self.places, self.length = places, length

    @cached_property
    def keys(self) -> tuple[Any, ...]:
        """Of all columns, in their order."""
        return tuple(self.places)

    @cached_property
    def texts(self) -> bool:
        """Whether a column has text."""
        return any(span.kind.hasobject for span in self.places.values())

    @cached_property
    def record(self) -> np.dtype[Any]:
        """A whole frame as one record: of each column without text a field, by its number."""
        spans = {str(number): span for number, span in enumerate(self.places.values()) if not span.kind.hasobject}
        return np.dtype(
            {
                "names": list(spans),
                "formats": [(span.kind, (span.size,)) for span in spans.values()],
                "offsets": [span.at for span in spans.values()],
                "itemsize": self.length,
            }
        )

    @cached_property
    def numbers(self) -> Mapping[Any, str]:
        """The field of `record` for each column."""
        return {key: str(number) for number, key in enumerate(self.places)}

    def called(self, key: Callable[[Any, Span], Any]) -> "ColumnSpans":
        """The same columns by other keys; those that get None are left out."""
        keyed = ((key(old, span), span) for old, span in self.places.items())
        return ColumnSpans({new: span for new, span in keyed if new is not None}, self.length)


class Columns(Mapping[Any, NDArray[Any]]):
    """The columns of a block: views of its frame but for text, made when they are asked for.

    Attributes
    ----------
    raw
        The frame.
    spans
        Where they are in it.
    """

    __slots__ = ("raw", "spans")

    def __init__(self, raw: Bytes, spans: ColumnSpans) -> None:
        self.raw, self.spans = raw, spans

    def __getitem__(self, key: Any) -> NDArray[Any]:
        kind, at, size = self.spans.places[key]
        return _texts(bytes(self.raw), at, size) if kind is _TEXT else np.frombuffer(self.raw, kind, size, at)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.spans.places)

    def __len__(self) -> int:
        return len(self.spans.places)


class BlockSpans(NamedTuple):
    """Where a block is in a frame: its stamps, and its columns."""

    stamps: Span
    columns: ColumnSpans


_U32, _U64 = struct.Struct("<I"), struct.Struct("<Q")
_FRESH, _VERSION = b"\x01\x00\x00\x80", b"\x01\x00\x00\x00"


def _named(name: bytes, version: int) -> bytes:
    """The head of an object of a class."""
    return b"\x01" + _FRESH + _U64.pack(len(name)) + name + _FRESH + _U32.pack(version) + _VERSION


_LIST = _named(b"G3VectorFrameObject", 1)
_FIRST_BLOCK = b"\x02\x00\x00\x80" + _U64.pack(15) + b"G3TimesampleMap\x02\x00\x00\x80\0\0\0\0" + _VERSION
_LATER_BLOCK = b"\x02\x00\x00\x00"
_DOUBLES, _INTEGERS = _named(b"G3VectorDouble", 1), _named(b"G3VectorInt", 2)
_TRUTHS, _TEXTS = _named(b"G3VectorBool", 1), _named(b"G3VectorString", 1)
_MOST_JOINED = 32
"""Frames that are laid out at a time: a megabyte or so of them stays in the processor's cache."""
_STAMP, _DOUBLE, _TRUTH, _TEXT = np.dtype("<i8"), np.dtype("<f8"), np.dtype("?"), np.dtype("O")
_INTEGER_TYPES: dict[int, np.dtype[Any]] = {
    8: np.dtype("i1"),
    16: np.dtype("<i2"),
    32: np.dtype("<i4"),
    64: np.dtype("<i8"),
}


def spans_of(raw: bytes, at: int, end: int) -> list[BlockSpans] | None:
    """Find the vectors of a frame.

    Parameters
    ----------
    raw
        The frame, whose checksum has been verified.
    at, end
        Where in it the value of `blocks` is.

    Returns
    -------
    The vectors of each block; None when its form is another.
    """
    try:
        return _blocks(raw, at, end)
    except (struct.error, ValueError, KeyError):
        return None


def taken(raw: Bytes, block: BlockSpans) -> Vectors:
    """Take the vectors of a block out of a frame."""
    kind, at, size = block.stamps
    return np.frombuffer(raw, kind, size, at), Columns(raw, block.columns)


def lay_out(parts: Sequence[Mapping[Any, NDArray[Any]]], keys: Sequence[Any], out: NDArray[np.float64]) -> None:
    """Lay the columns of many blocks one behind the other.

    Parameters
    ----------
    parts
        The columns of each block, of which none has text.
    keys
        Those that are wanted.
    out
        Shape (keys, samples of all blocks): filled.
    """
    at = 0
    for spans, alike in groupby(parts, lambda part: part.spans if isinstance(part, Columns) else None):
        listed = list(alike)
        for some in (listed[begin : begin + _MOST_JOINED] for begin in range(0, len(listed), _MOST_JOINED)):
            if spans is None:
                made = [np.concatenate([part[key] for part in some]) for key in keys]
            else:
                # Frames of one form are records of one type.
                raw = b"".join([part.raw for part in some if isinstance(part, Columns)])
                records = np.frombuffer(raw, spans.record)
                made = [records[spans.numbers[key]] for key in keys]
            size = made[0].size
            for row, column in zip(out, made, strict=True):
                row[at : at + size].reshape(column.shape)[...] = column
            at += size


def _blocks(raw: bytes, at: int, end: int) -> list[BlockSpans]:
    at = _after(raw, at, _LIST)
    (count,) = _U64.unpack_from(raw, at)
    at += _U64.size
    blocks = []
    for number in range(count):
        first = number == 0
        at = _after(raw, at, _FIRST_BLOCK if first else _LATER_BLOCK + _U32.pack(0x80000002 + number))
        (width,) = _U32.unpack_from(raw, at)
        at += _U32.size
        columns: dict[Any, Span] = {}
        for _ in range(width):
            (length,) = _U64.unpack_from(raw, at)
            name = raw[at + 8 : at + 8 + length].decode()
            at += 8 + length
            (length,) = _U64.unpack_from(raw, at)
            at += 8
            columns[name] = _column(raw, at, at + length)
            at += length
        at = _after(raw, at, _VERSION) if first else at
        (size,) = _U64.unpack_from(raw, at)
        # The version of the stamps' class stands before the first stamp of all.
        at = _after(raw, at + 8, _VERSION) if first else at + 8
        stamps = Span(_STAMP, at, size)
        at += 8 * size
        if any(column.size != size for column in columns.values()):
            raise ValueError("columns of different lengths")
        blocks.append(BlockSpans(stamps, ColumnSpans(columns, len(raw))))
    if at != end:
        raise ValueError("another length")
    return blocks


def _column(raw: bytes, start: int, end: int) -> Span:
    if raw.startswith(_DOUBLES, start):
        return _elements(raw, start + len(_DOUBLES), end, _DOUBLE)
    if raw.startswith(_INTEGERS, start):
        at = start + len(_INTEGERS)
        return _elements(raw, at + 4, end, _INTEGER_TYPES[_U32.unpack_from(raw, at)[0]])
    if raw.startswith(_TRUTHS, start):
        return _elements(raw, start + len(_TRUTHS), end, _TRUTH)
    at = _after(raw, start, _TEXTS)
    (size,) = _U64.unpack_from(raw, at)
    span = Span(_TEXT, at + 8, size)
    if 8 * size > end - at or at + 8 + sum(8 + length for _, length in _text_places(raw, span.at, size)) != end:
        raise ValueError("another length")
    return span


def _elements(raw: bytes, at: int, end: int, kind: np.dtype[Any]) -> Span:
    (size,) = _U64.unpack_from(raw, at)
    if at + 8 + size * kind.itemsize != end:
        raise ValueError("another length")
    return Span(kind, at + 8, size)


def _texts(raw: bytes, at: int, size: int) -> NDArray[Any]:
    texts = np.empty(size, dtype=object)
    texts[:] = [raw[place : place + length].decode() for place, length in _text_places(raw, at, size)]
    return texts


def _text_places(raw: bytes, at: int, size: int) -> Iterator[tuple[int, int]]:
    for _ in range(size):
        (length,) = _U64.unpack_from(raw, at)
        yield at + 8, length
        at += 8 + length


def _after(raw: bytes, at: int, expected: bytes) -> int:
    if not raw.startswith(expected, at):
        raise ValueError("another form")
    return at + len(expected)
