"""Selecting fields and a range from whole timelines."""

import numpy as np
import pytest

from services.data_nodes.selection import Samples, mean_interval, select

T = np.arange(10.0)
LINE = Samples(T, {"a": T * 2, "b": np.full(10, np.nan), "c": np.array(["x"] * 10, dtype=object)}, 9.0)


def test_a_range_is_half_open_and_a_slice() -> None:
    reply = select(["a"], {"line": LINE}, 2.0, 5.0)
    assert reply
    assert reply["timeline"]["line"]["t"].tolist() == [2.0, 3.0, 4.0]
    assert np.shares_memory(reply["data"]["a"], LINE.values["a"])
    assert reply["timeline"]["line"]["finalized_until"] == 9.0


@pytest.mark.parametrize("bounds", [(5.0, 5.0), (6.0, 2.0), (20.0, 30.0), (2.1, 2.9)])
def test_a_range_without_samples_is_empty(bounds: tuple[float, float]) -> None:
    assert select(["a", "zz"], {"line": LINE}, *bounds) == {"data": {"a": [], "zz": []}, "timeline": {}}


def test_a_field_without_any_value_in_the_range_is_an_empty_stream() -> None:
    assert select(["b"], {"line": LINE}, 0.0, 10.0) == {"data": {"b": []}, "timeline": {}}


def test_a_cap_thins_and_keeps_the_extremes() -> None:
    t = np.arange(100_000) * 0.1
    values = np.sin(t)
    values[54321] = 50.0
    reply = select(["a"], {"line": Samples(t, {"a": values})}, 0.0, 1e9, max_points=500)
    assert reply
    assert 400 < reply["data"]["a"].size <= 500
    assert reply["data"]["a"].max() == 50.0


def test_too_much_is_false() -> None:
    assert select(["a", "c"], {"line": LINE}, 0.0, 10.0, max_values=29) is False
    assert select(["a", "c"], {"line": LINE}, 0.0, 10.0, max_values=30) is not False


def test_the_mean_interval_needs_two_stamps() -> None:
    assert mean_interval(T) == 1.0
    assert mean_interval(T[:1]) is None
