from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sisock.moments import LATEST, DurationError, MomentError, ago, duration, iso, moment

NOW = 1_700_000_000.0
UNIT = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
# Ends away from the first and the last day, which an offset could leave.
ENDS = (datetime.fromisoformat(day) for day in ("0001-01-03", "9999-12-28"))
AWARE = st.datetimes(*ENDS, timezones=st.just(UTC))
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW), ("-2h", NOW - 7200), ("-30m", NOW - 1800), ("-7d", NOW - 7 * 86400), ("now-2h", NOW - 7200),
        ("now - 1h30m", NOW - 5400), ("+10s", NOW + 10), ("-1.5h", NOW - 5400), ("-250ms", NOW - 0.25),
        ("-1w", NOW - 604800),
        ("1970-01-02", 86400.0), ("1970-01-02T00:00:01", 86401.0), ("1970-01-02 00:00:01Z", 86401.0),
        ("1970-01-02T00:00:01+01:00", 82801.0), ("19700102", 86400.0), ("1970-01-02T00:00:00.25", 86400.25),
        ("1700000000", NOW), ("1700000000.125", NOW + 0.125), ("0.0", 0.0), (" now ", NOW),
    ],
)  # fmt: skip
def test_a_time_is_read_as_it_is_written(text: str, expected: float) -> None:
    assert moment(text, NOW) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "text",
    ["", "-", "yesterday", "-2", "-2y", "2h", "--2h", "-2h x", "2026-13-01", "2026-02-30", "25:00", "nan", "inf", "1e9",
     "-99999999999w", "999999999999", "٣٣٣٣٣٣٣٣٣٣", "2026-01-31T12:00+25:00"],
)  # fmt: skip
def test_what_is_no_time_is_refused_in_one_line_that_shows_how_to_write_one(text: str) -> None:
    with pytest.raises(MomentError, match="is no time; write 2026-01-31") as raised:
        moment(text, NOW)
    assert "\n" not in str(raised.value)


@given(AWARE)
def test_iso_reads_back_to_the_microsecond(t: datetime) -> None:
    seconds = t.timestamp()
    assert moment(iso(seconds), NOW) == pytest.approx(seconds, abs=2e-6 + abs(seconds) * 3e-16)


@given(AWARE, OFFSETS)
def test_an_offset_says_the_same_time_in_other_words_and_none_is_utc(t: datetime, offset: timezone) -> None:
    expected = t.timestamp()
    assert moment(t.astimezone(offset).isoformat(), NOW) == expected
    assert moment(t.replace(tzinfo=None).isoformat(), NOW) == expected


@given(st.lists(st.tuples(st.integers(0, 999), st.sampled_from(sorted(UNIT))), min_size=1, max_size=4))
def test_a_relative_time_is_now_less_the_sum_of_its_parts(parts: list[tuple[int, str]]) -> None:
    text = "".join(f"{number}{unit}" for number, unit in parts)
    seconds = sum(number * UNIT[unit] for number, unit in parts)
    assert moment(f"-{text}", NOW) == moment(f"now-{text}", NOW) == pytest.approx(NOW - seconds, abs=1e-6)
    if seconds:
        assert duration(text) == pytest.approx(seconds)
    else:
        with pytest.raises(DurationError):
            duration(text)


@given(st.text(max_size=30) | st.text("0123456789-+:.TZnowhmsdw ", max_size=30))
def test_any_text_is_a_finite_time_or_is_refused(text: str) -> None:
    try:
        t = moment(text, NOW)
    except MomentError:
        return
    assert abs(t) <= LATEST


@given(st.text(max_size=20) | st.text("0123456789.mshdw", max_size=20))
def test_any_text_is_a_duration_above_zero_or_is_refused(text: str) -> None:
    try:
        seconds = duration(text)
    except DurationError:
        return
    assert seconds > 0


def test_a_bare_number_is_a_duration_in_seconds() -> None:
    assert duration("1.5") == 1.5


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.34, "0.3 s"), (59, "59 s"), (119, "119 s"), (120, "2 m"), (7300, "2 h"), (86400 * 3, "3 d"), (-5, "in 5.0 s")],
)
def test_an_age_is_told_in_the_unit_that_suits_it(seconds: float, text: str) -> None:
    assert ago(seconds) == text
