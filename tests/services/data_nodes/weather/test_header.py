"""The header of a weather file."""

import pytest

from services.data_nodes.weather.header import Header, read_header


@pytest.mark.parametrize("end", [b"", b"\r"])
def test_the_first_three_lines_say_what_a_field_is(end: bytes) -> None:
    lines = [line + end for line in (b"# a description", b"#hourly", b"# mBar", b"# 2017-07-14")]
    assert read_header(lines) == Header("a description", "hourly", "mBar")


def test_only_the_timeline_must_be_said() -> None:
    assert read_header([b"#", b"# hourly", b"#"]) == Header("", "hourly", "")


def test_what_is_no_text_is_shown_as_such() -> None:
    assert read_header([b"# \xb0C", b"# hourly", b"# \xb0C"]) == Header("\ufffdC", "hourly", "\ufffdC")


@pytest.mark.parametrize(
    "text", ["", "\n", "1500000000 1\n" * 9, "# a\n# b\n", "# a\n#\n# c\n# d\n", "# a\n# b\n15 1\n"]
)
def test_other_lines_are_no_header(text: str) -> None:
    assert read_header(text.encode().split(b"\n")) is None
