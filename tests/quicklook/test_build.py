"""The page is made of what its lock file names, is small, names no host, and says what is wrong when it is not made."""

import json
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from services.bridge.quicklook import build as module
from services.bridge.quicklook.build import SOURCES, BuildError, build


def test_the_lock_file_has_a_digest_of_each_package_and_no_address() -> None:
    text = (SOURCES / "package-lock.json").read_text(encoding="utf-8")
    packages = {name: about for name, about in json.loads(text)["packages"].items() if name}
    assert [name for name, about in packages.items() if not about["integrity"].startswith("sha512-")] == []
    assert "://" not in re.sub(r'"(funding|url)": .*', "", text)


def test_the_manifest_pins_each_package() -> None:
    manifest = json.loads((SOURCES / "package.json").read_text(encoding="utf-8"))
    versions = [*manifest["dependencies"].values(), *manifest["devDependencies"].values()]
    assert [version for version in versions if not re.fullmatch(r"\d+\.\d+\.\d+", version)] == []


def test_page_script_and_style_are_small_even_for_a_browser_that_reads_gzip_alone(
    built: Path,
) -> None:
    assert sum(path.stat().st_size for path in built.glob("*.gz")) < 50_000
    assert sum(path.stat().st_size for path in built.iterdir() if path.suffix in {".html", ".js", ".css"}) < 150_000


def test_the_page_names_its_assets_by_their_digests_and_no_other_host(built: Path) -> None:
    page = (built / "index.html").read_text(encoding="utf-8")
    named = set(re.findall(r'(?:src|href)="([^"]+)"', page)) - {"data:,"}
    assert named == {f"quicklook/{path.name}" for path in [*built.glob("*.js"), *built.glob("*.css")]}
    for path in [*built.glob("*.js"), *built.glob("*.css"), built / "index.html"]:
        addresses = re.findall(r"(?:https?:)?//[a-z][\w.]*\.[a-z]{2,}", path.read_text(encoding="utf-8"))
        # A name of a kind of markup, which is fetched by nobody; and what a licence says of its author.
        assert [each for each in addresses if "www.w3.org" not in each and "github.com/leeoniya" not in each] == []


def test_every_account_may_read_what_was_built(built: Path) -> None:
    assert all(path.stat().st_mode & stat.S_IROTH for path in [built, *built.iterdir()])


def test_a_registry_that_does_not_answer_is_said_to_be_and_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://127.0.0.1:9/")
    monkeypatch.setenv("NPM_CONFIG_FETCH_RETRIES", "0")
    monkeypatch.setenv("NPM_CONFIG_CACHE", str(tmp_path / "cache"))
    page = tmp_path / "page"
    page.mkdir()
    (page / "index.html").write_text("before")
    with pytest.raises(BuildError, match="npm ci failed; see that its registry answers"):
        build(page)
    assert (page / "index.html").read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "page"]


def test_it_runs_as_a_file_without_sisock_and_ends_with_a_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-I", module.__file__, tmp_path / "page"]
    environ = {"NPM_CONFIG_REGISTRY": "http://127.0.0.1:9/", "NPM_CONFIG_FETCH_RETRIES": "0", "HOME": str(tmp_path)}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert done.stderr.startswith("Quicklook is not built: npm ci failed")
    assert "Traceback" not in done.stderr
