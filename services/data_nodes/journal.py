"""What a live data server has received, on disk, so that a restart loses none of it.

A journal is a folder of numbered segments. A segment is `_MAGIC` and then records, each a head (length and CRC-32 of
what follows, receive time) and the record as CBOR, compressed. Segments are only ever added to, by one process; each
start begins a new one; the oldest are deleted whole.

- The process is killed, at any moment: all that `append` was given before is there, as the kernel has it.
- The machine loses power: what was appended since the last `sync` may be gone; the server calls that every second.
- A record that is not whole ends its segment, which is said; the next segment is read as if nothing were amiss.

An embedded database was the alternative. SQLite would write everything twice (log, then pages), wait for the disk in
the thread that appends whenever it merges the two, and lose the whole file, not a record, to a damaged page. What is
needed of it here, appending and deleting the oldest, is this file.
"""

import contextlib
import fcntl
import os
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from cbor2 import CBORError, dumps, loads
from zstandard import ZstdCompressor, ZstdDecompressor, ZstdError

SYNC_SECONDS = 1.0
"""How often a server should `sync`: what power loss may cost."""
RETRY_SECONDS = 10.0
"""How long a journal that could not be written is left alone."""

_MAGIC = b"sisock journal 1\n"
_HEAD = struct.Struct("<IId")
_PARTS = 16
"""A segment is at most this part of the journal, in bytes and in time."""


@dataclass
class _Segment:
    path: Path
    size: int
    newest: float
    """Greatest receive time in it, UNIX seconds."""


