"""The vectors of a data frame, taken straight out of its bytes.

so3g makes an object of each vector, which takes longer than everything that the index does with it. What stands in a
frame under `blocks` is, little-endian, as spt3g_software writes it (core/include/core/serialization.h: cereal's
portable binary): a head, the number of blocks (u64), and for each block a head, the number of columns (u32), for each
column its name and its value, each with its length (u64) before it, and then the stamps: their number (u64) and int64
ticks. A value is a head, the number of elements (u64), and these. All heads are constant. Where one is another than
those here, which are those of files since 2019, this module leaves the frame to so3g.
"""

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vectors = tuple[NDArray[np.int64], dict[str, NDArray[Any]]]
"""Stamps, ticks, shape (n,), and the columns, shape (n,) each: float64, integers, bool or objects (str)."""

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
_INTEGER_TYPES: dict[int, np.dtype[Any]] = {
    8: np.dtype("i1"),
    16: np.dtype("<i2"),
    32: np.dtype("<i4"),
    64: np.dtype("<i8"),
}


def vectors_of(raw: bytes) -> list[Vectors] | None:
    """Take the blocks of a frame apart.

    Parameters
    ----------
    raw
        The value of `blocks` as it stands in the frame, whose checksum has been verified.

    Returns
    -------
    The vectors of each block, which are views of `raw`; None when its form is another.
    """
    try:
        return _blocks(raw)
    except (struct.error, ValueError, KeyError):
        return None


def _blocks(raw: bytes) -> list[Vectors]:
    at = _after(raw, 0, _LIST)
    (count,) = _U64.unpack_from(raw, at)
    at += _U64.size
    blocks = []
    for number in range(count):
        first = number == 0
        at = _after(raw, at, _FIRST_BLOCK if first else _LATER_BLOCK + _U32.pack(0x80000002 + number))
        (width,) = _U32.unpack_from(raw, at)
        at += _U32.size
        columns = {}
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
        t = np.frombuffer(raw, "<i8", size, at)
        at += 8 * size
        if any(column.size != size for column in columns.values()):
            raise ValueError("columns of different lengths")
        blocks.append((t, columns))
    if at != len(raw):
        raise ValueError("more than is known")
    return blocks


def _column(raw: bytes, start: int, end: int) -> NDArray[Any]:
    if raw.startswith(_DOUBLES, start):
        return _elements(raw, start + len(_DOUBLES), end, np.dtype("<f8"))
    if raw.startswith(_INTEGERS, start):
        at = start + len(_INTEGERS)
        return _elements(raw, at + 4, end, _INTEGER_TYPES[_U32.unpack_from(raw, at)[0]])
    if raw.startswith(_TRUTHS, start):
        return _elements(raw, start + len(_TRUTHS), end, np.dtype("?"))
    at = _after(raw, start, _TEXTS)
    (size,) = _U64.unpack_from(raw, at)
    at += 8
    texts = np.empty(size, dtype=object)
    for place in range(size):
        (length,) = _U64.unpack_from(raw, at)
        texts[place] = raw[at + 8 : at + 8 + length].decode()
        at += 8 + length
    if at != end:
        raise ValueError("more than is known")
    return texts


def _elements(raw: bytes, at: int, end: int, kind: np.dtype[Any]) -> NDArray[Any]:
    (size,) = _U64.unpack_from(raw, at)
    if at + 8 + size * kind.itemsize != end:
        raise ValueError("another length")
    return np.frombuffer(raw, kind, size, at + 8)


def _after(raw: bytes, at: int, expected: bytes) -> int:
    if not raw.startswith(expected, at):
        raise ValueError("another form")
    return at + len(expected)
