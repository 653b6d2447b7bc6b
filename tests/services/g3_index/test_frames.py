"""Frames are found, told from damage, and taken apart as so3g does it."""

import gzip
import random
import subprocess
import sys
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from archive_oracle import archived, blocks
from archive_writer import SECOND, Block, Recording
from hostile_archive import growing, hostile_archive

from services.g3_index import frames as frames_module
from services.g3_index.frames import BrokenFrameError, Stream, read_blocks

FEED = "observatory.a.feeds.b"


def taken(stream: Stream) -> tuple[list[Any], str]:
    """Feed, block name, stamps and columns of all blocks that are new, and what is said of damage."""
    found: list[Any] = []
    try:
        for frame in stream.frames():
            for block in frame.blocks:
                columns = {name: column.tolist() for name, column in sorted(block.columns.items())}
                found.append((frame.feed, block.name, block.t.tolist(), repr(columns)))
    except BrokenFrameError as error:
        return found, str(error)
    return found, ""


def due(path: Path) -> list[Any]:
    """The same, read by so3g alone."""
    found = []
    for feed, name, block in blocks(path):
        columns = {field: list(block[field]) for field in sorted(block.keys())}
        if len(block.times) and columns:
            found.append((feed, name, [stamp.time for stamp in block.times], repr(columns)))
    return found


def recording(frames: int = 4, version: int = 2) -> Recording:
    made = Recording(version).status({0: FEED})
    for number in range(frames):
        stamps = [(100 * number + second) * SECOND for second in range(1, 4)]
        made.data(0, Block("a", stamps, {"x": [1.0, 2.0, number + 0.5]}))
    return made


@pytest.mark.parametrize("seed", range(12))
def test_a_hostile_file_gives_what_so3g_gives(tmp_path: Path, seed: int) -> None:
    for path in archived(hostile_archive(seed).write(tmp_path)):
        assert taken(Stream(path))[0] == due(path), path


@pytest.mark.parametrize("version", [0, 1, 2])
def test_a_file_cut_at_any_byte_gives_its_whole_frames_and_is_not_called_broken(tmp_path: Path, version: int) -> None:
    made = recording(3, version)
    pieces, path = made.pieces(), tmp_path / "1.g3"
    content = b"".join(pieces)
    ends = [sum(map(len, pieces[:count])) for count in range(len(pieces) + 1)]
    for cut in [*range(0, len(content), 7), *ends]:
        path.write_bytes(content[:cut])
        stream = Stream(path)
        found, said = taken(stream)
        whole = sum(end <= cut for end in ends) - 1
        assert (len(found), said) == (max(0, whole - 2), "")
        assert (stream.reached, stream.end) == (ends[whole], cut)


def test_a_compressed_file_cut_at_any_byte_gives_its_whole_frames(tmp_path: Path) -> None:
    content, path = recording(20).content(compressed=True), tmp_path / "1.g3.gz"
    for cut in range(0, len(content) + 1, 13):
        path.write_bytes(content[:cut])
        found, said = taken(Stream(path))
        assert (found, said) == (due(path), "")
    assert found


def test_compressed_files_set_one_behind_the_other_are_one(tmp_path: Path) -> None:
    pieces = recording(4).pieces()
    (tmp_path / "1.g3.gz").write_bytes(gzip.compress(b"".join(pieces[:3])) + gzip.compress(b"".join(pieces[3:])))
    (tmp_path / "2.g3").write_bytes(b"".join(pieces))
    assert taken(Stream(tmp_path / "1.g3.gz")) == taken(Stream(tmp_path / "2.g3"))


@pytest.mark.parametrize("suffix", [".g3", ".g3.gz"])
def test_a_file_that_grows_is_read_on_from_where_it_ended(tmp_path: Path, suffix: str) -> None:
    dice = random.Random(5)
    made = recording(5).status({0: "other", 4: FEED})
    made.data(4, Block("a", [900 * SECOND], {"x": [9.0]})).data(0, Block("a", [901 * SECOND], {"x": [8.0]}))
    content = made.content(compressed=suffix == ".g3.gz")
    for trial in range(20):
        cuts = sorted(dice.randrange(2, len(content)) for _ in range(6))
        parts = [content[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(content)], strict=True)]
        path, stream, found = tmp_path / f"{trial}{suffix}", None, []
        for _ in growing(path, parts):
            before = stream or Stream(path)
            stream = Stream(path, reached=before.reached, session=before.session, providers=dict(before.providers))
            more, said = taken(stream)
            assert said == ""
            found += more
        assert found == due(path)
        assert len(found) == 7


@pytest.mark.parametrize("content", [b"\n", bytes(5000), random.Random(1).randbytes(3000), b"\x01" * 200], ids=repr)
def test_rubbish_is_called_broken(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "1.g3").write_bytes(content)
    found, said = taken(Stream(tmp_path / "1.g3"))
    assert found == []
    assert "at byte 0" in said


