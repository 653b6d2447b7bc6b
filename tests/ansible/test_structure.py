"""The roles have one skeleton, and each variable is declared, defaulted and explained in the same words."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))


def _load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _options(role: Path) -> dict[str, Any]:
    specs = _load(role / "meta/argument_specs.yml")["argument_specs"]
    return {name: option for entry in specs.values() for name, option in entry["options"].items()}


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
class TestRole:
    def test_it_has_every_part_of_the_skeleton(self, role: Path) -> None:
        parts = ["README.md", "defaults/main.yml", "meta/main.yml", "meta/argument_specs.yml"]
        assert [part for part in parts if not (role / part).is_file()] == []
        entries = _load(role / "meta/argument_specs.yml")["argument_specs"]
        assert [entry for entry in entries if not (role / f"tasks/{entry}.yml").is_file()] == []

    def test_its_defaults_are_those_that_its_argument_specs_declare(self, role: Path) -> None:
        declared = {name: option["default"] for name, option in _options(role).items() if "default" in option}
        assert _load(role / "defaults/main.yml") == declared

    def test_its_variables_begin_with_its_name_and_are_described(self, role: Path) -> None:
        options = _options(role)
        assert [name for name in options if not name.startswith(f"{role.name}_")] == []
        assert [name for name, option in options.items() if not option.get("description")] == []

    def test_an_optional_variable_has_a_default(self, role: Path) -> None:
        options = _options(role)
        assert [n for n, option in options.items() if "default" not in option and not option.get("required")] == []

    def test_a_comment_explains_its_first_default(self, role: Path) -> None:
        lines = (role / "defaults/main.yml").read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith("#")

    def test_its_readme_names_every_variable(self, role: Path) -> None:
        readme = (role / "README.md").read_text(encoding="utf-8")
        assert [name for name in _options(role) if f"`{name}`" not in readme] == []

    def test_its_templates_mirror_the_paths_they_are_written_to(self, role: Path) -> None:
        roots = {path.relative_to(role / "templates").parts[0] for path in (role / "templates").rglob("*.j2")}
        assert roots <= {"etc", "usr", "var"}

    def test_a_task_that_reads_a_secret_does_not_log(self, role: Path) -> None:
        offenders = []
        for path in (role / "tasks").glob("*.yml"):
            for task in _tasks(_load(path)):
                text = str({key: value for key, value in task.items() if key not in ("block", "when", "name")})
                reads = ("ansible.builtin.slurp" in task and "secrets_dir" in text) or "secrets_provided[" in text
                makes = "builtin.password" in text or "b64decode" in text
                open_to_all = "site_listeners" in text or "mariadb_meminfo" in text
                if (reads or makes) and not open_to_all and not task.get("no_log"):
                    offenders.append(f"{path.name}: {task['name']}")
        assert offenders == []


def _tasks(tasks: Any) -> list[dict[str, Any]]:
    found = []
    for task in tasks or []:
        found.append(task)
        found += _tasks(task.get("block"))
    return found


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda playbook: playbook.stem)
def test_a_playbook_says_what_it_is_for_and_each_play_names_its_hosts(playbook: Path) -> None:
    assert playbook.read_text(encoding="utf-8").startswith("# ")
    for play in _load(playbook):
        assert play["name"]
        assert "ansible.builtin.import_playbook" in play or {"hosts", "become", "gather_facts"} <= set(play)


def test_site_validates_first_and_verifies_last() -> None:
    plays = _load(ROOT / "playbooks/site.yml")
    assert plays[0]["ansible.builtin.import_playbook"] == "validate.yml"
    assert plays[-1]["ansible.builtin.import_playbook"] == "verify.yml"


def test_validation_asks_and_never_does() -> None:
    allowed = {"assert", "stat", "slurp", "getent", "set_fact", "validate_argument_spec", "import_role"}
    files = [ROOT / "playbooks/validate.yml", *sorted((ROOT / "roles/site/tasks").glob("*.yml"))]
    modules = set(re.findall(r"ansible\.builtin\.(\w+):$", "\n".join(path.read_text() for path in files), re.MULTILINE))
    assert modules <= allowed


@pytest.mark.parametrize("site", sorted(path.name for path in (ROOT / "inventories").iterdir()))
def test_an_inventory_explains_itself_and_holds_no_secret(site: str) -> None:
    for path in (ROOT / "inventories" / site).rglob("*.yml"):
        text = path.read_text(encoding="utf-8")
        assert text.startswith("# ")
        assert not re.search(r"(?i)^\s*\w*(password|secret|token)\w*\s*:\s*\S", text, re.MULTILINE)
