"""The process of one worker, as the scanner sees it."""

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import wait
from typing import Any, NoReturn

from services.g3_scanner.messages import Look
from sisock.backoff import Backoff

_BY_ORDER = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_WORDS = {
    signal.SIGKILL: "was killed (perhaps because the machine's memory was short)",
    signal.SIGPROF: "took too much time",
}
HOPELESS = _WORDS[signal.SIGPROF]
"""An ending that is not worth another attempt."""


class WorkerProcess:
    """One worker.

    Attributes
    ----------
    number
        Tells it apart.
    pipe
        To its process; None while there is none.
    idle
        Whether it waits to be called.
    claimed
        Rows of `files` that it has in hand.
    not_before
        When it may be started, seconds of the crew's clock.
    backoff
        Delays before it is started again.
    careful
        Whether its next process begins with small steps.
    """

    def __init__(self, number: int, memory: int) -> None:
        self.number = number
        self.pipe: Any = None
        self.idle = False
        self.claimed: tuple[int, ...] = ()
        self.not_before = 0.0
        self.careful = False
        self.backoff = Backoff(longest=30.0)
        self._memory = memory
        self._process: int | None = None

    def start(self, *, early: bool = False) -> None:
        """Start the process, which ends with this one.

        Parameters
        ----------
        early
            Whether this process has neither threads nor connections yet. Then it is forked, which spares the worker
            to import again what is here.
        """
        self.pipe, theirs = Pipe()
        self.idle, self.claimed = False, ()
        told = [theirs.fileno(), os.getpid(), self.number, self._memory, int(self.careful)]
        arguments = [str(each) for each in told]
        if early:
            self._process = os.fork() or _be_worker(theirs.fileno(), arguments)
        else:
            os.set_inheritable(theirs.fileno(), True)  # noqa: FBT003
            command = [sys.executable, "-m", "services.g3_scanner.worker", *arguments]
            self._process = os.posix_spawn(sys.executable, command, os.environ | _ONE_THREAD)
        theirs.close()

    def call(self, number: int) -> None:
        """Have it look for work."""
        self.idle = False
        with suppress(OSError):  # When it has died, that is heard from its pipe.
            self.pipe.send(Look(number))

    def dismiss(self) -> None:
        """Let it end after what it has in hand."""
        if self.pipe is not None:
            self.pipe.close()
            self.pipe = None

    def bury(self, patience: float) -> str:
        """Wait until the process has ended; `patience` is in seconds, after that it is killed.

        Returns
        -------
        What happened to it, "" when it ended by itself or by order.
        """
        self.dismiss()
        if self._process is None:
            return ""
        process, self._process = self._process, None
        end = os.pidfd_open(process)
        in_time = bool(wait([end], max(patience, 0.0)))
        os.close(end)
        if not in_time:
            os.kill(process, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        if not in_time:
            return ""
        if code >= 0:
            return f"ended with exit status {code}" if code else ""
        ending = signal.Signals(-code)
        return "" if ending in _BY_ORDER else _WORDS.get(ending, f"crashed ({ending.name})")


def _be_worker(pipe: int, arguments: Sequence[str]) -> NoReturn:
    """Be the process that was forked."""
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # A pipe to another worker that stayed open here would keep that one from seeing its end.
        os.closerange(3, pipe)
        os.closerange(pipe + 1, os.sysconf("SC_OPEN_MAX"))
        os.environ.update(_ONE_THREAD)
        from services.g3_scanner.worker import main

        main(arguments)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
        finally:
            os._exit(code)  # Whatever happens: behind this process is the scanner's own stack.
