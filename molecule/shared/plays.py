"""The project's playbooks, run on a scenario's hosts as a person runs them."""

import os
import re
import subprocess
from pathlib import Path

PROJECT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
INVENTORY = Path(os.environ["MOLECULE_INVENTORY_FILE"]).parent

# A task costs the machine less than half; `default` converges without, as users do.
MITOGEN = {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": str(PROJECT / "tests/ansible/strategy")}


def play(
    verb: str, *options: str, checkout: Path = PROJECT, inventory: Path = INVENTORY
) -> subprocess.CompletedProcess[str]:
    """Run a playbook of a checkout; a verb with a slash is the path of one that is none of the project's verbs."""
    return subprocess.run(
        ["ansible-playbook", "--inventory", str(inventory),
         str(checkout / f"{verb}.yml" if "/" in verb else checkout / f"playbooks/{verb}.yml"), *options],
        capture_output=True, text=True, check=False,
        env={**os.environ, **MITOGEN, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_ROLES_PATH": str(checkout / "roles")},
    )  # fmt: skip


def done(verb: str, *options: str, checkout: Path = PROJECT, inventory: Path = INVENTORY) -> str:
    """Run a playbook that must not fail; return what it says on either stream."""
    result = play(verb, *options, checkout=checkout, inventory=inventory)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
    return result.stdout + result.stderr


def changes(verb: str, *options: str, checkout: Path = PROJECT, inventory: Path = INVENTORY) -> list[str]:
    """Run a playbook that must not fail; return what it has changed, each with the task that did."""
    task, found = "", list[str]()
    printed = done(verb, *options, checkout=checkout, inventory=inventory)
    for line in printed.splitlines():
        task = line if line.startswith("TASK") else task
        found += [f"{task} {line}"] * line.startswith("changed:")
    counted = [int(count) for count in re.findall(r"ok=\d+ +changed=(\d+)", printed)]
    assert counted, printed[-3000:]
    assert bool(found) == any(counted), printed[-3000:]
    return found


def said(result: subprocess.CompletedProcess[str]) -> str:
    """Return all that a playbook has printed, in words: failures go to either stream, in lines of any width."""
    return " ".join((result.stdout + result.stderr).split())
