"""The data server of recorded data."""

from collections.abc import Callable, Mapping
from typing import Any

from autobahn.wamp.types import SessionDetails
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from services.data_nodes.g3_reader.query import OPERATORS
from services.data_nodes.g3_reader.source import WATCH_SECONDS, Archive
from services.data_nodes.settings import take_settings
from sisock.base import BLOCKING_THREADS, DataNodeServer
from sisock.shapes import DataReply, FieldsReply
from sisock.threads import DaemonThreads
from sisock.times import time_range

_PREPARE_SECONDS = 5.0
"""How long a server waits at most to be prepared: a dead disk of newest files is no matter to who asks for years."""


class G3ReaderServer(DataNodeServer):
    """Asks a database and reads files, therefore answers in threads, except what it remembers."""

    name = "g3_reader"
    description = "Recorded data"
    operators = OPERATORS

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        super().__init__()
        settings = take_settings(self, environ)
        self.archive = Archive(environ, settings["MAX_CACHE"], settings["MAX_POINTS"], BLOCKING_THREADS)
        self._holding = DaemonThreads(1, "holding")
        self._watching: LoopingCall = LoopingCall(lambda: self._aside("watched", self.archive.watch))

    def after_onJoin(self, details: SessionDetails) -> Any:
        """Be listed when the first question need not wait for what is done once; after a while, whatever it does."""
        from twisted.internet import reactor

        if self._watching.running:
            return None  # This was done at the first join.
        self._watching.start(WATCH_SECONDS, now=False)
        listed: Deferred[Any] = Deferred()
        self._aside("prepared", self.archive.prepare).chainDeferred(listed)
        return listed.addTimeout(_PREPARE_SECONDS, reactor, lambda *_: None)

    def _aside(self, done: str, work: Callable[[], None]) -> Any:
        def failed(failure: Failure) -> None:
            self.log.failure("g3_reader: the index is not {done}", failure=failure, done=done)

        return self._in_a_thread(work).addErrback(failed)

    def holds(self, revisions: list[str]) -> Any:
        """Hold revisions against the index."""
        from twisted.internet import reactor

        # Not behind questions for data: what nobody confirms nobody uses, just when there is much to do.
        return self._holding.call(reactor, self.archive.holds, revisions)

    def get_fields_blocking(self, start: float, end: float) -> FieldsReply:
        """List every field that was recorded in the range."""
        return self.archive.get_fields(*time_range(start, end))

    def get_data(
        self,
        field: list[str],
        start: float,
        end: float,
        min_stride: float | None = None,
        operator: str | None = None,
    ) -> Any:
        """Answer from memory at once, as a panel that is drawn again and again asks; else in a thread."""
        recalled = self.archive.recall_data(field, *time_range(start, end), min_stride, operator)
        if recalled is not None:
            return recalled
        return self._in_a_thread(self.get_data_blocking, field, start, end, min_stride, operator)

    def get_data_blocking(
        self,
        field: list[str],
        start: float,
        end: float,
        min_stride: float | None = None,
        operator: str | None = None,
    ) -> DataReply | bool:
        """Serve from the index, and from the files where it is not fine enough."""
        return self.archive.get_data(field, *time_range(start, end), min_stride, operator)
