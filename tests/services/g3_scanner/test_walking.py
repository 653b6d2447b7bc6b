import os
from pathlib import Path

import pytest

from services.g3_scanner.walking import DirectoryAbsentError, open_head, shown, walk


def touch(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return os.fsencode(path)


def test_recorded_files_are_found_at_any_depth_and_others_are_not(tmp_path: Path) -> None:
    wanted = {touch(tmp_path / "1.g3"), touch(tmp_path / "a/b/2.g3"), touch(tmp_path / "a/3.g3.gz")}
    for other in ("a/4.g3.part", "5.txt", "g3", ".6.g3.Xy12ab"):
        touch(tmp_path / other)
    (tmp_path / "folder.g3").mkdir()
    os.mkfifo(tmp_path / "pipe.g3")
    assert set(walk(os.fsencode(tmp_path)).files) == wanted


def test_a_name_that_is_no_text_is_found_and_can_be_shown(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff\xfe\n.g3"
    with open(path, "wb"):
        pass
    assert set(walk(os.fsencode(tmp_path)).files) == {path}
    assert "\n" not in shown(path)
    shown(path).encode("utf-8")


def test_loops_of_links_end_and_a_folder_keeps_the_name_that_leads_through_no_link(tmp_path: Path) -> None:
    real = touch(tmp_path / "z/1.g3")
    (tmp_path / "a").symlink_to(tmp_path / "z")
    (tmp_path / "z/up").symlink_to(tmp_path)
    (tmp_path / "lost.g3").symlink_to(tmp_path / "nowhere")
    (tmp_path / "self.g3").symlink_to(tmp_path / "self.g3")
    assert set(walk(os.fsencode(tmp_path)).files) == {real}


def test_a_link_out_of_the_directory_is_followed(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere/1.g3")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/disk2").symlink_to(tmp_path / "elsewhere")
    assert set(walk(os.fsencode(tmp_path / "data")).files) == {os.fsencode(tmp_path / "data/disk2/1.g3")}


def test_a_path_that_is_too_long_for_the_index_is_told(tmp_path: Path) -> None:
    folder = tmp_path
    while len(os.fsencode(folder)) < 1000:
        folder /= "d" * 200
    path = touch(folder / ("f" * 60 + ".g3"))
    tree = walk(os.fsencode(tmp_path))
    assert not tree.files
    assert "1024" in tree.unreadable[path]


def test_a_directory_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(DirectoryAbsentError, match=r"nowhere: No such file.*DATA_DIRECTORY"):
        walk(os.fsencode(tmp_path / "nowhere"))


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "1.g3")
    assert open_head(os.fsencode(tmp_path / "1.g3")) is None
    assert open_head(os.fsencode(tmp_path / "2.g3")) is None
