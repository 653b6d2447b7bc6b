"""Check mode on a host that is as the inventory says."""

import os
import re
import subprocess
from pathlib import Path


def test_check_mode_finds_nothing_to_change() -> None:
    """`site.yml --check` reports no change and no failure."""
    done = subprocess.run(
        ["ansible-playbook", "--check", "--inventory", str(Path(os.environ["MOLECULE_INVENTORY_FILE"]).parent),
         str(Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / "playbooks/site.yml")],
        capture_output=True, text=True, check=False, env={**os.environ, "ANSIBLE_FORCE_COLOR": "0"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    changed = {int(count) for count in re.findall(r"changed=(\d+)", done.stdout)}
    assert changed == {0}, [line for line in done.stdout.splitlines() if line.startswith(("TASK", "changed:"))]
