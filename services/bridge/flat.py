"""Flat GETs of what there is and what happened, for scripts, pages and people.

``/api/v1/nodes``, ``/api/v1/fields?match=pwv``, ``/api/v1/annotations?from=-1d``
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from twisted.internet.defer import Deferred

from services.bridge.crossing import Crossing
from services.bridge.events import Event, Events
from services.bridge.handling import Call, Route
from services.bridge.health import Health
from services.bridge.parameters import Parameters
from services.bridge.planner import Planner
from services.bridge.search import KINDS, Indexed
from services.bridge.servers import Servers
from sisock.errors import NodeError
from sisock.uris import SEPARATOR

_FIELDS, _MOST_FIELDS = 1000, 100_000
_NODE = ("name", "description", "online", "fields", "answered", "problem")


class Flat:
    """Front-end for ``/api/v1/nodes``, ``/api/v1/fields`` and ``/api/v1/annotations``."""

    def __init__(
        self,
        crossing: Crossing,
        planner: Planner,
        servers: Servers,
        health: Health,
        events: Events,
        now: Callable[[], float],
    ) -> None:
        self._crossing = crossing
        self._planner = planner
        self._servers = servers
        self._health = health
        self._events = events
        self._now = now
        self._indexed = Indexed()

    def routes(self) -> list[Route]:
        """All calls it answers."""
        return [
            Route("GET", "/api/v1/nodes", self.nodes),
            Route("GET", "/api/v1/fields", self.fields),
            Route("GET", "/api/v1/annotations", self.annotations),
        ]

    def nodes(self, call: Call) -> object:
        """List the data servers, whether router and hub answer or not.

        ``{"router": true, "hub": true, "nodes": [{"name": "weather", "description": "..", "online": true,
        "fields": 5, "answered": 1700000000.0, "problem": null, "joins": []}, ..], "certificates": [{"name":
        "router.crt", "ends": 1800000000.0, "problem": null}]}``; `joins` names the data servers whose fields are one
        under this name. `online` is null while the hub does not answer, as only that knows.
        """
        Parameters(call.parameters, ())
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
            joining = [of[name]["online"] for name in sources if name in of]
            nodes.append(
                dict.fromkeys(_NODE)
                | {
                    "name": joined,
                    "description": f"the fields of {' and '.join(sources)}, each as one",
                    "online": any(joining) if report["hub"] else None,
                    "fields": len(self._indexed(self._planner.remembered()).of_node(joined)),
                    "joins": sources,
                }
            )
        return {key: report[key] for key in ("router", "hub", "certificates")} | {"nodes": nodes}

    def fields(self, call: Call) -> object:
        """List fields: all, of one `node`, and those whose names `match` a text or a pattern, the likeliest first.

        ``{"total": 1, "fields": [{"name": "weather::apex_pressure", "description": null, "timeline": "hourly",
        "type": "number", "units": "mBar", "stale": false, "seen": 1700000000.0}]}``; `offset` and `limit` cut a page
        out of them. `kind` says what `match` is, as in `services.bridge.search.Index.find`. A field is `stale` while
        its data server is away; `seen` is when that was last heard, UNIX seconds.
        """
        asked = Parameters(call.parameters, ("match", "kind", "node", "offset", "limit"))
        offset = asked.count("offset", 0, least=0)
        limit = min(asked.count("limit", _FIELDS, least=0), _MOST_FIELDS)
        kind = asked.choice("kind", KINDS)
        index = self._indexed(self._crossing.ask(call.client, self._planner.known))
        match, node = asked.one("match"), asked.one("node")
        if node is None or match:
            found = index.find(match or "", kind)
            if node is not None:
                found = [name for name in found if name.startswith(node + SEPARATOR)]
        else:
            found = index.of_node(node)
        catalogue = self._servers.catalogue
        page = [
            {"name": name, **about, "stale": catalogue.is_stale(name), "seen": catalogue.seen(name)}
            for name in found[offset : offset + limit]
            if (about := catalogue.about(name))  # It may have gone just now.
        ]
        return {"total": len(found), "fields": page}

    def annotations(self, call: Call) -> object:
        """List what happened in [`from`, `to`): data servers that went and came, agents that were started, holes.

        ``{"start": .., "end": .., "annotations": [{"start": 1700000000.0, "end": null, "title": "weather is gone",
        "text": "..", "tags": ["server", "weather"]}]}``. Times are UNIX seconds; `match` is as
        `services.bridge.events.Events.between` has it.
        """
        asked = Parameters(call.parameters, ("match", "from", "to"))
        start, end = asked.range(self._now())
        events: list[Event]
        events = self._crossing.ask(call.client, self._events.between, start, end, asked.one("match") or "")
        return {"start": start, "end": end, "annotations": [asdict(each) for each in events]}

    def _report(self, call: Call) -> dict[str, Any]:
        report: dict[str, Any]
        report = self._crossing.ask(call.client, lambda: Deferred.fromCoroutine(self._health.report()))
        return report
