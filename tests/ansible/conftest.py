"""Running Ansible as a user does, without touching this machine."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ansible.scratch_host import MITOGEN

ROOT = Path(__file__).parents[2]

Play = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def ansible_playbook(tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Run ansible-playbook with the given arguments and return what became of it."""
    home = tmp_path_factory.mktemp("ansible_home")
    environ = {**os.environ, "ANSIBLE_HOME": str(home), "ANSIBLE_LOCAL_TEMP": str(home / "tmp"), "LC_ALL": "C.UTF-8",
               "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", **MITOGEN}  # fmt: skip

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("ansible-playbook")), *map(str, arguments)]
        return subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)

    return run
