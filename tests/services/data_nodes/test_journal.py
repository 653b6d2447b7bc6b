"""The journal: what it gives back after whatever happened to its process, its files and its disk."""

import errno
import math
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.data_nodes.journal import RETRY_SECONDS, Journal

NOW = 1_700_000_000.0
HOUR, MIB = 3600.0, 2**20


@contextmanager
def journal(directory: Path | None, age: float = HOUR, size: int = MIB) -> Iterator[tuple[Journal, list[str]]]:
    said: list[str] = []
    made = Journal(directory, age, size, lambda event, **facts: said.append(event.format(**facts)))
    yield made, said
    made.close()


def write(directory: Path, *records: object, age: float = HOUR, size: int = MIB, step: float = 1.0) -> None:
    """Append as one process, a second apart."""
    with journal(directory, age, size) as (ours, said):
        for number, record in enumerate(records):
            ours.append(NOW + number * step, record)
        assert not [line for line in said if "MiB do not hold" not in line]


def read(directory: Path, now: float = NOW) -> tuple[list[Any], list[str]]:
    with journal(directory) as (ours, said):
        return [record for _, record in ours.recorded(now)], said


def segments(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.journal"))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@given(st.lists(VALUES, max_size=8))
@settings(max_examples=50)
def test_every_record_comes_back_as_it_was_with_its_time(records: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), *records)
        with journal(Path(folder)) as (ours, said):
            assert list(ours.recorded(NOW)) == [(NOW + number, record) for number, record in enumerate(records)]
            assert said == []


def test_nan_and_infinities_come_back(tmp_path: Path) -> None:
    write(tmp_path, [math.nan, math.inf, -math.inf])
    ((nan, *infinite),), _ = read(tmp_path)
    assert math.isnan(nan)
    assert infinite == [math.inf, -math.inf]


def test_a_file_cut_at_any_byte_gives_every_whole_record_and_says_what_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, *range(5))
    (segment,) = segments(tmp_path)
    whole = segment.read_bytes()
    seen = set()
    for length in range(len(whole)):
        segment.write_bytes(whole[:length])
        records, said = read(tmp_path)
        assert records == list(range(len(records)))
        seen.add(len(records))
        assert len(said) <= 1
        assert not said or str(segment) in said[0]
    assert seen == {0, 1, 2, 3, 4}


