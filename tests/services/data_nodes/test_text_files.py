"""Text files that grow, are replaced, and are damaged."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.data_nodes import text_files
from services.data_nodes.text_files import BLOCK, SampleCache, TextFile, ascending, extremes

NOW = 1_700_000_000.0
FIRST = 1_500_000_000


def read(path: Path, now: float = 4e9, file: TextFile | None = None) -> tuple[list[float], list[float], TextFile]:
    file = file or TextFile(path, SampleCache())
    parts = [file.samples(block) for block in file.blocks(now)]
    t, values = ([float(x) for part in parts for x in part[side]] for side in (0, 1))
    return t, values, file


class Reading:
    """Counts the bytes that are read, and those that are read at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        self.bytes = self.largest = 0
        opened = text_files.open_file
        counting = self

        class Counted:
            def __init__(self, path: Path) -> None:
                self.file = opened(path)
                counting.names.append(path.name)

            def __enter__(self) -> "Counted":
                return self

            def __exit__(self, *_: object) -> None:
                self.file.close()

            def read(self, size: int) -> bytes:
                got = self.file.read(size)
                counting.bytes += len(got)
                counting.largest = max(counting.largest, len(got))
                return got

            def __getattr__(self, name: str) -> object:
                return getattr(self.file, name)

        monkeypatch.setattr(text_files, "open_file", Counted)


@settings(max_examples=60)
@given(data=st.data())
def test_a_file_that_grows_by_pieces_holds_what_a_plain_loop_finds(data: st.DataObject) -> None:
    """Whatever is appended, between whatever looks at it, and however small a block is."""
    line = st.builds("{} {}".format, st.integers(FIRST, FIRST + 99), st.integers(-9, 9)) | st.sampled_from(
        ["", "x", "1500000003 1,5", "7" * 80, "1500000005 nan", "# no"]
    )
    text = "".join(f"{each}\n" for each in data.draw(st.lists(line, max_size=40))).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    block = data.draw(st.sampled_from([64, 100, BLOCK]))
    due: dict[float, str] = {}
    for each in text.decode().splitlines():
        parts = each.split()
        if len(parts) == 2 and "," not in each and each[0] != "#":
            due.setdefault(float(parts[0]), str(float(parts[1])))
    with TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_files, "BLOCK", block)
        path, file, written = Path(directory) / "a.dat", None, 0
        path.touch()
        for cut in [*cuts, len(text)]:
            with path.open("ab") as appended:
                appended.write(text[written:cut])
            written = cut
            _, _, file = read(path, 0.0, file)
        assert file
        parts = [file.samples(block) for block in file.blocks(0.0)]
        t, values = ascending(*(np.concatenate([np.zeros(0), *(part[side] for part in parts)]) for side in (0, 1)))
        again = TextFile(path, SampleCache())
        again.blocks(0.0)
    assert {stamp: str(value) for stamp, value in zip(t.tolist(), values.tolist(), strict=True)} == due
    assert t.tolist() == sorted(due)
    assert (file.stamps_checksum, bool(file.bad)) == (again.stamps_checksum, bool(again.bad))


def test_the_last_line_is_a_sample_once_it_is_whole_or_the_file_has_settled(tmp_path: Path) -> None:
    path = tmp_path / "a.dat"
    path.write_text("1500000000 10.5\n1500000060 1", encoding="utf-8")
    os.utime(path, (NOW, NOW))
    assert read(path, NOW + 59)[1] == [10.5]
    _, values, file = read(path, NOW + 60)
    assert values == [10.5, 1.0]
    path.write_text("1500000000 10.5\n1500000060 12.75\n", encoding="utf-8")
    assert read(path, NOW, file)[1] == [10.5, 12.75]
    with path.open("a", encoding="utf-8") as appended:
        appended.write("half a line")
    os.utime(path, (NOW, NOW))
    assert (read(path, NOW + 59, file)[1], file.bad) == ([10.5, 12.75], "")
    assert (read(path, NOW + 60, file)[1], file.bad) == ([10.5, 12.75], "'half a line'")


def test_of_a_file_that_grows_the_last_block_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.dat"
    path.write_text("".join(f"{FIRST + i} {i}\n" for i in range(100_000)), encoding="utf-8")
    _, _, file = read(path)
    reading = Reading(monkeypatch)
    with path.open("a", encoding="utf-8") as appended:
        appended.write(f"{FIRST + 100_000} 7\n")
    assert sum(block.samples for block in file.blocks(4e9)) == 100_001
    assert 0 < reading.bytes <= 3 * BLOCK
    file.blocks(4e9)
    assert len(reading.names) == 1


@pytest.mark.parametrize("how", ["longer", "shorter", "same size", "replaced"])
def test_a_file_that_is_another_one_is_read_anew(tmp_path: Path, how: str) -> None:
    path = tmp_path / "a.dat"
    path.write_text("1500000000 1\n1500000060 2\n", encoding="utf-8")
    os.utime(path, (NOW, NOW))
    _, _, file = read(path)
    text = {"longer": "1500000000 3\n1500000060 4\n1500000120 5\n", "shorter": "1500000000 3\n"}.get(
        how, "1500000000 3\n1500000060 4\n"
    )
    target = tmp_path / "new" if how == "replaced" else path
    target.write_text(text, encoding="utf-8")
    target.replace(path)
    assert read(path, file=file)[1] == [3, 4, 5][: text.count("\n")]


def test_a_line_without_end_is_never_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gigabyte, of which the disk holds nothing."""
    path = tmp_path / "a.dat"
    path.write_text("1500000000 1\n", encoding="utf-8")
    os.truncate(path, 1 << 30)
    reading = Reading(monkeypatch)
    _, values, file = read(path)
    assert values == [1]
    assert reading.largest <= BLOCK
    assert file.bad == f"one of more than {BLOCK} bytes"
    before = reading.bytes
    with path.open("ab") as appended:
        appended.write(b"\n1500000060 2\n")
    assert read(path, file=file)[1] == [1, 2]
    assert reading.bytes - before < 4 * BLOCK


def test_no_more_samples_are_kept_than_allowed() -> None:
    cache = SampleCache(most_bytes=1600)
    made = {key: (np.arange(40.0), np.arange(40.0)) for key in range(5)}
    for key, samples in made.items():
        cache.put(key, samples)
        cache.get(3)
        cache.put(3, made[3])
    assert [key for key in made if cache.get(key)] == [3, 4]
    cache.put("too large", (np.arange(999.0), np.arange(999.0)))
    assert cache.get("too large") is None


def test_extremes_keep_first_last_least_and_greatest_of_each_bucket() -> None:
    t = np.array([0.0, 1, 2, 3, 4, 10, 11, 12, 13])
    values = np.array([5.0, 1, np.nan, 9, 3, np.nan, np.nan, np.nan, 2])
    assert extremes(t, values, 10.0)[0].tolist() == [0, 1, 3, 13]
    nothing = extremes(t[5:8], values[5:8], 10.0)
    assert nothing[0].tolist() == [10, 12]
