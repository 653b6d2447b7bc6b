"""What a request of Grafana's kind says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.bridge.reading import MOST_POINTS, Window, read_object, read_window, round_stride
from services.bridge.refusal import Refused


def body(start, end, **more):
    return {"range": {"from": start, "to": end}, **more}


@pytest.mark.parametrize(
    ("spoken", "seconds"),
    [
        ("2023-11-14T22:13:20.000Z", 1700000000),
        ("2023-11-14T22:13:20.250Z", 1700000000.25),
        ("2023-11-14T22:13:20", 1700000000),
        ("2023-11-14T19:13:20-03:00", 1700000000),
        ("2023-11-14", 1699920000),
        (1700000000250, 1700000000.25),
        (1700000000000.0, 1700000000),
    ],
)
def test_times_are_read_in_utc_whatever_the_zone_of_the_machine(spoken, seconds, monkeypatch):
    monkeypatch.setenv("TZ", "America/Santiago")
    assert read_window(body(spoken, "2024-01-01T00:00:00Z")).start == seconds


@given(st.integers(10**9, 4 * 10**9), st.integers(1, 10**8), st.integers(1, 10**6), st.integers(0, 10**8))
def test_a_stride_never_asks_for_more_points_than_fit(start, length, points, interval):
    window = read_window(body(start * 1000, (start + length) * 1000, maxDataPoints=points, intervalMs=interval))
    assert length / window.stride <= min(points, MOST_POINTS) * (1 + 1e-9)
    assert window.stride <= length


def test_series_share_a_budget_of_points():
    window = Window(0, 100, points=1000)
    assert window.shared_by(3, 10**6).points == 1000
    assert window.shared_by(4, 1000).points == 250
    assert window.shared_by(10**6, 1000).points == 1
    assert window.shared_by(0, 1000).points == 1000


def test_an_empty_body_is_read_as_the_default_only_where_there_is_one():
    assert read_object(b" ", default={}) == {}
    with pytest.raises(Refused, match="not JSON"):
        read_object(b"")


@pytest.mark.parametrize(
    ("least", "stride"),
    [(0, 0), (0.0011, 0.0012), (0.32, 0.4), (0.95, 1), (1, 1), (1.01, 2), (3.6, 4), (61, 64), (2592, 2700),
     (86400, 86400), (90000, 172800)],
)  # fmt: skip
def test_a_stride_is_a_round_number(least, stride):
    assert round_stride(least) == stride


@given(st.floats(1e-6, 1e9))
def test_a_round_stride_is_never_less_and_never_much_more(least):
    assert least * (1 - 1e-6) <= round_stride(least) <= 2 * least


def test_ranges_of_nearly_the_same_length_share_a_stride():
    assert {Window(0, 3600 + more, points=1000).stride for more in (0, 0.001, 1, 59)} == {4.0}
    assert Window(0, 3600, points=1000, interval=7.5).stride == 7.5, "what was asked is kept"
