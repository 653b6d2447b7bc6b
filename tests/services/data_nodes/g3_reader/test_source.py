"""The reader beside its plain answers: what is final or too much, what it costs, what it says without an index."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from archive_writer import SECOND, Block, Recording, seconds
from private_mariadb import PrivateMariaDB, in_environment
from scanning import open_index, scan

from services.data_nodes.g3_reader.source import Archive
from sisock.errors import SisockError
from sisock.shapes import DataReply, check_data

FEED = "observatory.a.feeds.b"
X = f"{FEED}.x"
START = 1_700_006_400
"""UNIX seconds, a full hour."""
HOUR, DAY = 3600, 86_400
ROOT = Path(__file__).parents[4]


@pytest.fixture
def rescan(mariadb: PrivateMariaDB, database: str, tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Brings the index in line with the files in `tmp_path`."""
    engine = open_index(mariadb, database)
    yield lambda: scan(engine, tmp_path)
    engine.dispose()


@pytest.fixture
def reader(mariadb: PrivateMariaDB, database: str) -> Iterator[Archive]:
    archive = Archive(mariadb.environ(database, "reader"), 1_000_000)
    yield archive
    archive.close()


def write(path: Path, start: float, count: int, period: float, fields: int = 1) -> Path:
    """A file of one frame: x, x1, x2, .. counting up."""
    columns = {f"x{field or ''}": [float(place + field) for place in range(count)] for field in range(fields)}
    t = seconds(start + place * period for place in range(count))
    return Recording().status({0: FEED}).data(0, Block("a", t, columns)).write(path)


def data(reader: Archive, *names: str, start: float = 1.0, end: float = 4e9, stride: float | None = None) -> DataReply:
    reply = check_data(reader.get_data(names, start, end, stride), names)
    assert reply is not False
    return reply


def test_what_a_file_that_grows_has_beyond_its_end_is_not_final(
    reader: Archive, rescan: Callable[[], None], tmp_path: Path
) -> None:
    path = write(tmp_path / "1.g3", START, 600, 1.0)
    rescan()
    for stride in (None, 60.0):
        open_end, closed_end = (data(reader, X, start=START, end=e, stride=stride) for e in (4e9, START + 300.0))
        (timeline,) = open_end["timeline"].values()
        assert timeline["finalized_until"] is not None
        assert START < timeline["finalized_until"] <= START + 599
        assert [t["finalized_until"] for t in closed_end["timeline"].values()] == [None]
        until = timeline["finalized_until"]
        before = data(reader, X, start=START, end=until, stride=stride)
        with path.open("ab") as file:
            more = Block("a", seconds(START + 600 + place for place in range(300)), {"x": [7e6] * 300})
            file.write(Recording().data(0, more, address=FEED).pieces()[1])
        rescan()
        assert data(reader, X, start=START, end=until, stride=stride)["data"] == before["data"]
        path.unlink()
        write(path, START, 600, 1.0)
        rescan()


def test_a_glance_serves_as_long_as_the_index_is_seen_not_to_change(
    mariadb: PrivateMariaDB, database: str, rescan: Callable[[], None], tmp_path: Path
) -> None:
    write(tmp_path / "1.g3", START, HOUR, 1.0)
    rescan()
    time = 100.0
    reader = Archive(mariadb.environ(database, "reader"), 10_000_000, clock=lambda: time)
    asked = [X], START, START + HOUR, 10.0
    due = check_data(reader.get_data(*asked), [X])
    for _ in range(5):
        time += 1.1
        assert reader.recall_data(*asked) is None  # So long after the glance, nobody has looked.
        reader.watch()
        assert check_data(reader.recall_data(*asked), [X]) == due
    write(tmp_path / "2.g3", START + HOUR, HOUR, 1.0)
    rescan()
    reader.watch()
    assert reader.recall_data(*asked) is None  # The index has changed.
    reader.get_data(*asked)
    time += 100.0
    reader.watch()
    assert reader.recall_data(*asked) is None  # Nobody has asked for long, so nobody looks.
    reader.close()


def test_a_server_is_prepared_also_without_an_index_and_with_an_empty_one(
    mariadb: PrivateMariaDB, database: str, rescan: Callable[[], None], tmp_path: Path
) -> None:
    with_nothing = Archive(mariadb.environ("absent", "reader"), 10_000_000)
    with_nothing.prepare()
    with_nothing.watch()
    reader = Archive(mariadb.environ(database, "reader"), 10_000_000)
    rescan()
    reader.prepare()
    write(tmp_path / "1.g3", START, HOUR, 1.0)
    rescan()
    reader.prepare()
    # What has been prepared is in memory.
    assert reader.recall_data([X], START + 60.0, START + HOUR - 60.0, 10.0) is not None
    for archive in (with_nothing, reader):
        archive.close()


