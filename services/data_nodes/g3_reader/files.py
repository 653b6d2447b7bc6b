"""Frames read by their offsets, or remembered."""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.data_nodes.g3_reader.memory import Remembers
from services.g3_index.frames import Block, BrokenFrameError, kind_of, read_blocks
from services.g3_index.levels import EARLIEST, LATEST
from services.g3_index.merging import Ticks, merged
from services.g3_index.schema import Kind
from services.g3_index.vectors import Columns

_MOSTLY = 1.5
"""How many times as long as what a block holds its frame may be, for the block to stay a view of it."""
_ARRAY_BYTES = 200
"""What an array, and its name, take of memory besides what is in it, roughly."""
_TEXT_BYTES = 100
"""What a text takes of memory, roughly."""


class Place(NamedTuple):
    """Where a block is.

    Attributes
    ----------
    path, byte_offset, block
        File, offset of its frame, and its number there.
    size
        Bytes of the frame.
    timeline
        Id and revision of its timeline; with others, there may be something else.
    """

    path: bytes
    byte_offset: int
    block: int
    size: int
    timeline: tuple[int, int]


def blocks_of(memory: Remembers, places: Iterable[Place]) -> Iterator[Block]:
    """Read blocks, in the order in which they were written, one file after the other; those in memory are not read.

    A file that is gone, or not what it was when it was indexed, gives nothing: the scanner is about to notice.
    """
    for path, group in groupby(sorted(set(places)), key=itemgetter(0)):
        wanted = list(group)
        found = memory.recall(wanted)
        missing: dict[tuple[int, int], list[Place]] = defaultdict(list)
        for place in wanted:
            if place not in found:
                missing[place.byte_offset, place.size].append(place)
        if missing:
            with suppress(OSError, BrokenFrameError):
                frames = read_blocks(Path(os.fsdecode(path)), list(missing))
                for mine, blocks in zip(missing.values(), frames, strict=True):
                    by_number = {block.number: block for block in blocks}
                    for place in mine:
                        if place.block in by_number:
                            found[place] = _kept(memory, place, by_number[place.block])
        yield from (found[place] for place in wanted if place in found)


def _kept(memory: Remembers, place: Place, block: Block) -> Block:
    columns = block.columns
    if isinstance(columns, Columns) and not columns.spans.texts:
        size = block.t.nbytes + sum(
            _ARRAY_BYTES + each.size * each.kind.itemsize for each in columns.spans.places.values()
        )
        if len(columns.raw) <= _MOSTLY * size:
            memory.keep(place, block, max(size, len(columns.raw)))
            return block
    # Text is taken apart once; and neither what so3g has made nor a frame of several blocks is to stay for one of them.
    kept = Block(block.number, block.name, block.t.copy(), {name: c.copy() for name, c in block.columns.items()})
    memory.keep(place, kept, kept.t.nbytes + sum(_ARRAY_BYTES + bytes_of(each) for each in kept.columns.values()))
    return kept


def bytes_of(column: NDArray[Any]) -> int:
    """What an array takes of memory, roughly where it holds text."""
    return column.size * _TEXT_BYTES if column.dtype.hasobject else column.nbytes


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
    stamps: list[Ticks] = []
    parts: dict[str, dict[int, NDArray[Any]]] = {key: {} for key in fields}
    for at, block in enumerate(blocks):
        # Copies, as views would hold on to the whole frames.
        stamps.append(block.t.copy())
        for key, (ocs_name, kind) in fields.items():
            column = block.columns.get(ocs_name)
            if column is not None and kind_of(column.dtype) == kind:
                parts[key][at] = column.copy()
    clocks: dict[tuple[int, ...], tuple[Ticks, NDArray[np.bool_]]] = {}
    samples: dict[str, tuple[Ticks, NDArray[Any]]] = {}
    for key, columns in parts.items():
        places = tuple(columns)
        if not places:
            samples[key] = merged([])
            continue
        if places not in clocks:
            t = np.concatenate([stamps[at] for at in places])
            within = (t >= max(start, EARLIEST)) & (t < min(end, LATEST))
            clocks[places] = t[within], within
        t, within = clocks[places]
        values = np.concatenate(list(columns.values()))[within]
        samples[key] = merged([(t, values if fields[key][1] is Kind.STRING else values.astype(np.float64, copy=False))])
    return samples
