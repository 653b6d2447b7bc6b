"""What is new, grown, replaced, gone or back on the disk, compared with the index.

Here files are only looked at; a row with `due` set is an order to the workers, who read. A file is opened, for its
first bytes, only when its size or time has changed.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, insert, select, update

from services.g3_index.schema import Status, files
from services.g3_scanner.faults import patiently
from services.g3_scanner.walking import Opened, Seen, head_hash, look_at, open_head, reason, walk

_BATCH = 500
_SETTLED_NS = 2_000_000_000
"""A time of change that is younger may belong to a write that has not reached the size yet."""

Known = Mapping[bytes, Any]
"""Rows of files by path."""
_COLUMNS = (
    files.c.id, files.c.path, files.c.size, files.c.mtime_ns, files.c.head, files.c.head_size, files.c.indexed,
    files.c.status, files.c.problem, files.c.due,
)  # fmt: skip


@dataclass
class Memory:
    """What one sweep leaves for the next one.

    Attributes
    ----------
    absent
        Known files that the last sweep did not find.
    """

    absent: set[bytes] = field(default_factory=set)


@dataclass
class Findings:
    """What a sweep or a look has found.

    Attributes
    ----------
    files
        The files that were looked at, and what they look like.
    due
        Files that were given to the workers.
    again
        Files that must be looked at again in a moment: a worker has them, or they are being written.
    unreadable
        Path of a file or folder -> why it cannot be read.
    unmounted
        Why the directory looks as if its disk was not there; "" when it does not.
    """

    files: dict[bytes, Seen] = field(default_factory=dict)
    due: int = 0
    again: set[bytes] = field(default_factory=set)
    unreadable: dict[bytes, str] = field(default_factory=dict)
    unmounted: str = ""


def sweep(
    engine: Engine,
    directory: bytes,
    memory: Memory,
    now_ns: Callable[[], int] = time.time_ns,
    progress: Callable[[int], None] = lambda _: None,
) -> Findings:
    """Compare all files below `directory` with the index, and write down what has changed.

    A file that is gone is believed to be so when two sweeps have not found it; not, however, when more than half of
    all, or all, are gone.

    Parameters
    ----------
    engine
        The index.
    directory
        Absolute path.
    memory
        Of the last sweep; changed.
    now_ns
        The clock: ns since 1970.
    progress
        Called often, with the number of files that are due so far.

    Raises
    ------
    DirectoryAbsentError
        `directory` cannot be listed.
    DBAPIError
        The database fails.
    """
    found = Findings()
    tree = walk(directory, lambda: progress(found.due))
    found.files, found.unreadable = tree.files, tree.unreadable
    known = _below(engine, directory)
    changed = [path for path, seen in tree.files.items() if _differs(known.get(path), seen)]
    for batch in _batches(sorted(changed)):
        _record(engine, batch, known, now_ns(), found)
        progress(found.due)
    here = {path for path, row in known.items() if row.status != Status.MISSING}
    absent = {path for path in here - tree.files.keys() if not _hidden(path, tree.unreadable)}
    found.unmounted = _unmounted(len(tree.files), len(here), len(absent))
    if found.unmounted:
        memory.absent = set()
        return found
    for batch in _batches(sorted(absent & memory.absent)):
        _forget(engine, [path for path in batch if look_at(path) is None], known, found)
    memory.absent = absent - memory.absent
    return found


def look(
    engine: Engine,
    paths: Iterable[bytes],
    gone: Collection[bytes] = (),
    now_ns: Callable[[], int] = time.time_ns,
) -> Findings:
    """Compare a few files with the index, and write down what has changed.

    Parameters
    ----------
    engine
        The index.
    paths
        Absolute paths.
    gone
        Those of `paths` whose deletion was seen.
    now_ns
        The clock: ns since 1970.

    Raises
    ------
    DBAPIError
        The database fails.
    """
    found = Findings()
    for batch in _batches(sorted(set(paths))):
        known = _these(engine, batch)
        changed, deleted = [], []
        for path in batch:
            try:
                seen = look_at(path)
            except OSError as error:
                found.unreadable[path] = reason(error)
                continue
            if seen is None:
                if path in gone and path in known and known[path].status != Status.MISSING:
                    deleted.append(path)
                continue
            found.files[path] = seen
            if _differs(known.get(path), seen):
                changed.append(path)
        if changed:
            _record(engine, changed, known, now_ns(), found)
        if deleted:
            _forget(engine, deleted, known, found)
    return found


def _differs(known: Row[Any] | None, seen: Seen) -> bool:
    return known is None or (known.size, known.mtime_ns) != seen or known.status == Status.MISSING


def _hidden(path: bytes, unreadable: Mapping[bytes, str]) -> bool:
    return path in unreadable or any(path.startswith(folder + b"/") for folder in unreadable)


def _unmounted(present: int, known: int, absent: int) -> str:
    if known and not present:
        return f"it holds none of the {known} files that are known"
    if absent * 2 > known:
        return f"{absent} of the {known} files that are known are gone at once"
    return ""


def _record(engine: Engine, paths: list[bytes], known: Known, now_ns: int, found: Findings) -> None:
    """Open files, and write down what they have become."""
    opened: dict[bytes, Opened | str] = {}
    for path in paths:
        try:
            looked = open_head(path)
        except OSError as error:
            found.unreadable[path] = opened[path] = reason(error)
            continue
        if looked is not None:
            opened[path] = looked

    def write(connection: Connection) -> tuple[int, set[bytes]]:
        due, again = _add(connection, {path: opened[path] for path in opened if path not in known}), set()
        old = [path for path in opened if path in known]
        locked = _locked(connection, [known[path].id for path in old])
        for path in old:
            looked = opened[path]
            if path not in locked:
                again.add(path)
            elif isinstance(looked, str):
                _cannot(connection, locked[path], looked)
            elif _is_restless(locked[path], looked, now_ns):
                again.add(path)
            elif change := _change(locked[path], looked):
                connection.execute(update(files).where(files.c.id == locked[path].id).values(change))
                due += 1
        return due, again

    due, again = patiently(engine, write)
    found.due += due
    found.again |= again


def _add(connection: Connection, opened: Mapping[bytes, Opened | str]) -> int:
    """Make the rows of new files; how many of them are due."""
    # What cannot be read never looks as small or as old as this, so that the next sweep tries again.
    unknown = {"size": 0, "mtime_ns": 0, "head": head_hash(b""), "head_size": 0, "status": Status.FAILED, "due": False}
    due, unreadable = [], []
    for path, looked in opened.items():
        row: dict[str, Any] = {"path": path, "indexed": 0}
        if isinstance(looked, str):
            unreadable.append(row | unknown | {"problem": _unreadable(looked)})
        else:
            due.append(row | _seen(looked) | {"status": Status.NEW, "due": True})
    # Another scanner may have been faster.
    statement = insert(files).prefix_with("IGNORE")
    if unreadable:
        connection.execute(statement, unreadable)
    return int(connection.execute(statement, due).rowcount) if due else 0


def _cannot(connection: Connection, known: Row[Any], why: str) -> None:
    """Say that a known file cannot be read; its size and time stay, so that the next look tries again."""
    change = {"status": Status.FAILED, "problem": _unreadable(why), "due": 0}
    if (known.status, known.problem, known.due) != tuple(change.values()):
        connection.execute(update(files).where(files.c.id == known.id).values(change))


def _unreadable(why: str) -> str:
    return f"cannot be read ({why}); let the scanner's user read it"


def _is_restless(known: Row[Any], looked: Opened, now_ns: int) -> bool:
    """A write may be under way: the time has changed, and the size not yet."""
    return (
        known.size == looked.seen.size
        and known.mtime_ns != looked.seen.mtime_ns
        and abs(now_ns - looked.seen.mtime_ns) < _SETTLED_NS
    )


def _change(known: Row[Any], looked: Opened) -> dict[str, Any] | None:
    """What a known file has become; None when it is as it was, after all."""
    if not _differs(known, looked.seen):
        return None
    untouched = not known.indexed and known.status != Status.REPLACED
    same = head_hash(looked.head, known.head_size) == known.head
    compressed = known.path.endswith(b".gz")
    kept = known.size if compressed else known.indexed  # A compressed file counts its indexed bytes unpacked.
    if untouched:
        status = Status.NEW
    elif not same or looked.seen.size < kept or looked.seen.size == known.size:
        status = Status.REPLACED
    elif known.status in {Status.REPLACED, Status.MISSING}:
        status = Status.REPLACED  # The workers have yet to forget what was in it.
    else:
        status = Status.PARTIAL
    return _seen(looked) | {"status": status, "problem": None, "due": 1}


def _seen(looked: Opened) -> dict[str, Any]:
    head_size = len(looked.head)
    return looked.seen._asdict() | {"head": head_hash(looked.head), "head_size": head_size}


def _forget(engine: Engine, paths: list[bytes], known: Known, found: Findings) -> None:
    """Let the workers forget files that are gone."""

    def write(connection: Connection) -> tuple[int, set[bytes]]:
        locked = _locked(connection, [known[path].id for path in paths])
        here = [row.id for row in locked.values() if row.status != Status.MISSING]
        if here:
            change = {"status": Status.MISSING, "problem": None, "due": 1}
            connection.execute(update(files).where(files.c.id.in_(here)).values(change))
        return len(here), set(paths) - locked.keys()

    due, again = patiently(engine, write)
    found.due += due
    found.again |= again


def _locked(connection: Connection, ids: list[int]) -> Known:
    """Rows that no worker has in hand, locked until the transaction ends."""
    if not ids:
        return {}
    query = select(*_COLUMNS).where(files.c.id.in_(ids)).order_by(files.c.id).with_for_update(skip_locked=True)
    return {row.path: row for row in connection.execute(query)}


def _below(engine: Engine, directory: bytes) -> Known:
    """Rows of the files below a folder."""
    prefix = directory.rstrip(b"/") + b"/"
    query = select(*_COLUMNS).where(files.c.path >= prefix, files.c.path < prefix[:-1] + b"0")
    with engine.connect() as connection:
        return {row.path: row for row in connection.execute(query)}


def _these(engine: Engine, paths: list[bytes]) -> Known:
    with engine.connect() as connection:
        return {row.path: row for row in connection.execute(select(*_COLUMNS).where(files.c.path.in_(paths)))}


def _batches(paths: list[bytes]) -> Iterable[list[bytes]]:
    remaining = iter(paths)
    while batch := list(islice(remaining, _BATCH)):
        yield batch


def work_left(engine: Engine) -> tuple[int, int]:
    """Files that are due, and about how many bytes they have that are not indexed."""
    new = func.coalesce(func.sum(func.greatest(files.c.size - files.c.indexed, 0)), 0)
    with engine.connect() as connection:
        number, size = connection.execute(select(func.count(), new).where(files.c.due == 1)).one()
    return int(number), int(size)
