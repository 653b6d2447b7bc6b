"""A tile as bytes: its buckets column by column, the bytes of like weight together, and then compressed.

Bytes of like weight (all sign and exponent bytes, for instance) resemble each other, those of one number do not.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import orjson
import zstandard

from services.g3_index.summary import SUMMARY, TEXTS, Rows

_COLUMNS = [(name, SUMMARY[name]) for name in SUMMARY.names or ()]
_LEVEL = 1
_LARGEST = 2**26
"""Bytes that a tile may have when it is unpacked; beyond it the database holds something else."""


def pack(rows: Rows) -> bytes:
    """Write the buckets of one tile, SUMMARY or TEXTS of shape (size,), empty ones included."""
    if rows.dtype == TEXTS:
        raw = orjson.dumps([[int(n), first, last] if n else None for n, first, last in rows.tolist()])
    else:
        columns = [np.ascontiguousarray(rows[name]).view(np.uint8).reshape(rows.size, -1).T for name, _ in _COLUMNS]
        raw = np.concatenate(columns).tobytes()
    return zstandard.ZstdCompressor(level=_LEVEL).compress(raw)


def unpack(packed: Sequence[bytes], size: int) -> Rows:
    """Read tiles of numbers of `size` buckets each: SUMMARY, shape (tiles, size)."""
    raw = b"".join(_unpacked(packed))
    width = SUMMARY.itemsize
    planes = np.frombuffer(raw, dtype=np.uint8).reshape(len(packed), width, size)
    rows = np.empty((len(packed), size), dtype=SUMMARY)
    at = 0
    for name, kind in _COLUMNS:
        plane = np.ascontiguousarray(planes[:, at : at + kind.itemsize].transpose(0, 2, 1))
        rows[name] = plane.view(kind)[..., 0]
        at += kind.itemsize
    return rows


def unpack_texts(packed: Sequence[bytes], size: int) -> Rows:
    """Read tiles of text of `size` buckets each: TEXTS, shape (tiles, size)."""
    rows = np.zeros((len(packed), size), dtype=TEXTS)
    for tile, raw in enumerate(_unpacked(packed)):
        listed: list[Any] = orjson.loads(raw)
        for bucket, each in enumerate(listed):
            if each is not None:
                rows[tile, bucket] = tuple(each)
    return rows


def _unpacked(packed: Iterable[bytes]) -> Iterable[bytes]:
    decompressor = zstandard.ZstdDecompressor()
    return (decompressor.decompress(each, max_output_size=_LARGEST) for each in packed)
