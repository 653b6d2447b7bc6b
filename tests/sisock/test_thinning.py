import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sisock.shapes import OPERATORS
from sisock.thinning import aggregate, envelope, stride_for

stamps = st.lists(st.floats(0, 2000, allow_nan=False, width=32), min_size=0, max_size=300, unique=True).map(
    lambda t: np.sort(np.asarray(t, dtype=float))
)
strides = st.floats(0.01, 3000)


@given(stamps, strides, st.randoms(use_true_random=False))
def test_points_keep_the_stride_the_range_and_every_extreme(t: np.ndarray, stride: float, random: object) -> None:
    values = np.asarray([random.gauss(0, 1) for _ in t])  # type: ignore[attr-defined]
    thin_t, thin = envelope(t, {"x": values}, stride)
    assert len(thin_t) == len(thin["x"]) <= len(t)
    assert np.all(np.diff(thin_t) >= stride * (1 - 1e-9))
    assert np.isin(thin["x"], values).all()
    if len(t):
        assert t[0] <= thin_t[0]
        assert thin_t[-1] <= t[-1]
        assert (thin_t[-1], thin["x"][-1]) == (t[-1], values[-1]), "the newest sample stays what it is"
        if t[-1] - t[0] >= 2 * stride:
            assert thin["x"].min() == values.min()
            assert thin["x"].max() == values.max()


@given(st.integers(100, 5000), st.integers(0, 4999), st.sampled_from([-1.0, 1.0]), st.floats(1, 700))
def test_a_spike_of_one_sample_is_always_seen_within_two_cells_of_its_time(
    count: int, place: int, sign: float, stride: float
) -> None:
    place %= count
    assume(stride <= count - 1)
    t = 1.6e9 + np.arange(count)
    v = np.zeros(count)
    v[place] = sign
    thin_t, thin = envelope(t, {"x": v}, stride)
    seen = np.flatnonzero(thin["x"] == sign)
    assert len(seen) == 1
    assert abs(thin_t[seen[0]] - t[place]) < 4 * max(stride, 1)


def test_the_extremes_come_in_the_order_in_which_they_occurred() -> None:
    t = np.arange(40.0)
    _, thin = envelope(t, {"up": t, "down": -t}, 5.0)
    assert np.all(np.diff(thin["up"]) > 0)
    assert np.all(np.diff(thin["down"]) < 0)


def test_samples_far_enough_apart_come_back_untouched() -> None:
    t, v = np.array([0.0, 5.0, 11.0]), np.array([1.0, 2.0, 3.0])
    thin_t, thin = envelope(t, {"x": v}, 5.0)
    assert thin_t is t
    assert thin["x"] is v


def test_points_do_not_move_when_the_range_moves_on() -> None:
    t = np.arange(1000.0)
    v = np.sin(t)
    first, _ = envelope(t[:800], {"x": v[:800]}, 7.0)
    later, _ = envelope(t[150:], {"x": v[150:]}, 7.0)
    both = (first > 200) & (first < 750)
    assert np.isin(first[both], later).all()


def test_nan_counts_as_no_value_and_a_cell_of_nothing_else_stays_nan() -> None:
    t = np.arange(60.0)
    v = np.where((t >= 20) & (t < 40), np.nan, t)
    thin_t, thin = envelope(t, {"x": v}, 5.0)
    hole = (thin_t >= 20) & (thin_t < 40)
    assert np.isnan(thin["x"][hole]).all()
    assert not np.isnan(thin["x"][~hole]).any()


def test_a_trip_of_one_sample_is_seen_among_booleans() -> None:
    t = np.arange(600.0)
    for dtype in (object, bool):
        tripped = (t == 123).astype(dtype)
        tripped = np.array([bool(value) for value in tripped], dtype=dtype)
        _, thin = envelope(t, {"x": tripped}, 10.0)
        assert [bool(value) for value in thin["x"]].count(True) == 1


def test_a_boolean_that_is_missing_counts_as_no_value() -> None:
    t = np.arange(600.0)
    v = np.array([None if 100 <= stamp < 400 else bool(stamp >= 500) for stamp in t], dtype=object)
    thin_t, thin = envelope(t, {"x": v}, 10.0)
    assert all(value is None for value in thin["x"][(thin_t >= 100) & (thin_t < 390)])
    assert set(thin["x"]) == {None, False, True}


