"""Flat GETs of samples, with what they are, as JSON or CSV: in a range, and at a time.

``/api/v1/data?field=weather::apex_pressure&from=-2h&format=csv``, ``/api/v1/at?field=weather::apex_pressure&time=-1d``
"""

import io
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.bridge.crossing import Crossing
from services.bridge.handling import Call, Route, Text
from services.bridge.parameters import Parameters
from services.bridge.planner import Planner
from services.bridge.reading import EARLIEST, Exact
from services.bridge.refusal import Refused, unreadable
from services.bridge.series import Series, draw
from services.bridge.streams import Missing, Outcome, Stream, Wanted, without_samples
from sisock.errors import TooMuchData
from sisock.shapes import OPERATORS
from sisock.tables import side_by_side, write_csv
from sisock.uris import SEPARATOR

_LOOKED_BACK = (600.0, 86400.0, math.inf)
"""Seconds before a time in which its sample is looked for, one after the other: near, and then in all time."""
_LEAST = 1e-6
"""Seconds by which stamps can be told apart."""


class Samples:
    """Front-end for ``/api/v1/data`` and ``/api/v1/at``."""

    def __init__(
        self,
        crossing: Crossing,
        planner: Planner,
        most_fields: int,
        most_points: int,
        now: Callable[[], float],
    ) -> None:
        self._crossing = crossing
        self._planner = planner
        self._most_fields = most_fields
        self._most_points = most_points
        self._now = now

    def routes(self) -> list[Route]:
        """All calls it answers."""
        return [Route("GET", "/api/v1/data", self.data), Route("GET", "/api/v1/at", self.at)]

    def data(self, call: Call) -> object:
        """Give samples of each `field` in [`from`, `to`): every one, or points `stride` seconds apart, or so many.

        ``{"start": .., "end": .., "stride": 0.0, "series": [{"field": "weather::apex_pressure", "description": null,
        "type": "number", "units": "mBar", "interval": 3600.0, "finalized_until": null, "t": [..], "values": [..],
        "notices": [], "problem": null}]}``. Stamps are UNIX seconds. What could not be had has a `problem`, ``{"code":
        "empty" or "too_much" or "missing", "message": ".."}``. ``format=csv`` has a column for each field.
        """
        asked = Parameters(
            call.parameters, ("field", "from", "to", "stride", "points", "operator", "format"), many={"field"}
        )
        names = asked.names(self._most_fields)
        operator = asked.choice("operator", OPERATORS)
        window = _window(asked, self._now(), self._most_points // len(names))
        if operator is not None and not window.interval:
            raise unreadable(f"the operator {operator!r} needs 'stride' or 'points': of how many seconds it is to be")
        kind = asked.choice("format", ("json", "csv"))
        wanted = [Wanted(name, operator) for name in names]
        outcomes = self._ask(call, wanted, window)
        drawn = {each: draw(outcome, window) for each, outcome in outcomes.items() if isinstance(outcome, Stream)}
        total = sum(series.t.size for series in drawn.values())
        if total > self._most_points:
            sentence = f"{total} samples are more than the {self._most_points} of one reply"
            raise Refused(413, "too_much", f"{sentence}; ask for fewer fields, a shorter range, or a stride")
        if kind == "csv":
            return _csv({each: (outcomes[each], drawn.get(each)) for each in wanted}, self._planner.remembered())
        return {
            "start": window.start,
            "end": window.end,
            "stride": window.stride,
            "series": [_series(each.name, outcomes[each], drawn.get(each)) for each in wanted],
        }

    def at(self, call: Call) -> object:
        """Give of each `field` the newest sample that is not after `time` (now), and not older than `within` (any).

        ``{"time": .., "values": [{"field": "weather::apex_pressure", "description": null, "type": "number", "units":
        "mBar", "t": .., "value": 1017.6, "problem": null}]}``. Stamps are UNIX seconds; `problem` is as `data` has it,
        and what could not be had has null for its stamp and its value.
        """
        asked = Parameters(call.parameters, ("field", "time", "within"), many={"field"})
        names = asked.names(self._most_fields)
        time = max(asked.moment("time", "now", self._now()), EARLIEST)
        oldest = time - (asked.duration("within") or math.inf)
        replies: dict[str, dict[str, Any]] = {}
        for back in _LOOKED_BACK:
            start = max(time - back, oldest, EARLIEST)
            end = max(time + _LEAST, math.nextafter(time, math.inf))
            # The newest sample is all of an envelope whose points lie further apart than the range is long.
            window = Exact(start, end, interval=end - start)
            left = [Wanted(name) for name in names if name not in replies or _is_empty(replies[name])]
            for each, outcome in self._ask(call, left, window).items() if left else ():
                replies[each.name] = _newest(each.name, outcome, window)
            if start <= max(oldest, EARLIEST):
                break
        return {"time": time, "values": [replies[name] for name in names]}

    def _ask(self, call: Call, wanted: Sequence[Wanted], window: Exact) -> Mapping[Wanted, Outcome]:
        outcomes: Mapping[Wanted, Outcome]
        outcomes = self._crossing.ask(call.client, self._planner.query, wanted, window, call.started)
        return outcomes


def _window(asked: Parameters, now: float, most_points: int) -> Exact:
    start, end = asked.range(now)
    stride = asked.duration("stride")
    points = asked.count("points", 0)
    if points and end > start:
        stride = max(stride, (end - start) / min(points, max(most_points, 1)))
    return Exact(start, end, interval=stride)


def _newest(name: str, outcome: Outcome, window: Exact) -> dict[str, Any]:
    drawn = draw(outcome, window) if isinstance(outcome, Stream) else None
    reply = _series(name, outcome, drawn)
    t, values = reply["t"], reply["values"]
    newest = {"t": float(t[-1]), "value": _plain(values[-1])} if len(t) else {"t": None, "value": None}
    return (
        {key: reply[key] for key in ("field", "description", "type", "units")} | newest | {"problem": reply["problem"]}
    )


def _is_empty(reply: Mapping[str, Any]) -> bool:
    return reply["problem"] is not None and reply["problem"]["code"] == "empty"


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


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


def _csv(series: Mapping[Wanted, tuple[Outcome, Series | None]], known: Collection[str]) -> Text:
    columns: dict[str, tuple[NDArray[np.float64], NDArray[Any]]] = {}
    for each, (outcome, drawn) in series.items():
        problem = _problem(each.name, outcome, drawn)
        if problem is not None and problem["code"] != "empty":
            # A table has no place to say it in.
            raise Refused(502 if each.name in known else 404, problem["code"], problem["message"])
        if drawn is None or not isinstance(outcome, Stream):
            columns[each.name] = np.zeros(0), np.zeros(0)
            continue
        written = _written(outcome, drawn)
        columns[each.name] = drawn.t, np.array(written, dtype=object) if isinstance(written, list) else written
    out = io.StringIO(newline="")
    write_csv(side_by_side(columns), out)
    return Text("text/csv; charset=utf-8", out.getvalue().encode("utf-8", "replace"))
