"""What the scaffold writes is sound before a line of it is changed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from playbooks.filter_plugins import validation
from scaffold.__main__ import ENTRY, Refused, write_server
from scaffold.site import write_site

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what a new server is written into and held against; everything else of the tree is linked."""
    for path in ("services", "inventories", "tests/services/data_nodes"):
        kept_out = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / path, tmp_path / path, ignore=kept_out)
    for path in ("sisock", "playbooks", "pyproject.toml", "tests/conftest.py", "tests/archive"):
        (tmp_path / path).symlink_to(ROOT / path)
    return tmp_path


def passes(checkout: Path, *command: str) -> None:
    environ = {**os.environ, "PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [BIN / command[0], *command[1:]], cwd=checkout, env=environ, capture_output=True, text=True, timeout=240,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def linted(checkout: Path, *written: str) -> None:
    passes(checkout, "ruff", "check", "--no-cache", *written)
    passes(checkout, "ruff", "format", "--no-cache", "--check", *written)


def keeps_its_tests(checkout: Path, folder: str, server: str) -> None:
    options = ("-q", "-p", "no:cacheprovider", "--rootdir", str(checkout))
    passes(checkout, "pytest", *options, folder)
    structure = "tests/services/data_nodes/test_every_server.py"
    passes(checkout, "pytest", *options, structure, "-k", server)


@pytest.mark.parametrize("name", ["tide", "a1_b22_long_name_of_24xx"])
def test_a_built_in_server_passes_every_check_as_it_is_written(checkout: Path, name: str) -> None:
    written = write_server(checkout, name, "")
    linted(checkout, *(path for path in written if path.endswith(".py")))
    passes(checkout, "mypy", "--cache-dir", str(ROOT / ".mypy_cache"), f"services/data_nodes/{name}")
    keeps_its_tests(checkout, f"tests/services/data_nodes/{name}", name)
    server = yaml.safe_load(ENTRY.format(name=name))
    assert validation.server_problems(server, str(checkout / "services/data_nodes"), {}) == []


@pytest.mark.parametrize(("name", "site"), [("tide", "demo"), ("zz_9", "cold-lab")])
def test_a_sites_own_server_passes_every_check_as_it_is_written(checkout: Path, name: str, site: str) -> None:
    (checkout / "inventories" / site).mkdir(exist_ok=True)
    written = write_server(checkout, name, site)
    linted(checkout, *(path for path in written if path.endswith(".py")))
    passes(checkout, "mypy", "--cache-dir", str(ROOT / ".mypy_cache"), f"inventories/{site}/servers/{name}.py")
    keeps_its_tests(checkout, f"inventories/{site}/servers", f"{site}-{name}")
    server, own = yaml.safe_load(ENTRY.format(name=name)), str(checkout / f"inventories/{site}/servers")
    assert validation.server_problems(server, str(checkout / "services/data_nodes"), {}, own) == []


@pytest.mark.parametrize("name", ["a", "set", "settings_x", "selection2", "s_e", "zz"])
def test_imports_are_in_order_whatever_the_name(checkout: Path, name: str) -> None:
    linted(checkout, *(path for path in write_server(checkout, name, "") if path.endswith(".py")))


@pytest.mark.parametrize(
    ("name", "site", "words"),
    [
        ("Tide", "", "no name of a type"),
        ("1st", "", "no name of a type"),
        ("a-b", "", "no name of a type"),
        ("a" * 25, "", "no name of a type"),
        ("weather", "", "services/data_nodes/weather exists already"),
        ("settings", "", r"services/data_nodes/settings\.py exists already"),
        ("weather", "demo", "services/data_nodes/weather exists already"),
        ("csv_log", "demo", r"inventories/demo/servers/csv_log\.py exists already"),
        ("tide", "dmeo", "no site 'dmeo': did you mean 'demo'?"),
        ("tide", "yale", "there are demo, .*; copy template for a new one"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(checkout: Path, name: str, site: str, words: str) -> None:
    before = sorted(checkout.rglob("*"))
    with pytest.raises(Refused, match=words):
        write_server(checkout, name, site)
    assert sorted(checkout.rglob("*")) == before


def test_the_door_says_what_was_refused_in_a_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scaffold", "weather"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == (
        "new-server: services/data_nodes/weather exists already; take another name, or change what is there.\n"
    )


def test_a_new_site_is_the_template_with_its_name(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "inventories/template", tmp_path / "inventories/template")
    folder = write_site(tmp_path, "yale")
    assert yaml.safe_load((folder / "group_vars/all.yml").read_text())["site_name"] == "yale"
    assert "./appliance validate yale" in (folder / "hosts.yml").read_text()
    assert {path.relative_to(folder) for path in folder.rglob("*")} == {
        path.relative_to(ROOT / "inventories/template") for path in (ROOT / "inventories/template").rglob("*")
    }
    passes(tmp_path, "yamllint", "--strict", "-c", str(ROOT / ".yamllint"), str(folder))
    with pytest.raises(Refused, match="inventories/yale exists already"):
        write_site(tmp_path, "yale")


@pytest.mark.parametrize("name", ["", "1st", "../demo", "a b"])
def test_a_site_of_no_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused, match="is no name of a site"):
        write_site(tmp_path, name)


def test_make_new_site_says_what_was_refused_and_how_to_go_on() -> None:
    done = subprocess.run(["make", "new-site", "NAME=demo"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "new-site: inventories/demo exists already; take another name, or change what is there.\n" in done.stderr
