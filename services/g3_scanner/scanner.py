"""The scanner: what changes on the disk goes to the database, and the workers are called.

One thread waits for whatever comes first: a change on the disk, a word of a worker, a signal, the next sweep.
"""

import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from services.g3_index.migrations import MigrationError, migrate
from services.g3_scanner.blame import blame
from services.g3_scanner.crew import Crew
from services.g3_scanner.discovery import work_left
from services.g3_scanner.faults import outside
from services.g3_scanner.messages import Claimed, Done, Report
from services.g3_scanner.progress import Progress
from services.g3_scanner.survey import Survey
from services.g3_scanner.trouble import Trouble
from services.g3_scanner.walking import shown
from sisock.backoff import Backoff
from sisock.errors import SettingError

_PULSE = 5.0
"""Seconds between looks for work that others have found: another host's scanner, or somebody's `retry`."""
_BUSY = 0.5
"""Seconds between looks at the progress."""
_PATIENCE = 3.0
"""Seconds that workers have, at the end, for what they have in hand."""
_LEAST = {"SCAN_INTERVAL": 0.1, "WORKERS": 0, "WORKER_MEMORY": 256}


class _Stop(Exception):
    """The scanner is to end in the middle of something."""


class Scanner:
    """The running scanner.

    Parameters
    ----------
    settings
        Those of `service.yml`.
    engine
        The index.
    log
        Logger of txaio.

    Raises
    ------
    SettingError
        A number is out of range.
    """

    def __init__(self, settings: Mapping[str, Any], engine: Engine, log: Any) -> None:
        for name, least in _LEAST.items():
            if not settings[name] >= least:
                raise SettingError(name, f"{settings[name]} is too little", f"give {least} or more")
        self._engine, self._log = engine, log
        self._directory = data_directory(settings)
        self._woken, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._trouble = Trouble(log)
        self._progress = Progress(log, sys.stderr if sys.stderr.isatty() else None)
        count = settings["WORKERS"] or len(os.sched_getaffinity(0))
        self._crew = Crew(count, settings["WORKER_MEMORY"], self._heard, self._trouble.tell, self._condemn)
        self._survey = Survey(engine, self._directory, settings["SCAN_INTERVAL"], self._trouble, log, self._wake)
        self._condemned: dict[int, str] = {}
        self._backoff = Backoff()
        self._stopping = self._migrated = False
        self._not_before = self._next_pulse = 0.0

    def run(self) -> None:
        """Scan until `stop` is called."""
        self._log.info("scanner: following {directory}", directory=shown(self._directory))
        try:
            self._crew.start(early=True)  # They get ready while the tables are made and the files looked at.
            while not self._stopping:
                self._crew.attend(self._turn(), [self._woken])
                self._sleep_again()
        except _Stop:
            pass
        finally:
            self._survey.stop()
            self._crew.stop(_PATIENCE)
            self._log.info("scanner: stopped")

    def stop(self, *_signal: object) -> None:
        """End `run` soon. A signal may call this."""
        self._stopping = True
        self._wake()

    def _turn(self) -> float:
        """Do what is to be done now; seconds until there is more, if nobody says anything."""
        now = time.monotonic()
        if now < self._not_before:
            return self._not_before - now
        try:
            self._work()
        except (SQLAlchemyError, MigrationError) as error:
            problem = str(error) if isinstance(error, MigrationError) else outside(error)
            if problem is None:
                raise
            self._trouble.tell("database", problem)
            self._migrated = False  # Whoever mends it may begin with an empty one.
            delay = self._backoff(0)
            self._not_before = time.monotonic() + delay
            return delay
        self._trouble.tell("database", "")
        self._backoff.reset()
        rest = _PULSE if self._crew.idle else _BUSY
        return min(self._survey.wait(), rest)

    def _work(self) -> None:
        if not self._migrated:
            migrate(self._engine)
            self._migrated = True
            self._crew.call()  # The one before may have left days that are not rolled up.
        self._crew.start()
        self._pass_sentence()
        due = self._survey.look_round(self._between)
        if due:
            self._crew.call(due)
        now = time.monotonic()
        if now >= self._next_pulse:
            self._next_pulse = now + _PULSE
            if work_left(self._engine)[0]:
                self._crew.call()
        if self._crew.idle:
            self._progress.end()
        elif self._progress.wanted:
            self._progress.left(*work_left(self._engine))

    def _between(self, due: int) -> None:
        """Keep the workers going while a sweep takes long."""
        if self._stopping:
            raise _Stop
        if due:
            self._crew.call()
        self._crew.attend(0.0)

    def _pass_sentence(self) -> None:
        for each, problem in list(self._condemned.items()):
            blame(self._engine, [each], problem)
            del self._condemned[each]
            self._log.warn("scanner: a file has failed: {problem}; 'list --status failed' shows it", problem=problem)

    def _condemn(self, file_id: int, problem: str) -> None:
        self._condemned[file_id] = problem

    def _heard(self, report: Report) -> None:
        match report:
            case Claimed(ids) if ids:
                self._progress.begin()
            case Done(files, size):
                self._progress.add(files, size)

    def _wake(self) -> None:
        with suppress(BlockingIOError):  # When it has been woken often enough.
            os.write(self._waker, b"!")

    def _sleep_again(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._woken, 4096)


def data_directory(settings: Mapping[str, Any]) -> bytes:
    """Absolute path of the recorded files."""
    return os.fsencode(Path(os.path.abspath(settings["DATA_DIRECTORY"])))