def test_all_within_less_than_a_stride_becomes_the_newest_sample() -> None:
    t = np.array([10.0, 11.0, 12.0])
    thin_t, thin = envelope(t, {"x": np.array([5.0, 9.0, 6.0])}, 60.0)
    assert (thin_t.tolist(), thin["x"].tolist()) == ([12.0], [6.0])


def test_within_less_than_two_strides_the_spike_stays_before_the_newest_sample() -> None:
    t = np.arange(10.0)
    v = np.where(t == 4, 7.0, 0.0)
    thin_t, thin = envelope(t, {"x": v}, 6.0)
    assert (thin_t.tolist(), thin["x"].tolist()) == ([0.0, 9.0], [7.0, 0.0])


def test_text_keeps_the_first_and_last_of_a_cell() -> None:
    t = np.arange(60.0)
    v = np.array(["on" if stamp < 30 else "off" for stamp in t], dtype=object)
    _, thin = envelope(t, {"x": v}, 10.0)
    assert thin["x"][0] == "on"
    assert thin["x"][-1] == "off"


def test_a_gap_stays_a_gap() -> None:
    t = np.r_[np.arange(100.0), np.arange(1000.0, 1100.0)]
    thin_t, _ = envelope(t, {"x": t}, 5.0)
    assert not np.any((thin_t > 110) & (thin_t < 990))


@pytest.mark.parametrize(
    ("count", "min_stride", "max_points", "expected"),
    [(10, None, 0, None), (10, 3.0, 0, 3.0), (1000, None, 100, 1.0), (1000, 3.0, 100, 3.0), (50, -1.0, 100, None)],
)
def test_the_larger_of_both_strides_counts(
    count: int, min_stride: float | None, max_points: int, expected: float | None
) -> None:
    assert stride_for(count, 0.0, 100.0, min_stride, max_points) == expected


def plain_aggregate(samples: list[tuple[float, Any]], stride: float, operator: str, start: float) -> dict[float, Any]:
    cells: dict[float, list[Any]] = {}
    for stamp, value in samples:
        cell = cells.setdefault(max(math.floor(stamp / stride) * stride, start), [])
        if value is not None and not math.isnan(value):
            cell.append(value)
    made: dict[str, Any] = {"mean": lambda v: sum(v) / len(v), "sum": sum, "min": min, "max": max, "count": len,
                            "first": lambda v: v[0], "last": lambda v: v[-1]}  # fmt: skip
    return {cell: made[operator](v) if v or operator == "count" else None for cell, v in cells.items()}


@given(
    st.lists(st.tuples(st.integers(100, 900), st.integers(-50, 50) | st.just(math.nan)), unique_by=lambda s: s[0]),
    st.integers(1, 200),
    st.sampled_from(OPERATORS),
    st.booleans(),
)
def test_operators_make_of_each_cell_what_a_plain_loop_makes(
    samples: list[tuple[int, float]], stride: int, operator: str, booleans: bool
) -> None:
    samples.sort()
    t = np.array([stamp for stamp, _ in samples], dtype=float)
    plain: list[Any] = [value for _, value in samples]
    values: Any = np.array(plain, dtype=float)
    if booleans:
        plain = [None if math.isnan(value) else value > 0 for value in plain]
        values = np.array(plain, dtype=object)
    stamps, got = aggregate(t, {"x": values}, float(stride), operator, 100.0)
    due = plain_aggregate(list(zip(t.tolist(), plain, strict=True)), stride, operator, 100.0)
    assert stamps.tolist() == sorted(due)
    for value, expected in zip(got["x"].tolist(), due.values(), strict=True):
        if expected is None:
            assert value is None or math.isnan(value)
        else:
            assert value == pytest.approx(expected)
            assert type(value) is (bool if booleans and operator in ("min", "max", "first", "last") else float)


def test_text_has_a_count_a_first_and_a_last_value_and_no_mean() -> None:
    t, words = np.arange(4.0), np.array(["a", None, None, "d"], dtype=object)
    made = {each: aggregate(t, {"x": words}, 2.0, each, 0.0)[1]["x"].tolist() for each in OPERATORS}
    assert (made["count"], made["first"], made["last"], made["mean"]) == (
        [1, 1], ["a", "d"], ["a", "d"], [None, None]
    )  # fmt: skip


def test_without_a_stride_an_operator_makes_one_value_of_the_range() -> None:
    stamps, made = aggregate(np.array([5.0, 6.0]), {"x": np.array([1.0, 3.0])}, None, "mean", 4.0)
    assert (stamps.tolist(), made["x"].tolist()) == ([4.0], [2.0])
