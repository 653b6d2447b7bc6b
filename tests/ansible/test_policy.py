"""What holds for every role and playbook, seen without any host."""

import configparser
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))
TASKS = sorted([*ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("roles/*/handlers/*.yml"), *PLAYBOOKS])
# Roles that put nothing onto a host by themselves.
WITHOUT_TRACE = {"site", "environment"}
# What may fail without harm: to ask, and to wait.
ASKING = ("command", "stat", "slurp", "uri", "find", "getent", "wait_for", "setup")


class _Loader(yaml.SafeLoader):
    """Reads what Ansible adds to YAML as plain text."""


_Loader.add_multi_constructor("!", lambda _loader, _tag, node: str(node.value))


def _load(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), _Loader)


def _tasks(found: Any) -> Iterator[dict[str, Any]]:
    """Every task of a file: of a list of tasks or of plays, with those of blocks."""
    for each in found or []:
        parts = [
            each.get(part) for part in ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks", "handlers")
        ]
        if not any(parts):
            yield each
        for part in parts:
            yield from _tasks(part)


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_a_failure_on_one_host_ends_the_run_on_all() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "ansible.cfg")
    assert config.getboolean("defaults", "any_errors_fatal")
    weakened = [
        f"{_name(path)}: {play['name']}"
        for path in PLAYBOOKS
        for play in _load(path)
        if {"ignore_errors", "ignore_unreachable", "max_fail_percentage", "any_errors_fatal"} & set(play)
    ]
    assert weakened == []


@pytest.mark.parametrize("path", TASKS, ids=_name)
class TestTasks:
    def test_no_failure_is_passed_over_but_of_a_question(self, path: Path) -> None:
        offenders = [
            task["name"]
            for task in _tasks(_load(path))
            if task.get("ignore_errors")
            or (task.get("failed_when") is False and not any(f"ansible.builtin.{module}" in task for module in ASKING))
        ]
        assert offenders == []

    def test_each_says_in_words_what_it_does(self, path: Path) -> None:
        unnamed = [
            task
            for task in _tasks(_load(path))
            if not task.get("name") and "ansible.builtin.import_playbook" not in task
        ]
        assert [task for task in unnamed if "hosts" not in task] == []

    def test_a_command_says_whether_it_changed_something(self, path: Path) -> None:
        silent = [
            task["name"]
            for task in _tasks(_load(path))
            if {"ansible.builtin.command", "ansible.builtin.shell"} & set(task)
            and not {"changed_when", "creates"} & {*task, *(task.get("args") or {}), *_arguments(task)}
        ]
        assert silent == []


def _arguments(task: dict[str, Any]) -> set[str]:
    given = task.get("ansible.builtin.command") or task.get("ansible.builtin.shell")
    return set(given) if isinstance(given, dict) else set()


def test_a_handler_is_named_once_and_each_that_is_notified_exists() -> None:
    handlers = Counter(
        name for path in ROOT.glob("roles/*/handlers/*.yml") for task in _load(path) for name in _heard(task)
    )
    assert {name: number for name, number in handlers.items() if number > 1} == {}
    notified = {name for path in TASKS for task in _tasks(_load(path)) for name in _listed(task.get("notify"))}
    assert notified - set(handlers) == set()


def _heard(task: dict[str, Any]) -> set[str]:
    """What a handler is called by: its topics, which several may share, and else its name."""
    return {task["name"]} if "listen" not in task else {f"{task['name']}", *_first(task)}


def _first(task: dict[str, Any]) -> list[str]:
    # The topic counts once, with the first of the handlers that share it.
    path = next(path for path in ROOT.glob("roles/*/handlers/*.yml") if task in _load(path))
    first = next(each for each in _load(path) if each.get("listen") == task["listen"])
    return _listed(task["listen"]) if first == task else []


def _listed(given: Any) -> list[str]:
    return given if isinstance(given, list) else [given] if given else []


def test_what_a_role_puts_onto_a_host_the_playbook_remove_takes_off() -> None:
    roles = {role.name for role in ROLES} - WITHOUT_TRACE
    assert {name for name in roles if not (ROOT / f"roles/{name}/tasks/remove.yml").is_file()} == set()
    text = (ROOT / "playbooks/remove.yml").read_text(encoding="utf-8")
    (loop,) = re.findall(r"loop: \[([a-z0-9_, ]+)\]", text)
    assert set(loop.split(", ")) == roles


