"""Samples as they are drawn."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.bridge.reading import Window
from services.bridge.series import Drawing, broken, draw, holes, within
from services.bridge.streams import Stream

FIELD = {"description": None, "timeline": "t", "type": "number", "units": None}


def stream(t, values, kind="number", interval=None):
    return Stream({**FIELD, "type": kind}, list(t), list(values), interval)


@given(
    st.lists(st.tuples(st.floats(0, 2000), st.floats(-1e6, 1e6) | st.just(math.nan)), max_size=200),
    st.integers(1, 300),
)
def test_whatever_a_server_sends_is_drawn_in_range_in_order_and_within_the_points(samples, points):
    window = Window(1000, 1500, points=points)
    series = draw(stream([t for t, _ in samples], [value for _, value in samples]), window)
    drawn = broken(series, window, 1.0)
    stamps = drawn.stamps.milliseconds / 1e3
    assert np.all((stamps >= 1000) & (stamps < 1500))
    assert np.all(np.diff(stamps) > 0)
    assert len(drawn.values) == len(stamps) <= points + 2


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300), st.integers(2, 50))
def test_the_greatest_and_the_least_value_are_always_drawn(values, points):
    window = Window(1000, 1000 + len(values), points=points)
    series = draw(stream(1000 + np.arange(len(values)), values), window)
    if len(series.t) > 2:  # else there is no room for both beside the newest sample
        assert (np.nanmin(series.values), np.nanmax(series.values)) == (min(values), max(values))


def test_series_of_one_timeline_are_drawn_together_as_each_by_itself():
    dice = np.random.default_rng(3)
    t = 1000 + dice.permutation(np.concatenate([dice.uniform(-50, 300, 200), [7.0, 7.0, 8.0]]))
    streams = [Stream(FIELD, t, dice.normal(size=t.size), 1.0, operator=each) for each in (None, None, "max", "max")]
    drawing = Drawing()
    for points in (10, 10_000):
        window = Window(1000, 1200, points=points)
        for each in streams:
            alone, together = draw(each, window), drawing.draw(each, window)
            assert np.array_equal(alone.t, together.t)
            assert np.array_equal(alone.values, together.values)
    unthinned = Window(1000, 1200, points=10**7)
    drawn = [drawing.draw(each, unthinned) for each in streams]
    assert [each.stamps is drawn[0].stamps for each in drawn] == [True, True, False, False]
    assert drawn[2].stamps is drawn[3].stamps


def test_samples_that_fit_are_drawn_untouched():
    t = 1000 + np.array([0.1, 1.2, 2.3, 7.9])
    series = draw(stream(t, [1, 2, 3, 4]), Window(1000, 1010, points=100))
    assert series.t.tolist() == t.tolist()
    assert series.values.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("t", "interval", "nulls"),
    [
        ([0, 1, 2, 10, 11], 1.0, [3]),
        ([0, 1, 2, 10, 11], None, [3]),
        ([0, 1, 2, 3, 4], 1.0, []),
        ([0, 1, 3, 4, 7], 1.0, []),
        ([0, 60, 120, 180], 1.0, []),  # Its server lies about the interval.
        ([0, 1, 100, 101, 200, 201], 1.0, [2, 102]),
        ([0, 500], None, []),
        ([5], 1.0, []),
        ([], 1.0, []),
    ],
)
def test_a_null_stands_in_each_gap(t, interval, nulls):
    window = Window(1000, 2000, points=10000)
    series = draw(stream(1000 + np.array(t), [1.0] * len(t)), window)
    drawn = broken(series, window, interval)
    assert (drawn.stamps.milliseconds[np.isnan(drawn.values)] / 1e3 - 1000).tolist() == nulls
    assert len(holes(series, window, interval)) == len(nulls)


def test_thinning_makes_no_gaps():
    window = Window(0, 10000, points=500)
    steady = broken(draw(stream(np.arange(10000), np.arange(10000) % 7), window), window, 1.0)
    assert not np.isnan(steady.values).any()
    jitter = np.cumsum(np.random.default_rng(1).uniform(10, 40, 300))
    window = Window(0, jitter[-1] + 1, points=400)
    assert not np.isnan(broken(draw(stream(jitter, [1.0] * 300), window), window, 25.0).values).any()


def test_text_has_no_value_in_a_gap_either():
    window = Window(1000, 2000, points=10000)
    series = broken(draw(stream([1000, 1001, 1002, 1100], ["a", "b", "c", "d"], "string"), window), window, 1.0)
    assert series.plain() == ["a", "b", "c", None, "d"]


@pytest.mark.parametrize(
    ("start", "end", "kept"),
    [(0, 100, [1, 2, 3]), (1.5, 2.5, [1, 2, 3]), (2, 3, [1, 2, 3]), (2.5, 2.6, [2, 3]), (4, 5, [3]), (0, 1, [1])],
)
def test_of_a_wider_range_the_samples_inside_and_their_neighbours_are_kept(start, end, kept):
    series = draw(stream([1, 2, 3], [1, 2, 3]), Window(0, 10, points=1000))
    assert within(series, start, end).t.tolist() == kept


def test_text_and_booleans_keep_their_type():
    window = Window(0, 10)
    assert draw(stream([1, 2], ["a", None], "string"), window).plain() == ["a", None]
    assert draw(stream([1, 2], [1.5, "broken"]), window).type == "string"
    assert draw(stream([1, 2, 3], [True, None, False], "bool"), window).plain() == [True, None, False]


def test_the_cell_that_the_range_cuts_is_drawn_where_the_range_begins():
    window = Window(1000, 1010, points=2)
    cells = Stream(FIELD, [994.0, 999.9999999, 1005.0, 1010.0], [1.0, 2.0, 3.0, 4.0], None, operator="mean")
    assert draw(cells, window).t.tolist() == [1000.0, 1005.0]
    assert draw(cells, window).values.tolist() == [2.0, 3.0]