@given(st.integers(0, 10_000), st.integers(1, 255))
@settings(max_examples=80)
def test_a_damaged_byte_costs_the_rest_of_its_segment_and_no_other(place: int, flip: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        write(directory, *range(5))
        write(directory, *range(100, 105))
        damaged, _ = segments(directory)
        content = bytearray(damaged.read_bytes())
        content[place % len(content)] ^= flip
        damaged.write_bytes(content)
        records, said = read(directory)
        assert records[-5:] == list(range(100, 105))
        assert records[:-5] == list(range(len(records) - 5))
        assert len(said) == 1


@pytest.mark.parametrize("tail", [bytes(4096), b"\xff" * 100], ids=["zeros", "ones"])
def test_what_a_power_loss_leaves_behind_the_last_record_is_no_record(tmp_path: Path, tail: bytes) -> None:
    write(tmp_path, "kept")
    with segments(tmp_path)[0].open("ab") as file:
        file.write(tail)
    records, said = read(tmp_path)
    assert records == ["kept"]
    assert f"its last {len(tail)} bytes are left out" in said[0]


def test_a_start_never_writes_into_a_segment_of_before(tmp_path: Path) -> None:
    write(tmp_path, "a")
    first = segments(tmp_path)[0].read_bytes()
    write(tmp_path, "b")
    assert segments(tmp_path)[0].read_bytes() == first
    assert read(tmp_path)[0] == ["a", "b"]


def test_what_is_too_old_is_not_given_and_its_segments_go(tmp_path: Path) -> None:
    write(tmp_path, *range(300), age=100)
    assert len(segments(tmp_path)) <= 18
    with journal(tmp_path, age=100) as (ours, _):
        due = [record for _, record in ours.recorded(NOW + 350)]
    assert due == list(range(250, 300))


def test_the_files_stay_within_their_bound_and_keep_the_newest(tmp_path: Path) -> None:
    noise = [os.urandom(1000) for _ in range(300)]
    with journal(tmp_path, size=100_000) as (ours, said):
        for number, record in enumerate(noise):
            ours.append(NOW + number, record)
            assert sum(path.stat().st_size for path in segments(tmp_path)) == ours.nbytes <= 100_000
        assert len(said) == 1
        assert "a restart will lose the older part" in said[0]
    records, _ = read(tmp_path)
    assert len(records) > 80
    assert records == noise[-len(records) :]


def test_what_arrives_before_the_old_is_taken_comes_after_it(tmp_path: Path) -> None:
    write(tmp_path, "old")
    with journal(tmp_path) as (ours, _):
        ours.append(NOW + 5, "first")
        assert ours.replaying
        assert [record for _, record in ours.recorded(NOW + 5)] == ["old"]
        got = []
        for received, record in ours.meanwhile():
            got.append((received, record))
            if len(got) < 3:
                ours.append(NOW + 6, "more")
        assert got == [(NOW + 5, "first"), (NOW + 6, "more"), (NOW + 6, "more")]
        assert not ours.replaying
    assert read(tmp_path)[0] == ["old", "first", "more", "more"]


def test_without_a_folder_it_keeps_nothing_and_holds_nobody_up() -> None:
    with journal(None) as (ours, said):
        ours.append(NOW, "x")
        assert (ours.replaying, ours.nbytes, said) == (False, 0, [])


def test_a_record_that_cannot_be_written_is_told_once_and_the_others_are(tmp_path: Path) -> None:
    with journal(tmp_path, size=100_000) as (ours, said):
        for record in (object(), [lambda: None], os.urandom(50_000), "good"):
            ours.append(NOW, record)
        assert ours.unwritten == 3
        assert len(said) == 1
        assert "a message is kept in memory only" in said[0]
    assert read(tmp_path)[0] == ["good"]


def test_a_record_too_deep_to_be_read_again_costs_no_other(tmp_path: Path) -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    write(tmp_path, "before", deep, "after")
    with journal(tmp_path) as (ours, said):
        ours.append(NOW, deep)
        assert [record for _, record in ours.recorded(NOW)] == ["before", "after"]
        assert list(ours.meanwhile()) == []
        assert len(said) == 2


def test_a_folder_that_cannot_be_made_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with journal(tmp_path / "file" / "sub") as (ours, said):
        for number in range(100):
            ours.append(NOW + number, "x")
        assert ours.unwritten == 100
        assert len(said) == 1
        assert "Not a directory; the server goes on in memory" in said[0]
        assert list(ours.recorded(NOW)) == []
        assert len(list(ours.meanwhile())) == 100


def test_two_processes_do_not_write_into_one_folder(tmp_path: Path) -> None:
    with journal(tmp_path) as (first, _), journal(tmp_path) as (second, said):
        second.append(NOW, "second")
        assert "give each server a name of its own" in said[0]
        first.append(NOW, "first")
        first.close()
        second.append(NOW + RETRY_SECONDS, "later")
        assert said[1:] == [f"{tmp_path}: is written again"]
    assert read(tmp_path)[0] == ["first", "later"]


def test_a_full_disk_is_told_once_and_used_again_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, really_write = [200], os.write

    def write_what_fits(descriptor: int, data: Any) -> int:
        taken = bytes(data[: room[0]])
        if not taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        room[0] -= len(taken)
        return really_write(descriptor, taken)

    monkeypatch.setattr(os, "write", write_what_fits)
    with journal(tmp_path) as (ours, said):
        for number in range(60):
            ours.append(NOW + number, number)
        lost = ours.unwritten
        assert 0 < lost < 60
        assert len(said) == 1
        assert "No space left on device" in said[0]
        room[0] = 10_000
        for number in range(60, 80):
            ours.append(NOW + number, number)
        assert said[1:] == [f"{tmp_path}: is written again"]
        assert len(segments(tmp_path)) <= 2
    records, said = read(tmp_path)
    assert said == [], "what did not fit has left no torn record"
    assert records == [*range(60 - lost), *range(80 - len(records) + 60 - lost, 80)]
    assert records[-1] == 79


def test_sync_waits_for_every_file_and_for_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    with journal(tmp_path, size=3200) as (ours, _):
        for number in range(6):
            ours.append(NOW + number, os.urandom(60))
        assert len(segments(tmp_path)) > 1
        ours.sync()
        assert set(synced) == {str(tmp_path), *map(str, segments(tmp_path))}
        synced.clear()
        ours.sync()
        assert synced == []
        ours.append(NOW + 10, "x")
        ours.sync()
        assert str(segments(tmp_path)[-1]) in synced


WRITER = """
import sys
from pathlib import Path
from services.data_nodes.journal import Journal
journal = Journal(Path(sys.argv[1]), 3600, 1 << 20, print)
for number in range(10**9):
    journal.append(1.7e9 + number / 1000, [number, "x" * (number % 300)])
    print(number, flush=True)
"""


def test_a_process_killed_while_it_writes_has_lost_nothing_that_it_had_said_to_have(tmp_path: Path) -> None:
    said = -1
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(400):
            said = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        said = int((process.stdout.read().split("\n")[-2:][0]) or said)
        process.wait()
        process.stdout.close()
        records, problems = read(tmp_path)
        runs = [number for number, _ in records]
        last_run = runs[len(runs) - 1 - runs[::-1].index(0) :]
        assert last_run == list(range(len(last_run)))
        assert len(last_run) > said
        assert len(problems) <= 3
