"""The command ``sisock``, typed as people type it, before the real bridge and data servers that exist only here."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sisock.answers import BridgeAbsent
from sisock.bridge import Bridge
from sisock.cli.main import main
from sisock.cli.printing import cell, columns, short
from tests.services.bridge.conftest import Node, answering, good, raising, serving, table

ROOT = Path(__file__).resolve().parents[3]
RANGE = ("--from", "2023-11-14T22:13:20", "--to", "2023-11-14T22:13:24+00:00")
Sisock = Callable[..., tuple[int, list[str], list[str]]]


def live(names: tuple[str, ...] = ("a", "b")) -> Node:
    """A data server with a sample every tenth of a second, until now."""

    def get_data(fields: list[str], start: float, end: float, _stride: float | None) -> Any:
        t = np.arange(np.ceil(max(start, time.time() - 600) * 10), np.floor(min(end, time.time()) * 10)) / 10
        return {
            "data": dict.fromkeys(fields, t.tolist()),
            "timeline": {"t": {"t": t.tolist(), "finalized_until": None}},
        }

    return Node(lambda *_: table(names=names), get_data)


@pytest.fixture(scope="module")
def bridge() -> Iterator[Any]:
    servers = {
        "weather": good(names=("humidity", "pressure")),
        "text": good(lambda t: [f"w\x1b[31m{x % 3:.0f}" for x in t], kind="string", units=None, names=("word",)),
        "flag": good(lambda t: [None if x % 3 else bool(x % 2) for x in t], kind="bool", units=None, names=("on",)),
        "live": live(),
        "raising": raising(),
        "empty": answering({"data": {"a": []}, "timeline": {}}),
    }
    with serving(servers) as at:
        yield at


@pytest.fixture
def sisock(bridge: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Sisock:
    """Types a command: its exit status, and the lines of its output and of its complaints."""
    monkeypatch.setenv("SISOCK_URL", f"http://127.0.0.1:{bridge.port}")

    def run(*arguments: str) -> tuple[int, list[str], list[str]]:
        try:
            status = main(arguments)
        except SystemExit as stop:
            status = int(stop.code or 0)
        said = capsys.readouterr()
        return status, said.out.splitlines(), said.err.splitlines()

    return run


def test_the_release_is_told(sisock: Sisock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sisock.cli.main.version", lambda name: f"1.2.3 of {name}")
    assert sisock("--version") == (0, ["sisock 1.2.3 of sisock"], [])


def test_nodes_are_listed(sisock: Sisock) -> None:
    status, out, err = sisock("nodes")
    assert (status, err) == (0, [])
    assert out[0].split() == ["server", "online", "fields", "description"]
    assert out[-1].split() == ["weather", "yes", "2", "the", "weather"]


def test_fields_are_found_by_part_of_a_name_by_pattern_and_by_node(sisock: Sisock) -> None:
    assert sisock("fields", "HUM")[1] == [
        "field              type    units  stale  description",
        "weather::humidity  number  K",
    ]
    assert [line.split()[0] for line in sisock("fields", "*::?")[1][1:]] == [
        f"{node}::{field}" for node in ("empty", "live", "raising") for field in "ab"
    ]
    assert len(sisock("fields", "--node", "weather")[1]) == 3
    assert [line.split()[0] for line in sisock("fields", "--regex", "^t.*word$")[1][1:]] == ["text::word"]
    assert sisock("fields", "--csv", "-", "word")[1] == ["field,type,units,stale,description", "text::word,string,,,"]


def test_samples_are_a_table_by_default(sisock: Sisock) -> None:
    status, out, err = sisock("get", "weather::*", "text::word", "flag::on", *RANGE)
    assert (status, err) == (0, [])
    assert out == [
        "time                      humidity [K]  pressure [K]     word    on",
        "2023-11-14T22:13:20.000Z             0             0  w [31m2",
        "2023-11-14T22:13:21.000Z             1             1  w [31m0  true",
        "2023-11-14T22:13:22.000Z             2             2  w [31m1",
        "2023-11-14T22:13:23.000Z             3             3  w [31m2",
    ]


def test_samples_are_written_as_csv(sisock: Sisock, tmp_path: Path) -> None:
    expected = [
        "time,unix_time,weather::humidity",
        "2023-11-14T22:13:20.000000Z,1700000000.0,0.0",
        "2023-11-14T22:13:21.000000Z,1700000001.0,1.0",
        "2023-11-14T22:13:22.000000Z,1700000002.0,2.0",
        "2023-11-14T22:13:23.000000Z,1700000003.0,3.0",
    ]
    assert sisock("get", "weather::humidity", *RANGE, "--csv", "-") == (0, expected, [])
    assert sisock("get", "weather::humidity", *RANGE, "--csv", str(tmp_path / "x.csv")) == (0, [], [])
    assert (tmp_path / "x.csv").read_text().splitlines() == expected


def test_a_relative_range_and_a_stride_are_understood(sisock: Sisock) -> None:
    assert 40 < len(sisock("get", "live::a", "--from", "-5s")[1]) <= 52
    assert 2 < len(sisock("get", "live::a", "--from=-1m", "--to", "-10s", "--stride", "10s")[1]) <= 7
    assert 2 < len(sisock("get", "live::a", "--from", "-1m", "--points", "5")[1]) <= 6


def test_what_is_missing_is_told_beside_what_is_there(sisock: Sisock) -> None:
    status, out, err = sisock("get", "weather::humidity", "raising::a", "nobody::x", *RANGE)
    assert (status, len(out)) == (1, 5)
    assert err == [
        "sisock: data server 'raising' failed: disk on fire",
        "sisock: nobody named 'nobody' is online; look at 'supervisorctl status servers:'",
    ]


def test_a_part_that_is_missing_is_told_and_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving({"g3_reader": raising(), "data_feed": good()}) as at:
        monkeypatch.setenv("SISOCK_URL", f"http://127.0.0.1:{at.port}")
        assert main(["get", "feeds::a", *RANGE]) == 1
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 5
    assert said.err == "sisock: the samples of g3_reader are missing: data server 'g3_reader' failed: disk on fire\n"


def test_no_more_is_said_of_many_fields_than_a_person_reads(sisock: Sisock) -> None:
    _, _, err = sisock("get", *(f"live::x{n}" for n in range(20)))
    assert (len(err), err[-1]) == (6, "sisock: and 15 more of this kind")


def test_no_samples_are_no_failure_but_are_told(sisock: Sisock) -> None:
    status, out, err = sisock("get", "empty::a", *RANGE)
    assert (status, out) == (0, [])
    assert err == ["sisock: data server 'empty' has no samples of 'a' in this time range"]
    assert sisock("get", "empty::a", *RANGE, "--csv", "-")[:2] == (0, ["time,unix_time"])


def test_a_watch_shows_the_newest_sample_and_new_ones_as_they_come(sisock: Sisock) -> None:
    status, out, err = sisock("watch", "live::a", "weather::humidity", "--every", "100ms", "-n", "12")
    assert (status, err) == (0, [])
    stamps = [float(line.split()[2]) for line in out if line.split()[1] == "a"]
    assert len(out) == 12
    assert stamps == sorted(set(stamps))
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z  a  [0-9.]+ K", next(x for x in out if "  a  " in x))


def test_the_status_tells_of_router_hub_and_servers_and_fails_when_something_is_wrong(sisock: Sisock) -> None:
    status, out, _ = sisock("status")
    assert status == 1
    assert out[:2] == ["router: answers", "hub: answers"]
    rows = {line.split()[0]: line for line in out[3:]}
    assert re.search(r"live +yes +2 +20\S+Z \(\d\.\d s ago\)$", rows["live"])
    assert rows["raising"].endswith("data server 'raising' failed: disk on fire")
    assert sisock("status", "--csv", "-")[1][0] == "server,online,fields,newest sample,last problem"


def test_a_status_where_all_is_well_succeeds_and_one_without_router_says_where_to_look(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving({"live": live()}) as at:
        monkeypatch.setenv("SISOCK_URL", f"http://127.0.0.1:{at.port}")
        assert main(["status"]) == 0
        at.consumer.hub = False
        capsys.readouterr()
        assert main(["status"]) == main(["nodes"]) == 1
        said = capsys.readouterr()
        assert said.err == "sisock: the hub does not answer; look at 'supervisorctl status sisock:hub'\n" * 2
        assert re.findall(r"(?m)^live +(\w+)", said.out) == ["unknown", "unknown"]
        at.consumer.attached = False
        assert main(["status"]) == 1
        said = capsys.readouterr()
    assert said.out.startswith("router: does not answer\nhub: does not answer\n")
    assert said.err.endswith("not connected to the WAMP router; look at 'supervisorctl status router:'\n")


def test_the_status_fails_when_a_certificate_ends_soon(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    files = f"-keyout {tmp_path}/key -out {tmp_path}/router.crt"
    made = f"openssl req -x509 -newkey ed25519 -nodes -days 30 -subj /CN=x {files}"
    subprocess.run(made.split(), check=True, capture_output=True)
    for days, failed in ((21.0, 0), (40.0, 1)):
        with serving({"live": live()}, CERTIFICATES=[f"{tmp_path}/router.crt"], CERTIFICATE_DAYS=days) as at:
            monkeypatch.setenv("SISOCK_URL", f"http://127.0.0.1:{at.port}")
            assert main(["status"]) == failed
        said = capsys.readouterr()
        assert re.search(r"^certificate router.crt: lasts until 20\S+Z$", said.out, re.MULTILINE)
        assert ("renew it: ./appliance renew_tls SITE" in said.err) == bool(failed)


@pytest.mark.parametrize(
    ("typed", "status", "said"),
    [
        ("fields zz", 1, "no field matches 'zz'; 'sisock fields' lists all, 'sisock nodes' who is online"),
        ("fields --node zz", 1, "there is no data server 'zz'; 'sisock nodes' lists them"),
        ("get zz::*", 1, "no field matches 'zz::*'; 'sisock fields' lists them"),
        ("get live::zz", 1, "data server 'live' has no field 'zz'"),
        ("get live", 1, "'live' names no field; write <server>::<field>"),
        ("get live::a --from noon", 1, "'noon' is no time; write 2026-01-31"),
        ("get live::a --from now --to -1h", 1, "the time range is empty"),
        ("get live::a --stride fast", 1, "'fast' is no duration above zero"),
        ("get live::a --operator mean", 1, "--operator needs --stride or --points"),
        ("get live::a --operator median --points 5", 1, "there is no operator 'median'; mean, min"),
        ("get live::a --csv /nonexistent/x", 1, "/nonexistent/x cannot be written: No such file or directory"),
        ("get live::a --points 0", 2, "argument --points: invalid whole number above zero value: '0'"),
        ("get live::a --points 5 --stride 5", 2, "argument --stride: not allowed with argument --points"),
        ("get", 2, "the following arguments are required: FIELD; see 'sisock get --help'"),
        ("gte", 2, "argument COMMAND: invalid choice: 'gte'"),
        ("", 2, "the following arguments are required: COMMAND; see 'sisock --help'"),
        ("watch live::a --every never", 2, "argument --every: 'never' is no duration"),
        ("watch raising::a", 1, "data server 'raising' failed: disk on fire"),
        ("--timeout 0 nodes", 2, "argument --timeout: invalid number above zero value: '0'"),
        ("--url nowhere nodes", 1, "setting SISOCK_URL: 'nowhere' is no address of a bridge"),
        ("--url http://127.0.0.1:9 nodes", 1, "the bridge at http://127.0.0.1:9 does not answer (Connection refused)"),
        ("--url http://127.0.0.1:9 watch live::a", 1, "the bridge at http://127.0.0.1:9 does not answer"),
    ],
)
def test_what_goes_wrong_is_told_in_one_line_that_says_what_to_do(
    sisock: Sisock, typed: str, status: int, said: str
) -> None:
    found, out, err = sisock(*typed.split())
    assert (found, out) == (status, [])
    (line,) = err
    assert line.startswith(f"sisock: {said}")


def test_letters_that_cannot_be_sent_or_shown_are_replaced(sisock: Sisock) -> None:
    assert sisock("get", "live::\udcff")[2] == ["sisock: data server 'live' has no field '?'"]


def test_a_fault_of_ours_is_one_line_too(sisock: Sisock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bridge, "_ask", lambda *_: {})
    status, _, err = sisock("nodes")
    assert (status, err) == (1, ["sisock: failed on KeyError: 'nodes'; 'python -X dev -m sisock.cli ..' shows where"])


def test_parquet_without_its_package_is_told_before_anybody_is_asked(
    sisock: Sisock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    expected = "sisock: Parquet needs the Python package pyarrow, which is not installed; pip install pyarrow"
    assert sisock("--url", "http://127.0.0.1:9", "get", "live::a", "--parquet", "x") == (1, [], [expected])


# -- as a process -------------------------------------------------------------------------------------------------


@pytest.fixture
def process(bridge: Any) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a command of its own."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        env = os.environ | {"PYTHONPATH": str(ROOT), "SISOCK_URL": f"http://127.0.0.1:{bridge.port}"}
        command = [sys.executable, "-m", "sisock.cli", *arguments]
        pipe = subprocess.PIPE
        # Whoever runs the tests in the background of a shell has it ignored, and so would all their children.
        command = ["env", "--default-signal=INT", *command]
        started.append(subprocess.Popen(command, env=env, stdout=pipe, stderr=pipe, text=True))
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.communicate()


def test_ctrl_c_ends_a_watch_quietly(process: Callable[..., subprocess.Popen[str]]) -> None:
    watching = process("watch", "live::a")
    assert watching.stdout is not None
    assert watching.stdout.readline()
    watching.send_signal(signal.SIGINT)
    _, err = watching.communicate(timeout=10)
    assert (watching.returncode, err) == (130, "")


@pytest.mark.parametrize("command", [("get", "live::a", "--from", "-10m"), ("watch", "live::a", "--every", "50ms")])
def test_a_reader_that_has_seen_enough_is_no_failure(
    process: Callable[..., subprocess.Popen[str]], command: tuple[str, ...]
) -> None:
    writing = process(*command)
    assert writing.stdout is not None
    assert writing.stderr is not None
    assert writing.stdout.readline()
    writing.stdout.close()
    assert writing.wait(timeout=10) == 0
    assert writing.stderr.read() == ""


def test_a_watch_goes_on_while_the_bridge_is_away_and_says_so_once(
    sisock: Sisock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    ask = Bridge._ask

    def sometimes(self: Bridge, *args: Any) -> Any:
        nonlocal asked
        asked += 1
        if 1 < asked < 5:
            raise BridgeAbsent("here", "cable cut")
        return ask(self, *args)

    monkeypatch.setattr(Bridge, "_ask", sometimes)
    status, out, err = sisock("watch", "live::a", "--every", "100ms", "-n", "3")
    assert (status, len(out)) == (0, 3)
    (line,) = err
    assert line.startswith("sisock: the bridge at here does not answer (cable cut)")


# -- how things are written -----------------------------------------------------------------------------------------

NAMES = st.lists(st.from_regex(r"\A[a-c]{1,2}::[a-c]{1,2}(\.[a-c]{1,2}){0,3}\Z"), unique=True, min_size=1, max_size=8)


@given(NAMES)
def test_short_names_are_told_apart(names: list[str]) -> None:
    shortened = [short(name, names) for name in names]
    assert len(set(shortened)) == len(names)
    assert all(name.endswith(each) for name, each in zip(names, shortened, strict=True))


def test_a_short_name_is_the_part_that_differs() -> None:
    names = ["f::a.feeds.temps.channel_1", "f::a.feeds.temps.channel_2", "f::b.feeds.temps.channel_2"]
    assert [short(name, names) for name in names] == ["channel_1", "a.feeds.temps.channel_2", "b.feeds.temps.channel_2"]


@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text())
def test_a_value_is_one_line_that_cannot_move_the_cursor(value: Any) -> None:
    assert len(cell(value).splitlines()) <= 1
    assert "\x1b" not in cell(value)


@given(st.lists(st.tuples(*[st.text("abc ", max_size=5)] * 2), max_size=5))
def test_columns_stand_under_each_other(rows: list[tuple[str, str]]) -> None:
    lines = list(columns(("one", "two"), rows, right=[1]))
    assert len(lines) == len(rows) + 1
    width = max(len(first) for first, _ in [("one", ""), *rows])
    assert all(line[:width].rstrip() == first.rstrip() for line, (first, _) in zip(lines[1:], rows, strict=True))
