"""What a worker takes, and what it does with a file that is not what it was."""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from archive_writer import SECOND, Block, Recording, seconds
from sqlalchemy import Engine, func, select, update

from services.g3_index.levels import FINEST, LEVELS
from services.g3_index.pyramid import Packed, read_tiles
from services.g3_index.schema import Kind, Status, files, series, state, timelines
from services.g3_scanner import indexing
from services.g3_scanner.discovery import Memory, sweep
from services.g3_scanner.indexing import MOST_FILES, Step, index_next, settle
from tests.services.g3_scanner.conftest import START, recording, rows, states

LATER = 4_000_000_000 * 10**9


def discover(engine: Engine, archive: Path) -> None:
    sweep(engine, os.fsencode(archive), Memory(), lambda: LATER)


def samples(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(select(func.sum(timelines.c.samples))))


def test_two_workers_take_different_files_at_the_same_time(engine: Engine, archive: Path) -> None:
    for number in range(2 * MOST_FILES):
        recording(START + 3600 * number).write(archive / f"{number:03}.g3")
    discover(engine, archive)
    taken: list[Sequence[int]] = []

    def meanwhile(ids: Sequence[int]) -> None:
        taken.append(ids)
        index_next(engine, taken.append)

    index_next(engine, meanwhile)
    assert [len(ids) for ids in taken] == [MOST_FILES] * 2
    assert len({each for ids in taken for each in ids}) == 2 * MOST_FILES
    assert set(states(engine).values()) == {"done"}


def test_a_compressed_file_has_more_bytes_unpacked_and_leaves_no_more_room_to_others(
    engine: Engine, archive: Path
) -> None:
    sizes = [recording(START + 3600 * number).write(archive / f"{number}.g3").stat().st_size for number in range(3)]
    discover(engine, archive)
    with engine.begin() as connection:
        change = {"indexed": sizes[0] + 10**6, "status": Status.PARTIAL}
        connection.execute(update(files).where(files.c.path == os.fsencode(archive / "0.g3")).values(change))
    taken: list[int] = []
    index_next(engine, taken.extend, most_bytes=sizes[1])
    assert len(taken) == 2


def test_a_file_counts_when_its_end_has_been_reached(engine: Engine, archive: Path) -> None:
    recording(frames=2).write(archive / "1.g3")
    discover(engine, archive)
    steps = []
    while (step := index_next(engine, most_bytes=1)) is not None:
        steps.append(step)
    assert [step.files for step in steps] == [0] * (len(steps) - 1) + [1]
    assert sum(step.frames for step in steps) == 2
    assert steps[-1] == Step(1, steps[-1].bytes, steps[-1].frames)


@pytest.mark.parametrize("longer", [0, 3])
def test_a_file_that_was_replaced_after_it_was_looked_at_is_not_read_on(
    engine: Engine, archive: Path, longer: int
) -> None:
    path = recording(frames=4).write(archive / "1.g3")
    discover(engine, archive)
    index_next(engine, most_bytes=1)
    assert states(engine) == {"1.g3": "partial"}
    another = recording(START + 7200, samples=50, frames=3 + longer).write(archive / "another")
    os.replace(another, path)
    assert index_next(engine) == Step(0, 0, 0)
    assert (states(engine), rows(engine)[b"1.g3"].due) == ({"1.g3": "replaced"}, True)
    while index_next(engine):
        pass
    discover(engine, archive)
    assert (states(engine), rows(engine)[b"1.g3"].due) == ({"1.g3": "done"}, False)
    assert samples(engine) == 50 * (3 + longer)


def test_a_file_that_fails_is_told_once_with_its_reason(engine: Engine, archive: Path) -> None:
    (archive / "noise.g3").write_bytes(b"\x07" * 100)
    discover(engine, archive)
    told = []
    while step := index_next(engine):
        told += step.failed
    assert told == [f"{archive}/noise.g3 at byte 0: no frame begins here; what follows is not read"]
    with engine.begin() as connection:
        connection.execute(update(files).values(due=True))
    assert index_next(engine).failed == ()


