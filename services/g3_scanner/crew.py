"""All workers: started, called, heard, and started again when they die."""

import time
from collections.abc import Callable, Iterable
from multiprocessing.connection import wait

from services.g3_scanner.messages import Claimed, Done, Idle, Report, Stuck
from services.g3_scanner.process import HOPELESS, WorkerProcess

_STRIKES = 3
"""Workers that may end over a file before it has failed: one may have been killed for no fault of the file."""


class Crew:
    """The workers of this scanner.

    Parameters
    ----------
    count
        How many.
    memory
        Most MiB of memory of each.
    heard
        Called with whatever a worker reports.
    tell
        Called with a thing, what is wrong with it ("" when it is well), and the number of the worker that says so.
    condemn
        Called with a row of `files` that ends its workers, and why it has failed.
    clock
        Seconds.
    """

    def __init__(
        self,
        count: int,
        memory: int,
        heard: Callable[[Report], None],
        tell: Callable[[str, str, int], None],
        condemn: Callable[[int, str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._workers = [WorkerProcess(number, memory) for number in range(1, count + 1)]
        self._heard, self._tell, self._condemn, self._clock = heard, tell, condemn, clock
        self._calls = 0
        self._strikes: dict[int, int] = {}

    @property
    def idle(self) -> bool:
        """Whether nobody works or is about to."""
        return all(worker.idle for worker in self._workers)

    def start(self, *, early: bool = False) -> None:
        """Start each worker that is not there; one that has died waits a little longer each time.

        Parameters
        ----------
        early
            As `WorkerProcess.start` takes it.
        """
        for worker in self._workers:
            if worker.pipe is None and self._clock() >= worker.not_before:
                worker.start(early=early)

    def call(self, due: int | None = None) -> None:
        """Have as many idle workers as files are `due`, or all, look for work; those at work will look anyway."""
        self._calls += 1
        for worker in [worker for worker in self._workers if worker.idle][:due]:
            worker.call(self._calls)

    def attend(self, timeout: float, others: Iterable[int] = ()) -> None:
        """Wait until a worker says something, or one of the file descriptors `others` can be read, or for a while."""
        now = self._clock()
        births = [worker.not_before - now for worker in self._workers if worker.pipe is None]
        pipes = {worker.pipe: worker for worker in self._workers if worker.pipe is not None}
        for ready in wait([*pipes, *others], max(min([timeout, *births]), 0.0)):
            if ready in pipes:
                self._listen(pipes[ready])

    def stop(self, patience: float) -> None:
        """End all workers; what they have in hand may take `patience` seconds, and is rolled back after that."""
        until = self._clock() + patience
        for worker in self._workers:
            worker.dismiss()
        for worker in self._workers:
            worker.bury(until - self._clock())

    def _listen(self, worker: WorkerProcess) -> None:
        try:
            while worker.pipe.poll():
                report: Report = worker.pipe.recv()
                self._note(worker, report)
                self._heard(report)
        except (EOFError, ConnectionResetError):
            self._ended(worker)

    def _note(self, worker: WorkerProcess, report: Report) -> None:
        match report:
            case Claimed(ids):
                worker.claimed = ids
            case Stuck(problem):
                self._tell("database", problem, worker.number)
            case Done():
                self._well(worker)
            case Idle(number):
                self._well(worker)
                if number < self._calls:
                    worker.call(self._calls)
                else:
                    worker.idle = True

    def _well(self, worker: WorkerProcess) -> None:
        for each in worker.claimed:
            self._strikes.pop(each, None)
        worker.claimed = ()
        worker.backoff.reset()
        self._tell("workers", "", worker.number)

    def _ended(self, worker: WorkerProcess) -> None:
        why = worker.bury(patience=5.0)
        worker.not_before = self._clock() + worker.backoff(0)
        self._tell("database", "", worker.number)
        if not why:
            return
        self._tell("workers", f"a worker {why}; another takes its place", worker.number)
        suspects = worker.claimed if worker.careful or len(worker.claimed) == 1 else ()
        worker.careful = bool(worker.claimed)
        for each in suspects:
            self._strikes[each] = self._strikes.get(each, 0) + 1
            if self._strikes[each] >= _STRIKES or why == HOPELESS:
                del self._strikes[each]
                self._condemn(each, f"its reader {why}" + f", {_STRIKES} times" * (why != HOPELESS))
