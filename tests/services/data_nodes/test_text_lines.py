"""The reader of lines against a plain loop, with damage put in."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.data_nodes.text_lines import read_lines

good = st.builds(
    "{}{}{}{}{}".format, st.sampled_from(["", " ", "\t"]), st.integers(1_500_000_000, 1_500_000_050) | st.just("1.5e9"),
    st.sampled_from([" ", "\t", "   "]), st.floats() | st.sampled_from(["-.5", "7.", "+3", "1E3", "NaN", "-inf"]),
    st.sampled_from(["", " ", "\r"]),
)  # fmt: skip
plain = st.builds("{} {}".format, st.integers(1_500_000_000, 1_500_000_050), st.integers(-9, 9) | st.just("-1.25"))
damage = st.sampled_from(
    ["", "   ", "\r", "1500000001", "1500000001 3,5", "1500000001,5 3", "nan 4", "inf 4", "1500000001 3.2150000002 4.1",
     "1500000001 x", "1500000001 1_5", "# a comment", "  # 1 2", "\x00\x00\x00", "1500000001 \xff", "-", ". .", "1-2 3",
     "1 2-3", "1\r2 3", "5 ", " 5", "1500000001 2 3", "1e400 2", "1500000000000 2", "e5 1", "1500000001 0x10", "-- 5"]
)  # fmt: skip


def plainly(lines: list[str]) -> tuple[list[tuple[float, float]], str]:
    samples, bad = [], ""
    for line in lines:
        parts = line.encode("latin-1").split()
        if not parts or parts[0].startswith(b"#"):
            continue
        try:
            assert len(parts) == 2
            assert "_" not in line
            t, value = float(parts[0]), float(parts[1])
            assert abs(t) < 1e11
        except (AssertionError, ValueError):
            bad = bad or line
            continue
        samples.append((t, value if math.isfinite(value) else math.nan))
    return samples, bad


@settings(max_examples=300)
@given(lines=st.lists(good | plain | damage, max_size=30) | st.lists(plain, max_size=30) | st.lists(plain | damage),
       end=st.sampled_from(["\n", "\r\n"]), closed=st.booleans())  # fmt: skip
def test_no_damage_costs_a_good_sample(lines: list[str], end: str, closed: bool) -> None:
    read = read_lines((end.join(lines) + (end if closed else "")).encode("latin-1"))
    samples, bad = plainly(lines)
    assert repr(list(zip(read.t.tolist(), read.values.tolist(), strict=True))) == repr(samples)
    assert read.bad == (repr(bad.encode("latin-1").strip()[:40].decode("ascii", "replace")) if bad else "")


def test_a_header_is_no_bad_line_but_what_is_bad_after_it_is_shown() -> None:
    assert read_lines(b"day pwv\n1.5 2\n", header_lines=1).bad == ""
    assert read_lines(b"day pwv\n1.5 2\nhalf", header_lines=1).bad == "'half'"
    assert read_lines(b"1.5 2\n1.6 3\n", header_lines=1).t.tolist() == [1.5, 1.6]


@pytest.mark.parametrize("line", [b"1" * 65_000, b"1." * 32_000, b" " * 65_000 + b"x", b"1 " + b"2" * 65_000 + b"e"])
def test_a_long_line_that_is_no_sample_costs_one_pass(line: bytes) -> None:
    read = read_lines(b"1500000000 1\n" + line + b"\n1500000060 2\n")
    assert (read.t.tolist(), bool(read.bad)) == ([1500000000, 1500000060], True)
