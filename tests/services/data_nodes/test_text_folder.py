"""Folders of text files that grow, rotate and vanish."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.data_nodes import text_files, text_folder
from services.data_nodes.selection import Samples, select
from services.data_nodes.text_files import BLOCK, SampleCache, TextFile
from services.data_nodes.text_folder import Named, Problems, TextFolder

FIRST = 1_500_000_000


def folder_of(
    directory: Path, clock: Callable[[], float] = time.time, header_lines: int = 0
) -> tuple[TextFolder, list[str]]:
    said: list[str] = []

    def recognize(name: str) -> Named | None:
        return Named(name.partition(".")[0]) if name.endswith(".dat") else None

    return TextFolder(
        directory, recognize, clock, lambda event, **facts: said.append(event.format(**facts)), header_lines
    ), said


def data(folder: TextFolder, field: str = "a", between: tuple[float, float] = (1.0, 2e9)) -> list[float]:
    reply = folder.get_data([field], {field: [field]}, *between)
    assert reply
    return list(reply["data"][field])


def test_an_hour_of_years_in_one_file_costs_the_blocks_that_it_touches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "".join(f"{FIRST + 600 * i} {i}\n" for i in range(100_000))
    (tmp_path / "a.dat").write_text(text, encoding="utf-8")
    folder, _ = folder_of(tmp_path)
    folder._cache = SampleCache(0)
    folder.newest()
    asked: list[int] = []
    samples = TextFile.samples
    monkeypatch.setattr(TextFile, "samples", lambda file, block: asked.append(block.size) or samples(file, block))
    begin = FIRST + 600 * 50_000
    assert data(folder, between=(begin, begin + 3600)) == [50_000 + i for i in range(6)]
    assert 0 < sum(asked) <= 2 * BLOCK < len(text) / 8


def test_files_come_grow_rotate_and_go(tmp_path: Path) -> None:
    folder, said = folder_of(tmp_path)
    assert data(folder) == []
    path = tmp_path / "a.dat"
    path.write_text("1500000000 1\n", encoding="utf-8")
    assert data(folder) == [1]
    with path.open("a", encoding="utf-8") as file:
        file.write("1500000060 2\n15000001")
    assert data(folder) == [1, 2]
    with path.open("a", encoding="utf-8") as file:
        file.write("20 3\r\n")
    assert data(folder) == [1, 2, 3]
    path.rename(tmp_path / "a.1.dat")
    path.write_text("1500000180 4\n", encoding="utf-8")
    assert data(folder) == [1, 2, 3, 4]
    (tmp_path / "a.1.dat").unlink()
    assert data(folder) == [4]
    path.unlink()
    assert data(folder) == []
    assert not said


def test_of_stamps_that_occur_twice_the_first_line_counts(tmp_path: Path) -> None:
    (tmp_path / "a.1.dat").write_text("1500000060 1\n1500000000 2\n1500000060 3\n", encoding="utf-8")
    (tmp_path / "a.2.dat").write_text("1500000000 4\n1499999940 5\n", encoding="utf-8")
    assert data(folder_of(tmp_path)[0]) == [5, 2, 1]


def test_each_trouble_is_said_once_and_again_when_it_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "later"
    folder, said = folder_of(directory)

    def ask() -> list[str]:
        for _ in range(3):
            data(folder, "a"), data(folder, "b")
        told, said[:] = said[:], []
        return told

    assert [line.partition("cannot")[2] for line in ask()] == [
        " be listed (No such file or directory); nothing is served until it can"
    ]
    directory.mkdir()
    good, bad = directory / "a.dat", directory / "b.dat"
    good.write_text("1500000000 1\n", encoding="utf-8")
    bad.write_text("1500000000 1,5\n1500000060 2\n", encoding="utf-8")
    assert ask() == [f"{bad}: passed over lines that are no samples; the first is '1500000000 1,5'"]
    bad.write_text("1500000000 1.5\n1500000060 2\n", encoding="utf-8")
    assert (ask(), data(folder, "b")) == ([], [1.5, 2])
    bad.unlink()
    bad.mkdir()
    assert ask() == [f"{bad} cannot be read (it is no regular file); its samples are not served until it can"]
    bad.rmdir()
    os.mkfifo(bad)
    assert (ask(), data(folder, "a")) == ([], [1])
    bad.unlink()
    bad.symlink_to(bad)
    assert [line.partition("cannot")[2] for line in ask()] == [
        " be read (Too many levels of symbolic links); its samples are not served until it can"
    ]

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    with good.open("a", encoding="utf-8") as file:
        file.write("1500000060 2\n")
    with monkeypatch.context() as patch:
        patch.setattr(text_files, "open_file", refuse)
        assert ask() == [f"{good} cannot be read (Permission denied); its samples are not served until it can"]
        assert data(folder) == []
    assert (ask(), data(folder)) == ([], [1, 2])


def test_a_block_that_can_no_longer_be_read_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.dat").write_text("1500000000 1\n", encoding="utf-8")
    folder, said = folder_of(tmp_path)
    folder._cache = SampleCache(0)
    assert data(folder) == [1]
    opened = text_files.open_file

    def broken(path: Path) -> object:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(text_files, "open_file", broken)
    assert [data(folder) for _ in range(3)] == [[], [], []]
    assert len(said) == 1
    monkeypatch.setattr(text_files, "open_file", opened)
    assert data(folder) == [1]


def test_a_file_that_is_rewritten_while_it_is_asked_is_indexed_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.dat"
    path.write_text("1500000000 1\n1500000060 2\n", encoding="utf-8")
    folder, _ = folder_of(tmp_path)
    folder._cache = SampleCache(0)
    samples = TextFile.samples

    def rewritten(self: TextFile, block: text_files.Block) -> object:
        if path.stat().st_size > 20:
            path.write_text("1500000000 3\n", encoding="utf-8")
        return samples(self, block)

    monkeypatch.setattr(TextFile, "samples", rewritten)
    assert data(folder) == [3]


def test_many_troubles_are_not_all_named() -> None:
    said: list[str] = []
    problems = Problems(lambda event, **facts: said.append(event.format(**facts)))
    for i in range(100):
        problems.note(f"{i}", f"{i} is bad")
    assert said[:20] == [f"{i} is bad" for i in range(20)]
    assert len(said) == 21
    problems.forget([])
    problems.note("0", "0 is bad")
    assert said[21:] == ["0 is bad"]


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1), hours=st.integers(1, 400), stride=st.sampled_from([1.0, 3600.0, 7200.0, 20000.0]),
    cut=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)  # fmt: skip
def test_a_thinned_range_keeps_every_extreme_of_its_cells(
    seed: int, hours: int, stride: float, cut: tuple[float, float]
) -> None:
    """Held against the envelope of all samples, from which summaries may differ where a cell cuts an hour."""
    chance = np.random.default_rng(seed)
    t = FIRST + np.unique(chance.integers(0, hours * 3600, 8 * hours)).astype(float)
    values = np.where(chance.random(t.size) < 0.1, np.nan, np.round(chance.normal(size=t.size), 3))
    values[chance.integers(t.size)] = 1000.0
    start, end = (FIRST + hours * 3600 * part for part in sorted(cut))
    with TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_files, "BLOCK", 256)
        patch.setattr(text_folder, "_THIN_FROM", 20)
        text = "".join(f"{int(a)} {b}\n" for a, b in zip(t, values, strict=True))
        (Path(directory) / "a.dat").write_text(text, encoding="utf-8")
        found = folder_of(Path(directory))[0].get_data(["a"], {"a": ["a"]}, start, end, stride)
    due = select(["a"], {"a": Samples(t, {"a": values})}, start, end, stride)
    assert found
    assert due
    assert found["data"].keys() == due["data"].keys()
    if not len(due["data"]["a"]):
        assert not len(found["data"]["a"])
        return
    stamps = found["timeline"]["a"]["t"]
    assert stamps[0] >= start
    assert stamps[-1] < end
    assert np.all(np.diff(stamps) >= stride * (1 - 1e-6))
    span = due["timeline"]["a"]["t"][-1] - due["timeline"]["a"]["t"][0]
    if span < 2 * stride:  # No room for both extremes; but for a spike there is.
        assert (1000.0 in found["data"]["a"]) == (1000.0 in due["data"]["a"])
        return
    if stride < 2 * text_files.SUMMARY_SECONDS:
        assert stamps.tolist() == due["timeline"]["a"]["t"].tolist()
        assert np.array_equal(found["data"]["a"], due["data"]["a"], equal_nan=True)
    for extreme in (np.nanmin, np.nanmax):
        assert extreme(found["data"]["a"]) == extreme(due["data"]["a"])


def test_a_gap_stays_a_gap(tmp_path: Path) -> None:
    hours = [*range(500), *range(2000, 2500)]
    (tmp_path / "a.dat").write_text("".join(f"{FIRST + 3600 * h} {h % 7}\n" for h in hours), encoding="utf-8")
    stride = 4 * 3600.0
    reply = folder_of(tmp_path)[0].get_data(["a"], {"a": ["a"]}, 1.0, 2e9, stride)
    assert reply
    t = (reply["timeline"]["a"]["t"] - FIRST) / 3600
    assert not np.any((t > 500 + 2 * 8) & (t < 2000 - 2 * 8))
    assert np.sum(t < 600) > 100


def test_questions_of_several_threads_are_answered_while_files_grow(tmp_path: Path) -> None:
    folder, said = folder_of(tmp_path)
    path = tmp_path / "a.dat"
    path.touch()
    with ThreadPoolExecutor(4) as threads, path.open("a", encoding="utf-8", buffering=1) as file:
        asked = []
        for i in range(60):
            file.write(f"{FIRST + i} {i}\n")
            asked += [threads.submit(data, folder) for _ in range(2)]
        answers = [each.result() for each in asked]
    assert all(answer == list(range(len(answer))) for answer in answers)
    assert data(folder) == list(range(60))
    assert not said


def test_too_much_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_folder, "MAX_VALUES", 50)
    (tmp_path / "a.dat").write_text("".join(f"{FIRST + i} 1\n" for i in range(100)), encoding="utf-8")
    folder, _ = folder_of(tmp_path)
    folder.newest()
    monkeypatch.setattr(TextFile, "samples", None)
    assert folder.get_data(["a"], {"a": ["a"]}, 1.0, 2e9) is False
