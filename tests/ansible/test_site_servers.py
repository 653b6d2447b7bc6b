"""A data server of the site's own: found, refused in a sentence, supervised, and restarted with its files alone."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from playbooks.filter_plugins import programs, validation

ROOT = Path(__file__).parents[2]
NODES = str(ROOT / "services/data_nodes")
DEMO = ROOT / "inventories/demo/servers"
SERVER = {"name": "lab_log", "type": "csv_log", "settings": {"FILE": "/data/log.csv"}}

Play = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Servers of a site, with what may lie beside them."""
    folder = Path(shutil.copytree(DEMO, tmp_path / "servers"))
    (folder / "__pycache__").mkdir(exist_ok=True)
    (folder / "csv_log.py~").write_text("an editor's copy")
    (folder / "unnamed.py").write_text("half a thou")
    return folder


def problems(own: Path, **change: Any) -> str:
    return "\n".join(validation.server_problems([{**SERVER, **change}], NODES, {}, str(own)))


def program(own: Path, **change: Any) -> dict[str, Any]:
    servers = [{**SERVER, **change}]
    return programs.supervised_servers(servers, "/python", {"server": {"REALM": "r"}}, NODES, str(own), "/opt/s")[0]


def test_one_that_is_named_is_sound_and_one_that_is_not_is_not_read(own: Path) -> None:
    assert problems(own) == ""


def test_a_misspelt_type_is_told_the_nearest_and_where_it_was_looked_for(own: Path) -> None:
    said = problems(own, type="csv_lgo")
    assert "sisock_servers[0] (lab_log): there is no server of type 'csv_lgo'; did you mean 'csv_log'?" in said
    assert f"Looked for a folder in {NODES} and for a file csv_lgo.py in {own}." in said
    assert "did you mean 'weather'?" in problems(own, type="wether")
    assert "test_csv_log" not in problems(own, type="test_csv_log").replace("'test_csv_log'", "").split("Looked")[0]


def test_its_settings_are_held_against_the_file_beside_it(own: Path) -> None:
    said = problems(own, settings={"FIEL": "/a.csv", "MAX_POINTS": "many"})
    assert "sisock_servers[0] (lab_log), type csv_log: unknown setting 'FIEL'; did you mean 'FILE'?" in said
    assert "MAX_POINTS is 'many', which is no int" in said
    (own / "csv_log.yml").unlink()
    assert "unknown setting 'FILE'; none is known" in problems(own)
    assert problems(own, settings={}) == ""


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("def read(:\n", ["csv_log.py:1: this is no Python"]),
        ("x = 1\n", ["one class must derive from DataNodeServer or TableServer; it has none"]),
        ("class A(TableServer): ...\nclass B(base.DataNodeServer): ...\nif __name__ == '__main__':\n    run(A)\n",
         ["one class must derive", "it has 2 (A, B)"]),
        ("class A(TableServer): ...\n", ['nothing starts the server; end it with: if __name__ == "__main__": run(A)']),
    ],
)  # fmt: skip
def test_code_that_could_not_run_is_refused(own: Path, code: str, words: list[str]) -> None:
    (own / "csv_log.py").write_text(code)
    said = problems(own)
    assert said.startswith(f"sisock_servers[0] (lab_log): {own}/csv_log.py")
    assert [word for word in words if word not in said] == []


def test_a_server_may_derive_from_one_of_ours_and_a_class_of_another_kind_is_none(own: Path) -> None:
    (own / "csv_log.py").write_text(
        "from http.server import HTTPServer\nfrom services.data_nodes.weather.server import WeatherServer\n"
        "class Other(HTTPServer): ...\nclass Mine(WeatherServer): ...\nif __name__ == '__main__':\n    run(Mine)\n"
    )
    assert problems(own) == ""


