"""Samples on an even grid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.bridge.graphite.lines import Line, even, grid, line, nothing, regrouped, together
from services.bridge.streams import Missing, Stream

FIELD = {"description": None, "timeline": "t", "type": "number", "units": None}
START = 1_700_000_000.0


def stream(t, values=None, interval=None, operator=None, kind="number"):
    """Samples of a data server."""
    t = np.asarray(t, dtype=float)
    return Stream({**FIELD, "type": kind}, t, t - START if values is None else values, interval, operator=operator)


def drawn(samples, window, operator=None):
    """The line of a field, as a dictionary of its values that are there."""
    made = line("n", "n.a", samples, window, operator)
    assert made is not None
    return made, {t: v for v, t in zip(made.values.tolist(), made.stamps().tolist(), strict=True) if not np.isnan(v)}


@given(st.floats(1e9, 2e9), st.floats(1e-3, 1e8), st.integers(2, 11_000))
def test_a_grid_covers_its_range_with_no_more_places_than_asked(start, seconds, points):
    window = grid(start, start + seconds, points)
    made = nothing("n", "n.a", window)
    assert made.values.size <= points
    assert made.stamps()[0] <= start + 1e-5
    assert made.stamps()[-1] + window.interval >= start + seconds - 1e-5
    if seconds >= 60:
        assert window.interval == int(window.interval)


@given(st.integers(0, 100), st.integers(1, 60), st.integers(2, 300), st.integers(1, 30))
def test_samples_at_even_distances_are_all_there_each_once(phase, every, count, step):
    t = START + phase + every * np.arange(count)
    window = even(t[0], t[-1] + every, float(step))
    made, held = drawn(stream(t, interval=float(every)), window)
    if every >= step:
        assert made.step == every
        assert sorted(held.values()) == (t - START).tolist()
    assert all(0 <= value - (stamp - START) < max(every, 4 * step) or abs(value - (stamp - START)) < 4 * step
               for stamp, value in held.items())  # fmt: skip


@settings(max_examples=50)
@given(st.lists(st.floats(0, 600), min_size=1, max_size=200, unique=True), st.sampled_from([1.0, 5.0, 30.0]))
def test_the_least_and_the_greatest_of_any_samples_are_on_the_grid(offsets, step):
    t = np.unique(np.round(np.array(offsets), 3)) + START
    values = np.sin(t * 7919)
    _, held = drawn(stream(t, values), even(START - 4 * step, START + 600 + 4 * step, step))
    assert set(held.values()) <= set(values)
    assert values[-1] in held.values()
    if t.size > 1 and t[-1] - t[0] >= 2 * max(step, np.median(np.diff(t))):
        # With fewer than three points there is no room for both.
        assert {values.max(), values.min()} <= set(held.values())


def test_a_place_between_two_samples_repeats_the_earlier_and_a_hole_does_not():
    window = even(START, START + 30, 1.0)
    _, held = drawn(stream(START + np.array([0, 1, 2, 4, 5, 6, 20, 21])), window)
    assert held == {
        START + t: v for t, v in zip([0, 1, 2, 3, 4, 5, 6, 20, 21], [0, 1, 2, 2, 4, 5, 6, 20, 21], strict=True)
    }


@pytest.mark.parametrize("operator", ["count", "sum"])
def test_what_is_counted_is_not_repeated(operator):
    window = even(START, START + 6, 1.0)
    _, held = drawn(stream(START + np.array([0, 1, 3]), operator=operator), window, operator)
    assert list(held.values()) == [0, 1, 3]


def test_cells_that_are_longer_than_asked_are_taken_as_they_are():
    window = even(START, START + 600, 10.0)
    made, held = drawn(stream(START + 60 * np.arange(10), operator="mean"), window, "mean")
    assert made.step == 60
    assert len(held) == 10


def test_text_is_no_line_but_its_count_is():
    window = even(START, START + 3, 1.0)
    words = stream([START, START + 1], ["a", "b"], kind="string")
    assert line("n", "n.a", words, window, None) is None
    assert line("n", "n.a", stream([START], ["a"]), window, None) is None, "whatever its server says"
    counted = stream([START], np.array([2.0]), kind="string", operator="count")
    assert drawn(counted, window, "count")[1] == {START: 2.0}


def test_why_there_are_no_samples_is_a_failure_only_when_something_is_wrong():
    window = even(START, START + 3, 1.0)
    assert line("n", "n.a", Missing("gone"), window, None).failure == "gone"
    assert line("n", "n.a", Missing("no samples", "info"), window, None).failure is None


def test_lines_are_put_together_on_the_finest_grid():
    fine = Line("f", "f", 10, 2.0, np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    coarse = Line("c", "c", 3, 6.0, np.array([10.0, 20.0]))
    first, step, values = together([fine, coarse])
    assert (first, step) == (9, 2.0)
    nan = np.nan
    np.testing.assert_array_equal(values, [[nan, 1, 2, 3, 4, 5], [10, 10, 10, 20, 20, 20]])


def test_values_are_regrouped_by_the_epoch():
    made = regrouped(Line("f", "f", 5, 2.0, np.array([1.0, np.nan, 3.0, 4.0, 5.0])), 6.0, "max")
    assert (made.first, made.step) == (1, 6.0)
    np.testing.assert_array_equal(made.values, [1.0, 4.0, 5.0])


def test_a_line_is_cut_to_the_places_that_a_range_touches():
    whole = Line("f", "f", 5, 2.0, np.arange(5.0))
    assert whole.within(13.0, 16.5).stamps().tolist() == [12.0, 14.0, 16.0]
    assert whole.within(0.0, 100.0).values.size == 5
    assert whole.within(0.0, 4.0).values.size == 0
    assert whole.within(50.0, 60.0).values.size == 0
