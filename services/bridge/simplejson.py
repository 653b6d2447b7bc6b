"""The SimpleJSON protocol, which Grafana's data source of that name speaks, and which others copied."""

from dataclasses import dataclass
from typing import Any

from services.bridge.catalogue import SEPARATOR
from services.bridge.crossing import Crossing
from services.bridge.handling import Call, Route
from services.bridge.planner import Planner
from services.bridge.reading import Window, read_object, read_window
from services.bridge.refusal import Refused, unreadable
from services.bridge.series import datapoints, draw, milliseconds
from services.bridge.streams import Missing, Outcome, Stream, Wanted, without_samples
from services.bridge.targets import has_wildcard, resolve
from sisock.errors import RouterAbsent
from sisock.shapes import OPERATORS

_OPERATORS = {None, *OPERATORS}
_KNOWN = f"{', '.join(OPERATORS)} are known, and none for an envelope of the samples"
_PLACEHOLDERS = {"", "select metric"}
"""What Grafana sends for a row in which nothing is chosen yet."""


@dataclass(frozen=True)
class Target:
    """One row of a panel: the text that stands in it, Grafana's letter for it, and whether a table is due.

    `operator` is what is to be made of the samples, of `sisock.shapes.OPERATORS`; None for an envelope of them.
    """

    text: str
    ref_id: object
    table: bool
    operator: str | None = None


@dataclass(frozen=True)
class Filter:
    """An ad hoc filter of the dashboard: data servers to show (`keep`), or to leave out."""

    node: str
    keep: bool


class SimpleJson:
    """Front-end for ``/``, ``/search``, ``/query``, ``/annotations``, ``/tag-keys`` and ``/tag-values``."""

    def __init__(self, crossing: Crossing, planner: Planner, most_targets: int, most_points: int) -> None:
        self._crossing = crossing
        self._planner = planner
        self._most_targets = most_targets
        self._most_points = most_points

    def routes(self) -> list[Route]:
        """All calls it answers."""
        return [
            Route("GET", "/", self.test),
            Route("GET", "/search", self.search),
            Route("POST", "/search", self.search),
            Route("POST", "/query", self.query),
            Route("POST", "/annotations", self.annotations),
            Route("POST", "/tag-keys", self.tag_keys),
            Route("POST", "/tag-values", self.tag_values),
        ]

    def test(self, call: Call) -> object:
        """Grafana's "Save & test": good when the router is joined."""
        if not self._crossing.ask(call.client, self._planner.attached):
            raise RouterAbsent
        return {"status": "ok", "service": "sisock bridge"}

    def search(self, call: Call) -> object:
        """List names of fields: all, those that a pattern matches, or else those that hold the text.

        ``{"target": "weather::*"}`` -> ``["weather::apex_humidity", ..]``
        """
        text = read_object(call.body, default={}).get("target") or ""
        if not isinstance(text, str):
            raise unreadable("'target' is no string; send the text to search for, or an empty one")
        text = text.strip()
        known: frozenset[str] = self._crossing.ask(call.client, self._planner.known)
        if text in {*_PLACEHOLDERS, "*"}:
            return sorted(known)
        matched = [name for name in resolve(text, known, len(known) + 1).names if name in known]
        return sorted(matched or [name for name in known if text.lower() in name.lower()])

    def query(self, call: Call) -> object:
        """Answer each target with its series, in the order of the targets.

        ``{"target": "weather::apex_humidity", "refId": "A", "datapoints": [[23.1, 1500000000000.0], ..]}``, or a
        table where one is asked. What could not be had is an empty series whose `meta.notices` say why.
        `meta.finalized_until` is the UNIX time in milliseconds before which samples will not change, for a server that
        says one.
        """
        body = read_object(call.body)
        targets = self._targets(body.get("targets"))
        window = read_window(body)
        filters, unfit = _filters(body.get("adhocFilters"))
        wild = any(has_wildcard(target.text) for target in targets)
        known = self._crossing.ask(call.client, self._planner.known) if wild else self._planner.remembered()
        asked: list[tuple[Target, Wanted | None, str | None]] = []
        for target in targets:
            resolved = resolve(target.text, known, self._most_targets)
            notice = resolved.notice
            if target.operator not in _OPERATORS:
                asked.append((target, None, f"there is no operator {target.operator!r:.80}; {_KNOWN}"))
                continue
            if not resolved.names:
                asked.append((target, None, notice))
            for name in resolved.names:
                if len(asked) >= 2 * self._most_targets:
                    raise Refused(413, "too_many_series", f"more than {2 * self._most_targets} series; choose fewer")
                if all((name.partition(SEPARATOR)[0] == each.node) is each.keep for each in filters):
                    asked.append((target, Wanted(name, target.operator), notice))
                    notice = None
        wanted = {each for _, each, _ in asked if each}
        window = window.shared_by(len(asked), self._most_points)
        outcomes: dict[Wanted, Outcome] = {}
        if wanted:
            outcomes = self._crossing.ask(call.client, self._planner.query, wanted, window, call.started)
        return [
            _reply(
                target, each, outcomes.get(each) if each else None, window, [text for text in (notice, unfit) if text]
            )
            for target, each, notice in asked
        ]

    def annotations(self, call: Call) -> object:
        """List annotations: there are none yet."""
        read_object(call.body, default={})
        return []

    def tag_keys(self, call: Call) -> object:
        """What a dashboard can be filtered by: the data server."""
        read_object(call.body, default={})
        return [{"type": "string", "text": "node"}]

    def tag_values(self, call: Call) -> object:
        """List the data servers."""
        if read_object(call.body, default={}).get("key") != "node":
            return []
        known: frozenset[str] = self._crossing.ask(call.client, self._planner.known)
        return [{"text": node} for node in sorted({name.partition(SEPARATOR)[0] for name in known})]

    def _targets(self, spoken: object) -> list[Target]:
        if not isinstance(spoken, list):
            raise unreadable('\'targets\' is no list; send [{"target": "<server>::<field>", "refId": "A"}, ..]')
        if len(spoken) > self._most_targets:
            raise Refused(413, "too_many_targets", f"{len(spoken)} targets; send at most {self._most_targets}")
        targets = []
        for place, each in enumerate(spoken):
            if not isinstance(each, dict):
                raise unreadable(f'\'targets[{place}]\' is no object; send {{"target": "<server>::<field>"}}')
            text = each.get("target")
            if text is None or each.get("hide") is True or (isinstance(text, str) and text.strip() in _PLACEHOLDERS):
                continue
            if not isinstance(text, str):
                raise unreadable(f"'targets[{place}].target' is no string; send \"<server>::<field>\"")
            targets.append(Target(text, each.get("refId"), each.get("type") == "table", _operator(each)))
        return targets


