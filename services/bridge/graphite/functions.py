"""The functions that a target may call: a small set, each of which does what its description says."""

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import re2
from numpy.typing import NDArray

from services.bridge.graphite.calls import OPERATORS, Function, Parameter
from services.bridge.graphite.lines import Line, nothing, notices, regrouped, together
from services.bridge.reading import Exact
from services.bridge.refusal import unreadable
from sisock.graphite import readable

_MOST_NAME = 4096
_MOST_PATTERN = 1000
_MOST_MEMORY = 2**18
"""Bytes that RE2 may take for a pattern."""
_SERIES = Parameter("seriesList", "seriesList")
_SEVERAL = Parameter("seriesLists", "seriesLists")
_BACK = re.compile(r"\\([0-9]{1,2})")


def _alias(_window: Exact, lines: list[Line], newName: str) -> list[Line]:  # noqa: N803 - Graphite's name
    name = " ".join(newName.split())
    return [line.named(name) for line in lines]


def _alias_by_node(_window: Exact, lines: list[Line], nodes: list[int]) -> list[Line]:
    def name(line: Line) -> str:
        levels = line.path.split(".")
        chosen = (levels[node] for node in nodes if -len(levels) <= node < len(levels))
        return ".".join(map(readable, chosen))

    return [line.named(name(line)) for line in lines]


def _alias_sub(_window: Exact, lines: list[Line], search: str, replace: str) -> list[Line]:
    # Else it would hand what it does not know to Python's own, which may take for ever.
    re2.set_fallback_notification(re2.FALLBACK_EXCEPTION)
    try:
        if len(search) > _MOST_PATTERN:
            raise re2.error(f"it has {len(search)} characters, and {_MOST_PATTERN} are read")
        pattern = re2.compile(search, max_mem=_MOST_MEMORY)
    except re2.error as error:
        raise unreadable(f"aliasSub: {search[:80]!r} is no regular expression that can be used: {error}") from None
    unknown = [group for group in _BACK.findall(replace) if int(group) > pattern.groups]
    if unknown:
        raise unreadable(f"aliasSub: {search[:80]!r} has no group \\{unknown[0]}; it has {pattern.groups}")

    def renamed(line: Line) -> Line:
        def filled(match: Any) -> str:
            return _BACK.sub(lambda back: match.group(int(back[1])) or "", replace)

        name = pattern.sub(filled, line.name)
        if len(name) > _MOST_NAME:
            raise unreadable(f"aliasSub: the name of {line.path[:80]!r} becomes longer than {_MOST_NAME} characters")
        return line.named(name)

    return [renamed(line) for line in lines]


def _consolidate_by(_window: Exact, lines: list[Line], consolidationFunc: str) -> list[Line]:  # noqa: N803
    return [line.named(f"consolidateBy({line.name},'{consolidationFunc}')") for line in lines]


def _constant_line(window: Exact, _lines: list[Line], value: float) -> list[Line]:
    name = f"{value:.15g}"
    line = nothing(name, name, window)
    return [replace(line, values=np.full(line.values.size, value))]


def _scale(_window: Exact, lines: list[Line], factor: float) -> list[Line]:
    return [_changed(line, f"scale({line.name},{factor:.15g})", line.values * factor) for line in lines]


def _offset(_window: Exact, lines: list[Line], factor: float) -> list[Line]:
    return [_changed(line, f"offset({line.name},{factor:.15g})", line.values + factor) for line in lines]


