"""Answers about recorded data."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Any, Literal

import numpy as np
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError, ProgrammingError

from services.data_nodes.g3_reader.catalogue import Catalogue, Recorded, read_catalogue, versions_of
from services.data_nodes.g3_reader.files import FrameCache
from services.data_nodes.g3_reader.query import Query, ask_together
from services.data_nodes.g3_reader.window import State, as_of_now, state_of
from services.data_nodes.selection import MAX_VALUES
from services.g3_index.levels import LATEST, TICKS
from sisock.errors import SisockError
from sisock.shapes import DataReply, DataTimeline, FieldsReply

_AT_ONCE = 3
"""Questions for data that are worked on at a time: there are two cores as a rule, and each takes memory."""


Groups = dict[tuple[str, tuple[int, ...]], dict[str, Recorded]]
"""Name of a timeline and its ids in the index -> fields by name."""


class IndexAbsentError(SisockError):
    """The index cannot be asked."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"the index of recorded data cannot be asked ({problem}); look at MariaDB and the scanner")


class Archive:
    """Fields of the index. May be asked from several threads."""

    def __init__(self, engine: Engine, cache: FrameCache, max_points: int = 0) -> None:
        """Take the data's place.

        Parameters
        ----------
        engine
            The database, REPEATABLE READ.
        cache
            Reads frames.
        max_points
            Most points per timeline in one reply; 0 for no cap.
        """
        self._engine = engine
        self._cache = cache
        self._max_points = max_points
        self._catalogue = Catalogue(-1, -1, {})
        self._turns = BoundedSemaphore(_AT_ONCE)

    def get_fields(self, start: float, end: float) -> FieldsReply:
        """List every field that has been recorded in [start, end), UNIX seconds.

        Raises
        ------
        IndexAbsentError
            The database does not answer, or the scanner has not made its tables yet.
        """
        with self._looking() as connection:
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
        requested = list(fields)
        data: dict[str, Any] = {name: [] for name in requested}
        replied: dict[str, DataTimeline] = {}
        span = _tick(start), _tick(end)
        with self._turns, self._looking() as connection:
            groups, state = self._look_up(connection, requested)
            queries = [
                Query(connection, self._cache, state, ids, members, span, operator).answer(
                    min_stride, self._max_points, MAX_VALUES
                )
                for (_, ids), members in groups.items()
            ]
            answers = ask_together(connection, queries)
        total = 0
        for (timeline, _), answer in zip(groups, answers, strict=True):
            total += 0 if answer is None else answer.t.size * (1 + len(answer.values))
            if answer is None or total > MAX_VALUES:
                return False
            if answer.t.size:
                data.update(answer.values)
                fields_of = list(answer.values)
                replied[timeline] = DataTimeline(t=answer.t, finalized_until=answer.finalized_until, fields=fields_of)
        return DataReply(data=data, timeline=replied)

    @contextmanager
    def _looking(self) -> Iterator[Connection]:
        try:
            with as_of_now(self._engine) as connection:
                yield connection
        except (OperationalError, ProgrammingError) as error:
            raise IndexAbsentError(str(error.orig)) from error

    def _known(self, connection: Connection) -> Catalogue:
        versions = versions_of(connection)
        if versions != (self._catalogue.version, self._catalogue.layout):
            self._catalogue = read_catalogue(connection, versions)
        return self._catalogue

    def _look_up(self, connection: Connection, names: list[str]) -> tuple[Groups, State]:
        """The fields by timeline, as the index has them now, and how far it is with them."""
        groups = _grouped(self._catalogue, names)
        state = state_of(connection, {each for _, ids in groups for each in ids} or {0})
        if not state.spans or state.layout != self._catalogue.layout:
            # Series have come or gone; or no name is known, and then this is the time to learn new ones.
            groups = _grouped(self._known(connection), names)
            state = state_of(connection, {each for _, ids in groups for each in ids} or {0})
        return groups, state


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
