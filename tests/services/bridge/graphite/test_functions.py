"""What functions make of series."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from services.bridge.graphite.expression import parse
from services.bridge.graphite.lines import Line, even
from services.bridge.graphite.plan import evaluate, leaves, plan

NAN = np.nan
WINDOW = even(1000.0, 1040.0, 10.0)
VALUES = {"n.a": [1.0, NAN, 3.0, 4.0], "n.b": [10.0, NAN, -30.0, NAN], "n.c~20d": [0.0, 0.0, 0.0, 0.0]}


def made(target, values=VALUES):
    """Series of a target, of lines that are there already."""

    def lines(leaf):
        paths = sorted(values) if leaf.path == "n.*" else [leaf.path]
        return [Line(path, path, 100, 10.0, np.array(values[path])) for path in paths if path in values]

    return evaluate(plan(parse(target)), lines, WINDOW)


@pytest.mark.parametrize(
    ("target", "name", "values"),
    [
        ("n.a", "n.a", [1, NAN, 3, 4]),
        ("alias(n.a,'the  a\n')", "the a", [1, NAN, 3, 4]),
        ("aliasByNode(n.a,1)", "a", [1, NAN, 3, 4]),
        ("aliasByNode(scale(n.a,2),1,0)", "a.n", [2, NAN, 6, 8]),
        ("aliasByNode(n.c~20d,-1)", "c d", [0, 0, 0, 0]),
        (r'aliasSub(n.a, "(^.*$)", "\1 A")', "n.a A", [1, NAN, 3, 4]),
        (r"aliasSub(scale(n.a,2),'^scale.(\w+)\.(\w+),(.*).$','\2 of \1 by \3')", "a of n by 2", [2, NAN, 6, 8]),
        ("aliasSub(n.a,'x|(y)?','')", "n.a", [1, NAN, 3, 4]),
        ("scale(n.a,-0.5)", "scale(n.a,-0.5)", [-0.5, NAN, -1.5, -2]),
        ("offset(n.a,factor=2)", "offset(n.a,2)", [3, NAN, 5, 6]),
        ("derivative(n.a)", "derivative(n.a)", [NAN, NAN, NAN, 1]),
        ("movingAverage(n.a,2)", "movingAverage(n.a,2)", [1, 1, 3, 3.5]),
        ("movingAverage(n.a,'30s')", "movingAverage(n.a,'30s')", [1, 1, 2, 3.5]),
        ("movingAverage(n.a,100)", "movingAverage(n.a,100)", [1, 1, 2, 8 / 3]),
        ("removeBelowValue(n.a,3)", "removeBelowValue(n.a,3)", [NAN, NAN, 3, 4]),
        ("removeAboveValue(n.a,3)", "removeAboveValue(n.a,3)", [1, NAN, 3, NAN]),
        ("transformNull(n.a)", "transformNull(n.a,0)", [1, 0, 3, 4]),
        ("transformNull(n.a,default=-1)", "transformNull(n.a,-1)", [1, -1, 3, 4]),
        ("consolidateBy(n.a,'max')", "consolidateBy(n.a,'max')", [1, NAN, 3, 4]),
        ("sumSeries(n.a,n.b)", "sumSeries(n.a,n.b)", [11, NAN, -27, 4]),
        ("averageSeries(n.a,n.b)", "averageSeries(n.a,n.b)", [5.5, NAN, -13.5, 4]),
        ("minSeries(n.a,n.b)", "minSeries(n.a,n.b)", [1, NAN, -30, 4]),
        ("maxSeries(n.*)", "maxSeries(n.a,n.b,n.c~20d)", [10, 0, 3, 4]),
        ("scale(sumSeries(offset(n.a,1),n.b),2)", "scale(sumSeries(offset(n.a,1),n.b),2)", [24, NAN, -52, 10]),
        ("summarize(offset(n.a,0),'20s','max')", "summarize(offset(n.a,0),'20s','max')", [1, 4]),
        ("summarize(offset(n.a,0),'20s')", "summarize(offset(n.a,0),'20s','sum')", [1, 7]),
        ("constantLine(1.5)", "1.5", [1.5] * 4),
    ],
)  # fmt: skip
def test_a_function_makes_what_its_description_says(target, name, values):
    (line,) = made(target)
    assert line.name == name
    np.testing.assert_allclose(line.values, values)


@pytest.mark.parametrize("target", ["sumSeries(x.*)", "scale(x.y,2)", "maxSeries()", "aliasByNode(x.*,0)"])
def test_no_series_make_no_series(target):
    if target == "maxSeries()":
        with pytest.raises(Exception, match="'seriesLists' is missing"):
            made(target)
    else:
        assert made(target) == []


def test_a_combined_series_of_many_has_a_short_name():
    many = {f"n.{'x' * 100}{number:03d}": [1.0] for number in range(100)}
    (line,) = made("sumSeries(n.*)", many)
    assert line.name == "sumSeries(100 series)"
    assert line.values.tolist() == [100.0]


@settings(max_examples=60)
@given(arrays(float, st.integers(1, 40), elements=st.floats(-1e6, 1e6) | st.just(NAN)), st.integers(1, 50))
def test_a_moving_average_is_the_mean_of_the_points_up_to_each(values, count):
    (line,) = made(f"movingAverage(n.a,{count})", {"n.a": values})
    for place, got in enumerate(line.values):
        there = [v for v in values[max(place - count + 1, 0) : place + 1] if not np.isnan(v)]
        assert np.isnan(got) if not there else got == pytest.approx(np.mean(there), abs=1e-6)


def test_a_great_value_leaves_nothing_behind_in_a_moving_average():
    (line,) = made("movingAverage(n.a,2)", {"n.a": [1e12, 1.0, 1e-3, 1e-3, 1e-3]})
    np.testing.assert_allclose(line.values[3:], [1e-3, 1e-3], rtol=1e-4)


def test_what_stands_around_a_path_says_how_its_samples_are_needed():
    (leaf,) = leaves(plan(parse("movingAverage(movingAverage(sumSeries(n.*),'1h'),10)")))
    assert (leaf.operator, leaf.seconds, leaf.points, leaf.whole) == ("mean", 3600, 10, True)
    first, second = leaves(plan(parse("sumSeries(n.a,summarize(n.b,'1h','max'))")))
    assert (first.interval, first.operator, second.interval, second.operator) == (0, "mean", 3600, "max")