@pytest.mark.parametrize("where", ["checksum", "middle"])
def test_a_flipped_bit_ends_the_file_there_and_says_where(tmp_path: Path, where: str) -> None:
    pieces, path = recording(4).pieces(), tmp_path / "1.g3"
    begin = sum(map(len, pieces[:4]))
    content = bytearray(b"".join(pieces))
    content[begin + len(pieces[4]) - (2 if where == "checksum" else len(pieces[4]) // 2)] ^= 8
    path.write_bytes(content)
    found, said = taken(Stream(path))
    assert found == due(path)
    assert len(found) == 2
    assert f"at byte {begin}" in said


_MODEST = """
import resource, sys
from pathlib import Path
from services.g3_index.frames import Stream, BrokenFrameError
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
folder = Path(sys.argv[1])
for path in sorted(folder.iterdir()):
    try:
        print(path.name, sum(1 for _ in Stream(path).frames()))
    except BrokenFrameError:
        print(path.name, "broken")
"""


@pytest.mark.parametrize("names", [("x", "y", "z"), ("short", "rather_longer", "b")])
def test_a_frame_like_one_before_is_taken_without_so3g_and_not_with_any_flipped_bit(
    tmp_path: Path, names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Recording().status({0: FEED})
    for number in range(3):
        stamps = [(100 * number + second) * SECOND for second in range(1, 20)]
        made.data(0, Block("a", stamps, {name: [number + 0.25 * n for n in range(19)] for name in names}))
    path, pieces = made.write(tmp_path / "1.g3"), made.pieces()
    expected = due(path)
    loaded = []
    load = frames_module._load
    monkeypatch.setattr(frames_module, "_load", lambda raw, offset: loaded.append(offset) or load(raw, offset))
    assert taken(Stream(path)) == (expected, "")
    ends = list(accumulate(map(len, pieces)))
    assert loaded == [0, *ends[:-3]]  # Of the three data frames the first one alone.
    content, begin = bytearray(path.read_bytes()), ends[-2]
    for at in range(begin, ends[-1], 5):
        content[at] ^= 1 << at % 8
        path.write_bytes(content)
        found, said = taken(Stream(path))
        content[at] ^= 1 << at % 8
        # A length that is too great now may be that of a frame whose end has not been written yet.
        assert found == expected[:2], at
        assert said.startswith(f"at byte {begin}") or Stream(path).reached <= begin, at


def test_no_flipped_bit_makes_it_ask_for_all_memory_or_end(tmp_path: Path) -> None:
    """Each bit of the first entries of a frame in turn, lengths and names among them, in a process with 2 GiB."""
    pieces = recording(2).pieces()
    begin = sum(map(len, pieces[:3]))
    places = [*range(17), *range(24, len(pieces[3]), 41)]
    for place in places:
        for bit in (0, 4, 7):
            content = bytearray(b"".join(pieces))
            content[begin + place] ^= 1 << bit
            (tmp_path / f"{place:04}-{bit}.g3").write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", _MODEST, tmp_path], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(done.stdout.splitlines()) == 3 * len(places)


def test_single_frames_are_read_again_by_their_place(tmp_path: Path) -> None:
    for name in ("1.g3", "1.g3.gz"):
        path = recording(6).write(tmp_path / name)
        found = list(Stream(path).frames())
        places = [(frame.offset, frame.size) for frame in found[::2]]
        again = list(read_blocks(path, places))
        assert [[b.t.tolist() for b in bs] for bs in again] == [[b.t.tolist() for b in f.blocks] for f in found[::2]]
        with pytest.raises(BrokenFrameError):
            list(read_blocks(path, [(places[0][0] + 1, places[0][1])]))


def test_columns_shorter_than_their_stamps_are_left_out(tmp_path: Path) -> None:
    """Version 0 could hold them."""
    made = Recording(0).status({0: FEED}).data(0, Block("", [SECOND, 2 * SECOND], {"a": [1.0], "b": [1.0, 2.0]}))
    made.data(0, Block("", [], {"a": []}))
    assert [block[3] for block in taken(Stream(made.write(tmp_path / "1.g3")))[0]] == ["{'b': [1.0, 2.0]}"]


def test_more_forms_than_are_remembered_are_read_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames_module, "_MOST_FORMS", 2)
    made = Recording(2).status({0: FEED})
    for number in range(12):
        stamps = [(100 * number + second) * SECOND for second in range(1, 4)]
        made.data(0, Block("a", stamps, {f"x{number % 4}": [1.0, 2.0, number + 0.5]}))
    path = made.write(tmp_path / "1.g3")
    forms = frames_module.Forms()
    for _ in range(2):
        assert taken(Stream(path, forms=forms))[0] == due(path)
