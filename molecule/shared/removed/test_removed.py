"""Of a site that was taken off, only what people recorded is left."""

import os
from pathlib import Path

import pytest
from left import left
from plays import done
from testinfra.host import Host

# The accounts stay with the data and the dashboards that they own.
KEPT = {"/data", "ocs", "/var/lib/ocs", "grafana", "/var/lib/grafana"}


@pytest.fixture(scope="module", autouse=True)
def _taken_off() -> None:
    """Take the site off the host again."""
    done("remove")


def test_the_data_stay_and_belong_to_ocs(host: Host) -> None:
    """Recorded files are there as they were, with their account."""
    recorded = host.check_output("find /data -name '*.g3' -size +0 -printf '%u:%g\\n'").split()
    assert recorded
    assert set(recorded) == {"ocs:ocs"}


@pytest.mark.parametrize(
    "account",
    [
        "crossbar",
        "sisock-hub",
        "sisock-bridge",
        "sisock-server",
        "sisock-scanner",
        "sisock-reader",
        "sisock-dashboards",
    ],
)
def test_no_account_of_a_program_is_left(host: Host, account: str) -> None:
    """Neither the account nor its group."""
    assert not host.user(account).exists
    assert not host.group(account).exists


def test_nothing_of_ours_runs(host: Host) -> None:
    """No program, no unit that failed for want of one, no port but SSH's to the outside."""
    assert not host.run("pgrep --full --list-full '[s]ervices[.]|[o]cs-agent|[c]rossbar|[s]upervisord'").stdout
    assert host.check_output("systemctl --failed --plain --no-legend") == ""
    listed = host.check_output("ss --tcp --listening --numeric --no-header").splitlines()
    ports = {int(line.split()[3].rpartition(":")[2]) for line in listed}
    assert not ports & {8080, 8001, 5000, 3000}


def test_nothing_else_is_left(host: Host) -> None:
    """Files, folders, accounts and groups are those of the fresh host, or a package's."""
    fresh = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], f"{host.check_output('hostname')}.files").read_text()
    assert left(host, fresh) == KEPT
