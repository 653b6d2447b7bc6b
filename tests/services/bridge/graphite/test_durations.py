"""Times and durations as Graphite's clients write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.bridge.graphite.durations import read_duration, read_time
from services.bridge.refusal import Refused

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5s", 5), ("5sec", 5), ("5min", 300), ("5m", 300), ("2h", 7200), ("2hours", 7200), ("1d", 86_400),
        ("1w", 604_800), ("1mon", 30 * 86_400), ("1M", 30 * 86_400), ("1y", 365 * 86_400), ("1h30min", 5400),
        (" 1.5h ", 5400),
    ],
)  # fmt: skip
def test_a_duration_is_a_number_and_a_unit(text, seconds):
    assert read_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "min", "-5min", "5parsec", "0s", "5 min", "1e3s", "999999999999y", "5min4"])
def test_another_text_is_no_duration(text):
    with pytest.raises(Refused, match="is no duration"):
        read_duration(text)


@pytest.mark.parametrize(
    ("text", "t"),
    [
        ("now", NOW), ("-1h", NOW - 3600), ("now-1h", NOW - 3600), ("-30min", NOW - 1800), ("+5min", NOW + 300),
        ("now+1d", NOW + 86_400), ("-1mon", NOW - 30 * 86_400), ("1600000000", 1.6e9), ("1600000000.25", 1.6e9 + 0.25),
        ("0", 0), ("20231114", 1_699_920_000), ("12:30_20231114", 1_699_965_000),
        ("2023-11-14T00:00:00Z", 1_699_920_000),
    ],
)  # fmt: skip
def test_a_time_is_a_date_a_number_or_an_offset_from_now(text, t):
    assert read_time("from", text, NOW) == t


@pytest.mark.parametrize("text", ["tomorrow", "20231399", "25:00_20231114", "1e99", "nan", "-1h-", "now/d"])
def test_another_text_is_no_time(text):
    with pytest.raises(Refused):
        read_time("until", text, NOW)


@given(st.text(max_size=20) | st.text("now-+0123456789.:_hmins", max_size=20))
def test_any_text_is_a_time_or_refused(text):
    try:
        assert abs(read_time("from", text, NOW)) < 1e15
    except Refused as refused:
        assert "'from'" in refused.message or "duration" in refused.message  # noqa: PT017