@pytest.mark.parametrize(
    ("declaration", "words"),
    [
        ("options: [", "this is no YAML"),
        ("- a\n", "it must be a mapping of short_description and options"),
        ("short_description: a\noption: {}\n", "unknown key 'option'; did you mean 'options'?"),
        ("options: {}\n", "short_description is missing"),
        ("short_description: a\noptions: {A: 1}\n", "setting A: it is no mapping"),
        ("short_description: a\noptions: {a: {type: int, default: 1, description: b}}\n", "take capital letters"),
        ("short_description: a\noptions: {NAME: {type: str, default: x, description: b}}\n", "every server has it"),
        (
            "short_description: a\noptions: {A: {type: integer, default: 1, description: b}}\n",
            "type is 'integer'",
        ),
        ("short_description: a\noptions: {A: {type: int, default: b, description: b}}\n", "'b', which is no int"),
        ("short_description: a\noptions: {A: {type: int, default: 1}}\n", "description is missing"),
        ("short_description: a\noptions: {A: {type: int, description: b}}\n", "either a default or required: true"),
        ("short_description: a\noptions: {A: {tpye: int, default: 1, description: b}}\n", "did you mean 'type'?"),
    ],
)
def test_a_wrong_declaration_is_refused(own: Path, declaration: str, words: str) -> None:
    (own / "csv_log.yml").write_text(declaration)
    assert f"{own}/csv_log.yml: " in problems(own)
    assert words in problems(own)


def test_it_cannot_take_the_name_of_one_that_is_built_in_nor_one_that_is_none(own: Path) -> None:
    for name, words in (("sensors", "the type 'sensors' is built in"), ("Csv-Log", "rename the file")):
        code = shutil.copy(own / "csv_log.py", own / f"{name}.py")
        assert words in "".join(validation.site_server_problems(str(code), NODES))


def test_it_runs_from_its_place_on_the_host_as_the_other_servers_do(own: Path) -> None:
    made = program(own)
    assert made["command"] == "/python -P /opt/s/csv_log.py"
    assert made["user"] == "sisock-server"
    assert made["environment"].items() >= {"REALM": "r", "NAME": "lab_log", "FILE": "/data/log.csv"}.items()


def test_its_files_are_all_that_have_its_name_and_no_other_is_deployed(own: Path) -> None:
    servers = [SERVER, {"name": "w", "type": "weather"}, {**SERVER, "name": "again"}]
    files = programs.site_server_files(servers, NODES, str(own))
    assert files == [f"{own}/csv_log.{kind}" for kind in ("csv", "py", "yml")]


@pytest.mark.parametrize("part", ["csv", "py", "yml"])
def test_it_restarts_when_one_of_its_files_changes_and_at_nothing_else(own: Path, part: str) -> None:
    before = program(own)
    (own / "unnamed.py").write_text("more")
    (own / "test_csv_log.py").write_text("more")
    assert program(own) == before
    with (own / f"csv_log.{part}").open("a") as file:
        file.write("# more\n")
    after = program(own)
    assert after["environment"]["SERVER_DIGEST"] != before["environment"]["SERVER_DIGEST"]
    assert "SERVER_DIGEST" not in program(own, type="weather", settings={})["environment"]


def test_ansible_takes_the_folder_for_no_hosts_and_refuses_a_misspelt_type(
    ansible_playbook: Play, tmp_path: Path
) -> None:
    site = Path(shutil.copytree(ROOT / "inventories/demo", tmp_path / "site"))
    variables = site / "group_vars/all.yml"
    variables.write_text(variables.read_text().replace("type: csv_log", "type: cvs_log"))
    result = ansible_playbook("-i", site, ROOT / "playbooks/validate.yml", "-e", "ansible_become=false")
    said = " ".join(result.stdout.replace("''", "'").split())
    assert "there is no server of type 'cvs_log'; did you mean 'csv_log'?" in said
    assert f"for a file cvs_log.py in {site}/servers." in said
    assert "Nothing was changed." in said
    assert "WARNING" not in result.stdout + result.stderr
