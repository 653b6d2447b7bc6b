"""The protocol of the JSON data source by simPod, for Grafana from 10 on.

In its builder a *metric* is a data server, and what to draw of it is chosen beside: fields, operator, bin, alias. In
its code editor a metric may be a field as well, and what stands beside it is JSON with the same keys.
"""

from collections.abc import Collection, Mapping
from typing import Any

from services.bridge.crossing import Crossing
from services.bridge.handling import Call, Route
from services.bridge.planner import Planner
from services.bridge.reading import read_object
from services.bridge.refusal import unreadable
from services.bridge.rows import CHOICES, ENVELOPE
from services.bridge.simplejson import found
from services.bridge.targets import matcher, unescaped
from sisock.uris import SEPARATOR

_TYPE = "simpod-json-datasource"
_ANNOTATION = "Anno"
_MOST_METRICS, _MOST_OPTIONS = 1000, 2000
"""More of them freeze the editor, which loads and draws them all."""

_LABELS = {ENVELOPE: "envelope (least and greatest)", "raw": "raw (every sample)"}
_PAYLOADS: list[dict[str, Any]] = [
    {"name": "match", "label": "Field filter", "type": "input", "placeholder": "text or *", "reloadMetric": True},
    {"name": "field", "label": "Fields", "type": "multi-select", "width": 60},
    {
        "name": "operator",
        "label": "Operator",
        "type": "select",
        "options": [{"label": _LABELS.get(choice, choice), "value": choice} for choice in CHOICES],
    },
    {"name": "bin", "label": "Bin", "type": "input", "placeholder": "as the panel has room, or 10s, 5m, 1h"},
    {"name": "alias", "label": "Alias", "type": "input", "placeholder": "{{node}} {{field}}"},
    {
        "name": "edge",
        "label": "Beyond the borders",
        "type": "select",
        "options": [{"label": "no", "value": "no"}, {"label": "one sample to each side", "value": "yes"}],
    },
    {
        "name": "text",
        "label": "Text as",
        "type": "select",
        "options": [{"label": "text", "value": "text"}, {"label": "enum", "value": "enum"}],
    },
]
_OF_A_FIELD = [payload for payload in _PAYLOADS if payload["name"] not in {"match", "field"}]


class SimPod:
    """Front-end for ``/metrics``, ``/metric-payload-options`` and ``/variable``."""

    def __init__(self, crossing: Crossing, planner: Planner) -> None:
        self._crossing = crossing
        self._planner = planner

    def routes(self) -> list[Route]:
        """All calls it answers."""
        return [
            Route("POST", "/metrics", self.metrics),
            Route("POST", "/metric-payload-options", self.options),
            Route("POST", "/variable", self.variable),
        ]

    def metrics(self, call: Call) -> object:
        """List metrics: the data servers and, before one is chosen, the fields, too, as long as they are not too many.

        ``[{"value": "weather", "label": "weather", "payloads": [{"name": "field", "type": "multi-select"}, ..]}, ..]``.
        The metric that is chosen is always among them, for the editor shows what it does not find as nothing.
        """
        body = read_object(call.body, default={})
        known = self._known(call)
        names = list(_nodes(known))
        chosen = body.get("metric")
        if "metric" not in body and len(known) <= _MOST_METRICS:
            names += sorted(known)
        if isinstance(chosen, str) and chosen.strip():
            names += [name for name in dict.fromkeys((chosen, unescaped(chosen))) if name not in names]
        return [
            {"value": name, "label": name, "payloads": _OF_A_FIELD if SEPARATOR in name else _PAYLOADS}
            for name in names
        ]

    def options(self, call: Call) -> object:
        """List what one of the payload's parts may be; of ``field``, the fields of the metric's data servers.

        ``{"metric": "weather", "name": "field", "payload": {"match": "wind"}}`` -> ``[{"value": "apex_windspeed",
        "label": "apex_windspeed"}, ..]``. The fields that are chosen already are always among them.
        """
        body = read_object(call.body)
        part = next((each for each in _PAYLOADS if each["name"] == body.get("name")), None)
        if part is None or part["name"] != "field":
            return part.get("options", []) if part else []
        metric, payload = body.get("metric"), body.get("payload")
        if not isinstance(metric, str):
            raise unreadable("'metric' is no string; send the name of a data server")
        payload = payload if isinstance(payload, dict) else {}
        listed = _fields(self._known(call), metric.partition(SEPARATOR)[0], payload.get("match"))
        chosen = payload.get("field")
        chosen = chosen if isinstance(chosen, list) else [chosen]
        kept = [unescaped(field) for field in chosen if isinstance(field, str) and field]
        fields = dict.fromkeys([*kept, *listed[:_MOST_OPTIONS]])
        return [{"value": field, "label": field} for field in fields]

    def variable(self, call: Call) -> object:
        """List values of a dashboard's variable.

        ``{"payload": {"target": "nodes"}}`` gives the data servers, and any other text the names of fields that
        ``/search`` finds for it. ``{"payload": {"list": "nodes" or "fields" or "names", "node": "weather", "match":
        "*wind*"}}`` gives the data servers, or the fields of one, without its name before them or with it.
        ``[{"__text": "weather", "__value": "weather"}, ..]``
        """
        payload = read_object(call.body, default={}).get("payload")
        if isinstance(payload, str):
            payload = {"target": payload}
        known = self._known(call)
        return [{"__text": value, "__value": value} for value in _values(payload, known)]

    def _known(self, call: Call) -> frozenset[str]:
        known: frozenset[str] = self._crossing.ask(call.client, self._planner.known)
        return known


