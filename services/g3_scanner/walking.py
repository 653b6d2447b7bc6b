"""Which recorded files there are below a folder, and what a file looks like."""

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from services.g3_index.schema import LONGEST_PATH
from sisock.errors import SisockError

SUFFIXES = (b".g3", b".g3.gz")
HEAD_BYTES = 4096
"""Bytes at the beginning of a file by which it is known again."""


class DirectoryAbsentError(SisockError):
    """The folder of the recorded files cannot be listed."""

    def __init__(self, directory: bytes, error: OSError) -> None:
        super().__init__(f"data directory {shown(directory)}: {reason(error)}; mount it, or set DATA_DIRECTORY")


class Seen(NamedTuple):
    """Size in bytes, and time of the last change in ns since 1970, of a file."""

    size: int
    mtime_ns: int


class Opened(NamedTuple):
    """A file at the moment of its opening, and its first up to `HEAD_BYTES` bytes."""

    seen: Seen
    head: bytes


@dataclass
class Tree:
    """What a walk has found.

    Attributes
    ----------
    files
        Path -> its size and time.
    unreadable
        Path of a folder or file -> why it could not be looked at.
    """

    files: dict[bytes, Seen] = field(default_factory=dict)
    unreadable: dict[bytes, str] = field(default_factory=dict)


def shown(path: bytes) -> str:
    """The path for people; bytes that are no UTF-8, and control characters, become escapes."""
    text = path.decode("utf-8", "backslashreplace")
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def reason(error: OSError) -> str:
    """Why something cannot be done with a file."""
    return error.strerror or str(error)


def is_recorded(path: bytes) -> bool:
    """Whether a path is that of a recorded file."""
    return path.endswith(SUFFIXES) and len(path) <= LONGEST_PATH


def walk(directory: bytes, folder_done: Callable[[], None] = lambda: None) -> Tree:
    """List the recorded files below `directory`.

    Symbolic links are followed, but no folder is entered twice; a folder that is reached directly has the path that
    does not lead through a link.

    Parameters
    ----------
    directory
        Absolute path.
    folder_done
        Called after each folder.

    Raises
    ------
    DirectoryAbsentError
        `directory` itself cannot be listed.
    """
    tree, entered = Tree(), set()
    folders, links = [directory], list[bytes]()
    while folders or links:
        # Links come last, so that they never take the name of what is there without them.
        folder = folders.pop() if folders else links.pop()
        try:
            about = os.stat(folder)
            if (about.st_dev, about.st_ino) in entered:
                continue
            entered.add((about.st_dev, about.st_ino))
            with os.scandir(folder) as entries:
                inside, linked = _list(entries, tree)
        except OSError as error:
            if folder == directory:
                raise DirectoryAbsentError(directory, error) from error
            if error.errno != errno.ENOENT:
                tree.unreadable[folder] = reason(error)
            continue
        folders += inside
        links += linked
        folder_done()
    return tree


def _list(entries: "os._ScandirIterator[bytes]", tree: Tree) -> tuple[list[bytes], list[bytes]]:
    """Put files into `tree`; the folders, and the links to folders, that there are."""
    folders, links = list[bytes](), list[bytes]()
    for entry in entries:
        try:
            if entry.is_dir():
                (links if entry.is_symlink() else folders).append(entry.path)
            elif is_recorded(entry.path):
                about = entry.stat()
                if stat.S_ISREG(about.st_mode):
                    tree.files[entry.path] = Seen(about.st_size, about.st_mtime_ns)
            elif entry.name.endswith(SUFFIXES):
                tree.unreadable[entry.path] = f"its path has more than {LONGEST_PATH} bytes"
        except FileNotFoundError:
            continue
        except OSError as error:
            tree.unreadable[entry.path] = reason(error)
    return folders, links


def look_at(path: bytes) -> Seen | None:
    """Size and time of a file; None when there is none.

    Raises
    ------
    OSError
        It cannot be said.
    """
    try:
        about = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Seen(about.st_size, about.st_mtime_ns) if stat.S_ISREG(about.st_mode) else None


def open_head(path: bytes) -> Opened | None:
    """Read the beginning of a file; None when there is none.

    Raises
    ------
    OSError
        It cannot be read.
    """
    try:
        # Without O_NONBLOCK a pipe that has taken the file's place would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            return None
        return Opened(Seen(about.st_size, about.st_mtime_ns), os.pread(descriptor, HEAD_BYTES, 0))
    finally:
        os.close(descriptor)


def head_hash(head: bytes, size: int = HEAD_BYTES) -> bytes:
    """SHA-256 of the first `size` bytes."""
    return hashlib.sha256(head[:size]).digest()
