"""The writer of test archives: so3g reads what it wrote, in every version of the schema."""

import math
from pathlib import Path

import pytest
from archive_oracle import Oracle, Summary, whole_frames
from archive_writer import SECOND, Block, Recording, seconds
from so3g.hk import HKArchiveScanner

FEED = "observatory.a.feeds.b"


@pytest.mark.parametrize("name", ["1.g3", "1.g3.gz"])
@pytest.mark.parametrize("version", [0, 1, 2])
def test_so3g_reads_what_was_written(tmp_path: Path, version: int, name: str) -> None:
    recording = Recording(version).status({3: FEED})
    recording.data(3, Block("temps", seconds([1.7e9, 1.7e9 + 1.5]), {"Channel 1 T": [1.0, math.nan]}))
    recording.data(3, Block("temps", seconds([1.7e9 + 3]), {"Channel 1 T": [-2.5]}))
    recording.write(tmp_path / name)
    oracle = Oracle(tmp_path)
    first, last = 1_700_000_000 * SECOND, 1_700_000_003 * SECOND
    assert oracle.fields() == {f"{FEED}.channel_1_t": Summary("number", first, last, 2)}
    assert oracle.samples(f"{FEED}.channel_1_t", 0, 2e9) == [(1.7e9, 1.0), (1.7e9 + 3, -2.5)]
    block = "temps" if version == 2 else "block_for_Channel 1 T"
    assert list(oracle.series) == [(FEED, block, "Channel 1 T", "number")]


def test_the_reader_of_so3g_agrees(tmp_path: Path) -> None:
    values = {"x": [1.5, 2.5, 3.5], "i": [1, 2, 2**40], "s": ["a", "", "é"], "b": [True, False, True]}
    path = Recording().status({0: FEED}).data(0, Block("all", seconds([10, 20, 30]), values)).write(tmp_path / "1.g3")
    scanner = HKArchiveScanner()
    scanner.process_file(str(path))
    archive = scanner.finalize()
    data, timelines = archive.get_data([f"{FEED}.{name}" for name in values])
    oracle = Oracle(tmp_path)
    for name, written in values.items():
        assert list(data[f"{FEED}.{name}"]) == written
        plain = oracle.names[next(n for n in oracle.names if n.startswith(f"{FEED}.{name}"))]
        assert [value for _, value in oracle.series[plain[0]].values()] == written
    assert [list(timeline["t"]) for timeline in timelines.values()] == [[10, 20, 30]]


def test_the_pieces_are_the_frames(tmp_path: Path) -> None:
    recording = Recording().status({0: FEED}).other().data(0, Block("a", [5 * SECOND], {"x": [1.0]}))
    pieces = recording.pieces()
    assert len(pieces) == 4
    assert b"".join(pieces) == recording.write(tmp_path / "1.g3").read_bytes()
    for count in range(5):
        (tmp_path / "2.g3").write_bytes(b"".join(pieces[:count]))
        assert len(list(whole_frames(tmp_path / "2.g3"))) == count