def is_spoken(body: Mapping[str, Any]) -> bool:
    """Whether a request of ``/query`` is simPod's: SimpleJSON has neither its editor nor a payload without a type."""
    targets = body.get("targets")
    return is_annotation(body) or any(
        _is_datasource(each) or "editorMode" in each or ("payload" in each and "type" not in each)
        for each in (targets if isinstance(targets, list) else [])
        if isinstance(each, dict)
    )


def is_annotation(body: Mapping[str, Any]) -> bool:
    """Whether a request of ``/query`` asks for what happened: simPod has no other way to."""
    scoped, targets = body.get("scopedVars"), body.get("targets")
    if isinstance(scoped, dict) and "__annotation" in scoped:
        return True
    only = targets[0] if isinstance(targets, list) and len(targets) == 1 else None
    return "panelId" not in body and isinstance(only, dict) and only.get("refId") == _ANNOTATION


def _is_datasource(target: Mapping[str, Any]) -> bool:
    datasource = target.get("datasource")
    return isinstance(datasource, dict) and datasource.get("type") == _TYPE


def _nodes(known: Collection[str]) -> list[str]:
    return sorted({name.partition(SEPARATOR)[0] for name in known})


def _fields(known: Collection[str], node: str, match: object) -> list[str]:
    """Names of fields, without their server's, of the servers that `node` stands for."""
    meant = set(filter(matcher(node), _nodes(known)))
    split = (name.partition(SEPARATOR) for name in known)
    fields = {field for name, _, field in split if name in meant}
    if isinstance(match, str) and (text := match.strip()):
        fits = matcher(text)
        fields = {field for field in fields if text.lower() in field.lower() or fits(field)}
    return sorted(fields)


def _values(payload: object, known: frozenset[str]) -> list[str]:
    asked: Mapping[str, Any] = payload if isinstance(payload, dict) else {}
    text = {key: value.strip() for key, value in asked.items() if isinstance(value, str)}
    target = text.get("target", "")
    if "nodes" in (target, text.get("list")):
        return _nodes(known)
    if text.get("list") == "fields":
        return _fields(known, text.get("node", "*"), text.get("match"))
    if "node" in text or "match" in text:
        meant = set(filter(matcher(text.get("node", "*")), _nodes(known)))
        names = {name for name in known if name.partition(SEPARATOR)[0] in meant}
        match = text.get("match", "")
        return found(match, frozenset(names))
    return found(target, known)
