"""The process of one worker, as the scanner sees it."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from multiprocessing import Pipe
from typing import Any

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
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process, which ends with this one."""
        self.pipe, theirs = Pipe()
        self.idle, self.claimed = False, ()
        command = [sys.executable, "-m", "services.g3_scanner.worker"]
        handed = [theirs.fileno(), os.getpid(), self.number, self._memory, int(self.careful)]
        self._process = subprocess.Popen(  # noqa: S603 (ourselves)
            command + [str(each) for each in handed], pass_fds=[theirs.fileno()], env=os.environ | _ONE_THREAD
        )
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
        try:
            code = process.wait(max(patience, 0.0))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return ""
        if code >= 0:
            return f"ended with exit status {code}" if code else ""
        ending = signal.Signals(-code)
        return "" if ending in _BY_ORDER else _WORDS.get(ending, f"crashed ({ending.name})")