@pytest.mark.parametrize("unfit", ["", "n" * 300])
def test_a_field_whose_name_cannot_be_kept_leaves_the_others_their_values(
    engine: Engine, archive: Path, unfit: str
) -> None:
    t = [(START + second) * SECOND for second in range(5)]
    columns = {name: [float(number)] * 5 for number, name in enumerate(sorted([unfit, "b", "c"]), 1)}
    Recording().status({0: "observatory.a.feeds.b"}).data(0, Block("a", t, columns)).write(archive / "1.g3")
    discover(engine, archive)
    index_next(engine)
    with engine.connect() as connection:
        ids = {row.field: row.id for row in connection.execute(select(series))}
        tiles = read_tiles(connection, dict.fromkeys(ids.values(), Kind.NUMBER), FINEST, [START // 3600])
    sums = {name: float(tiles[each][1]["sum"].sum()) for name, each in ids.items()}
    assert sums == {name: 5 * columns[name][0] for name in ("b", "c")}


def two_days(engine: Engine, archive: Path) -> None:
    """Two feeds with a finished day each, which is not rolled up, and one that is not finished, in another file."""
    for feed in ("a", "b"):
        for day, begin in enumerate((START, START + 86_400)):
            made = Recording(start=begin).status({0: f"observatory.{feed}.feeds.temps"})
            made.data(0, Block("temps", seconds(range(begin, begin + 60)), {"a": [1.0] * 60}))
            made.write(archive / f"{feed}-{day}.g3")
    discover(engine, archive)
    while index_next(engine):
        pass


def settled(engine: Engine) -> list[bool]:
    with engine.connect() as connection:
        return [until == START // 86_400 + 1 for until in connection.scalars(select(timelines.c.settled_until))]


def test_two_workers_settle_different_timelines_at_the_same_time(
    engine: Engine, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_days(engine, archive)
    roll = indexing.rolled_up
    others: list[bool] = []

    def meanwhile(*arguments: Any) -> Iterator[Packed]:
        monkeypatch.setattr(indexing, "rolled_up", roll)
        others.extend(settle(engine) for _ in range(2))
        return roll(*arguments)

    monkeypatch.setattr(indexing, "rolled_up", meanwhile)
    assert settle(engine)
    assert others == [True, False]
    assert settled(engine) == [True, True]
    assert not settle(engine)


def test_a_timeline_that_another_worker_has_just_settled_is_left_alone(
    engine: Engine, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_days(engine, archive)
    alone_with = indexing._alone_with

    def later(*arguments: Any) -> AbstractContextManager[bool]:
        monkeypatch.setattr(indexing, "_alone_with", alone_with)
        assert settle(engine)
        return alone_with(*arguments)

    monkeypatch.setattr(indexing, "_alone_with", later)
    with engine.connect() as connection:
        before = connection.scalar(select(state.c.version))
    assert settle(engine)
    assert sorted(settled(engine)) == [False, True]
    with engine.connect() as connection:
        assert connection.scalar(select(state.c.version)) == before + 1


@pytest.mark.parametrize("change", ["comes", "goes"])
def test_days_that_change_while_they_are_rolled_up_are_rolled_up_again(
    engine: Engine, archive: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    two_days(engine, archive)
    roll = indexing.rolled_up

    def meanwhile(*arguments: Any) -> Iterator[Packed]:
        made = list(roll(*arguments))
        if change == "comes":
            for feed in ("a", "b"):
                late = Recording(start=START).status({0: f"observatory.{feed}.feeds.temps"})
                late.data(0, Block("temps", seconds(range(START + 600, START + 660)), {"a": [9.0] * 60}))
                late.write(archive / f"late-{feed}.g3")
            discover(engine, archive)
        else:
            with engine.begin() as connection:
                first_day = files.c.path.in_([os.fsencode(archive / f"{feed}-0.g3") for feed in ("a", "b")])
                connection.execute(update(files).where(first_day).values(status=Status.NEW, due=True))
        monkeypatch.setattr(indexing, "rolled_up", roll)
        while index_next(engine):
            pass
        return iter(made)

    monkeypatch.setattr(indexing, "rolled_up", meanwhile)
    assert settle(engine)
    assert settled(engine) == [False, False]
    while settle(engine):
        pass
    assert settled(engine) == [True, True]
    days = START // 86_400
    with engine.connect() as connection:
        ids = dict.fromkeys(connection.scalars(select(series.c.id)), Kind.NUMBER)
        read = read_tiles(connection, ids, LEVELS[-1], [days // LEVELS[-1].size])
    assert [rows["count"][0, days % LEVELS[-1].size] for _, rows in read.values()] == [
        120 if change == "comes" else 60
    ] * 2
