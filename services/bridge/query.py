"""The paths that SimpleJSON and simPod share: ``/query`` above all, where what the body looks like says whose it is."""

from services.bridge import frames, simplejson, simpod
from services.bridge.crossing import Crossing
from services.bridge.events import Event, Events
from services.bridge.filters import KEYS, read_filters
from services.bridge.handling import Call, Route
from services.bridge.panels import Panels
from services.bridge.planner import Planner
from services.bridge.reading import read_object, read_range, read_window
from services.bridge.rows import payload_of, read_rows
from sisock.errors import RouterAbsent
from sisock.uris import SEPARATOR

_MOST_VALUES = 5000


class Query:
    """Front-end for ``/``, ``/query``, ``/tag-keys`` and ``/tag-values``."""

    def __init__(self, crossing: Crossing, planner: Planner, panels: Panels, events: Events, most_targets: int) -> None:
        self._crossing = crossing
        self._planner = planner
        self._panels = panels
        self._events = events
        self._most_targets = most_targets

    def routes(self) -> list[Route]:
        """All calls it answers."""
        return [
            Route("GET", "/", self.test),
            Route("POST", "/query", self.query),
            Route("POST", "/tag-keys", self.tag_keys),
            Route("POST", "/tag-values", self.tag_values),
        ]

    def test(self, call: Call) -> object:
        """Grafana's "Save & test": good when the router is joined."""
        if not self._crossing.ask(call.client, self._planner.attached):
            raise RouterAbsent
        return {"status": "ok", "service": "sisock bridge"}

    def query(self, call: Call) -> object:
        """Answer each target with its series, in the order of the targets: simPod with frames, others with series.

        A request of simPod's for annotations is answered with one frame of events. See `simplejson.answer`,
        `frames.frame` and `frames.events_frame` for the replies, and `rows.Row` for what a target may ask.
        """
        body = read_object(call.body)
        if simpod.is_annotation(body):
            return self._annotations(call, body)
        rows = read_rows(body.get("targets"), self._planner.remembered(), self._most_targets)
        window = read_window(body)
        spoken = body.get("filters") or body.get("adhocFilters")
        filters, unheeded = self._crossing.aside(read_filters, spoken) if spoken else ([], None)
        said = [("warning", unheeded)] if unheeded else []
        drawn = self._panels.answer(call, rows, window, filters, said)
        write = frames.frame if simpod.is_spoken(body) else simplejson.answer
        return [write(each) for each in drawn]

    def tag_keys(self, call: Call) -> object:
        """What a dashboard can be filtered by."""
        read_object(call.body, default={})
        return [{"type": "string", "text": key} for key in KEYS]

    def tag_values(self, call: Call) -> object:
        """List the data servers, or the fields."""
        key = read_object(call.body, default={}).get("key")
        if key not in KEYS:
            return []
        known: frozenset[str] = self._crossing.ask(call.client, self._planner.known)
        part = 0 if key == "node" else 2
        return [{"text": value} for value in sorted({name.partition(SEPARATOR)[part] for name in known})[:_MOST_VALUES]]

    def _annotations(self, call: Call, body: dict[str, object]) -> object:
        start, end = read_range(body)
        targets = body.get("targets")
        target = next((each for each in targets if isinstance(each, dict)), {}) if isinstance(targets, list) else {}
        texts = (payload_of(target).get("match"), target.get("target"))
        match = next((text for text in texts if isinstance(text, str) and text.strip()), "")
        listed: list[Event] = self._crossing.ask(call.client, self._events.between, start, end, match)
        return [frames.events_frame(listed, target.get("refId"))]
