"""The calls of the Graphite HTTP API that Grafana makes."""

from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

from twisted.internet.defer import Deferred

from services.bridge.asking import together
from services.bridge.crossing import Crossing
from services.bridge.encoders import written
from services.bridge.events import Event, Events
from services.bridge.graphite.calls import described
from services.bridge.graphite.durations import read_time
from services.bridge.graphite.expression import parse
from services.bridge.graphite.fetch import Fetched
from services.bridge.graphite.form import Form
from services.bridge.graphite.functions import FUNCTIONS
from services.bridge.graphite.lines import Line, grid
from services.bridge.graphite.plan import constants, evaluate, leaves, plan
from services.bridge.graphite.tree import Tree, Trees, is_glob
from services.bridge.handling import Call, Handler, Route
from services.bridge.planner import Planner
from services.bridge.reading import DEFAULT_POINTS, EARLIEST, MOST_POINTS, Exact
from services.bridge.refusal import Refused, unavailable, unreadable
from services.bridge.streams import Outcome, Wanted
from sisock.errors import NodeError, RouterAbsent
from sisock.moments import iso

VERSION = "1.1.10"
"""The version of Graphite whose API this is, as far as it goes."""


class Graphite:
    """Front-end for ``/render``, ``/metrics/find``, ``/metrics/expand``, ``/events/get_data`` and the like.

    Parameters
    ----------
    crossing
        Asks what lives in the reactor.
    planner
        Knows the fields and gives samples.
    events
        Knows what happened.
    most_targets
        Most targets of a request, and most fields that one path may stand for.
    most_points
        Most points of one reply; its series share them.
    now
        Gives the UNIX time.
    """

    def __init__(
        self,
        crossing: Crossing,
        planner: Planner,
        events: Events,
        most_targets: int,
        most_points: int,
        now: Callable[[], float],
    ) -> None:
        self._crossing = crossing
        self._planner = planner
        self._events = events
        self._most_targets = most_targets
        self._most_points = most_points
        self._now = now
        self._trees = Trees()

    def routes(self) -> list[Route]:
        """All calls it answers."""
        handlers = {
            "/render": self.render,
            "/metrics/find": self.find,
            "/metrics/expand": self.expand,
            "/events/get_data": self.events,
            "/functions": self.functions,
            "/version": self.version,
            "/tags": self.tags,
            "/tags/autoComplete/tags": self.tags,
            "/tags/autoComplete/values": self.tags,
        }
        return [
            Route(method, path, _plainly(handler)) for path, handler in handlers.items() for method in ("GET", "POST")
        ]

    def render(self, call: Call) -> object:
        """Give the series of each `target` between `from` and `until`, at most `maxDataPoints` points of each.

        ``[{"target": "weather.apex_pressure", "tags": {"name": "weather.apex_pressure"}, "datapoints": [[550.1,
        1500000000.0], [null, 1500000010.0], ..]}]``. Stamps are UNIX seconds at which a point begins. What the person
        should be told is in `notices`; a field that cannot be had is a line of nulls which says why. When that is all
        there is, the reply is an error.
        """
        form = Form(call)
        targets = form.all("target")
        if len(targets) > self._most_targets:
            raise Refused(413, "too_many_targets", f"{len(targets)} targets; send at most {self._most_targets}")
        if (kind := form.one("format", "json")) != "json":
            raise unreadable(f"'format' is {kind[:40]!r}; json is known")
        start, end = self._range(form)
        plans = [plan(parse(target)) for target in targets]
        due = [leaf for each in plans for leaf in leaves(each)]
        fetched = Fetched(self._tree(call, wild=any(is_glob(leaf.path) for leaf in due)), due, self._most_targets)
        count = fetched.count + sum(map(constants, plans))
        if count > 2 * self._most_targets:
            raise Refused(
                413, "too_many_series", f"{count} series are more than {2 * self._most_targets}; choose fewer"
            )
        points = min(_points(form), max(self._most_points // max(count, 1), 2))
        window = grid(start, end, points)
        if fetched.count:
            fetched.take(self._asked(call, fetched.wanted(window, self._most_points)))
        elif plans and not self._crossing.ask(call.client, self._planner.attached):
            raise RouterAbsent
        lines = [line for each in plans for line in evaluate(each, fetched.lines, window)]
        failures = [line.failure for line in lines if line.failure]
        if failures and len(failures) == len(lines):
            raise Refused(404, "missing", "; ".join(dict.fromkeys(failures[:5])))
        return [_told(line.within(window.start, window.end)) for line in lines]

    def find(self, call: Call) -> object:
        """List one level of the tree: what the glob `query` matches.

        ``[{"text": "apex_pressure", "id": "weather.apex_pressure", "leaf": 1, "expandable": 0, "allowChildren": 0,
        "context": {}}, ..]``
        """
        tree, paths = self._found(call)
        return [
            {
                "text": path.rpartition(".")[2],
                "id": path,
                "leaf": int(leaf),
                "expandable": int(not leaf),
                "allowChildren": int(not leaf),
                "context": {},
            }
            for path in paths
            for leaf, there in ((False, tree.is_branch(path)), (True, tree.name(path) is not None))
            if there
        ]

    def expand(self, call: Call) -> object:
        """List all paths that the globs `query` match; with ``leavesOnly=1``, those of fields only.

        ``{"results": ["weather.apex_pressure", ..]}``
        """
        tree, paths = self._found(call)
        leaves_only = Form(call).one("leavesOnly") in ("1", "true")
        return {"results": [path for path in paths if not leaves_only or tree.name(path) is not None]}

    def functions(self, _call: Call) -> object:
        """Describe every function, for Grafana's editor: ``{"alias": {"name": "alias", "params": [..], ..}, ..}``."""
        return {name: described(function) for name, function in FUNCTIONS.items()}

    def version(self, _call: Call) -> object:
        """Say of which version of Graphite this is the API."""
        return VERSION

    def tags(self, _call: Call) -> object:
        """List tags, or their values: fields have none."""
        return []

    def events(self, call: Call) -> object:
        """List what happened between `from` and `until` and has all of `tags`, which stand side by side.

        ``[{"id": 1, "when": 1500000000, "what": "weather was gone", "tags": ["server", "weather"], "data": ".."}]``. A
        tag that is the name of a field, ``node::field``, asks for what concerns it, holes in its samples included.
        """
        form = Form(call)
        start, end = self._range(form)
        tags = form.one("tags").replace(",", " ").split()
        field = next((tag for tag in tags if "::" in tag), "")
        asked = {tag.lower() for tag in tags} - {field.lower()}
        found: list[Event] = self._crossing.ask(call.client, self._events.between, start, end, field)
        return [
            {"id": number, "when": int(each.start), "what": each.title, "tags": each.tags, "data": each.text}
            for number, each in enumerate(found, 1)
            if asked <= {tag.lower() for tag in each.tags}
        ]

    def _range(self, form: Form) -> tuple[float, float]:
        now = self._now()
        start = max(read_time("from", form.one("from", "-24h"), now), EARLIEST)
        end = read_time("until", form.one("until", "now"), now)
        if end <= start:
            raise unreadable(f"the time range is empty: 'until' is {iso(end, 0)}, and 'from' {iso(start, 0)}")
        return start, end

    def _tree(self, call: Call, *, wild: bool) -> Tree:
        known = self._crossing.ask(call.client, self._planner.known) if wild else self._planner.remembered()
        return self._trees.of(known)

    def _found(self, call: Call) -> tuple[Tree, list[str]]:
        queries = Form(call).all("query")
        if not queries:
            raise unreadable("'query' is missing; send a path or a glob, such as weather.*")
        tree = self._tree(call, wild=True)
        first, *others = (tree.find(query.strip()) for query in queries)
        return tree, sorted({*first, *chain(*others)}) if others else first

    def _asked(self, call: Call, wanted: dict[Exact, list[Wanted]]) -> dict[Exact, dict[Wanted, Outcome]]:
        async def one(window: Exact, due: list[Wanted]) -> dict[Wanted, Outcome]:
            outcomes: dict[Wanted, Outcome] = await self._planner.query(due, window, call.started)
            return outcomes

        async def each() -> list[dict[Wanted, Outcome]]:
            return await together([one(window, due) for window, due in wanted.items()])

        outcomes: Iterable[dict[Wanted, Outcome]]
        outcomes = self._crossing.ask(call.client, lambda: Deferred.fromCoroutine(each()))
        return dict(zip(wanted, outcomes, strict=True))


class _Rejected(Refused):
    """A refusal that Grafana can show: its data source looks for `message` at the top."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.status, refused.code, refused.message, refused.retry_after)

    @property
    def body(self) -> dict[str, Any]:
        """The reply, ``{"message": .., "error": {"code": .., "message": ..}}``."""
        return {"message": self.message} | super().body


def _plainly(handler: Handler) -> Handler:
    def answer(call: Call) -> object:
        try:
            return handler(call)
        except Refused as refused:
            raise _Rejected(refused) from None
        except NodeError as error:
            raise _Rejected(unavailable(str(error))) from None

    return answer


def _points(form: Form) -> int:
    spoken = form.one("maxDataPoints", "0")
    try:
        points = float(spoken)
    except ValueError:
        raise unreadable(f"'maxDataPoints' is {spoken[:40]!r}; give a number") from None
    return int(min(points, MOST_POINTS)) if points >= 1 else DEFAULT_POINTS


def _told(line: Line) -> dict[str, Any]:
    told = [*line.notices, *([line.failure] if line.failure else [])]
    said = {"target": line.name, "tags": {"name": line.path}, "datapoints": written(line.values, line.stamps())}
    return said | ({"notices": told} if told else {})