def _derivative(_window: Exact, lines: list[Line]) -> list[Line]:
    def differences(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.diff(values, prepend=np.nan)

    return [_changed(line, f"derivative({line.name})", differences(line.values)) for line in lines]


def _moving_average(_window: Exact, lines: list[Line], windowSize: float) -> list[Line]:  # noqa: N803
    shown = str(windowSize) if isinstance(windowSize, int) else f"'{windowSize:.15g}s'"

    def averaged(line: Line) -> Line:
        count = windowSize if isinstance(windowSize, int) else max(round(windowSize / line.step), 1)
        return _changed(line, f"movingAverage({line.name},{shown})", _trailing_mean(line.values, int(count)))

    return [averaged(line) for line in lines]


def _trailing_mean(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Mean of each value and the `count` - 1 before it, of those that are there."""
    valid = ~np.isnan(values)
    # Running sums, from whose differences a great value of before must leave nothing behind: hence so many digits.
    sums = np.cumsum(np.where(valid, values, 0.0), dtype=np.longdouble)
    counts = np.cumsum(valid)
    sums[count:], counts[count:] = sums[count:] - sums[:-count], counts[count:] - counts[:-count]
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan).astype(np.float64)


def _remove_below(_window: Exact, lines: list[Line], n: float) -> list[Line]:
    return [
        _changed(line, f"removeBelowValue({line.name},{n:.15g})", np.where(line.values < n, np.nan, line.values))
        for line in lines
    ]


def _remove_above(_window: Exact, lines: list[Line], n: float) -> list[Line]:
    return [
        _changed(line, f"removeAboveValue({line.name},{n:.15g})", np.where(line.values > n, np.nan, line.values))
        for line in lines
    ]


def _transform_null(_window: Exact, lines: list[Line], default: float) -> list[Line]:
    return [
        _changed(
            line, f"transformNull({line.name},{default:.15g})", np.where(np.isnan(line.values), default, line.values)
        )
        for line in lines
    ]


def _summarize(_window: Exact, lines: list[Line], intervalString: float, func: str) -> list[Line]:  # noqa: N803
    operator = OPERATORS[func]
    if operator is None:
        raise unreadable("summarize: an envelope has two values for each interval; choose another function")

    def summarized(line: Line) -> Line:
        # A line that was asked for like that has these places already.
        made = line if line.step >= intervalString else regrouped(line, intervalString, operator)
        # Of more intervals than points were asked for, several are one, which Graphite would not say.
        return made.named(f"summarize({line.name},'{max(line.step, intervalString):.15g}s','{func}')")

    return [summarized(line) for line in lines]


def _combining(name: str, reduce: Callable[..., Any]) -> Callable[..., list[Line]]:
    def combined(_window: Exact, lines: list[Line]) -> list[Line]:
        if not lines:
            return []
        first, step, values = together(lines)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # Where no line has a value, there is none.
            made = reduce(values, axis=0)
        shown = f"{name}({','.join(dict.fromkeys(line.name for line in lines))})"
        if len(shown) > _MOST_NAME:
            shown = f"{name}({len(lines)} series)"
        failed = "; ".join(dict.fromkeys(line.failure for line in lines if line.failure))
        told = notices(lines)
        alone = failed if all(line.failure for line in lines) else None
        return [Line(shown, lines[0].path, first, step, made, told, alone)]

    return combined


def _sum(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    return np.where(np.isnan(values).all(axis=axis), np.nan, np.nansum(values, axis=axis))


def _changed(line: Line, name: str, values: NDArray[np.float64]) -> Line:
    return replace(line, name=name, values=values)


def _all() -> Sequence[Function]:
    number = Parameter("n", "float")
    of_each = "Of the samples of each point, the mean is taken first, unless consolidateBy stands below it."
    return (
        Function("alias", "Alias", "Shows the series under another name.",
                 (_SERIES, Parameter("newName", "string")), _alias),
        Function("aliasByNode", "Alias", "Shows the series under levels of its path; 0 is the first, -1 the last.",
                 (_SERIES, Parameter("nodes", "node", suggestions=(0, -1))), _alias_by_node),
        Function("aliasSub", "Alias", "Replaces what a regular expression (RE2) finds in the name; \\1 is its first "
                 "group.", (_SERIES, Parameter("search", "string"), Parameter("replace", "string")), _alias_sub),
        Function("averageSeries", "Combine", f"Mean of several series where they have values. {of_each}",
                 (_SEVERAL,), _combining("averageSeries", np.nanmean), "mean", joins=True),
        Function("consolidateBy", "Special", "Says what is made of the samples of each point: 'envelope' (the "
                 "default; least and greatest in turn), 'average', 'min', 'max', 'sum', 'first', 'last' or 'count'.",
                 (_SERIES, Parameter("consolidationFunc", "aggFunc", suggestions=("max", "min", "average"))),
                 _consolidate_by),
        Function("constantLine", "Special", "A line at one value.", (Parameter("value", "float"),), _constant_line),
        Function("derivative", "Transform", f"Difference between each value and the one before it. {of_each}",
                 (_SERIES,), _derivative, "mean"),
        Function("maxSeries", "Combine", "Greatest of several series, of all their samples.",
                 (_SEVERAL,), _combining("maxSeries", np.nanmax), "max", joins=True),
        Function("minSeries", "Combine", "Least of several series, of all their samples.",
                 (_SEVERAL,), _combining("minSeries", np.nanmin), "min", joins=True),
        Function("movingAverage", "Calculate", "Mean of so many points, or of so long a time, up to each point. "
                 f"{of_each}", (_SERIES, Parameter("windowSize", "intOrInterval", suggestions=(5, "'10min'"))),
                 _moving_average, "mean", looks_back="windowSize"),
        Function("offset", "Transform", "Adds a number to each value.",
                 (_SERIES, Parameter("factor", "float")), _offset),
        Function("removeAboveValue", "Filter Data", "Leaves out values above a number.", (_SERIES, number),
                 _remove_above),
        Function("removeBelowValue", "Filter Data", "Leaves out values below a number.", (_SERIES, number),
                 _remove_below),
        Function("scale", "Transform", "Multiplies each value by a number.",
                 (_SERIES, Parameter("factor", "float")), _scale),
        Function("sumSeries", "Combine", f"Sum of several series where they have values. {of_each}",
                 (_SEVERAL,), _combining("sumSeries", _sum), "mean", joins=True),
        Function("summarize", "Transform", "One value of each interval: of all samples in it when a path is given, "
                 "else of the points of the series.",
                 (_SERIES, Parameter("intervalString", "interval", suggestions=("'1h'", "'1d'")),
                  Parameter("func", "aggFunc", default="sum", required=False)), _summarize, "mean",
                 regroups=("intervalString", "func")),
        Function("transformNull", "Transform", "Puts a number where there is no value.",
                 (_SERIES, Parameter("default", "float", default=0.0, required=False)), _transform_null),
    )  # fmt: skip


FUNCTIONS = {function.name: function for function in _all()}
"""Every function, by its name."""
