"""From names of fields to samples: questions to data servers, side by side, each with its deadline."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from twisted.internet.defer import Deferred, succeed

from services.bridge.asking import Answer, Asking, together
from services.bridge.joined import Joined
from services.bridge.operators import supplemented
from services.bridge.reading import Window
from services.bridge.servers import Servers
from services.bridge.streams import Missing, Outcome, Question, Wanted
from sisock.errors import RouterAbsent
from sisock.uris import NODE_NAME, SEPARATOR

_ByOperator = Mapping[str | None, list[str]]


class Planner:
    """Asks each data server for the fields of a request. Lives in the reactor's thread."""

    def __init__(
        self,
        servers: Servers,
        now: Callable[[], float],
        server_deadline: float,
        request_deadline: float,
        search_deadline: float,
    ) -> None:
        self._servers = servers
        self._asking = Asking(servers, now)
        self._joined = Joined(self._asking)
        self._now = now
        self._server_deadline = server_deadline
        self._request_deadline = request_deadline
        self._search_deadline = search_deadline

    def known(self) -> Deferred[frozenset[str]]:
        """Names of all fields, as lately listed; fails when neither hub nor memory knows any.

        Cheap, and the same object as before while no name has come or gone.
        """
        return Deferred.fromCoroutine(self._servers.listing(self._search_deadline))

    def attached(self) -> Deferred[bool]:
        """Whether the router is joined."""
        return succeed(self._servers.consumer.is_attached())

    def remembered(self) -> frozenset[str]:
        """Names of all fields that any data server has listed so far, without asking; callable in any thread."""
        return self._servers.catalogue.names()

    def query(self, wanted: Iterable[Wanted], window: Window, started: float) -> Deferred[dict[Wanted, Outcome]]:
        """Ask for samples.

        Parameters
        ----------
        wanted
            Fields.
        window
            Time range and least spacing of the points.
        started
            When the request began, by the clock of the reactor.

        Returns
        -------
        What became of each. It fails with `RouterAbsent` when nobody could be asked for that reason.
        """

        async def ask(due: list[Wanted], within: Window) -> dict[Wanted, Outcome]:
            return await self._query(due, within, started)

        async def completed() -> dict[Wanted, Outcome]:
            due = list(dict.fromkeys(wanted))
            return await supplemented(ask, await ask(due, window), window)

        return Deferred.fromCoroutine(completed())

    async def _query(self, wanted: list[Wanted], window: Window, started: float) -> dict[Wanted, Outcome]:
        outcomes: dict[Wanted, Outcome] = {}
        by_node: dict[str, dict[str | None, list[str]]] = defaultdict(lambda: defaultdict(list))
        for each in wanted:
            node, separator, field = each.name.partition(SEPARATOR)
            if not (separator and field and NODE_NAME.fullmatch(node)):
                # It must not reach the router either: an ill-formed URI ends the session.
                outcomes[each] = Missing(f"{each.name[:200]!r} names no field; write <server>{SEPARATOR}<field>")
            elif window.end <= window.start:
                outcomes[each] = Missing("the time range is empty", "info")
            else:
                by_node[node][each.operator].append(field)
        if not by_node:
            return outcomes
        alone = len(by_node) == 1
        answered = await together([self._ask(node, asked, window, started, alone) for node, asked in by_node.items()])
        absent = 0
        for (node, asked), answers in zip(by_node.items(), answered, strict=True):
            absent += all(isinstance(answer, RouterAbsent) for answer in answers)
            for (operator, fields), answer in zip(asked.items(), answers, strict=True):
                became = dict.fromkeys(fields, Missing(str(answer))) if isinstance(answer, Exception) else answer
                outcomes.update(
                    (Wanted(f"{node}{SEPARATOR}{field}", operator), outcome) for field, outcome in became.items()
                )
        if absent == len(by_node):
            raise RouterAbsent
        return outcomes

    async def _ask(self, node: str, asked: _ByOperator, window: Window, started: float, alone: bool) -> list[Answer]:
        def until() -> float:
            return min(self._now() + self._server_deadline, started + self._request_deadline)

        if await self._servers.joins(node, until() - self._now()):
            return await together(
                [self._joined.ask(fields, operator, window, until) for operator, fields in asked.items()]
            )
        questions = [
            Question(fields, window.start, window.end, window.stride, operator) for operator, fields in asked.items()
        ]
        return await self._asking.ask(node, questions, until(), alone=alone)
