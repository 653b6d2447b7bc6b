"""What `verify` and supervisor do about a program that cannot start."""

import re
from collections.abc import Callable, Iterator

import pytest
from plays import play, said
from seen import Program, until
from testinfra.host import Host

SERVER, PROGRAM = "/opt/sisock/servers/csv_log.py", "servers:lab_log"
TRIED_AGAIN = 90.0
"""Seconds within which a program that can start again does: it is tried every minute, and needs some to start."""


@pytest.fixture
def broken(host: Host) -> Iterator[Callable[[], None]]:
    """Break a data server of the site's own; call what is given to mend it."""

    def mend() -> None:
        host.run(f"test ! -e /run/whole || mv --force /run/whole {SERVER}")

    host.check_output(f"cp --archive {SERVER} /run/whole")
    host.check_output(f"sed -i '1i raise SystemExit(\"broken for a test\")' {SERVER}")
    yield mend
    mend()


def test_a_program_that_cannot_start_is_told_and_tried_again(
    host: Host, programs: Callable[[], dict[str, Program]], broken: Callable[[], None]
) -> None:
    """`verify` fails and names it, and no other; once its fault is mended it runs, without a hand."""
    host.run(f"supervisorctl restart {PROGRAM}")
    until(10, lambda: programs()[PROGRAM].state == "BACKOFF")

    told = play("verify")

    assert told.returncode != 0
    words = said(told)
    assert "Not everything runs on observatory" in words
    assert set(re.findall(r"(\S+:\S+) +(?:STARTING|BACKOFF|FATAL|EXITED)", words)) == {PROGRAM}
    assert "broken for a test" in host.file("/var/log/sisock/servers-lab_log.log").content_string
    broken()
    until(TRIED_AGAIN, lambda: programs()[PROGRAM].state == "RUNNING")