def test_new_samples_are_answered_when_the_index_has_them(
    reader: Archive, rescan: Callable[[], None], tmp_path: Path
) -> None:
    rescan()
    assert reader.get_fields(1, 4e9) == ({}, {})
    assert data(reader, X) == {"data": {X: []}, "timeline": {}}
    for number in range(3):
        write(tmp_path / f"{number}.g3", START + number * HOUR, 10, 1.0)
        rescan()
        assert len(data(reader, X)["data"][X]) == 10 * (number + 1)
    (tmp_path / "1.g3").unlink()
    rescan()
    assert len(data(reader, X)["data"][X]) == 20
    assert reader.get_fields(START + HOUR, START + HOUR + 60)[0].keys() <= {X}


def test_late_data_older_than_all_others_are_answered_at_once(
    reader: Archive, rescan: Callable[[], None], tmp_path: Path
) -> None:
    for number in range(3):
        write(tmp_path / f"{number}.g3", START - number * DAY, 10, 1.0)
        rescan()
        assert len(data(reader, X)["data"][X]) == 10 * (number + 1)
        assert len(data(reader, X, start=START - 9 * DAY, stride=DAY / 4)["data"][X]) > number


def test_a_revision_holds_until_settled_samples_change(
    reader: Archive, rescan: Callable[[], None], tmp_path: Path
) -> None:
    def given(stride: float | None = None) -> dict[str, Any]:
        ((timeline),) = data(reader, X, end=START + DAY, stride=stride)["timeline"].values()
        return dict(timeline)

    midnight = (START // DAY + 3) * DAY
    write(tmp_path / "1.g3", START, HOUR, 1.0)
    write(tmp_path / "2.g3", midnight + 100.0, HOUR, 1.0)
    rescan()
    first = given()
    assert first["settled_until"] == midnight
    assert given(stride=10.0)["revision"] == given(stride=600.0)["revision"] == first["revision"]
    assert reader.holds([first["revision"]]) == [True]
    write(tmp_path / "3.g3", midnight + 2 * HOUR, HOUR, 1.0)
    rescan()
    assert reader.holds([first["revision"]]) == [True]  # That day is not over.
    write(tmp_path / "4.g3", START + 10 * HOUR, 10, 1.0)
    rescan()
    second = given()
    assert reader.holds([first["revision"], second["revision"]]) == [False, True]
    (tmp_path / "4.g3").unlink()
    rescan()
    third = given()
    assert third["t"] == first["t"]
    assert reader.holds([first["revision"], second["revision"], third["revision"]]) == [False, False, True]
    write(tmp_path / "5.g3", midnight + 4 * HOUR, 10, 1.0, fields=2)  # Series of another block might be of the field.
    rescan()
    assert reader.holds([third["revision"], given()["revision"]]) == [False, True]


def test_what_lacks_a_file_that_could_not_be_read_has_no_revision(
    reader: Archive, rescan: Callable[[], None], tmp_path: Path
) -> None:
    """It may be readable at once, and the index would not know that it was not."""
    one, _ = (write(tmp_path / f"{number}.g3", START + number * HOUR, 60, 1.0) for number in range(2))
    rescan()
    away = one.rename(tmp_path / "away")
    ((timeline),) = data(reader, X)["timeline"].values()
    assert (len(timeline["t"]), "revision" in timeline) == (60, False)
    away.rename(one)
    ((timeline),) = data(reader, X)["timeline"].values()
    assert (len(timeline["t"]), "revision" in timeline) == (120, True)


@pytest.mark.parametrize(
    "strange", ["", "x", "1:", "1:2", "1:2.3.4", "1:2.3,", "1:0.0", "9" * 40 + ":1.1", "1:1.1;DROP"]
)
def test_a_revision_of_nobody_does_not_hold(
    reader: Archive, rescan: Callable[[], None], tmp_path: Path, strange: str
) -> None:
    write(tmp_path / "1.g3", START, 10, 1.0)
    rescan()
    ((timeline),) = data(reader, X)["timeline"].values()
    assert reader.holds([strange, timeline["revision"]]) == [False, True]
    assert reader.holds([]) == []


def test_a_gap_stays_a_gap(reader: Archive, rescan: Callable[[], None], tmp_path: Path) -> None:
    write(tmp_path / "1.g3", START, HOUR, 1.0)
    write(tmp_path / "2.g3", START + 5 * HOUR, HOUR, 1.0)
    rescan()
    for stride in (None, 10.0, 60.0, 600.0):
        ((timeline),) = data(reader, X, start=START, end=START + DAY, stride=stride)["timeline"].values()
        between = [
            t for t in timeline["t"] if START + HOUR + 2 * (stride or 0) < t < START + 5 * HOUR - 2 * (stride or 0)
        ]
        assert between == [], stride


def test_more_than_is_sent_at_once_is_refused_and_thinned_it_is_not(
    reader: Archive, rescan: Callable[[], None], tmp_path: Path
) -> None:
    names = [f"{FEED}.x{field or ''}" for field in range(12)]
    for number in range(3):
        write(tmp_path / f"{number}.g3", START + number * HOUR, 36_000, 0.1, fields=12)
    rescan()
    assert reader.get_data(names, START, START + 4 * HOUR) is False
    assert reader.get_data(names[:3], START, START + 4 * HOUR) is not False
    thinned = data(reader, *names, start=START, end=START + 4 * HOUR, stride=10.0)
    assert all(500 < len(values) < 1400 for values in thinned["data"].values())


def test_an_archive_with_long_gaps_or_one_stray_stamp_is_not_taken_for_a_large_one(
    reader: Archive, rescan: Callable[[], None], tmp_path: Path
) -> None:
    write(tmp_path / "1.g3", START, 100, 0.01)
    write(tmp_path / "2.g3", START + 3000 * DAY, 100, 0.01)
    write(tmp_path / "3.g3", 5.0, 1, 1.0)
    rescan()
    assert len(data(reader, X)["data"][X]) == 201
    for stride in (0.001, 1.0, 60.0, DAY):
        reply = data(reader, X, stride=stride)
        assert (min(reply["data"][X]), max(reply["data"][X])) == (0, 99), stride


def test_from_memory_it_answers_what_was_lately_asked_and_nothing_else(
    mariadb: PrivateMariaDB, database: str, rescan: Callable[[], None], tmp_path: Path
) -> None:
    for hour in range(600):
        write(tmp_path / f"{hour}.g3", START + hour * HOUR, 36, 100.0, fields=2)
    rescan()
    time = 100.0
    reader = Archive(mariadb.environ(database, "reader"), 10_000_000, clock=lambda: time)
    names, hour = [X, f"{X}1"], (START, START + HOUR)
    assert reader.recall_data(names, *hour) is None
    due = check_data(reader.get_data(names, *hour), names)
    mariadb.kill()
    (tmp_path / "0.g3").unlink()
    for later in (0.0, 0.19):
        time = 100.0 + later
        assert check_data(reader.recall_data(names, *hour), names) == due
        assert reader.recall_data([X], *hour) is None
        assert reader.recall_data(names, START + HOUR, START + 2 * HOUR) is None
    time = 100.3
    assert reader.recall_data(names, *hour) is None
    mariadb.start()
    time = 200.0
    assert check_data(reader.get_data(names, 1.0, 4e9), names) == check_data(reader.get_data(names, 1.0, 4e9), names)
    assert reader.recall_data(names, *hour) is not None
    assert reader.recall_data(names, 1.0, 4e9) is None  # That is too much work for a thread that others wait for.
    reader.close()


def test_without_an_index_it_says_what_to_look_at(mariadb: PrivateMariaDB, database: str) -> None:
    empty = Archive(mariadb.environ(database, "reader"), 1000)
    settings = mariadb.environ(database, "reader") | {"SQL_HOST": "/nowhere/m.sock"}
    absent = Archive(settings, 1000)
    for archive in (empty, absent):
        with pytest.raises(SisockError, match="index") as caught:
            archive.get_fields(1, 4e9)
        assert "only-for-tests" not in str(caught.value)
        with pytest.raises(SisockError, match="index"):
            archive.holds(["1:1.0"])


def test_it_answers_again_when_the_database_is_back(
    mariadb: PrivateMariaDB, reader: Archive, rescan: Callable[[], None], tmp_path: Path
) -> None:
    write(tmp_path / "1.g3", START, 10, 1.0)
    rescan()
    before = data(reader, X)
    for _ in range(3):
        mariadb.kill()
        with pytest.raises(SisockError, match="index"):
            reader.get_data([X], 1, 4e9)
        mariadb.start()
        assert data(reader, X) == before


def test_files_that_are_gone_or_changed_since_they_were_indexed_cost_their_own_samples_only(
    reader: Archive, rescan: Callable[[], None], tmp_path: Path
) -> None:
    for number in range(3):
        write(tmp_path / f"{number}.g3", START + number * HOUR, 10, 1.0)
    rescan()
    (tmp_path / "0.g3").unlink()
    (tmp_path / "2.g3").write_bytes(b"\x01" * 5000)
    assert data(reader, X)["data"][X] == [float(place) for place in range(10)]


def handler_reads(mariadb: PrivateMariaDB) -> int:
    """Rows that the database has looked at since it began."""
    return sum(int(row[1]) for row in mariadb.sql("SHOW GLOBAL STATUS LIKE 'Handler_read%'"))


def test_a_look_up_costs_no_more_rows_when_there_are_more_files(
    mariadb: PrivateMariaDB, reader: Archive, rescan: Callable[[], None], tmp_path: Path
) -> None:
    def cost(ask: Callable[[], object]) -> int:
        ask()
        before = handler_reads(mariadb)
        ask()
        after = handler_reads(mariadb)
        return after - before - (handler_reads(mariadb) - after)

    questions: dict[str, Callable[[], object]] = {
        "fields": lambda: reader.get_fields(START, START + HOUR),
        "samples": lambda: reader.get_data([X], START + 60, START + 600),
        "an hour": lambda: reader.get_data([X], START, START + HOUR, 10.0),
        "a mean": lambda: reader.get_data([X], START + 60, START + 600, 60.0, "mean"),
        "the newest": lambda: reader.get_data([X], START + 9 * HOUR, 4e9),
        "after all": lambda: reader.get_data([X], 3.9e9, 4e9, 60.0),
    }
    costs = []
    for hours in (range(10), range(-300, 0)):
        for hour in hours:
            write(tmp_path / f"{(hour + 1000) // 50}" / f"{hour}.g3", START + hour * HOUR, 36, 100.0)
        rescan()
        costs.append({name: cost(ask) for name, ask in questions.items()})
    few, many = costs
    # A level more in an index, or another page, may cost a row or two.
    assert {name: (few[name], many[name]) for name in few if many[name] > few[name] + 10} == {}


_YEAR = """
import sys, threading
from pathlib import Path
from services.data_nodes.g3_reader.server import G3ReaderServer

start, end = float(sys.argv[1]), float(sys.argv[2])
server = G3ReaderServer()
names = list(server.get_fields_blocking(start, end)[0])
assert len(names) == 16
broken = []

def ask(client):
    try:
        for number, span in enumerate((3600, 86400, 7 * 86400, 30 * 86400, 366 * 86400) * 2):
            for points in (100, 1000, 4000):
                first = start + (client * 40 * (number > 4) + number % 5) * 86400 if span < 366 * 86400 else start
                for operator in (None, "mean"):
                    server.get_data_blocking(names[: 16 - client], first, first + span, span / points, operator)
            server.get_data_blocking(names, first, first + span)
    except Exception as error:
        broken.append(repr(error))

threads = [threading.Thread(target=ask, args=(client,)) for client in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert not broken, broken
# What getrusage tells may be the memory of the process that started this one.
(peak,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(peak.split()[1]) // 1024)
"""


def test_memory_stays_bounded_while_eight_clients_ask_for_a_year_at_every_zoom(
    mariadb: PrivateMariaDB, database: str, rescan: Callable[[], None], tmp_path: Path
) -> None:
    """Sixteen fields, each ten minutes a sample: as many tiles as at 1 Hz, in the first month and every 6th hour."""
    dice = np.random.default_rng(1)
    for day in range(366):
        places = [place for place in range(144) if day < 30 or place % 36 < 6]
        columns = {f"x{field}": dice.normal(size=len(places)).tolist() for field in range(16)}
        block = Block("a", [(START + day * DAY + place * 600) * SECOND for place in places], columns)
        Recording().status({0: FEED}).data(0, block).write(tmp_path / f"{day // 100}" / f"{day:03}.g3")
    rescan()
    done = subprocess.run(
        [sys.executable, "-c", _YEAR, str(START), str(START + 366 * DAY)], check=False, capture_output=True, text=True,
        env=in_environment(mariadb.environ(database, "reader")) | {"PYTHONPATH": str(ROOT)}, timeout=240, cwd="/",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) < 300, f"{done.stdout} MiB"


def test_a_file_that_another_has_replaced_is_not_remembered(
    reader: Archive, rescan: Callable[[], None], tmp_path: Path
) -> None:
    t = seconds(START + 2 * DAY * whole + place for whole in range(3) for place in range(3 * 3600))
    for value in (1.0, 2.0):
        # Frame by frame the same bytes but for the values: nothing but the index knows the one from the other.
        columns = {"x": [value + place % 5 for place in range(len(t))]}
        (tmp_path / "1.g3").unlink(missing_ok=True)
        Recording().status({0: FEED}).data(0, Block("a", t, columns)).write(tmp_path / "1.g3")
        rescan()
        for stride in (None, 60.0, 600.0, 7200.0):
            for _ in range(2):
                assert min(data(reader, X, stride=stride)["data"][X]) == value
