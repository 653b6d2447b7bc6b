"""The source: its samples, and what it makes of a question."""

import pytest

from services.data_nodes.skeleton.source import BEGIN, Source
from sisock.errors import SettingError
from sisock.shapes import check_data


def source(interval: float = 60.0, max_points: int = 0) -> Source:
    return Source({"INTERVAL": interval, "MAX_POINTS": max_points}, lambda: BEGIN + 3600)


def test_samples_lie_an_interval_apart_and_none_in_the_future() -> None:
    samples = source().read(1, 4e9)
    assert samples.t.tolist() == [BEGIN + 60 * i for i in range(60)]


def test_a_range_is_half_open() -> None:
    reply = check_data(source().get_data(["wave"], BEGIN + 60, BEGIN + 180), ["wave"])
    assert reply
    assert list(reply["timeline"]["regular"]["t"]) == [BEGIN + 60, BEGIN + 120]


def test_a_cap_keeps_the_extremes() -> None:
    whole, capped = (source(max_points=most).get_data(["wave"], 1, 4e9) for most in (0, 20))
    assert whole
    assert capped
    assert len(capped["data"]["wave"]) <= 20
    assert capped["data"]["wave"].max() == whole["data"]["wave"].max()


@pytest.mark.parametrize("interval", [0.0, -1.0, float("nan"), float("inf")])
def test_an_interval_that_makes_no_samples_is_refused(interval: float) -> None:
    with pytest.raises(SettingError, match="INTERVAL"):
        source(interval)
