"""A tile as bytes: the first byte of each of its buckets, the second of each, and so on, and then compressed.

Bytes of like weight (all sign and exponent bytes, for instance) resemble each other, those of one number do not.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import orjson
import zstandard

from services.g3_index.summary import SUMMARY, TEXTS, Rows

_LEVEL, _TEXT_LEVEL = -1, 1
"""How hard zstd tries. Most bytes of numbers are of their last digits, of which it makes as much, or as little, in half
the time when it leaves out the entropy coding; tiles of rounded numbers grow by up to a sixth."""
_LARGEST = 2**26
"""Bytes that a tile may have when it is unpacked; beyond it the database holds something else."""


def pack(tiles: Rows) -> list[bytes]:
    """Write tiles of numbers, empty buckets included: SUMMARY, shape (tiles, size)."""
    count, size = tiles.shape
    planes = np.ascontiguousarray(tiles).view(np.uint8).reshape(count, size, SUMMARY.itemsize).transpose(0, 2, 1)
    return _packed((plane.data for plane in np.ascontiguousarray(planes)), _LEVEL)


def pack_texts(tiles: Rows) -> list[bytes]:
    """Write tiles of text, empty buckets included: TEXTS, shape (tiles, size)."""
    written = (
        orjson.dumps([[int(n), first, last] if n else None for n, first, last in tile]) for tile in tiles.tolist()
    )
    return _packed(written, _TEXT_LEVEL)


def unpack(packed: Sequence[bytes], size: int) -> Rows:
    """Read tiles of numbers of `size` buckets each: SUMMARY, shape (tiles, size)."""
    raw = np.frombuffer(b"".join(_unpacked(packed)), dtype=np.uint8)
    planes = raw.reshape(len(packed), SUMMARY.itemsize, size).transpose(0, 2, 1)
    return np.ascontiguousarray(planes).view(SUMMARY)[..., 0]


def unpack_texts(packed: Sequence[bytes], size: int) -> Rows:
    """Read tiles of text of `size` buckets each: TEXTS, shape (tiles, size)."""
    rows = np.zeros((len(packed), size), dtype=TEXTS)
    for tile, raw in enumerate(_unpacked(packed)):
        listed: list[Any] = orjson.loads(raw)
        for bucket, each in enumerate(listed):
            if each is not None:
                rows[tile, bucket] = tuple(each)
    return rows


def _packed(raw: Iterable[Any], level: int) -> list[bytes]:
    compressor = zstandard.ZstdCompressor(level=level, write_content_size=True)
    return [compressor.compress(each) for each in raw]


def _unpacked(packed: Iterable[bytes]) -> Iterable[bytes]:
    decompressor = zstandard.ZstdDecompressor()
    return (decompressor.decompress(each, max_output_size=_LARGEST) for each in packed)
