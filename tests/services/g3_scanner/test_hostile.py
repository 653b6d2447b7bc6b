"""Whatever happens to the files, and however they are read, the index is that of the files as they are."""

import math
import os
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from archive_oracle import Oracle, archived
from archive_writer import SECOND, Block, Recording
from hostile_archive import hostile_archive
from private_mariadb import PrivateMariaDB
from scanning import differences, discover, fresh_index, index_of, open_index, scan, whole_state, work
from sqlalchemy import Engine, select

from services.g3_index.levels import LEVELS
from services.g3_index.schema import Kind, series, tiles, timelines
from services.g3_index.tiles import unpack, unpack_texts
from services.g3_scanner.discovery import Memory

SEEDS = range(3)
FEED = "observatory.a.feeds.b"


@pytest.fixture
def engine(mariadb: PrivateMariaDB, database: str) -> Any:
    made = open_index(mariadb, database)
    yield made
    made.dispose()


def buckets_of(engine: Engine) -> dict[tuple[str, str, str, str, int], dict[int, tuple[Any, ...]]]:
    """Feed, block, field, kind and level -> start of each bucket in seconds -> what the index says of it."""
    found: dict[tuple[str, str, str, str, int], dict[int, tuple[Any, ...]]] = {}
    query = select(tiles, series.c.field, series.c.kind, timelines.c.feed, timelines.c.block).select_from(
        tiles.join(series, series.c.id == tiles.c.series_id).join(timelines)
    )
    with engine.connect() as connection:
        for row in connection.execute(query):
            level = LEVELS[row.level]
            text = row.kind == Kind.STRING
            (rows,) = (unpack_texts if text else unpack)([row.data], level.size)
            mine = found.setdefault((row.feed, row.block, row.field, row.kind, row.level), {})
            for place in np.flatnonzero(rows["count"]).tolist():
                names = ("count", "first", "last") if text else ("count", "low", "high", "sum")
                start = (row.tile * level.size + place) * level.bucket // SECOND
                mine[start] = tuple(rows[place][name].item() if hasattr(rows[place][name], "item")
                                    else rows[place][name] for name in names)  # fmt: skip
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_each_bucket_of_each_level_is_that_of_a_plain_loop(tmp_path: Path, engine: Engine, seed: int) -> None:
    scan(engine, hostile_archive(seed).write(tmp_path))
    oracle, indexed = Oracle(tmp_path), buckets_of(engine)
    with engine.connect() as connection:
        settled = {(row.feed, row.block): row.settled_until for row in connection.execute(select(timelines))}
    compared = 0
    for (feed, block, field, kind), samples in oracle.series.items():
        values = {tick: value for tick, (_, value) in sorted(samples.items()) if value is not None}
        for level in LEVELS:
            due: dict[int, list[Any]] = {}
            for tick, value in values.items():
                if level.number == 0 or tick < settled[feed, block] * 86_400 * SECOND:
                    due.setdefault(tick // level.bucket * level.bucket // SECOND, []).append(value)
            got = indexed.pop((feed, block, field, kind, level.number), {})
            assert got.keys() == due.keys(), (feed, block, field, kind, level)
            for start, held in due.items():
                told: tuple[Any, ...] = (len(held), min(held), max(held), math.fsum(held)) if kind != "string" else (
                    len(held), held[0], held[-1])  # fmt: skip
                assert got[start] == told, (feed, block, field, kind, level, start)
                compared += 1
    assert indexed == {}
    assert compared > 2000


@pytest.mark.parametrize("seed", range(2))
def test_unchanged_files_scanned_again_change_no_row(
    tmp_path: Path, mariadb: PrivateMariaDB, database: str, engine: Engine, seed: int
) -> None:
    scan(engine, hostile_archive(seed).write(tmp_path))
    before = whole_state(mariadb, database)
    scan(engine, tmp_path)
    assert whole_state(mariadb, database) == before


@pytest.mark.parametrize("seed", range(3))
def test_neither_the_order_nor_the_steps_of_a_scan_leave_a_trace(
    tmp_path: Path, mariadb: PrivateMariaDB, database: str, engine: Engine, seed: int
) -> None:
    dice, memory = random.Random(seed), Memory()
    for _ in hostile_archive(seed, files=16).steps(tmp_path, shuffle=seed):
        if dice.random() < 0.2:
            discover(engine, tmp_path, memory)
            if dice.random() < 0.7:
                work(engine, dice)
    scan(engine, tmp_path, dice)
    assert differences(index_of(mariadb, database), fresh_index(mariadb, tmp_path)) == ""


@pytest.mark.parametrize("workers", [2, 5])
def test_any_number_of_workers_make_the_same_index(
    tmp_path: Path, mariadb: PrivateMariaDB, database: str, engine: Engine, workers: int
) -> None:
    discover(engine, hostile_archive(workers).write(tmp_path))
    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(work, engine, random.Random(number)) for number in range(workers)]:
            done.result()
    assert differences(index_of(mariadb, database), fresh_index(mariadb, tmp_path)) == ""


def _halved(path: Path, dice: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _spoilt(path: Path, dice: random.Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(3 if content else 0):
        content[dice.randrange(len(content) // 2, len(content))] ^= 1
    path.write_bytes(content)


def _replaced(path: Path, dice: random.Random) -> None:
    stamps = [(1_700_000_000 + dice.randrange(400_000)) * SECOND for _ in range(20)]
    Recording(session_id=dice.randrange(9999)).status({0: FEED}).data(
        0, Block("a", stamps, {"x": [float(n) for n in range(20)]})
    ).write(path)


def _another(path: Path, dice: random.Random) -> None:
    other = dice.choice([each for each in path.parent.iterdir() if each.suffix == path.suffix])
    path.write_bytes(other.read_bytes())


def _moved(path: Path, dice: random.Random) -> None:
    path.rename(path.with_name(f"0{path.name}"))


@pytest.mark.parametrize("harm", [_halved, _spoilt, _replaced, _another, _moved, None], ids=lambda h: getattr(h, "__name__", "removed").strip("_"))  # fmt: skip  # noqa: E501
def test_what_is_left_of_files_that_were_harmed_is_all_that_is_left(
    tmp_path: Path, mariadb: PrivateMariaDB, database: str, engine: Engine, harm: Callable[..., None] | None
) -> None:
    """A third of the files at a time, so that a disk that vanishes is not suspected."""
    dice = random.Random(3)
    scan(engine, hostile_archive(9, files=10).write(tmp_path))
    for _ in range(2):
        for path in dice.sample(archived(tmp_path), len(archived(tmp_path)) // 3):
            path.unlink() if harm is None else harm(path, dice)
            if path.exists():
                # A change within the last seconds might be one that is still under way.
                os.utime(path, (1_700_000_000 + dice.random(),) * 2)
        scan(engine, tmp_path)
        assert differences(index_of(mariadb, database), fresh_index(mariadb, tmp_path)) == ""