class Journal:
    """Records with the time of their receipt, bounded in age and size.

    Nothing that happens to the disk raises an error but in `sync`: a journal that cannot be written is said once, and
    tried again from time to time, while the server goes on in memory.

    A new journal is `replaying` until both `recorded` and `meanwhile` have been gone through. Records appended before
    that come with `meanwhile`, so that they are taken after the older ones.
    """

    def __init__(self, directory: Path | None, max_age: float, max_bytes: int, tell: Callable[..., None]) -> None:
        """Open the journal.

        Parameters
        ----------
        directory
            Its folder, made when it is not there; None for a journal that keeps nothing.
        max_age
            Seconds after whose lapse a record is of no use.
        max_bytes
            Most that the files may take.
        tell
            Logs a warning: a format, and the facts in it by name, as txaio does.
        """
        self.replaying = directory is not None
        self.unwritten = 0
        """Records that could not be written."""
        self._directory = directory
        self._max_age = max_age
        self._max_bytes = max_bytes
        self._tell = tell
        self._compressor = ZstdCompressor(level=1)
        self._decompressor = ZstdDecompressor()
        self._segments: list[_Segment] = []
        self._file: int | None = None
        self._lock: int | None = None
        self._began = self._failed_at = 0.0
        self._problem = ""
        self._told_full = self._told_unpackable = False
        self._dirty: set[Path] = set()
        self._meanwhile: deque[tuple[float, bytes | None, object]] = deque()
        if directory is not None:
            try:
                self._open(directory)
            except OSError as error:
                self._fail(error, 0.0)
        self._recorded = list(self._segments)

    @property
    def nbytes(self) -> int:
        """Size of all files, bytes."""
        return sum(segment.size for segment in self._segments)

    def append(self, received: float, record: object) -> None:
        """Write a record of what CBOR can hold, received at that UNIX time."""
        if self._directory is None:
            return
        payload = self._packed(record)
        if self.replaying:
            self._meanwhile.append((received, payload, None if payload else record))
        left_alone = self._problem and self._failed_at <= received < self._failed_at + RETRY_SECONDS
        if payload is None or left_alone:
            self.unwritten += 1
            return
        try:
            self._write(self._directory, received, payload)
        except OSError as error:
            self.unwritten += 1
            self._fail(error, received)
            return
        if self._problem:
            self._tell("{directory}: is written again", directory=self._directory)
        self._problem = ""

    def recorded(self, now: float) -> Iterator[tuple[float, Any]]:
        """Give what an earlier process has appended and is not too old at `now`: receive time, record."""
        for segment in self._recorded:
            try:
                with segment.path.open("rb") as file:
                    yield from self._read(segment, file, now - self._max_age)
            except FileNotFoundError:
                continue  # It has aged out meanwhile.
            except OSError as error:
                self._tell("{path}: cannot be read: {error}", path=segment.path, error=error)
        self._recorded = []

    def meanwhile(self) -> Iterator[tuple[float, Any]]:
        """Give what has been appended since the journal was opened; when all is given, it is no longer `replaying`."""
        while self._meanwhile:
            received, payload, record = self._meanwhile.popleft()
            if payload is None:
                yield received, record
            else:
                yield from self._unpacked(received, payload)
        self.replaying = False

    def sync(self) -> None:
        """Wait until all that was appended is on the disk; may run in a thread of its own.

        Raises
        ------
        OSError
            The disk does not take it.
        """
        for path in list(self._dirty):
            self._dirty.discard(path)
            try:
                descriptor = os.open(path, os.O_RDONLY)
            except FileNotFoundError:
                continue
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def close(self) -> None:
        """Leave the folder to others."""
        for descriptor in (self._file, self._lock):
            if descriptor is not None:
                os.close(descriptor)
        self._file = self._lock = None

    def _packed(self, record: object) -> bytes | None:
        try:
            payload = self._compressor.compress(dumps(record))
            if len(payload) * _PARTS <= self._max_bytes:
                return payload
            problem = f"it takes {len(payload)} bytes, over 1/{_PARTS} of the journal"
        except (CBORError, ValueError, TypeError, OverflowError, RecursionError) as error:
            problem = str(error)
        if not self._told_unpackable:
            self._told_unpackable = True
            self._tell("{directory}: a message is kept in memory only: {problem}",
                       directory=self._directory, problem=problem)  # fmt: skip
        return None

    def _open(self, directory: Path) -> None:
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o640)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise OSError(None, "another process writes there; give each server a name of its own") from None
        self._lock = lock
        self._segments = []
        for path in sorted(directory.glob("[0-9]" * 10 + ".journal")):
            about = path.stat()
            self._segments.append(_Segment(path, about.st_size, about.st_mtime))

    def _write(self, directory: Path, received: float, payload: bytes) -> None:
        if self._lock is None:
            self._open(directory)
        full = self._segments and self._segments[-1].size * _PARTS > self._max_bytes
        file, elapsed = self._file, received - self._began
        if file is None or full or not 0 <= elapsed < self._max_age / _PARTS:
            file = self._begin(directory, received)
        segment, timed = self._segments[-1], struct.pack("<d", received)
        data = _HEAD.pack(len(payload), zlib.crc32(payload, zlib.crc32(timed)), received) + payload
        _write_all(file, data)
        segment.size += len(data)
        segment.newest = max(segment.newest, received)
        self._dirty.add(segment.path)

    def _begin(self, directory: Path, received: float) -> int:
        """Begin a segment, and delete those that are of no more use."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        room = self._max_bytes - self._max_bytes // _PARTS
        while self._segments:
            oldest = self._segments[0]
            useless = oldest.newest < received - self._max_age
            if not useless and self.nbytes <= room:
                break
            if not useless and not self._told_full:
                self._told_full = True
                self._tell(
                    "{directory}: {size:.0f} MiB do not hold {hours:g} h of what is received; a restart will lose the "
                    "older part; give more",
                    directory=directory, size=self._max_bytes / 2**20, hours=round(self._max_age / 3600, 2),
                )  # fmt: skip
            oldest.path.unlink(missing_ok=True)
            self._segments.pop(0)
        number = int(self._segments[-1].path.stem) + 1 if self._segments else 1
        path = directory / f"{number:010}.journal"
        file = self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640)
        self._segments.append(_Segment(path, 0, received))
        self._began = received
        _write_all(file, _MAGIC)
        self._segments[-1].size = len(_MAGIC)
        self._dirty |= {directory, path}
        return file

    def _fail(self, error: OSError, received: float) -> None:
        """Say it, and end the segment where its last whole record ends; the next attempt begins a new one."""
        self._failed_at = received
        if self._file is not None:
            segment = self._segments[-1]
            with contextlib.suppress(OSError):
                if segment.size:
                    os.ftruncate(self._file, segment.size)
                else:
                    segment.path.unlink()
                    self._segments.pop()
            with contextlib.suppress(OSError):
                os.close(self._file)
            self._file = None
        problem = error.strerror or str(error)
        if problem != self._problem:
            self._tell(
                "{directory}: cannot be written: {problem}; the server goes on in memory, of which a restart will lose "
                "what it receives from now on",
                directory=self._directory, problem=problem,
            )  # fmt: skip
        self._problem = problem

    def _read(self, segment: _Segment, file: BinaryIO, oldest: float) -> Iterator[tuple[float, Any]]:
        place, problem, newest = 0, "", 0.0
        if file.read(len(_MAGIC)) != _MAGIC:
            problem = "is not a journal of this version"
        else:
            place = len(_MAGIC)
        while not problem and place < segment.size:
            head = file.read(_HEAD.size)
            if len(head) < _HEAD.size:
                problem = "ends within a record"
                break
            length, checksum, received = _HEAD.unpack(head)
            payload = file.read(min(length, segment.size))
            if len(payload) < length or zlib.crc32(payload, zlib.crc32(head[8:])) != checksum:
                problem = "holds a record that was not written to its end"
                break
            newest = max(newest, received)
            if received >= oldest:
                yield from self._unpacked(received, payload)
            place += _HEAD.size + length
        if problem:
            self._tell(
                "{path}: {problem}; its last {count} bytes are left out",
                path=segment.path, problem=problem, count=segment.size - place,
            )  # fmt: skip
        else:
            segment.newest = newest

    def _unpacked(self, received: float, payload: bytes) -> Iterator[tuple[float, Any]]:
        try:
            record = loads(self._decompressor.decompress(payload))
        except (CBORError, ZstdError, ValueError, RecursionError) as error:
            self._tell("{directory}: a record is left out, as it cannot be read: {error}",
                       directory=self._directory, error=error)  # fmt: skip
        else:
            yield received, record


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
