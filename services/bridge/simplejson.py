"""The SimpleJSON protocol, which Grafana's data source of that name speaks, and which others copied."""

from typing import Any

from services.bridge.crossing import Crossing
from services.bridge.encoders import written
from services.bridge.events import Event, Events
from services.bridge.handling import Call, Route
from services.bridge.panels import Drawn
from services.bridge.planner import Planner
from services.bridge.reading import read_object, read_range
from services.bridge.refusal import unreadable
from services.bridge.rows import PLACEHOLDERS
from services.bridge.streams import Stream
from services.bridge.targets import resolve
from sisock.units import of_grafana


class SimpleJson:
    """Front-end for ``/search`` and ``/annotations``; `answer` is its word on ``/query``."""

    def __init__(self, crossing: Crossing, planner: Planner, events: Events) -> None:
        self._crossing = crossing
        self._planner = planner
        self._events = events

    def routes(self) -> list[Route]:
        """All calls it answers."""
        return [
            Route("GET", "/search", self.search),
            Route("POST", "/search", self.search),
            Route("POST", "/annotations", self.annotations),
        ]

    def search(self, call: Call) -> object:
        """List names of fields: all, those that a pattern matches, or else those that hold the text.

        ``{"target": "weather::*"}`` -> ``["weather::apex_humidity", ..]``
        """
        text = read_object(call.body, default={}).get("target") or ""
        if not isinstance(text, str):
            raise unreadable("'target' is no string; send the text to search for, or an empty one")
        known: frozenset[str] = self._crossing.ask(call.client, self._planner.known)
        return found(text, known)

    def annotations(self, call: Call) -> object:
        """List what happened: see `Events.between` for what the annotation's `query` may say.

        ``[{"annotation": {..as it came..}, "time": 1700000000000.0, "timeEnd": 1700000060000.0, "title": "weather was
        gone", "text": "..", "tags": ["server", "weather"]}]``; `timeEnd` only where it lasted.
        """
        body = read_object(call.body, default={})
        if "range" not in body:
            return []
        start, end = read_range(body)
        annotation = body.get("annotation")
        query = annotation.get("query") if isinstance(annotation, dict) else None
        match = query if isinstance(query, str) else ""
        listed: list[Event] = self._crossing.ask(call.client, self._events.between, start, end, match)
        return [_annotation(annotation, event) for event in listed]


def found(text: str, known: frozenset[str]) -> list[str]:
    """Names that a text of a search is about: all, those that it stands for as a target, or else those that hold it."""
    text = text.strip()
    if text in {*PLACEHOLDERS, "*"}:
        return sorted(known)
    matched = [name for name in resolve(text, known, len(known) + 1).names if name in known]
    return sorted(matched or [name for name in known if text.lower() in name.lower()])


def answer(drawn: Drawn) -> dict[str, Any]:
    """One series or table of a reply.

    ``{"target": "weather::apex_humidity", "refId": "A", "datapoints": [[23.1, 1500000000000.0], ..]}``. What could not
    be had is an empty series whose `meta.notices` say why. `meta.finalized_until` is the UNIX time in milliseconds
    before which samples will not change, for a server that says one. `unit` is Grafana's name of the units; a table has
    that with its column, and in `unit` what the data server says.
    """
    reply: dict[str, Any] = {"target": drawn.label}
    if isinstance(drawn.row.ref_id, str):
        reply["refId"] = drawn.row.ref_id
    series, notices = drawn.series, list(drawn.notices)
    units = drawn.stream.field["units"] if drawn.stream is not None else None
    if units:
        reply["unit"] = units if drawn.row.table else of_grafana(units)
    if drawn.row.table:
        kind = "number" if series is None else series.type
        column = {"text": reply["target"], "type": "boolean" if kind == "bool" else kind}
        t = [] if series is None else series.stamps.milliseconds.tolist()
        reply |= {
            "type": "table",
            "columns": [{"text": "Time", "type": "time"}, column | ({"unit": of_grafana(units)} if units else {})],
            "rows": list(zip(t, [] if series is None else series.plain(), strict=True)),
        }
    elif series is None:
        reply["datapoints"] = []
    elif series.type == "string":
        notices.append(("warning", f"the values of {drawn.name!r} are text; set the format of the target to table"))
        reply["datapoints"] = []
    else:
        reply["datapoints"] = written(series.values, series.stamps.written_milliseconds)
    if meta := meta_of(drawn.stream, notices):
        reply["meta"] = meta
    return reply


def meta_of(stream: Stream | None, notices: list[tuple[str, str]]) -> dict[str, Any]:
    """What is said beside a series: until when it is final, and notices."""
    meta: dict[str, Any] = {}
    if stream is not None and stream.finalized_until is not None:
        meta["finalized_until"] = round(stream.finalized_until * 1e3, 3)
    if notices:
        meta["notices"] = [{"severity": severity, "text": text} for severity, text in notices]
    return meta


def _annotation(annotation: object, event: Event) -> dict[str, Any]:
    said: dict[str, Any] = {"annotation": annotation, "time": round(event.start * 1e3, 3), "title": event.title}
    if event.end is not None:
        said |= {"timeEnd": round(event.end * 1e3, 3), "isRegion": True}
    return said | {"text": event.text, "tags": event.tags}
