"""Data frames, Grafana's own form of a table of named and typed columns, as simPod's data source hands them on."""

from collections.abc import Sequence
from typing import Any

from services.bridge.encoders import written
from services.bridge.events import Event
from services.bridge.panels import Drawn
from services.bridge.rows import ENVELOPE, RAW
from services.bridge.series import Series
from sisock.units import of_grafana
from sisock.uris import SEPARATOR

_TYPES = {"number": "number", "bool": "boolean", "string": "string"}
_MOST_CHOICES = 1000
"""Texts that an enum may have; more of them stay text."""


def frame(drawn: Drawn) -> dict[str, Any]:
    """One series as a frame of two columns.

    ``{"name": "weather::apex_humidity", "refId": "A", "fields": [{"name": "time", "type": "time", "values": [..]},
    {"name": "weather::apex_humidity", "type": "number", "values": [..], "labels": {"node": .., "field": ..},
    "config": {"displayNameFromDS": .., "unit": .., "description": ..}}], "meta": {"notices": [..],
    "executedQueryString": .., "custom": {"finalized_until": ..}}}``. Times are UNIX milliseconds. What could not be had
    is a frame without rows whose notices say why.
    """
    values: dict[str, Any] = {"name": drawn.label, "type": "number", "values": [], "config": _config(drawn)}
    if drawn.series is not None:
        values |= _column(drawn.series, drawn.row.enum)
        values["config"] |= values.pop("choices", {})
    if drawn.name:
        node, _, field = drawn.name.partition(SEPARATOR)
        values["labels"] = {"node": node, "field": field}
        if drawn.row.operator:
            values["labels"]["operator"] = drawn.row.operator
    times: Any = [] if drawn.series is None else written(drawn.series.stamps.milliseconds)
    return {
        "name": drawn.label,
        "refId": drawn.row.ref_id if isinstance(drawn.row.ref_id, str) else "A",
        "fields": [{"name": "time", "type": "time", "values": times, "config": {}}, values],
        "meta": _meta(drawn),
    }


def events_frame(events: Sequence[Event], ref_id: object) -> dict[str, Any]:
    """Events as the frame of an annotation: columns time, timeEnd, title, text, tags and id."""
    columns: list[tuple[str, str, list[Any]]] = [
        ("time", "time", [round(event.start * 1e3, 3) for event in events]),
        ("timeEnd", "time", [None if event.end is None else round(event.end * 1e3, 3) for event in events]),
        ("title", "string", [event.title for event in events]),
        ("text", "string", [event.text for event in events]),
        ("tags", "string", [",".join(event.tags) for event in events]),
        ("id", "string", [f"{event.tags[-1]} {event.start:.3f}" for event in events]),
    ]
    return {
        "name": "annotations",
        "refId": ref_id if isinstance(ref_id, str) else "Anno",
        "fields": [{"name": name, "type": kind, "values": values, "config": {}} for name, kind, values in columns],
    }


def _column(series: Series, enum: bool) -> dict[str, Any]:
    kind = _TYPES[series.type]
    if series.type == "number":
        return {"type": kind, "values": written(series.values)}
    values = series.plain()
    if series.type == "string" and enum:
        choices = list(dict.fromkeys(value for value in values if value is not None))
        if len(choices) <= _MOST_CHOICES:
            place = {choice: at for at, choice in enumerate(choices)}
            return {
                "type": "enum",
                "values": [None if value is None else place[value] for value in values],
                "choices": {"type": {"enum": {"text": choices}}},
            }
    return {"type": kind, "values": values}


def _config(drawn: Drawn) -> dict[str, Any]:
    config: dict[str, Any] = {"displayNameFromDS": drawn.label}
    if drawn.stream is not None:
        if drawn.stream.field["units"] and drawn.row.operator != "count":
            config["unit"] = of_grafana(drawn.stream.field["units"])
        if drawn.stream.field["description"]:
            config["description"] = drawn.stream.field["description"]
    return config


def _meta(drawn: Drawn) -> dict[str, Any]:
    row = drawn.row
    meta: dict[str, Any] = {}
    if drawn.notices:
        meta["notices"] = [{"severity": severity, "text": text} for severity, text in drawn.notices]
    if drawn.name:
        made = row.operator or (RAW if row.raw else ENVELOPE)
        spaced = f" of {drawn.window.stride:g} s" if drawn.window.stride else ""
        meta["executedQueryString"] = f"{drawn.name}: {made}{spaced}"
    if drawn.stream is not None and drawn.stream.finalized_until is not None:
        meta["custom"] = {"finalized_until": round(drawn.stream.finalized_until * 1e3, 3)}
    return meta
