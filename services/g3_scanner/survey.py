"""When to look at which files: all of them now and then, and at once those that the kernel says have changed."""

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine

from services.g3_scanner.discovery import Findings, Memory, look, sweep
from services.g3_scanner.trouble import Trouble
from services.g3_scanner.walking import DirectoryAbsentError, Seen, shown
from services.g3_scanner.watching import CannotWatchError, Changes, Watch, newest

_BREATH = 0.1
"""Seconds between two looks, for files that change all the time or that a worker has in hand."""
_NEWEST = 1.0
"""Seconds between looks at the newest files, where the kernel does not tell what changes."""
_CONFIRM = 60.0
"""Seconds to the next sweep, at most, when files seem to be gone."""
_ABSENT = 5.0
"""Seconds between looks for a directory that is not there."""
_FOLDERS = 10.0
"""Folders come and go: the time that a sweep took, times this, until the next one for their sake."""


class Survey:
    """Follows one directory.

    Parameters
    ----------
    engine
        The index.
    directory
        Absolute path.
    interval
        Seconds between sweeps.
    trouble
        Told what is wrong with the directory.
    log
        Logger of txaio.
    wake
        Called, from another thread, when there is something to look at.
    clock
        Seconds.
    """

    def __init__(
        self,
        engine: Engine,
        directory: bytes,
        interval: float,
        trouble: Trouble,
        log: Any,
        wake: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine, self._directory, self._interval = engine, directory, interval
        self._trouble, self._log, self._clock = trouble, log, clock
        self._changes = Changes(wake)
        self._watch = Watch(directory, self._changes)
        self._blind = self._swept = False
        self._memory = Memory()
        self._files: dict[bytes, Seen] = {}
        self._pending: set[bytes] = set()
        self._gone: set[bytes] = set()
        self._folders = False
        self._next_sweep = self._next_look = self._next_newest = self._next_folders = 0.0

    def look_round(self, between: Callable[[int], None]) -> int:
        """Look at what is to be looked at now.

        Parameters
        ----------
        between
            Called often while it takes long, with the number of files that are due so far.

        Returns
        -------
        How many files are due that were not.

        Raises
        ------
        DBAPIError
            The database fails; the next call does what this one could not.
        """
        self._gather()
        due = 0
        if self._clock() >= self._sweep_at:
            due += self._sweep(between)
        if self._pending and self._clock() >= self._next_look:
            due += self._look()
        return due

    def wait(self) -> float:
        """Seconds until something is to be looked at, if nothing changes."""
        times = [self._sweep_at]
        if self._pending:
            times.append(self._next_look)
        if self._blind:
            times.append(self._next_newest)
        return max(min(times) - self._clock(), 0.0)

    def stop(self) -> None:
        """Watch no more."""
        self._watch.stop()

    @property
    def _sweep_at(self) -> float:
        return min(self._next_sweep, self._next_folders) if self._folders else self._next_sweep

    def _gather(self) -> None:
        self._observe()
        self._folders |= self._changes.take_folders()
        changed, gone = self._changes.take()
        self._gone = (self._gone - changed) | gone
        self._pending |= changed
        if self._blind and self._clock() >= self._next_newest:
            self._next_newest = self._clock() + _NEWEST
            self._pending |= newest(self._directory, self._files)

    def _observe(self) -> None:
        """Watch the directory that is there now; what changed before is left to a sweep."""
        if self._blind:
            return
        try:
            if self._watch.ensure():
                self._next_sweep = self._clock()
        except CannotWatchError as error:
            self._blind = True
            self._log.warn(
                "scanner: cannot watch {directory} ({why}); looking at its newest files each second instead",
                directory=shown(self._directory),
                why=error,
            )

    def _sweep(self, between: Callable[[int], None]) -> int:
        begun = self._clock()
        self._folders = False
        try:
            found = sweep(self._engine, self._directory, self._memory, progress=between)
        except DirectoryAbsentError as error:
            self._trouble.tell("directory", str(error))
            self._next_sweep = self._clock() + min(_ABSENT, self._interval)
            return 0
        ended = self._clock()
        self._next_folders = ended + _FOLDERS * (ended - begun)
        self._next_sweep = ended + min(self._interval, _CONFIRM if self._memory.absent else self._interval)
        self._tell(found)
        self._pending |= found.again
        self._files = found.files if self._blind else {}
        if not self._swept:
            self._swept = True
            self._log.info(
                "scanner: {directory} holds {files} files, {size:.0f} MB; {due} of them are new or have changed",
                directory=shown(self._directory),
                files=len(found.files),
                size=sum(seen.size for seen in found.files.values()) / 1e6,
                due=found.due,
            )
        return found.due

    def _look(self) -> int:
        found = look(self._engine, self._pending, self._gone)
        self._next_look = self._clock() + _BREATH
        self._pending, self._gone = found.again, self._gone & found.again
        if self._blind:
            self._files |= found.files
        return found.due

    def _tell(self, found: Findings) -> None:
        about = shown(self._directory)
        self._trouble.tell(
            "directory",
            f"data directory {about}: {found.unmounted}; the index keeps them all; mount its disk, or, if they are "
            "really deleted, run the command 'forget'"
            if found.unmounted
            else "",
        )
        example = min(found.unreadable, default=b"")
        self._trouble.tell(
            "files",
            f"{len(found.unreadable)} files or folders below {about} cannot be read, {shown(example)} for instance "
            f"({found.unreadable[example]}); let the scanner's user read them"
            if found.unreadable
            else "",
        )
