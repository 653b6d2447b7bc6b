"""What a data server's folder lacks is named: tried on copies from which each part is taken away."""

import shutil
from pathlib import Path

import pytest

from tests.services.data_nodes.structure import Server, every_server

ROOT = Path(__file__).parents[3]
CODE, TESTS, OWN = "services/data_nodes/weather", "tests/services/data_nodes/weather", "inventories/demo/servers"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for folder in (CODE, TESTS, OWN):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def lacks(root: Path) -> list[str]:
    return [lack for server in every_server(root) for lack in server.lacks()]


def test_both_kinds_are_found_and_lack_nothing(copy: Path) -> None:
    assert every_server(copy) == [Server(copy, "weather"), Server(copy, "csv_log", "demo")]
    assert lacks(copy) == []


@pytest.mark.parametrize(
    "part",
    [*(f"{CODE}/{name}" for name in ("__init__.py", "__main__.py", "server.py", "server.yml", "source.py")),
     f"{TESTS}/example.py", f"{TESTS}/test_source.py", f"{OWN}/test_csv_log.py"],
)  # fmt: skip
def test_a_missing_file_is_named(copy: Path, part: str) -> None:
    (copy / part).unlink()
    (lack,) = lacks(copy)
    assert lack.startswith(f"data server {'demo-csv_log' if OWN in part else 'weather'} lacks {part}, which ")
    assert "docs/add-a-data-server.md" in lack


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (f"{CODE}/__init__.py", "a docstring in"),
        (f"{CODE}/__main__.py", "the line run(..) that starts it, in"),
        (f"{CODE}/server.py", "its one class of a server in"),
        (f"{TESTS}/example.py", "the function example_server(directory) in"),
        (f"{TESTS}/test_source.py", "a test in"),
        (f"{OWN}/csv_log.py", "its one class of a server in"),
        (f"{OWN}/test_csv_log.py", "the function example_server(directory) in"),
    ],
)
def test_a_file_without_what_it_is_for_is_named(copy: Path, part: str, words: str) -> None:
    (copy / part).write_text("")
    assert any(f"lacks {words} {part}" in lack for lack in lacks(copy))


def test_an_empty_folder_lacks_everything(copy: Path) -> None:
    (copy / "services/data_nodes/tide").mkdir()
    assert len(lacks(copy)) == 7
