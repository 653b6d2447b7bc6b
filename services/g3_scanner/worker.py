"""One process that reads files: ``python -m services.g3_scanner.worker PIPE SCANNER NUMBER MEMORY CAREFUL``.

The scanner starts it, or is forked to be it. It waits for a call, takes what is due from the database, says what it
takes, and waits again when nothing is due. It ends with the scanner, however that ends; what it had not committed, the
database rolls back.
"""

import ctypes
import gc
import os
import resource
import signal
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from twisted.python.failure import Failure

from services.g3_index.database import open_engine
from services.g3_scanner.blame import blame
from services.g3_scanner.faults import is_race, outside, sentence
from services.g3_scanner.logs import start_logging
from services.g3_scanner.messages import Claimed, Done, Idle, Look, Report, Stuck
from sisock.backoff import Backoff

_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15
_STEP_SECONDS = 900.0
"""Time of a processor that one step may take: so3g on garbage might go on for ever."""
_OBJECTS = 50_000
"""New ones that are worth a look for garbage among them."""
_RACES = 5
"""Lost in a row before they are worth a word."""
_CAREFUL_STEPS = 2000
"""Steps that are as small as can be after a failure, so that the next one tells which file it was."""


class Work:
    """The loop of a worker.

    Parameters
    ----------
    pipe
        To the scanner.
    engine
        The index.
    log
        Logger of txaio.
    indexing
        The module `services.g3_scanner.indexing`.
    careful
        Whether to begin with small steps.
    """

    def __init__(self, pipe: Any, engine: Engine, log: Any, indexing: Any, *, careful: bool) -> None:
        self._pipe, self._engine, self._log, self._indexing = pipe, engine, log, indexing
        self._forms = indexing.Forms()
        self._careful = _CAREFUL_STEPS * careful
        self._claimed: tuple[int, ...] = ()
        self._backoff = Backoff()
        self._races = 0
        self._stuck = False
        self._told = ""
        self._heard = 0

    def run(self) -> None:
        """Work until the scanner goes away.

        Raises
        ------
        EOFError, BrokenPipeError
            The scanner is gone.
        """
        while True:
            try:
                working = self._step()
            except Exception as error:  # Whatever a file or the database does, the other files must go on.
                self._mend(error)
            else:
                self._races, self._told = 0, ""
                self._loosen()
                if not working:
                    self.wait()

    def _step(self) -> bool:
        """Do one thing that is to be done; whether there was one."""
        most = {"most_bytes": 1} if self._careful else {}
        try:
            step = self._indexing.index_next(self._engine, self._claim, forms=self._forms, **most)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        self._claimed = ()
        if step is None:
            self._careful = 0
            return bool(self._indexing.settle(self._engine))
        self._careful = max(self._careful - 1, 0)
        self._say(Done(step.files, step.bytes))
        for problem in step.failed:
            self._log.warn("scanner: {problem}; 'sisock-archive list' shows all such files", problem=problem)
        return True

    def _claim(self, ids: Sequence[int]) -> None:
        self._claimed = tuple(ids)
        self._say(Claimed(self._claimed))
        signal.setitimer(signal.ITIMER_PROF, _STEP_SECONDS)

    def _mend(self, error: Exception) -> None:
        if is_race(error) and self._races < _RACES:
            self._races += 1
            return
        self._forms = self._indexing.Forms()  # Memory may be what is wanting.
        problem = outside(error)
        if problem is None and self._claimed[1:] and not self._careful:
            self._careful = _CAREFUL_STEPS
        elif problem is None:
            problem = self._blame(error)
        self._claimed = ()
        self._say(Claimed(()))
        if problem:
            self._stuck = True
            self._say(Stuck(problem))
            if self._pipe.poll(self._backoff(0)):
                self._hear()

    def _blame(self, error: Exception) -> str:
        """Let the claimed files have failed; what is wrong when that does not help."""
        why = sentence(error)
        if why != self._told:
            self._log.failure("scanner: {why}", Failure(error), why=why)
        self._told = why
        if not self._claimed:
            return f"a worker cannot go on ({why}); look for the traceback in the log"
        try:
            blame(self._engine, self._claimed, why)
        except DBAPIError as another:  # The files are still due, and will come up again.
            return outside(another) or sentence(another)
        return ""

    def _loosen(self) -> None:
        if self._stuck:
            self._stuck = False
            self._backoff.reset()
            self._say(Stuck(""))

    def wait(self) -> None:
        """Wait until the scanner calls.

        Raises
        ------
        EOFError, BrokenPipeError
            The scanner is gone.
        """
        if not self._pipe.poll():
            self._say(Idle(self._heard))
        self._hear()

    def _hear(self) -> None:
        message: Look = self._pipe.recv()
        self._heard = message.number

    def _say(self, report: Report) -> None:
        self._pipe.send(report)


def main(arguments: Sequence[str]) -> None:
    """Be a worker.

    Parameters
    ----------
    arguments
        File descriptor of the pipe to the scanner, the scanner's process id, a number to tell workers apart, MiB of
        memory, and 1 to begin carefully.
    """
    pipe, scanner, number, memory, careful = map(int, arguments)
    _end_with(scanner)
    _prctl(_PR_SET_NAME, f"g3-worker-{number}".encode())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Of the terminal: the scanner decides.
    resource.setrlimit(resource.RLIMIT_DATA, (memory * 2**20, memory * 2**20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    log = start_logging()
    from services.g3_scanner import indexing

    # A step makes many objects and hardly a cycle; to look for one each 700 objects costs a twentieth of the time.
    gc.freeze()
    gc.set_threshold(_OBJECTS)
    try:
        work = Work(Connection(pipe), open_engine(), log, indexing, careful=bool(careful))
        work.wait()  # The scanner may still be making the tables.
        work.run()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        log.debug("scanner: worker {number} ends with the scanner", number=number)


def _end_with(scanner: int) -> None:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != scanner:  # It has ended before.
        sys.exit(1)


def _prctl(option: int, value: int | bytes) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    main(sys.argv[1:])
