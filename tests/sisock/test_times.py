import math

import pytest

from sisock.errors import TimeRangeError
from sisock.times import sisock_to_unix_time, time_range


@pytest.mark.parametrize(("t", "expected"), [(1.0, 1.0), (1e9, 1e9), (0, 500.0), (-1.5, 498.5), (-500, 0.0)])
def test_positive_is_absolute_and_the_rest_counts_back_from_now(t: float, expected: float) -> None:
    assert sisock_to_unix_time(t, now=500.0) == expected


def test_all_time_is_from_one_second_to_now() -> None:
    assert time_range(1, 0, now=500.0) == (1.0, 500.0)


def test_the_clock_counts_when_no_now_is_given() -> None:
    start, end = time_range(-10, 0)
    assert end - start == pytest.approx(10, abs=1e-6)


@pytest.mark.parametrize("bound", [math.nan, math.inf, "0", None, True])
def test_a_bound_that_is_no_finite_number_is_refused_by_name(bound: object) -> None:
    with pytest.raises(TimeRangeError, match="is not a finite number"):
        time_range(bound, 0)  # type: ignore[arg-type]
