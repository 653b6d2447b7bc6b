"""Files of dashboards change when a dashboard does, and no other file does."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.dashboards.folder import Folder

A, B = {"uid": "sisock-a", "title": "ä"}, {"uid": "sisock-b"}


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert folder.keep([A, B], others=False).written == ("sisock-a.json", "sisock-b.json")
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    changes = folder.keep([A, B | {"title": "new"}], others=False)
    assert (changes.written, changes.removed) == (("sisock-b.json",), ())
    assert (tmp_path / "sisock-a.json").stat().st_mtime_ns == before["sisock-a.json"]
    assert not folder.keep([A, B | {"title": "new"}], others=False)
    assert json.loads((tmp_path / "sisock-a.json").read_text(encoding="utf-8")) == A


def test_what_is_no_longer_there_goes_unless_that_is_not_sure(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.keep([A, B], others=False)
    assert folder.keep([A], others=True).removed == ()
    assert folder.keep([A], others=False).removed == ("sisock-b.json",)
    assert [path.name for path in tmp_path.iterdir()] == ["sisock-a.json"]


def test_a_file_that_somebody_else_put_there_stays(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text("{}")
    Folder(tmp_path).keep([A], others=False)
    assert (tmp_path / "mine.json").read_text() == "{}"


def test_grafana_never_sees_half_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    sync = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda file: (seen.append([path.name for path in tmp_path.glob("*.json")]), sync(file))
    )
    Folder(tmp_path).keep([A], others=False)
    assert seen == [[]]
    assert (tmp_path / "sisock-a.json").stat().st_mode & 0o777 == 0o644


def test_an_interrupted_run_is_made_good_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            Folder(tmp_path).keep([A], others=False)
    Folder(tmp_path).keep([A], others=False)
    assert [path.name for path in tmp_path.iterdir()] == ["sisock-a.json"]


def test_two_who_write_at_once_wait_for_each_other(tmp_path: Path) -> None:
    many = [{"uid": f"sisock-{number}", "title": "x" * 1000} for number in range(50)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: Folder(tmp_path).keep(many, others=False), range(8)))
    assert {path.name for path in tmp_path.iterdir()} == {f"{each['uid']}.json" for each in many}
