"""Flat GETs, for scripts, pages and people: what there is, and samples with what they are, as JSON or CSV.

``/api/v1/nodes``, ``/api/v1/fields?match=pwv``, ``/api/v1/data?field=weather::apex_pressure&from=-2h&format=csv``
"""

import fnmatch
import io
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from twisted.internet.defer import Deferred, succeed

from services.bridge.catalogue import SEPARATOR
from services.bridge.crossing import Crossing
from services.bridge.handling import Call, Route, Text
from services.bridge.health import Health
from services.bridge.planner import Planner
from services.bridge.reading import EARLIEST, Window
from services.bridge.refusal import Refused, unreadable
from services.bridge.series import Series, draw
from services.bridge.servers import Servers
from services.bridge.streams import Missing, Outcome, Stream, Wanted, without_samples
from sisock.errors import NodeError, TooMuchData
from sisock.moments import DurationError, MomentError, duration, moment
from sisock.shapes import OPERATORS, Field
from sisock.tables import side_by_side, write_csv

_WILD = frozenset("*?[")
_FIELDS, _MOST_FIELDS = 1000, 100_000
_MOST_PATTERN = 1000
_COUNT = re.compile(r"[0-9]{1,9}")
_RANGE = "-1h"


@dataclass(frozen=True)
class Exact(Window):
    """A window whose points lie as far apart as was asked, `interval`, and no further: 0 for every sample."""

    @property
    def stride(self) -> float:
        """Least seconds between points, as asked of the data servers."""
        return self.interval


