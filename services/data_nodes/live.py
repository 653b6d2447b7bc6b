"""What the data servers have in common that receive and remember."""

from collections.abc import Iterator
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import Cooperator, LoopingCall
from twisted.python.failure import Failure

from services.data_nodes.journal import SYNC_SECONDS, Journal
from sisock.base import DataNodeServer


class LiveServer(DataNodeServer):
    """Data server that has a journal: takes it up again, and sees to it that it reaches the disk."""

    _remembering = False
    _sync_problem = ""

    def remember(self, journal: Journal, replay: Iterator[None]) -> None:
        """Begin, the first time, to replay the journal between other work, and to sync it from then on.

        What is received meanwhile must be with the journal already, so that it is taken after what is older.
        """
        if self._remembering or not journal.replaying:
            return
        self._remembering = True

        def failed(failure: Failure) -> None:
            journal.replaying = False
            self.log.failure("{name}: the journal cannot be taken up", failure=failure, name=self.name)

        Cooperator().cooperate(replay).whenDone().addCallbacks(
            lambda _: self.log.info("{name}: has taken up its journal", name=self.name), failed
        )
        LoopingCall(self._sync, journal).start(SYNC_SECONDS)

    @inlineCallbacks
    def _sync(self, journal: Journal) -> Any:
        try:
            yield self._in_a_thread(journal.sync)
        except OSError as error:
            if str(error) != self._sync_problem:
                self._sync_problem = str(error)
                self.log.warn("{name}: the journal does not reach the disk: {problem}; look at the disk",
                              name=self.name, problem=error)  # fmt: skip
