import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.g3_scanner import watching
from services.g3_scanner.walking import Seen
from services.g3_scanner.watching import CannotWatchError, Changes, Watch, file_system, newest


class Watched:
    """A folder that is watched."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.woken = folder, threading.Event()
        self.changes = Changes(self.woken.set)
        self.watch = Watch(os.fsencode(folder), self.changes)
        assert self.watch.ensure()

    def until(self, name: str, *, gone: bool = False) -> None:
        """Wait until a change is told."""
        paths: set[bytes] = set()
        while True:
            assert self.woken.wait(5), f"{name} is not told, only {paths}"
            self.woken.clear()
            changed, deleted = self.changes.take()
            paths |= changed
            if os.fsencode(self.folder / name) in (deleted if gone else changed - deleted):
                return


@pytest.fixture
def watched(archive: Path) -> Iterator[Watched]:
    """An empty folder that is watched."""
    made = Watched(archive)
    yield made
    made.watch.stop()


def test_a_file_is_told_when_it_is_made_grows_moves_and_goes(watched: Watched) -> None:
    path = watched.folder / "1.g3"
    with path.open("wb", buffering=0) as file:
        watched.until("1.g3")
        file.write(b"x")
        watched.until("1.g3")
    path.rename(watched.folder / "2.g3")
    watched.until("2.g3")
    (watched.folder / "2.g3").unlink()
    watched.until("2.g3", gone=True)


def test_a_file_in_a_new_folder_is_told(watched: Watched) -> None:
    (watched.folder / "17000").mkdir()
    (watched.folder / "17000/1.g3").write_bytes(b"x")
    watched.until("17000/1.g3")
    assert watched.changes.take_folders()


def test_a_moved_file_is_gone_from_where_it_was(watched: Watched) -> None:
    (watched.folder / "1.g3").write_bytes(b"x")
    watched.until("1.g3")
    (watched.folder / "1.g3").rename(watched.folder / "1.txt")
    watched.until("1.g3", gone=True)


def test_reading_a_file_is_no_change(watched: Watched) -> None:
    (watched.folder / "1.g3").write_bytes(b"x")
    (watched.folder / "last.g3").write_bytes(b"x")
    watched.until("last.g3")
    (watched.folder / "1.g3").read_bytes()
    (watched.folder / "end.g3").write_bytes(b"x")
    watched.until("end.g3")
    assert os.fsencode(watched.folder / "1.g3") not in watched.changes.take()[0]


def test_a_directory_that_takes_the_place_of_another_is_watched(watched: Watched) -> None:
    assert not watched.watch.ensure()
    watched.folder.rename(watched.folder.with_name("old"))
    assert not watched.watch.ensure()
    watched.folder.mkdir()
    assert watched.watch.ensure()
    watched.woken.clear()
    (watched.folder / "1.g3").write_bytes(b"x")
    watched.until("1.g3")


def test_where_the_kernel_does_not_tell_the_reason_is_said(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(os.fsencode(archive), Changes(lambda: None))
    with monkeypatch.context() as patch:
        patch.setattr(watching, "file_system", lambda _: "nfs4")
        with pytest.raises(CannotWatchError, match="nfs4"):
            watch.ensure()

    def refuse() -> None:
        raise OSError(24, "inotify instance limit reached")

    monkeypatch.setattr(watching, "InotifyObserver", refuse)
    with pytest.raises(CannotWatchError, match=r"limit reached.*max_user_instances"):
        watch.ensure()


def test_the_kind_of_a_file_system_is_known() -> None:
    assert file_system(b"/proc/self") == "proc"
    assert file_system(b"/nowhere")


def test_the_newest_files_and_those_beside_them_are_looked_at(tmp_path: Path) -> None:
    for name in ("1.g3", "2.g3", "3.g3", "new.g3", "new.txt"):
        (tmp_path / name).write_bytes(b"")
    path = {n: os.fsencode(tmp_path / f"{n}.g3") for n in ("1", "2", "3", "new")}
    known = {path[n]: Seen(0, int(n)) for n in "123"}
    assert newest(os.fsencode(tmp_path), known, 2) == {path["3"], path["2"], path["new"]}
    assert newest(os.fsencode(tmp_path), {}) == set(path.values())
    assert newest(b"/nowhere", {}) == set()
