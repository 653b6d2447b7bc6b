"""Answers about recorded data."""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from threading import BoundedSemaphore
from typing import Any, Literal, NamedTuple

import numpy as np
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError, ProgrammingError, SQLAlchemyError

from services.data_nodes.g3_reader.catalogue import Catalogue, Recorded, read_catalogue, versions_of
from services.data_nodes.g3_reader.memory import Memory, NotRememberedError, Recollection
from services.data_nodes.g3_reader.query import Answer, Query, ask_together
from services.data_nodes.g3_reader.window import Look, State, as_of_now, state_of, still_holds
from services.data_nodes.selection import MAX_VALUES
from services.g3_index.database import open_engine
from services.g3_index.levels import DAY, HOUR, LATEST, TICKS
from sisock.errors import SisockError
from sisock.shapes import DataReply, DataTimeline, FieldsReply

_AT_ONCE = 3
"""Questions for data that are worked on at a time: there are two cores as a rule, and each takes memory."""
_GLANCE_SECONDS = 0.2
"""How long a glance at the index serves questions for the same fields; what is written is due in answers within 2 s."""
WATCH_SECONDS = 0.5
"""How often the index is looked at while it is asked: as long as it does not change, glances at it go on to serve."""
_WATCHED_SECONDS = 1.0
"""How long such a look serves."""
_ASKED_SECONDS = 60.0
"""How long after the last question the index goes on being looked at."""
_MOST_GLANCES = 256
_RECALLED_KEYS = 500
"""Frames and tiles that are looked through at once; more would hold up whoever else asks."""


Groups = dict[tuple[str, tuple[int, ...]], dict[str, Recorded]]
"""Name of a timeline and its ids in the index -> fields by name."""


_Ask = Callable[[Groups, Look], list[Answer | None]]


