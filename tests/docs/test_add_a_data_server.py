"""What docs/add-a-data-server.md names is there, and what it shows is what the tools say."""

import re
from pathlib import Path

import pytest

from scaffold.__main__ import ENTRY

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/add-a-data-server.md").read_text(encoding="utf-8")
TOPS = "|".join(path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith("."))


@pytest.mark.parametrize("path", sorted(set(re.findall(rf"`((?:{TOPS})/[\w./-]+)`", TEXT))))
def test_what_it_names_is_there(path: str) -> None:
    if not any(word in path for word in ("SITE", "cold_head", "...")):
        assert (ROOT / path).exists()


def test_the_entry_that_it_shows_is_the_one_that_the_scaffold_prints() -> None:
    shown = "".join(f"    {line}\n" for line in ENTRY.format(name="cold_head").splitlines())
    assert shown in TEXT


def test_the_whole_server_that_it_praises_is_as_short_as_it_says() -> None:
    lines = (ROOT / "inventories/demo/servers/csv_log.py").read_text(encoding="utf-8").splitlines()
    (said,) = re.findall(r"a whole one, in (\d+) lines", TEXT)
    assert int(said) == sum(bool(line.strip()) for line in lines)