@pytest.mark.parametrize("path", sorted(ROOT.glob("roles/*/templates/**/*.j2")), ids=_name)
def test_a_file_that_is_written_says_that_ansible_wrote_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    # JSON has no comments.
    assert "{{ ansible_managed }}" in text or path.name.endswith(".json.j2")


def test_a_variable_is_declared_by_one_role() -> None:
    declared = Counter(
        name
        for role in ROLES
        for spec in _load(role / "meta/argument_specs.yml")["argument_specs"].values()
        for name in set(spec["options"])
    )
    shared = {name for name, number in declared.items() if number > 1}
    # Entry points of one role may have one in common.
    assert {name for name in shared if len([role for role in ROLES if name.startswith(f"{role.name}_")]) != 1} == set()


def _tracked() -> list[Path]:
    """What is in the tree, and not ignored by git; all, where this is no checkout of git."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        hidden = {".venv", ".cache", ".git", "__pycache__", "node_modules"}
        return [path for path in ROOT.rglob("*") if path.is_file() and not hidden & set(path.relative_to(ROOT).parts)]
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


SECRETS = {
    "a private key": re.compile(r"^-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\n[A-Za-z0-9+/=\n]{40}", re.MULTILINE),
    "a token of GitHub or the like": re.compile(
        r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|glpat-[\w-]{20}|xox[bp]-\w{10,}|AKIA[0-9A-Z]{16})\b"
    ),
    "an address with a password": re.compile(
        r"\b\w+://[^/\s:@'\"{}<>$]+:(?!password|secret|hush)[^/\s:@'\"{}<>$]{3,}@(?!localhost)[\w.-]+\.\w+"
    ),
}
VARIABLES = re.compile(
    r"(?im)^[ \t]*(?!local_)\w*(?:password|passwd|secret|token)\w*[ \t]*:[ \t]*"
    r"(?!!vault|[\"']?\{\{|[\[{|>#]|\"\"|''|true|false)\S+"
)


def test_no_secret_is_in_the_tree() -> None:
    found = []
    for path in _tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{_name(path)}: {what}" for what, pattern in SECRETS.items() if pattern.search(text)]
        if path.suffix in (".yml", ".yaml") and path.relative_to(ROOT).parts[0] in (
            "inventories",
            "playbooks",
            "molecule",
        ):
            found += [f"{_name(path)}: {match.strip()}" for match in VARIABLES.findall(text)]
    assert found == []


def test_what_holds_a_secret_is_copied_without_a_trace() -> None:
    """A secret that the inventory brings is told to nobody, whichever role takes it."""
    offenders = []
    for path in TASKS:
        for task in _tasks(_load(path)):
            text = str({key: value for key, value in task.items() if key not in ("when", "name", "loop")})
            if re.search(r"\b\w+_provided\[", text) and not task.get("no_log"):
                offenders.append(f"{_name(path)}: {task['name']}")
    assert offenders == []


def test_no_difference_is_shown_of_what_only_root_may_read() -> None:
    """As in the settings of a server, among which a password may be."""
    offenders = [
        f"{_name(path)}: {task['name']}"
        for path in TASKS
        for task in _tasks(_load(path))
        for action in ("ansible.builtin.template", "ansible.builtin.copy")
        if task.get(action, {}).get("mode") == "0600" and task[action].get("content") is None
        if not (task.get("no_log") or task.get("diff") is False)
    ]
    assert offenders == []


def test_options_that_are_secret_are_declared_so() -> None:
    open_ones = [
        name
        for role in ROLES
        for spec in _load(role / "meta/argument_specs.yml")["argument_specs"].values()
        for name, option in spec["options"].items()
        if name.endswith("_provided") and not option.get("no_log")
    ]
    assert open_ones == []


def test_what_the_template_offers_commented_out_can_be_said() -> None:
    text = (ROOT / "inventories/template/group_vars/all.yml").read_text(encoding="utf-8")
    offered = set(re.findall(r"^# ([a-z]+_[a-z_0-9]+):", text, re.MULTILINE))
    declared = {
        name
        for role in ROLES
        for name in _load(role / "meta/argument_specs.yml")["argument_specs"].get("main", {}).get("options", {})
    }
    assert {"firewall_open", "ocs_groups", "site_data_mount"} <= offered <= declared
