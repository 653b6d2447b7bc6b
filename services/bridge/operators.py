"""Operators for data servers that offer none: made here, of the samples."""

from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from twisted.internet.defer import Deferred

from services.bridge.asking import together
from services.bridge.reading import Exact, Window
from services.bridge.series import draw
from services.bridge.streams import Missing, Outcome, Stream, Wanted
from sisock.thinning import aggregate

_FINER = 8
"""Points that are asked for each one that is made of them, where not all samples are needed."""
_OF_ALL_SAMPLES = frozenset({"count", "sum"})


_Ask = Callable[[list[Wanted], Window], Coroutine[Deferred[Any], Any, dict[Wanted, Outcome]]]


async def supplemented(ask: _Ask, outcomes: Mapping[Wanted, Outcome], window: Window) -> dict[Wanted, Outcome]:
    """Make what a data server does not make of its samples.

    Counts and sums are made of all samples; the others of extremes that lie closer than the points, where the samples
    are closer still. Only a mean differs by that, and says so.

    Parameters
    ----------
    ask
        Asks for samples in another window.
    outcomes
        What has been answered.
    window
        For what.
    """
    lacking: dict[Exact, list[Wanted]] = defaultdict(list)
    for each, outcome in outcomes.items():
        if isinstance(outcome, Missing) and outcome.lacks_operator and window.stride > 0:
            stride = 0.0 if each.operator in _OF_ALL_SAMPLES else window.stride / _FINER
            lacking[Exact(window.start, window.end, window.points, stride)].append(each)

    async def made(finer: Exact, lacked: list[Wanted]) -> dict[Wanted, Outcome]:
        samples = await ask([Wanted(each.name) for each in lacked], finer)
        return {each: _made(samples[Wanted(each.name)], str(each.operator), finer, window) for each in lacked}

    completed = dict(outcomes)
    for part in await together([made(finer, lacked) for finer, lacked in lacking.items()]):
        completed |= part
    return completed


def _made(outcome: Outcome, operator: str, finer: Exact, window: Window) -> Outcome:
    if isinstance(outcome, Missing):
        return outcome
    series = draw(outcome, finer)
    if series.type == "string" and operator != "count":
        return replace(outcome, field={**outcome.field, "type": "string"}, operator=operator)
    t, values = aggregate(series.t, {"": series.values}, window.stride, operator, window.start)
    told = outcome.notices
    if operator == "mean" and np.diff(series.t).min(initial=np.inf) < 1.5 * finer.interval:
        told += (("info", f"means are made of the extremes of each {2 * finer.interval:g} s"),)
    made: Stream = replace(outcome, t=t, values=values[""], operator=operator, notices=told)
    return made
