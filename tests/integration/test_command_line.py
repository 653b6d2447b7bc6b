"""The command ``sisock`` and its Python, against real processes."""

import csv
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest
from miniature_site import ROOT, Site, eventually

from sisock.bridge import connect
from sisock.moments import iso

pytestmark = pytest.mark.integration
FIELD = "apex_archive::apex_radiometer"
DAY = ("2017-07-16", "2017-07-17")


@pytest.fixture(scope="module")
def observatory(site: Site) -> Iterator[Site]:
    """A bridge before an archive of weather, and sensors that are live."""
    site.start("bridge", user="consumer", PORT=site.bridge_port)
    site.start("data_nodes.weather", name="apex_archive")
    site.start("data_nodes.sensors", name="sensors")
    eventually("all is well", lambda: typed(site, "status").returncode == 0, 60)
    eventually("the sensors have samples", lambda: ")" in line_of(site, "sensors"), 60)
    return site


def typed(site: Site, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Type a command, in an environment that has nothing but the bridge's address."""
    env = {"SISOCK_URL": f"http://127.0.0.1:{site.bridge_port}", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "sisock.cli", *arguments]
    return subprocess.run(command, check=False, env=env, cwd=site.folder, capture_output=True, text=True, timeout=60)


def line_of(site: Site, server: str) -> str:
    return next(line for line in typed(site, "status").stdout.splitlines() if line.startswith(server))


def test_servers_and_their_fields_are_listed(observatory: Site) -> None:
    listed = typed(observatory, "nodes")
    assert listed.returncode == 0
    assert {line.split()[0] for line in listed.stdout.splitlines()[1:]} == {"apex_archive", "sensors"}
    fields = typed(observatory, "fields", "radiometer").stdout.splitlines()
    assert [line.split()[:3] for line in fields[1:]] == [[FIELD, "number", "mm"]]


def test_a_day_is_written_as_csv_and_is_what_python_and_grafana_get(observatory: Site) -> None:
    done = typed(observatory, "get", FIELD, "--from", DAY[0], "--to", DAY[1], "--csv", "day.csv")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with (observatory.folder / "day.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with connect(f"http://127.0.0.1:{observatory.bridge_port}") as bridge:
        series = bridge.get(FIELD, *DAY)[FIELD]
    np.testing.assert_array_equal(series.t, [float(row["unix_time"]) for row in rows])
    np.testing.assert_array_equal(series.values, [float(row[FIELD]) for row in rows])
    assert series.t.size > 1000
    (drawn,) = observatory.query(FIELD, start=1500163200, end=1500249600)
    points = [(t / 1e3, value) for value, t in drawn["datapoints"] if value is not None]
    np.testing.assert_allclose(np.array(points), np.column_stack([series.t, series.values]), rtol=0, atol=1e-6)


def test_a_table_has_the_extremes_where_fewer_points_are_asked(observatory: Site) -> None:
    whole, few = (
        typed(observatory, "get", FIELD, "--from", DAY[0], "--to", DAY[1], *how).stdout.splitlines()
        for how in ((), ("--points", "50"))
    )
    assert whole[0].split()[:3] == ["time", "apex_radiometer", "[mm"]
    assert len(few) <= 51 < len(whole)
    assert max(float(line.split()[1]) for line in few[1:]) == max(float(line.split()[1]) for line in whole[1:])


def test_a_watch_sees_a_sample_that_was_taken_after_it_began(observatory: Site) -> None:
    env = {"SISOCK_URL": f"http://127.0.0.1:{observatory.bridge_port}", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "sisock.cli", "watch", "sensors::*", "--every", "200ms"]
    began = iso(time.time(), 3)
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        # The first lines are of the newest samples of before.
        assert any(line > began for line in watching.stdout)
        watching.kill()


def test_a_server_that_dies_shows_in_the_status_and_in_an_error_of_one_line(observatory: Site) -> None:
    observatory.programs["apex_archive"].kill()
    eventually("it is not listed", lambda: line_of(observatory, "apex_archive").split()[1] == "no")
    assert typed(observatory, "status").returncode == 1
    done = typed(observatory, "get", FIELD, "--from", DAY[0], "--to", DAY[1])
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "sisock: nobody named 'apex_archive' is online; look at 'supervisorctl status servers:'\n"
    )  # fmt: skip
    observatory.programs["apex_archive"].start()
    eventually("all is well again", lambda: typed(observatory, "status").returncode == 0)


@pytest.mark.parametrize(
    ("victim", "said"),
    [
        ("hub", "sisock: the hub does not answer; look at 'supervisorctl status sisock:hub'\n"),
        ("crossbar", "sisock: the bridge is not connected to the WAMP router; look at "
                     "'supervisorctl status router:'\n"),
        ("bridge", "sisock: the bridge at http://127.0.0.1:{} does not answer (Connection refused); is it running, "
                   "and is the ssh tunnel open? SISOCK_URL or --url says where it is\n"),
    ],
)  # fmt: skip
def test_the_status_says_which_of_the_three_is_away(observatory: Site, victim: str, said: str) -> None:
    observatory.programs[victim].kill()
    expected = said.format(observatory.bridge_port)
    eventually(f"{victim} is missed", lambda: typed(observatory, "status").stderr == expected)
    assert typed(observatory, "status").returncode == 1
    observatory.programs[victim].start()
    eventually("all is well again", lambda: typed(observatory, "status").returncode == 0)
