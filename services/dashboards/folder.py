"""Dashboards as files, which Grafana reads whenever they change."""

import fcntl
import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_OURS = re.compile(r"sisock-[A-Za-z0-9_-]+\.json")
_READABLE = 0o644


@dataclass(frozen=True)
class Changes:
    """Names of files that were written, and of those that were taken away."""

    written: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.written or self.removed)


class Folder:
    """A folder of dashboards. Files in it that are not called ``sisock-*.json`` are nobody's here."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def keep(self, boards: Iterable[Mapping[str, Any]], others: bool) -> Changes:
        """Write each dashboard that changed.

        A file appears whole or not at all, and one that says the same stays as it is: Grafana reads no other.

        Parameters
        ----------
        boards
            The dashboards, each with its `uid`.
        others
            Whether dashboards stay that were written before and are not among them.

        Raises
        ------
        OSError
            The folder cannot be written to.
        """
        wanted = {f"{board['uid']}.json": _text(board) for board in boards}
        with self._alone():
            written = tuple(name for name, text in wanted.items() if self._replace(name, text))
            return Changes(written, () if others else self._remove(wanted))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until no other process writes: a person may ask for what the program does by itself."""
        folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _replace(self, name: str, text: str) -> bool:
        target = self.path / name
        if target.is_file() and target.read_text(encoding="utf-8", errors="replace") == text:
            return False
        # Grafana takes whatever ends in .json.
        unfinished = self.path / f".{name}.new"
        with unfinished.open("w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(file.fileno(), _READABLE)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(target)
        return True

    def _remove(self, wanted: Collection[str]) -> tuple[str, ...]:
        gone = sorted(
            path.name for path in self.path.iterdir() if _OURS.fullmatch(path.name) and path.name not in wanted
        )
        for name in gone:
            (self.path / name).unlink(missing_ok=True)
        return tuple(gone)


def _text(board: Mapping[str, Any]) -> str:
    return json.dumps(board, indent=1, ensure_ascii=False) + "\n"