class IndexAbsentError(SisockError):
    """The index cannot be asked."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"the index of recorded data cannot be asked ({problem}); look at MariaDB and the scanner")


class _MovedError(Exception):
    """The index is not any more as it was at a glance."""


class _Glance(NamedTuple):
    """How the index is with some fields, when that was seen (by the clock), and whether all is of one layout."""

    seen: float
    groups: Groups
    state: State
    of_now: bool


class Archive:
    """Fields of the index. May be asked from several threads."""

    def __init__(
        self,
        environ: Mapping[str, str] | None,
        max_cache: int,
        max_points: int = 0,
        connections: int = _AT_ONCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the data's place; nothing is opened yet.

        Parameters
        ----------
        environ
            The environment, which names the database; that of the process when not given.
        max_cache
            Bytes that are remembered of frames, and of what the index says of days that are over.
        max_points
            Most points per timeline in one reply; 0 for no cap.
        connections
            Most that are open at a time, twice: for glances at the index, and for looks at it as of one moment.
        clock
            Gives seconds.
        """
        self._clock = clock
        self._glanced: dict[tuple[str, ...], _Glance] = {}
        self._watched = -1, -math.inf
        self._asked = -math.inf
        self._engine = open_engine(environ, "REPEATABLE READ", connections)
        self._glances = open_engine(environ, "AUTOCOMMIT", connections)
        self._memory = Memory(max_cache)
        self._max_points = max_points
        self._catalogue = Catalogue(-1, -1, {})
        self._turns = BoundedSemaphore(_AT_ONCE)

    def close(self) -> None:
        """Leave the database."""
        for engine in (self._engine, self._glances):
            engine.dispose()

    def prepare(self) -> None:
        """Do once what the first to ask would wait for: open the index, and answer as for panels.

        Where the index cannot be asked, whoever asks is told.
        """
        with suppress(IndexAbsentError):
            with _index_asked(), as_of_now(self._engine) as connection:
                fields = self._known(connection).fields
            newest = [(max(each.last for each in recorded.series), name) for name, recorded in fields.items()]
            for last, name in sorted(newest)[-1:]:
                for seconds in (HOUR / TICKS, 30 * DAY / TICKS):
                    self.get_data([name], max(last / TICKS - seconds, 0.0), last / TICKS, seconds / 1000)

    def watch(self) -> None:
        """See whether the index is still as it was at the glances; when nobody has asked lately, there is no need.

        Where the index cannot be asked, glances end by themselves.
        """
        seen = self._clock()
        if seen > self._asked + _ASKED_SECONDS:
            return
        with suppress(SQLAlchemyError), self._glances.connect() as connection:
            version, _ = versions_of(connection)
            self._watched = version, seen
            known = list(self._glanced.items())
            self._glanced = {each: old for each, old in known if old.state.version == version or old.seen > seen}

    def holds(self, revisions: list[str]) -> list[bool]:
        """Say which revisions of replies still hold.

        Raises
        ------
        IndexAbsentError
            The database does not answer, or the scanner has not made its tables yet.
        """
        with _index_asked(), self._glances.connect() as connection:
            return still_holds(connection, revisions)

    def get_fields(self, start: float, end: float) -> FieldsReply:
        """List every field that has been recorded in [start, end), UNIX seconds.

        Raises
        ------
        IndexAbsentError
            The database does not answer, or the scanner has not made its tables yet.
        """
        with _index_asked(), as_of_now(self._engine) as connection:
            return self._known(connection).between(_tick(start), _tick(end))

    def get_data(
        self,
        fields: Iterable[str],
        start: float,
        end: float,
        min_stride: float | None = None,
        operator: str | None = None,
    ) -> DataReply | Literal[False]:
        """Answer with the samples in [start, end), UNIX seconds, or with what an operator makes of them.

        Raises
        ------
        IndexAbsentError
            The database does not answer, or the scanner has not made its tables yet.
        """
        self._asked = self._clock()
        with self._turns, _index_asked():
            return self._data(list(fields), (_tick(start), _tick(end)), min_stride, operator, self._answers)

    def recall_data(
        self,
        fields: Iterable[str],
        start: float,
        end: float,
        min_stride: float | None = None,
        operator: str | None = None,
    ) -> DataReply | Literal[False] | None:
        """Answer as `get_data`, from memory alone; None where that does not do.

        Nobody is asked, no file is read, and it is not much work: fit for a thread that others wait for.
        """
        self._asked = self._clock()
        with suppress(NotRememberedError):
            return self._data(list(fields), (_tick(start), _tick(end)), min_stride, operator, self._recalled)
        return None

    def _data(
        self,
        requested: list[str],
        span: tuple[int, int],
        min_stride: float | None,
        operator: str | None,
        answered: Callable[[list[str], _Ask], tuple[Groups, list[Answer | None]]],
    ) -> DataReply | Literal[False]:
        def ask(groups: Groups, look: Look) -> list[Answer | None]:
            queries = [
                Query(look, ids, members, span, operator).answer(min_stride, self._max_points, MAX_VALUES)
                for (_, ids), members in groups.items()
            ]
            return ask_together(look, queries)

        data: dict[str, Any] = {name: [] for name in requested}
        replied: dict[str, DataTimeline] = {}
        groups, answers = answered(requested, ask)
        total = 0
        for (timeline, _), answer in zip(groups, answers, strict=True):
            total += 0 if answer is None else answer.t.size * (1 + len(answer.values))
            if answer is None or total > MAX_VALUES:
                return False
            if answer.t.size:
                data.update(answer.values)
                fields_of = list(answer.values)
                replied[timeline] = DataTimeline(t=answer.t, finalized_until=answer.finalized_until, fields=fields_of)
                if answer.standing is not None:
                    revision, settled = answer.standing
                    replied[timeline] |= {"revision": revision, "settled_until": settled / TICKS}
        return DataReply(data=data, timeline=replied)

    def _recalled(self, names: list[str], ask: _Ask) -> tuple[Groups, list[Answer | None]]:
        """Let `ask` ask for fields, as of a glance at the index that is not long ago, or still holds."""
        glance = self._glanced.get(tuple(names))
        if glance is None or not glance.of_now or self._clock() > self._holds_until(glance):
            raise NotRememberedError

        def connect() -> Connection:
            raise NotRememberedError

        look = Look(glance.state, Recollection(self._memory, _RECALLED_KEYS), connect)
        return glance.groups, ask(glance.groups, look)

    def _answers(self, names: list[str], ask: _Ask) -> tuple[Groups, list[Answer | None]]:
        """Let `ask` ask for fields; where it remembers all, one glance at the index is enough."""
        _, groups, state, of_now = self._glance(names)
        if of_now:
            with ExitStack() as stack, suppress(_MovedError):

                def connect() -> Connection:
                    connection = stack.enter_context(as_of_now(self._engine))
                    if state_of(connection, _ids_of(groups)) != state:
                        raise _MovedError
                    return connection

                return groups, ask(groups, Look(state, self._memory, connect))
        with as_of_now(self._engine) as connection:
            groups, state, _ = self._look_up(connection, names)
            return groups, ask(groups, Look(state, self._memory, lambda: connection))

    def _glance(self, names: list[str]) -> _Glance:
        now = self._clock()
        try:
            with self._glances.connect() as connection:
                glance = _Glance(now, *self._look_up(connection, names))
        except OperationalError as error:
            if not error.connection_invalidated:
                raise
            # The server has been started anew since the connection was made.
            with self._glances.connect() as connection:
                glance = _Glance(now, *self._look_up(connection, names))
        recent = [(each, old) for each, old in list(self._glanced.items()) if self._holds_until(old) > now]
        known = dict(recent[1 - _MOST_GLANCES :])
        # Another thread may have looked later, and have been quicker.
        latest = max(known.get(tuple(names), glance), glance, key=lambda each: (each.state.version, each.seen))
        self._glanced = {**known, tuple(names): latest}
        return glance

    def _holds_until(self, glance: _Glance) -> float:
        version, seen = self._watched
        unchanged = seen + _WATCHED_SECONDS if glance.state.version == version else -math.inf
        return max(glance.seen + _GLANCE_SECONDS, unchanged)

    def _known(self, connection: Connection) -> Catalogue:
        versions, catalogue = versions_of(connection), self._catalogue
        if versions != (catalogue.version, catalogue.layout):
            catalogue = self._catalogue = read_catalogue(connection, versions)
        return catalogue

    def _look_up(self, connection: Connection, names: list[str]) -> tuple[Groups, State, bool]:
        """The fields by timeline, how far the index is with them, and whether both are of one layout."""
        catalogue = self._catalogue  # Other threads may put another one in its place.
        groups = _grouped(catalogue, names)
        state = state_of(connection, _ids_of(groups))
        if not state.spans or state.layout != catalogue.layout:
            # Series have come or gone; or no name is known, and then this is the time to learn new ones.
            catalogue = self._known(connection)
            groups = _grouped(catalogue, names)
            state = state_of(connection, _ids_of(groups))
        return groups, state, state.layout == catalogue.layout


@contextmanager
def _index_asked() -> Iterator[None]:
    try:
        yield
    except (OperationalError, ProgrammingError) as error:
        raise IndexAbsentError(str(error.orig)) from error


def _ids_of(groups: Groups) -> set[int]:
    return {each for _, ids in groups for each in ids} or {0}


def _grouped(catalogue: Catalogue, names: list[str]) -> Groups:
    groups: Groups = defaultdict(dict)
    for name in names:
        if recorded := catalogue.fields.get(name):
            groups[recorded.timeline, recorded.timeline_ids][name] = recorded
    return groups


def _tick(seconds: float) -> int:
    """The first tick that, as seconds in double precision, is not before `seconds`."""
    if seconds * TICKS >= LATEST:
        return LATEST
    tick = int(np.ceil(seconds * TICKS))
    while (tick - 1) / TICKS >= seconds:
        tick -= 1
    while tick / TICKS < seconds:
        tick += 1
    return tick
