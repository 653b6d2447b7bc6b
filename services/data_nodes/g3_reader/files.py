"""Frames read by their offsets, and kept in memory as long as there is room."""

import os
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.g3_index.frames import Block, BrokenFrameError, kind_of, read_blocks
from services.g3_index.levels import EARLIEST, LATEST
from services.g3_index.merging import Ticks, merged
from services.g3_index.schema import Kind

_TEXT_BYTES = 100
"""What a text takes of memory, roughly."""


@dataclass(frozen=True, order=True)
class Place:
    """Where a block is: file, byte offset of its frame, its number there, and the bytes of the frame."""

    path: bytes
    byte_offset: int
    block: int
    size: int


class FrameCache:
    """Blocks of samples by their places. May be asked from several threads."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._held: OrderedDict[Place, tuple[Block, int]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def blocks(self, places: Iterable[Place]) -> Iterator[Block]:
        """Read blocks, in the order in which they were written, one file after the other.

        A file that is gone, or not what it was when it was indexed, gives nothing: the scanner is about to notice.
        """
        for path, group in groupby(sorted(set(places)), key=attrgetter("path")):
            wanted = list(group)
            with self._lock:
                found = {place: self._held[place][0] for place in wanted if place in self._held}
                for place in found:
                    self._held.move_to_end(place)
            missing: dict[tuple[int, int], list[Place]] = defaultdict(list)
            for place in wanted:
                if place not in found:
                    missing[place.byte_offset, place.size].append(place)
            with suppress(OSError, BrokenFrameError):
                frames = read_blocks(Path(os.fsdecode(path)), list(missing))
                for mine, blocks in zip(missing.values(), frames, strict=True):
                    by_number = {block.number: block for block in blocks}
                    for place in mine:
                        if place.block in by_number:
                            found[place] = self._keep(place, by_number[place.block])
            yield from (found[place] for place in wanted if place in found)

    def _keep(self, place: Place, block: Block) -> Block:
        # What so3g has made may hold on to the whole frame; a copy does not.
        kept = Block(block.number, block.name, block.t.copy(), {name: c.copy() for name, c in block.columns.items()})
        size = kept.t.nbytes + sum(
            column.size * _TEXT_BYTES if column.dtype.kind == "O" else column.nbytes for column in kept.columns.values()
        )
        with self._lock:
            if place not in self._held and size <= self._most:
                self._held[place] = kept, size
                self._bytes += size
            while self._bytes > self._most:
                self._bytes -= self._held.popitem(last=False)[1][1]
        return kept


def samples_of(
    blocks: Iterable[Block], fields: Mapping[str, tuple[str, Kind]], start: int, end: int
) -> dict[str, tuple[Ticks, NDArray[Any]]]:
    """Take the samples of some fields out of blocks.

    Parameters
    ----------
    blocks
        In the order in which they were written.
    fields
        Any key -> the field's name in the files, and what it holds.
    start, end
        Ticks, [start, end).

    Returns
    -------
    For each key stamps (ticks) and values, in order of time, one for each stamp; numbers and truth values as float64.
    """
    parts: dict[str, list[tuple[Ticks, NDArray[Any]]]] = {key: [] for key in fields}
    for block in blocks:
        within = (block.t >= max(start, EARLIEST)) & (block.t < min(end, LATEST))
        if not within.any():
            continue
        for key, (ocs_name, kind) in fields.items():
            column = block.columns.get(ocs_name)
            if column is not None and kind_of(column) == kind:
                chosen = column[within]
                values = chosen if kind is Kind.STRING else chosen.astype(np.float64, copy=False)
                parts[key].append((block.t[within], values))
    return {key: merged(each) for key, each in parts.items()}
