"""From a file to pieces: the samples of one block of one frame, and where they are."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row

from services.g3_index.frames import Block, BrokenFrameError, Forms, Stream, kind_of
from services.g3_index.levels import EARLIEST, LATEST
from services.g3_index.merging import Ticks
from services.g3_index.schema import LONGEST_FEED, LONGEST_NAME, Kind, Status
from services.g3_index.vectors import Columns, ColumnSpans
from services.g3_scanner.walking import HEAD_BYTES, Opened, head_hash, open_head

SeriesKey = tuple[str, Kind]


class Piece(NamedTuple):
    """One block of one frame, and where it is; `size` is the bytes of the frame."""

    path: bytes
    file_id: int
    prov_id: int
    feed: str
    block_name: str
    byte_offset: int
    block: int
    size: int
    t: Ticks
    span: tuple[int, int]
    """Least and greatest stamp, ticks."""
    columns: Mapping[SeriesKey, NDArray[Any]]

    @property
    def order(self) -> tuple[bytes, int, int]:
        """When it was written: path, offset, block."""
        return self.path, self.byte_offset, self.block

    @property
    def keys(self) -> tuple[SeriesKey, ...]:
        """The series that it has samples of; of blocks that are alike it is one object."""
        return self.columns.spans.keys if isinstance(self.columns, Columns) else tuple(self.columns)


@dataclass
class Reading:
    """What was read of one file, from byte `begin` on.

    `unread` says that there is more; `head` is for the file's row, if another file has come to its path.
    """

    row: Row[Any]
    stream: Stream
    size: int
    mtime_ns: int
    begin: int
    status: Status = Status.DONE
    problem: str | None = None
    frames: int = 0
    unread: bool = False
    pieces: list[Piece] = field(default_factory=list)
    head: dict[str, Any] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """How much was read."""
        return self.stream.reached - self.begin

    @property
    def due(self) -> bool:
        """Whether a worker must take it again."""
        return self.unread or self.status == Status.REPLACED

    @property
    def resume(self) -> str | None:
        """What the next reading of the file must know, JSON."""
        stream = self.stream
        said = {"session": stream.session, "providers": stream.providers, "strange": stream.strange}
        return json.dumps(said) if stream.reached else None


def read_file(row: Row[Any], most_bytes: int, forms: Forms) -> Reading:
    """Read the new frames of a file, as many as a step may."""
    begin = row.indexed if row.status not in {Status.REPLACED, Status.NEW} else 0
    resume = json.loads(row.resume) if row.resume and begin else {}
    stream = Stream(
        Path(os.fsdecode(row.path)),
        reached=begin,
        session=resume.get("session"),
        providers={int(prov_id): feed for prov_id, feed in resume.get("providers", {}).items()},
        strange=resume.get("strange", {}),
        forms=forms,
    )
    reading = Reading(row, stream, row.size, row.mtime_ns, begin)
    opened = None
    try:
        opened = open_head(row.path)
        if begin and opened is not None and head_hash(opened.head, row.head_size) != row.head:
            reading.status = Status.REPLACED
            reading.head = _told(opened)
            return reading
        seen = stream.path.stat()
        reading.size, reading.mtime_ns = seen.st_size, seen.st_mtime_ns
        for frame in stream.frames():
            reading.frames += 1
            for block in frame.blocks:
                piece = piece_of(
                    (row.path, row.id), frame.feed, frame.prov_id, block, (frame.offset, frame.size), stream.strange
                )
                if piece is not None:
                    reading.pieces.append(piece)
            if reading.bytes >= most_bytes:
                reading.unread = True
                break
        if not reading.unread and stream.end > stream.reached:
            reading.status = Status.PARTIAL
            reading.problem = f"it ends within a frame, {stream.end - stream.reached} bytes after the last whole one"
    except BrokenFrameError as error:
        reading.status, reading.problem = Status.FAILED, str(error)
    except FileNotFoundError:
        # The sweep decides whether the index forgets it.
        reading.status = Status(row.status) if begin else Status.MISSING
        reading.problem = "it has vanished"
    except OSError as error:
        reading.status, reading.problem = Status.FAILED, f"it cannot be read ({error.strerror})"
    if opened is not None and (not begin or row.head_size < HEAD_BYTES):
        _look_again(reading, opened)
    if stream.strange:
        passed = "; ".join(f"passed over {count} {why}" for why, count in stream.strange.items())
        reading.problem = f"{reading.problem}; {passed}" if reading.problem else passed
    return reading


def _look_again(reading: Reading, opened: Opened) -> None:
    """Know the file by what it was when it was read, and not when somebody looked at it before."""
    with suppress(OSError):
        later = open_head(reading.row.path)
        if later is not None and later.head.startswith(opened.head):
            reading.head = _told(later)
        else:
            reading.status = Status.REPLACED


def _told(opened: Opened) -> dict[str, Any]:
    """What a file is known by."""
    return {"head": head_hash(opened.head), "head_size": len(opened.head)}


def _fits(name: str) -> bool:
    return 0 < len(name) <= LONGEST_NAME


@lru_cache(maxsize=1000)
def _series_of(columns: ColumnSpans) -> ColumnSpans:
    """The same by series, without those whose names are unfit; for blocks that are alike it is one object."""
    return columns.called(lambda name, span: (name, kind_of(span.kind)) if _fits(name) else None)


def piece_of(
    file: tuple[bytes, int], feed: str, prov_id: int, block: Block, place: tuple[int, int], strange: dict[str, int]
) -> Piece | None:
    """A block without what cannot be kept; None when nothing of it can."""

    def strike(what: str, count: int = 1) -> None:
        strange[what] = strange.get(what, 0) + count

    if len(feed) > LONGEST_FEED or len(block.name) > LONGEST_NAME:
        strike(f"frames with a feed of over {LONGEST_FEED} or a block of over {LONGEST_NAME} characters")
        return None
    columns: Mapping[SeriesKey, NDArray[Any]]
    if isinstance(block.columns, Columns):
        columns = Columns(block.columns.raw, _series_of(block.columns.spans))
    else:
        columns = {(name, kind_of(each.dtype)): each for name, each in block.columns.items() if _fits(name)}
    if unfit := len(block.columns) - len(columns):
        strike(f"fields with a name of none or over {LONGEST_NAME} characters", unfit)
    t = block.t
    first, last = int(np.minimum.reduce(t)), int(np.maximum.reduce(t))
    if first < EARLIEST or last >= LATEST:
        possible = (t >= EARLIEST) & (t < LATEST)
        strike("samples stamped before 1970 or after 4000", int(t.size - possible.sum()))
        t, columns = t[possible], {key: column[possible] for key, column in columns.items()}
        first, last = (int(t.min()), int(t.max())) if t.size else (0, 0)
    if not t.size or not columns:
        return None
    return Piece(*file, prov_id, feed, block.name, place[0], block.number, place[1], t, (first, last), columns)