class Flat:
    """Front-end for ``/api/v1/nodes``, ``/api/v1/fields`` and ``/api/v1/data``."""

    def __init__(
        self,
        crossing: Crossing,
        planner: Planner,
        servers: Servers,
        health: Health,
        most_fields: int,
        most_points: int,
        now: Callable[[], float],
    ) -> None:
        self._crossing = crossing
        self._planner = planner
        self._servers = servers
        self._health = health
        self._most_fields = most_fields
        self._most_points = most_points
        self._now = now

    def routes(self) -> list[Route]:
        """All calls it answers."""
        return [
            Route("GET", "/api/v1/nodes", self.nodes),
            Route("GET", "/api/v1/fields", self.fields),
            Route("GET", "/api/v1/data", self.data),
        ]

    def nodes(self, call: Call) -> object:
        """List the data servers, whether router and hub answer or not.

        ``{"router": true, "hub": true, "nodes": [{"name": "weather", "description": "..", "online": true,
        "fields": 5, "answered": 1700000000.0, "problem": null, "joins": []}, ..]}``; `joins` names the data servers
        whose fields are one under this name.
        """
        _Parameters(call.parameters, ())
        report = self._report(call)
        if any(each["online"] and not each["fields"] for each in report["servers"]):
            problems = {each["name"]: each["problem"] for each in report["servers"]}
            with suppress(NodeError):  # The report says the same.
                self._crossing.ask(call.client, self._planner.known)
            report = self._report(call)
            for each in report["servers"]:
                # One that can list its fields may still have failed to give data.
                each["problem"] = each["problem"] or problems.get(each["name"])
        nodes = [{key: each[key] for key in _NODE} | {"joins": ()} for each in report["servers"]]
        joined, sources = self._servers.catalogue.joined, self._servers.catalogue.sources
        of = {node["name"]: node for node in nodes}
        if joined and not of.keys().isdisjoint(sources):
            nodes.append(
                dict.fromkeys(_NODE)
                | {
                    "name": joined,
                    "description": f"the fields of {' and '.join(sources)}, each as one",
                    "online": any(of[name]["online"] for name in sources if name in of),
                    "fields": len(self._listed(call).get(joined, ())),
                    "joins": sources,
                }
            )
        return {"router": report["router"], "hub": report["hub"], "nodes": nodes}

    def fields(self, call: Call) -> object:
        """List fields: all, of one `node`, and those whose names `match` a text or a pattern.

        ``{"total": 1, "fields": [{"name": "weather::apex_pressure", "description": null, "timeline": "hourly",
        "type": "number", "units": "mBar"}]}``; `offset` and `limit` cut a page out of them.
        """
        asked = _Parameters(call.parameters, ("match", "node", "offset", "limit"))
        offset = asked.count("offset", 0, least=0)
        limit = min(asked.count("limit", _FIELDS, least=0), _MOST_FIELDS)
        known: Collection[str] = self._crossing.ask(call.client, self._planner.known)
        if (node := asked.one("node")) is not None:
            known = [name for name in known if name.partition(SEPARATOR)[0] == node]
        listed = self._listed(call)
        fields = []
        for name in sorted(_matching(asked.one("match") or "", known)):
            node, _, field = name.partition(SEPARATOR)
            if about := listed.get(node, {}).get(field):  # A data server may have come back without it just now.
                fields.append((name, about))
        page = [{"name": name, **about} for name, about in fields[offset : offset + limit]]
        return {"total": len(fields), "fields": page}

    def data(self, call: Call) -> object:
        """Give samples of each `field` in [`from`, `to`): every one, or points `stride` seconds apart, or so many.

        ``{"start": .., "end": .., "stride": 0.0, "series": [{"field": "weather::apex_pressure", "description": null,
        "type": "number", "units": "mBar", "interval": 3600.0, "finalized_until": null, "t": [..], "values": [..],
        "notices": [], "problem": null}]}``. Stamps are UNIX seconds. What could not be had has a `problem`, ``{"code":
        "empty" or "too_much" or "missing", "message": ".."}``. ``format=csv`` has a column for each field.
        """
        asked = _Parameters(
            call.parameters, ("field", "from", "to", "stride", "points", "operator", "format"), many={"field"}
        )
        names = list(dict.fromkeys(asked.all("field")))
        if not names:
            raise unreadable("'field' is missing; give it as field=<server>::<field>, once for each")
        if len(names) > self._most_fields:
            raise Refused(413, "too_many_targets", f"{len(names)} fields; ask for at most {self._most_fields} at once")
        operator = asked.one("operator")
        window = _window(asked, self._now(), self._most_points // len(names))
        _check_operator(operator, window)
        kind = asked.one("format") or "json"
        if kind not in {"json", "csv"}:
            raise unreadable(f"'format' is {kind[:40]!r}; json and csv are known")
        wanted = [Wanted(name, operator) for name in names]
        outcomes: Mapping[Wanted, Outcome]
        outcomes = self._crossing.ask(call.client, self._planner.query, wanted, window, call.started)
        drawn = {each: draw(outcome, window) for each, outcome in outcomes.items() if isinstance(outcome, Stream)}
        total = sum(series.t.size for series in drawn.values())
        if total > self._most_points:
            sentence = f"{total} samples are more than the {self._most_points} of one reply"
            raise Refused(413, "too_much", f"{sentence}; ask for fewer fields, a shorter range, or a stride")
        if kind == "csv":
            return _csv({each: (outcomes[each], drawn.get(each)) for each in wanted})
        return {
            "start": window.start,
            "end": window.end,
            "stride": window.stride,
            "series": [_series(each.name, outcomes[each], drawn.get(each)) for each in wanted],
        }

    def _report(self, call: Call) -> dict[str, Any]:
        report: dict[str, Any]
        report = self._crossing.ask(call.client, lambda: Deferred.fromCoroutine(self._health.report()))
        return report

    def _listed(self, call: Call) -> Mapping[str, Mapping[str, Field]]:
        """All known fields of each data server, and those of the joined name."""

        def copied() -> Deferred[dict[str, dict[str, Field]]]:
            catalogue = self._servers.catalogue
            listed = {node: dict(catalogue.fields(node)) for node in catalogue.nodes()}
            if catalogue.joined:
                listed[catalogue.joined] = {
                    name: field for node in catalogue.sources for name, field in listed.get(node, {}).items()
                }
            return succeed(listed)

        listed: Mapping[str, Mapping[str, Field]] = self._crossing.ask(call.client, copied)
        return listed


_NODE = ("name", "description", "online", "fields", "answered", "problem")


class _Parameters:
    """Parameters of an address; one that is not `known` is refused, and one that comes twice without being `many`."""

    def __init__(
        self, spoken: Mapping[str, Sequence[str]], known: Sequence[str], many: Collection[str] = frozenset()
    ) -> None:
        self._spoken = spoken
        for name, values in spoken.items():
            if name not in known:
                raise unreadable(f"there is no parameter {name[:40]!r} here; {', '.join(known) or 'none'} are known")
            if len(values) > 1 and name not in many:
                raise unreadable(f"'{name}' is given {len(values)} times; give it once")

    def all(self, name: str) -> Sequence[str]:
        return self._spoken.get(name, ())

    def one(self, name: str) -> str | None:
        values = self.all(name)
        return values[0] if values and values[0] else None

    def count(self, name: str, default: int, least: int = 1) -> int:
        text = self.one(name)
        if text is None:
            return default
        if not _COUNT.fullmatch(text) or int(text) < least:
            raise unreadable(f"'{name}' is {text[:40]!r}; give a whole number from {least} on")
        return int(text)


def _window(asked: _Parameters, now: float, most_points: int) -> Exact:
    try:
        start, end = moment(asked.one("from") or _RANGE, now), moment(asked.one("to") or "now", now)
        spoken = asked.one("stride")
        stride = 0.0 if spoken is None or _is_zero(spoken) else duration(spoken)
    except (MomentError, DurationError) as error:
        raise unreadable(str(error)) from None
    if end <= start:
        raise unreadable(f"the time range is empty: it ends at {end} and begins at {start}")
    start = max(start, EARLIEST)
    end = max(end, start)
    points = asked.count("points", 0)
    if points and end > start:
        stride = max(stride, (end - start) / min(points, max(most_points, 1)))
    return Exact(start, end, interval=stride)


def _is_zero(text: str) -> bool:
    return text.strip("0.") == "" and "0" in text


def _check_operator(operator: str | None, window: Exact) -> None:
    if operator is None:
        return
    if operator not in OPERATORS:
        raise unreadable(f"there is no operator {operator[:40]!r}; {', '.join(OPERATORS)} are known")
    if not window.interval:
        raise unreadable(f"the operator {operator!r} needs 'stride' or 'points': of how many seconds it is to be")


def _matching(pattern: str, names: Collection[str]) -> Collection[str]:
    """Names that hold a text or, where it has wildcards, that are as it says, with or without their data server's."""
    if len(pattern) > _MOST_PATTERN:
        raise unreadable(f"'match' has {len(pattern)} characters; {_MOST_PATTERN} are read")
    if not pattern or pattern in names:
        return [pattern] if pattern else names
    if _WILD.isdisjoint(pattern):
        return [name for name in names if pattern.lower() in name.lower()]
    fits = re.compile(fnmatch.translate(pattern), re.IGNORECASE).match
    return [name for name in names if fits(name) or fits(name.partition(SEPARATOR)[2])]


def _series(name: str, outcome: Outcome, drawn: Series | None) -> dict[str, Any]:
    reply: dict[str, Any] = {"field": name}
    if drawn is None or not isinstance(outcome, Stream):
        reply |= dict.fromkeys(("description", "type", "units", "interval", "finalized_until"))
        reply |= {"t": (), "values": (), "notices": ()}
    else:
        reply |= {
            "description": outcome.field["description"],
            "type": drawn.type,
            "units": outcome.field["units"],
            "interval": outcome.interval,
            "finalized_until": outcome.finalized_until,
            "t": drawn.t,
            "values": _written(outcome, drawn),
            "notices": [{"severity": severity, "text": text} for severity, text in (*outcome.notices, *drawn.notices)],
        }
    return reply | {"problem": _problem(name, outcome, drawn)}


def _written(stream: Stream, drawn: Series) -> NDArray[Any] | list[Any]:
    """Values for JSON: whole numbers of a field that has no others are written as such."""
    if drawn.type == "number" and _is_whole(stream) and not drawn.notices:
        return drawn.values.astype(np.int64)
    return drawn.values if drawn.type == "number" else drawn.plain()


def _is_whole(stream: Stream) -> bool:
    if isinstance(stream.values, np.ndarray):
        return stream.values.dtype.kind in "iu"
    return set(map(type, stream.values)) == {int}


def _problem(name: str, outcome: Outcome, drawn: Series | None) -> dict[str, str] | None:
    node, _, field = name.partition(SEPARATOR)
    if isinstance(outcome, Missing):
        code = "empty" if outcome.severity == "info" else "too_much" if _is_too_much(outcome.why) else "missing"
        return {"code": code, "message": outcome.why}
    # Of joined fields, one part may be there without the other.
    if cut := [text for _, text in outcome.notices if _is_too_much(text)]:
        return {"code": "too_much", "message": cut[0]}
    if drawn is None or not drawn.t.size:
        return {"code": "empty", "message": without_samples(node, field)}
    return None


def _is_too_much(why: str) -> bool:
    return _TOO_MUCH in why


_TOO_MUCH = str(TooMuchData("")).partition("''")[2]
"""What the sentence of `TooMuchData` says, whichever the server."""


def _csv(series: Mapping[Wanted, tuple[Outcome, Series | None]]) -> Text:
    columns: dict[str, tuple[NDArray[np.float64], NDArray[Any]]] = {}
    for each, (outcome, drawn) in series.items():
        problem = _problem(each.name, outcome, drawn)
        if problem is not None and problem["code"] != "empty":
            # A table has no place to say it in.
            raise Refused(502, problem["code"], problem["message"])
        if drawn is None or not isinstance(outcome, Stream):
            columns[each.name] = np.zeros(0), np.zeros(0)
            continue
        written = _written(outcome, drawn)
        columns[each.name] = drawn.t, np.array(written, dtype=object) if isinstance(written, list) else written
    out = io.StringIO(newline="")
    write_csv(side_by_side(columns), out)
    return Text("text/csv; charset=utf-8", out.getvalue().encode("utf-8", "replace"))
