"""Accounts of the site, and what each may do."""

from collections.abc import Callable

import pytest
from seen import Program
from testinfra.host import Host

PROGRAM_ACCOUNTS = [
    "crossbar", "sisock-hub", "sisock-bridge", "sisock-server", "sisock-scanner", "sisock-reader", "sisock-dashboards",
    "grafana",
]  # fmt: skip


def test_ocs_has_the_numbers_of_the_observatory(host: Host) -> None:
    """Data recorded on one host belong to the same account on every other."""
    ocs = host.user("ocs")
    assert (ocs.uid, ocs.gid, ocs.group) == (9000, 9000, "ocs")


@pytest.mark.parametrize("account", ["ocs", *PROGRAM_ACCOUNTS])
def test_nobody_logs_in_as_a_program(host: Host, account: str) -> None:
    """The account has no shell and no password."""
    user = host.user(account)
    assert user.shell in ("/usr/sbin/nologin", "/bin/false")
    assert user.password in ("!", "*", "!!", "!*")


def test_no_program_runs_as_root(host: Host, programs: Callable[[], dict[str, Program]]) -> None:
    """Only supervisord itself, which starts them, is root's; each program runs as the account that is meant for it."""
    meant = {"router": "crossbar", "sisock:hub": "sisock-hub", "sisock:bridge": "sisock-bridge",
             "archive": "sisock-scanner", "servers:g3_reader": "sisock-reader", "servers": "sisock-server",
             "grafana:dashboards": "sisock-dashboards", "ocs": "ocs"}  # fmt: skip
    for name, program in programs().items():
        owner = host.check_output("ps -o user:32= -p %s", str(program.pid))
        assert owner == (meant.get(name) or meant[name.partition(":")[0]])


def test_group_ocs_runs_supervisorctl_without_sudo(host: Host) -> None:
    """An operator needs the group and nothing else; who is not in it is refused."""
    as_stranger = "setpriv --reuid=nobody --regid=%s --clear-groups supervisorctl pid"
    assert host.check_output(as_stranger, "ocs").isdigit()
    refused = host.run(as_stranger, "nogroup")
    assert not refused.stdout.strip().isdigit()


@pytest.mark.parametrize("account", PROGRAM_ACCOUNTS)
def test_no_program_controls_the_others_or_changes_data(host: Host, account: str) -> None:
    """What it may read it may not change: recorded files are OCS's, and supervisor is the operators'."""
    as_account = f"runuser --user={account} --"
    assert not host.run(f"{as_account} supervisorctl pid").stdout.strip().isdigit()
    assert host.run(f"{as_account} find /data -writable -print").stdout == ""
