"""What changes on the disk, as the kernel tells it; or, where it does not, what changes in the newest files."""

import os
from collections.abc import Callable, Mapping
from heapq import nlargest
from threading import Lock
from typing import Any

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.inotify import InotifyObserver

from services.g3_scanner.walking import Seen, is_recorded

_EVENTS: list[type[FileSystemEvent]] = [
    DirCreatedEvent, DirDeletedEvent, DirMovedEvent,
    FileClosedEvent, FileCreatedEvent, FileDeletedEvent, FileModifiedEvent, FileMovedEvent,
]  # fmt: skip
_ELSEWHERE = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "glusterfs", "beegfs", "gpfs"}
"""File systems that other hosts write to, of which our kernel tells nothing."""


class CannotWatchError(Exception):
    """The kernel does not tell what changes in a folder."""


class Changes:
    """What has changed since it was last taken; put in by one thread, taken out by another.

    Parameters
    ----------
    wake
        Called when the first change is put in.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._lock = Lock()
        self._paths: set[bytes] = set()
        self._gone: set[bytes] = set()
        self._folders = False

    def put(self, path: bytes, *, gone: bool = False) -> None:
        """Take note of a file that has changed, or was deleted; those that are no recorded files are passed over."""
        if is_recorded(path):
            with self._lock:
                asleep = not self._paths
                self._paths.add(path)
                (self._gone.add if gone else self._gone.discard)(path)
            if asleep:
                self._wake()

    def put_folder(self) -> None:
        """Take note that a folder has come or gone, with files in it that nobody tells of."""
        with self._lock:
            self._folders = True
        self._wake()

    def take(self) -> tuple[set[bytes], set[bytes]]:
        """Files that have changed, and those of them that were deleted."""
        with self._lock:
            taken = self._paths, self._gone
            self._paths, self._gone = set(), set()
        return taken

    def take_folders(self) -> bool:
        """Whether folders have come or gone."""
        with self._lock:
            folders, self._folders = self._folders, False
        return folders


class Watch:
    """Follows a folder by inotify.

    Parameters
    ----------
    directory
        Absolute path.
    changes
        Where changes go.
    """

    def __init__(self, directory: bytes, changes: Changes) -> None:
        self._directory, self._changes = directory, changes
        self._observer: Any = None
        self._watched: tuple[int, int] | None = None

    def ensure(self) -> bool:
        """See to it that the folder which is there now is watched; whether it was not before.

        Raises
        ------
        CannotWatchError
            It cannot be; the sentence says why.
        """
        try:
            about = os.stat(self._directory)
        except OSError:
            self.stop()
            return False
        identity = about.st_dev, about.st_ino
        if self._watched == identity and self._observer is not None and self._observer.is_alive():
            return False
        self.stop()
        self._watched = identity
        self._start()
        return True

    def stop(self) -> None:
        """Watch no more."""
        self._watched = None
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None

    def _start(self) -> None:
        system = file_system(self._directory)
        if system in _ELSEWHERE or system.startswith("fuse."):
            raise CannotWatchError(f"the kernel does not tell what other hosts write to {system}")
        try:
            observer = InotifyObserver()
            observer.name = "g3-watch"
            handler = _Handler(self._changes)
            observer.schedule(handler, os.fsdecode(self._directory), recursive=True, event_filter=_EVENTS)
            observer.start()
        except OSError as error:
            raise CannotWatchError(
                f"{error.strerror}; raise fs.inotify.max_user_watches or fs.inotify.max_user_instances"
            ) from error
        self._observer = observer


class _Handler(FileSystemEventHandler):
    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    def dispatch(self, event: FileSystemEvent) -> None:
        moved = isinstance(event, FileMovedEvent)
        if event.is_directory:
            # A new folder is walked by watchdog; one that has gone takes files with it of which nothing is said.
            if isinstance(event, DirCreatedEvent | DirDeletedEvent | DirMovedEvent):
                self._changes.put_folder()
            return
        self._changes.put(os.fsencode(event.src_path), gone=moved or isinstance(event, FileDeletedEvent))
        if moved:
            self._changes.put(os.fsencode(event.dest_path))


def file_system(path: bytes) -> str:
    """Kind of the file system that holds a path, as /proc/mounts calls it; "" when it is not said."""
    best, kind = b"", ""
    real = os.path.realpath(path) + b"/"
    try:
        with open("/proc/self/mounts", "rb") as mounts:
            for line in mounts:
                _, at, system, *_ = line.split(b" ")
                at = at.decode("unicode_escape").encode("latin-1").rstrip(b"/") + b"/"
                if real.startswith(at) and len(at) >= len(best):
                    best, kind = at, system.decode()
    except OSError:
        return ""
    return kind


def newest(directory: bytes, files: Mapping[bytes, Seen], count: int = 16) -> set[bytes]:
    """Files that are most likely to change: the newest of those known, and new ones beside the newest of them.

    Parameters
    ----------
    directory
        The folder of all; looked into when no file is known.
    files
        What is known.
    count
        How many of them.
    """
    latest = nlargest(count, files, key=lambda path: files[path].mtime_ns)
    folder = os.path.dirname(latest[0]) if latest else directory
    try:
        with os.scandir(folder) as entries:
            beside = {entry.path for entry in entries if is_recorded(entry.path) and entry.path not in files}
    except OSError:
        beside = set()
    return {*latest, *beside}
