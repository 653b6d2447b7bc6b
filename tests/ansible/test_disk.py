"""Programs that need the disk for data wait for it, and no others."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from playbooks.filter_plugins import disk
from tests.ansible.scratch_host import ScratchHost, impossible

ROOT = Path(__file__).parents[2]
Play = Callable[..., subprocess.CompletedProcess[str]]
GUARD = ROOT / "roles/host/files/sisock-when-mounted"


@pytest.mark.parametrize(
    ("arguments", "records"),
    [
        ([["--initial-state", "record"], ["--data-dir", "/mnt/disk/hk"]], True),
        ([["--data-dir", "/mnt/disk/hk/more"]], True),
        ([["--data-dir=/mnt/disk/hk"]], True),
        ([["--data-dir", "/mnt/disk/hk2"]], False),
        ([["--serial-number", "LSA22YE"], ["--port", 7777]], False),
        (None, False),
    ],
)
def test_who_records_is_known_by_the_arguments(arguments: object, records: bool) -> None:
    agents = [{"class": "Agent", "instance_id": "it", "arguments": arguments}]
    assert disk.recorders(agents, "/mnt/disk/hk") == ["it"] * records


def test_only_those_that_are_named_wait() -> None:
    programs = [{"name": "a", "command": "run a", "user": "ocs"}, {"name": "b", "command": "run b"}]
    assert disk.waiting(programs, "when-mounted /data ", ["a"]) == [
        {"name": "a", "command": "when-mounted /data run a", "user": "ocs"},
        {"name": "b", "command": "run b"},
    ]
    assert disk.waiting(programs, "", ["a"]) == programs


def test_a_program_starts_once_its_disk_is_mounted_and_says_what_it_waits_for(tmp_path: Path) -> None:
    if reason := impossible():
        pytest.skip(reason)
    done = ScratchHost(tmp_path).run(
        f"""mkdir /mnt/disk /srv/other
        sh {GUARD} /mnt/disk sh -c 'ls /mnt/disk' >/tmp/shared/said 2>&1 & waits=$!
        i=0; until grep -q waiting /tmp/shared/said; do sleep 0.1; i=$((i+1)); [ $i -lt 100 ]; done
        kill -0 $waits
        touch /srv/other/recorded
        mount --bind /srv/other /mnt/disk
        wait $waits"""
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "shared/said").read_text().splitlines() == [
        "Nothing is mounted at /mnt/disk; waiting for it, as what is recorded belongs there.",
        "recorded",
    ]


def test_its_arguments_reach_the_program_as_they_are() -> None:
    done = subprocess.run(
        ["sh", str(GUARD), "/proc", "printf", "%s|", "a b", "*", ""], capture_output=True, text=True, check=True
    )
    assert done.stdout == "a b|*||"


@pytest.mark.skipif(os.geteuid() != 0, reason="the playbook wants root, although it only looks")
@pytest.mark.parametrize(
    ("mount", "data", "said"),
    [
        ("/srv/nowhere", "/srv/nowhere/hk", "Nothing is mounted at /srv/nowhere on localhost"),
        ("/proc", "/data", "but site_data_dir, /data, does not lie there"),
    ],
)
def test_validation_refuses_a_disk_that_is_not_there(
    ansible_playbook: Play, tmp_path: Path, mount: str, data: str, said: str
) -> None:
    site = Path(shutil.copytree(ROOT / "inventories/demo", tmp_path / "site"))
    variables = {"site_ports": [], "site_release": "Debian 12", "site_data_mount": mount, "site_data_dir": data}
    done = ansible_playbook(
        *("-i", site, ROOT / "playbooks/validate.yml", "-e", "ansible_become=false", "-e", json.dumps(variables))
    )
    printed = " ".join(done.stdout.split())
    assert said in printed, printed[-3000:]
    assert "changed=0" in printed