def _filters(spoken: object) -> tuple[list[Filter], str | None]:
    """Read the ad hoc filters, and say which of them are not heeded."""
    filters, unfit = [], None
    for each in spoken if isinstance(spoken, list) else []:
        known = isinstance(each, dict) and each.get("key") == "node" and each.get("operator") in ("=", "!=")
        if known and isinstance(each.get("value"), str):
            filters.append(Filter(each["value"], each["operator"] == "="))
        else:
            unfit = "a filter of the dashboard is not heeded: only 'node' can be filtered, with = or !="
    return filters, unfit


def _operator(target: dict[str, Any]) -> str | None:
    """Read the operator, from where SimpleJSON and simPod put what a person writes beside the target."""
    for place in ("data", "payload"):
        beside = target.get(place)
        spoken = beside.get("operator") if isinstance(beside, dict) else None
        if spoken not in (None, "", "envelope"):
            return str(spoken)
    return None


def _reply(
    target: Target, wanted: Wanted | None, outcome: Outcome | None, window: Window, said: list[str]
) -> dict[str, Any]:
    """One series or table of the reply."""
    name = wanted.name if wanted else ""
    reply: dict[str, Any] = {"target": name or target.text[:200]}
    if wanted and wanted.operator:
        reply["target"] = f"{wanted.operator}({name})"
    if isinstance(target.ref_id, str):
        reply["refId"] = target.ref_id
    notices = [("warning", sentence) for sentence in said]
    series = interval = None
    if isinstance(outcome, Missing):
        notices.append((outcome.severity, outcome.why))
    elif outcome is not None:
        interval = outcome.interval
        series = draw(outcome, window)
        notices += [*outcome.notices, *series.notices]
        if not series.t.size:
            node, _, field = name.partition(SEPARATOR)
            notices.append(("info", without_samples(node, field)))
        if outcome.field["units"]:
            reply["unit"] = outcome.field["units"]
    if target.table:
        kind = "number" if series is None else series.type
        reply |= {
            "type": "table",
            "columns": [
                {"text": "Time", "type": "time"},
                {"text": reply["target"], "type": "boolean" if kind == "bool" else kind},
            ],
            "rows": [] if series is None else list(zip(milliseconds(series.t).tolist(), series.plain(), strict=True)),
        }
    elif series is None:
        reply["datapoints"] = []
    elif series.type == "string":
        notices.append(("warning", f"the values of {name!r} are text; set the format of the target to table"))
        reply["datapoints"] = []
    else:
        reply["datapoints"] = datapoints(series, window, interval)
    if meta := _meta(outcome, notices):
        reply["meta"] = meta
    return reply


def _meta(outcome: Outcome | None, notices: list[tuple[str, str]]) -> dict[str, Any]:
    meta: dict[str, Any] = {}
    if isinstance(outcome, Stream) and outcome.finalized_until is not None:
        meta["finalized_until"] = round(outcome.finalized_until * 1e3, 3)
    if notices:
        meta["notices"] = [{"severity": severity, "text": text} for severity, text in notices]
    return meta
