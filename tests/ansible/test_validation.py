"""What is wrong with an inventory is said in a sentence that names it, its place and the remedy."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import ocs.plugin
import pytest
import yaml

ROOT = Path(__file__).parents[2]
CLASSES = str(ROOT / "roles/ocs/files/agent_classes.yml")


def _plugin(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / f"playbooks/filter_plugins/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


validation = _plugin("validation")
programs = _plugin("programs")


@pytest.fixture
def roles(tmp_path: Path) -> Path:
    meta = tmp_path / "roles/site/meta"
    meta.mkdir(parents=True)
    (meta / "argument_specs.yml").write_text(
        "argument_specs:\n  main: {options: {site_name: {type: str}, site_bridge_port: {type: int}}}\n"
        "  other: {options: {site_of_the_other_entry: {type: str}}}\n"
    )
    return tmp_path / "roles"


@pytest.fixture
def nodes(tmp_path: Path) -> Path:
    (tmp_path / "nodes/weather").mkdir(parents=True)
    (tmp_path / "nodes/weather/server.yml").write_text(
        "options:\n"
        "  DATA_DIRECTORY: {type: path, required: true, description: Where the files are.}\n"
        "  MAX_POINTS: {type: int, description: Most points.}\n"
        "  FAST: {type: bool, description: Whether to hurry.}\n"
        "  UNIT: {type: str, choices: [K, C], description: Unit.}\n"
        "  FILES: {type: list, description: Files.}\n"
    )
    return tmp_path / "nodes"


def _inventory(tmp_path: Path, hosts: str, variables: str) -> Path:
    folder = tmp_path / "inventory"
    (folder / "group_vars").mkdir(parents=True)
    (folder / "hosts.yml").write_text(hosts)
    (folder / "group_vars/all.yml").write_text(variables)
    return folder


def test_a_sound_inventory_has_no_problem(tmp_path: Path, roles: Path) -> None:
    folder = _inventory(
        tmp_path,
        "all: {hosts: {here: {ansible_connection: local, site_name: x}}, children: {router: {hosts: {here: }}}}\n",
        "site_bridge_port: 5001\nlocal_note: mine\nsite_name: !vault |\n  $ANSIBLE_VAULT;1.1\n",
    )
    assert validation.inventory_problems([str(folder)], str(roles)) == []
    assert validation.inventory_problems([str(folder / "hosts.yml")], str(roles)) == []


def test_an_unknown_variable_is_named_with_its_line_and_the_nearest_right_one(tmp_path: Path, roles: Path) -> None:
    folder = _inventory(tmp_path, "all: {hosts: {here: }}\n", "# a comment\nsite_nmae: x\n")
    (problem,) = validation.inventory_problems([str(folder)], str(roles))
    assert problem.startswith(f"{folder}/group_vars/all.yml:2: no role has a variable 'site_nmae'")
    assert "did you mean 'site_name'?" in problem
    assert "local_" in problem


@pytest.mark.parametrize(
    "hosts",
    [
        "all: {vars: {site_nmae: x}}\n",
        "all: {hosts: {here: {site_nmae: x}}}\n",
        "all: {children: {router: {children: {deep: {vars: {site_nmae: x}}}}}}\n",
        "router: {hosts: {here: {site_nmae: x}}}\n",
    ],
)
def test_an_unknown_variable_is_found_wherever_the_hosts_file_has_it(tmp_path: Path, roles: Path, hosts: str) -> None:
    (problem,) = validation.inventory_problems([str(_inventory(tmp_path, hosts, "{}\n"))], str(roles))
    assert "hosts.yml:1: no role has a variable 'site_nmae'" in problem


def test_a_parameter_of_another_entry_point_is_no_variable_of_an_inventory(tmp_path: Path, roles: Path) -> None:
    folder = _inventory(tmp_path, "all: {}\n", "site_of_the_other_entry: x\n")
    assert len(validation.inventory_problems([str(folder)], str(roles))) == 1


def test_a_file_that_is_encrypted_as_a_whole_is_passed_over(tmp_path: Path, roles: Path) -> None:
    folder = _inventory(tmp_path, "all: {}\n", "$ANSIBLE_VAULT;1.1;AES256\n3836\n")
    assert validation.inventory_problems([str(folder)], str(roles)) == []


def test_a_sound_server_has_no_problem(nodes: Path) -> None:
    settings = {"DATA_DIRECTORY": "/data", "MAX_POINTS": "10", "FAST": True, "UNIT": "K", "FILES": ["a", "b"]}
    server = {"name": "apex_archive", "type": "weather", "description": "It's 100 % fine", "settings": settings}
    assert validation.server_problems([server], str(nodes), {}) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"nmae": "x"}, ["unknown key 'nmae'", "did you mean 'name'?"]),
        ({"name": None}, ["name is missing"]),
        ({"name": "1st"}, ["'1st' is no name", "a letter first"]),
        ({"name": "a b"}, ["'a b' is no name"]),
        ({"type": "wether"}, ["no server of type 'wether'", "did you mean 'weather'?"]),
        ({"type": None}, ["type is missing"]),
        ({"settings": {}}, ["setting DATA_DIRECTORY is missing", "Where the files are."]),
        ({"settings": {"DATA_DIRECTRY": "/"}}, ["unknown setting 'DATA_DIRECTRY'", "did you mean 'DATA_DIRECTORY'?"]),
        ({"settings": {"MAX_POINTS": "many"}}, ["MAX_POINTS is 'many', which is no int", "Most points."]),
        ({"settings": {"FAST": "quite"}}, ["FAST is 'quite', which is no bool"]),
        ({"settings": {"UNIT": "F"}}, ["UNIT is 'F'; take one of K, C"]),
        ({"settings": {"DATA_DIRECTORY": {"a": 1}}}, ["which is no path"]),
        ({"settings": [1]}, ["settings is no mapping"]),
        ({"settings": {"DATA_DIRECTORY": '/a"b'}}, ["DATA_DIRECTORY holds a double quote"]),
        ({"description": "at ; night"}, ["description holds"]),
        ({"description": "two\nlines"}, ["description holds"]),
    ],
)
def test_a_wrong_server_is_refused(nodes: Path, change: dict[str, Any], words: list[str]) -> None:
    good = {"name": "apex", "type": "weather", "settings": {"DATA_DIRECTORY": "/data"}}
    problems = "\n".join(validation.server_problems([{**good, **change}], str(nodes), {}))
    assert problems.startswith("sisock_servers[0]")
    assert [word for word in words if word not in problems] == []


def test_a_server_that_reads_the_database_wants_one(nodes: Path) -> None:
    (nodes / "g3_reader").mkdir()
    (nodes / "g3_reader/server.yml").write_text("database: reader\noptions: {}\n")
    reader = {"name": "archive", "type": "g3_reader"}
    (problem,) = validation.server_problems([reader], str(nodes), {"database": []})
    assert problem.startswith("sisock_servers[0] (archive): type g3_reader reads the database, but no host")
    assert validation.server_problems([reader], str(nodes), {"database": ["here"]}) == []


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ({"all": ["a"], "ungrouped": [], "database": ["a"], "archive": ["a"], "local_mine": ["a"]}, []),
        ({"archve": ["a"]}, ["group 'archve'", "did you mean 'archive'?", "local_"]),
        ({"archive": ["a"], "database": []}, ["none is in the group database"]),
        ({"grafana": ["a"]}, ["none is in the group bridge"]),
        ({"grafana": ["a"], "bridge": ["a"]}, []),
    ],
)
def test_a_group_that_places_nothing_is_refused(groups: dict[str, list[str]], words: list[str]) -> None:
    problems = validation.group_problems(groups, str(ROOT / "playbooks/site.yml"))
    assert len(problems) == bool(words)
    assert [word for word in words if word not in "".join(problems)] == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"SCAN_INTERVAL": 5, "WORKERS": "2"}, []),
        ({"SCAN_INTERVALL": 5}, ["unknown setting 'SCAN_INTERVALL'", "did you mean 'SCAN_INTERVAL'?"]),
        ({"WORKERS": "many"}, ["sisock_scanner_settings: WORKERS is 'many', which is no int"]),
        (["WORKERS"], ["sisock_scanner_settings is no mapping"]),
    ],
)
def test_a_wrong_setting_of_the_scanner_is_refused(settings: Any, words: list[str]) -> None:
    service = str(ROOT / "services/g3_scanner")
    problems = validation.setting_problems(settings, "sisock_scanner_settings", service)
    assert len(problems) == bool(words)
    assert [word for word in words if word not in "".join(problems)] == []


def test_two_servers_of_one_name_are_refused(nodes: Path) -> None:
    server = {"name": "apex", "type": "weather", "settings": {"DATA_DIRECTORY": "/data"}}
    (problem,) = validation.server_problems([server, server], str(nodes), {})
    assert problem == "sisock_servers: 2 items have the name 'apex'; give each its own."


@pytest.mark.parametrize(("servers", "words"), [("weather", "is no list"), (["weather"], "is no mapping")])
def test_servers_that_are_no_list_of_mappings_are_refused(nodes: Path, servers: Any, words: str) -> None:
    (problem,) = validation.server_problems(servers, str(nodes), {})
    assert words in problem


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ({"class": "FakeDataAgent"}, "instance_id is missing"),
        ({"class": "FakeDataAgent", "instance_id": "a b"}, "'a b' is no name"),
        ({"clas": "FakeDataAgent", "instance_id": "a"}, "unknown key 'clas'; did you mean 'class'?"),
        ({"class": "A", "instance_id": "a", "arguments": ["--mode", "acq"]}, "arguments must be a list of lists"),
        ({"class": "A", "instance_id": "a", "arguments": "--mode acq"}, "arguments must be a list of lists"),
    ],
)
def test_a_wrong_agent_is_refused(agent: dict[str, Any], words: str) -> None:
    assert words in "\n".join(validation.agent_problems([agent], CLASSES))


@pytest.mark.parametrize("kind", ["FakeDataAgent", "Lakeshore372Agent"])
def test_a_sound_agent_has_no_problem(kind: str) -> None:
    agent = {"class": kind, "instance_id": "faker-1", "arguments": [["--mode", "acq"], ["--rate", 10]]}
    assert validation.agent_problems([agent], CLASSES) == []


def test_a_class_of_no_package_is_refused_unless_the_site_has_a_lock_file_of_its_own() -> None:
    agent = {"class": "Lakeshore732Agent", "instance_id": "a"}
    (problem,) = validation.agent_problems([agent], CLASSES)
    assert "no agent of ocs or socs has the class 'Lakeshore732Agent'; did you mean 'Lakeshore372Agent'?" in problem
    assert "set ocs_lock" in problem
    assert validation.agent_problems([agent], CLASSES, "own.txt") == []


def test_there_is_one_host_manager_at_most_and_manage_is_for_it() -> None:
    first, second = ({"class": "HostManager", "instance_id": name} for name in ("one", "two"))
    agent = {"class": "FakeDataAgent", "instance_id": "a", "manage": "host/down"}
    assert validation.agent_problems([first, agent], CLASSES) == []
    assert "are both of class HostManager" in "".join(validation.agent_problems([first, second], CLASSES))
    assert "`manage` is for a HostManager" in "".join(validation.agent_problems([agent], CLASSES))
    assert "take one of host/up, host/down, ignore" in "".join(
        validation.agent_problems([first, {**agent, "manage": "docker"}], CLASSES)
    )


@pytest.mark.parametrize(
    ("target", "words"),
    [("faker-slow", ""), ("LSA22YE", ""), ("", ""), ("fakr-slow", "did you mean 'faker-slow'?")],
)
def test_a_target_that_is_nearly_an_agents_name_is_refused(target: str, words: str) -> None:
    server = {"name": "one", "type": "data_feed", "settings": {"TARGET": target}}
    said = "".join(validation.target_problems([server], ["faker-slow", "registry"]))
    assert words in said
    assert bool(words) == bool(said)


def test_the_classes_are_those_of_the_versions_that_are_installed() -> None:
    packages = yaml.safe_load(Path(CLASSES).read_text(encoding="utf-8"))
    for name, package in packages.items():
        locked = re.findall(rf"^{name}==(\S+)", (ROOT / f"requirements/{name}.txt").read_text(), re.MULTILINE)
        assert locked == [package["version"]], f"read the classes of the new {name} into {CLASSES}"
    assert set(packages["ocs"]["classes"]) == set(ocs.plugin.agents)


def test_socs_adds_to_ocs_and_changes_nothing() -> None:
    """So that an agent of socs that is added changes no other's packages."""
    pins = [set(re.findall(r"^\S+==\S+", (ROOT / f"requirements/{name}.txt").read_text(), re.MULTILINE))
            for name in ("ocs", "socs")]  # fmt: skip
    assert pins[0] < pins[1]


_PASSWD = "root:x:0:0::/root:/bin/sh\ncrossbar:x:990:990::/:/bin/false\n"
_HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def _socket(address: str, state: str, uid: int) -> str:
    return f"   0: {address} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  {uid}        0 1 1 0\n"


@pytest.mark.parametrize(
    ("tcp", "tcp6", "words"),
    [
        (_socket("0100007F:1F90", "0A", 990), "", None),
        (_socket("0100007F:1F90", "01", 0), "", None),
        (_socket("0100007F:0050", "0A", 0), "", None),
        (_socket("0100007F:1F90", "0A", 0), "", "account 'root'"),
        ("", _socket("00000000000000000000000000000000:1F90", "0A", 1000), "account 'number 1000'"),
    ],
)
def test_a_port_is_refused_when_an_account_that_is_not_ours_listens(tcp: str, tcp6: str, words: str | None) -> None:
    ports = [{"variable": "site_router_tls_port", "port": 8080, "owners": ["crossbar"]}]
    problems = validation.port_problems(ports, [_HEAD + tcp, _HEAD + tcp6, _PASSWD])
    if words is None:
        assert problems == []
    else:
        (problem,) = problems
        assert problem.startswith("Port 8080 (site_router_tls_port) is in use by a program of the")
        assert words in problem
        assert "ss -ltnp 'sport = :8080'" in problem


def test_two_programs_cannot_share_a_port() -> None:
    ports = [{"variable": name, "port": "5000", "owners": []} for name in ("a", "b")]
    assert "Port 5000 is given to 2 programs" in validation.port_problems(ports, ["", "", ""])[0]


ENVIRONMENTS = {"server": {"REALM": "r"}, "reader": {"REALM": "r", "SQL_USER": "reader"}}


def test_a_server_becomes_a_program_whose_settings_are_its_environment(nodes: Path) -> None:
    server = {"name": "s", "type": "weather", "settings": {"A": True, "B": 1.5, "C": ["x", "y"], "D": None, "E": ""}}
    (program,) = programs.supervised_servers([server], "/python", ENVIRONMENTS, str(nodes), "/none", "/opt/servers")
    assert program == {
        "name": "s",
        "command": "/python -m services.data_nodes.weather",
        "user": "sisock-server",
        "environment": {"REALM": "r", "NAME": "s", "A": "true", "B": "1.5", "C": "x,y", "E": ""},
    }


def test_a_server_that_reads_the_database_alone_is_told_of_its_password(nodes: Path) -> None:
    (nodes / "archive").mkdir()
    (nodes / "archive/server.yml").write_text("database: reader\noptions: {}\n")
    servers = [{"name": kind, "type": kind} for kind in ("archive", "weather")]
    reader, other = programs.supervised_servers(servers, "/python", ENVIRONMENTS, str(nodes), "/none", "/opt/servers")
    assert (reader["user"], reader["environment"]["SQL_USER"]) == ("sisock-reader", "reader")
    assert (other["user"], "SQL_USER" in other["environment"]) == ("sisock-server", False)


def test_an_agents_program_changes_with_its_arguments_and_no_other_does() -> None:
    agents = [{"class": "A", "instance_id": name, "arguments": [["--rate", 1]]} for name in ("one", "two")]
    before = programs.supervised_agents(agents, "cli", "manager", {})
    agents[0]["arguments"] = [["--rate", 2]]
    after = programs.supervised_agents(agents, "cli", "manager", {})
    assert before[0] != after[0]
    assert before[1] == after[1]
    assert after[0]["command"] == "cli --instance-id one"


def test_a_host_manager_runs_the_others_but_for_those_that_it_shall_ignore() -> None:
    agents: list[dict[str, Any]] = [
        {"class": "RegistryAgent", "instance_id": "registry", "manage": "ignore"},
        {"class": "HostManager", "instance_id": "hm"},
        {"class": "A", "instance_id": "one", "arguments": [["--rate", 1]]},
        {"class": "A", "instance_id": "two", "manage": "host/down"},
    ]
    before = programs.supervised_agents(agents, "cli", "manager", {})
    assert [program["command"] for program in before] == ["cli --instance-id registry", "manager --instance-id hm"]
    agents[2]["arguments"] = [["--rate", 2]]
    after = programs.supervised_agents(agents, "cli", "manager", {})
    assert (before[0] == after[0], before[1] == after[1]) == (True, False)


INSTRUMENTS: list[dict[str, Any]] = [
    {"class": "RegistryAgent", "instance_id": "registry"},
    {"class": "Lakeshore372Agent", "instance_id": "LSA22YE"},
    {"class": "OurOwnAgent", "instance_id": "ours"},
]


def test_an_instrument_is_what_an_agent_speaks_to_that_is_not_ocss_own() -> None:
    assert programs.instruments(INSTRUMENTS, CLASSES) == ["LSA22YE", "ours"]


def test_a_server_of_one_instrument_may_have_nothing_to_show_and_no_other_may() -> None:
    servers = [
        {"name": "data_feed", "type": "data_feed"},
        {"name": "LSA22YE", "type": "thermometry"},
        {"name": "cryostat", "type": "data_feed", "settings": {"TARGET": "LSA22YE", "FEED": "temperatures"}},
        {"name": "elsewhere", "type": "data_feed", "settings": {"TARGET": "of-others", "FEED": "a"}},
        {"name": "registry", "type": "data_feed", "settings": {"TARGET": "registry", "FEED": "a"}},
    ]
    assert programs.steady_servers(servers, INSTRUMENTS, CLASSES) == ["data_feed", "registry"]


def test_an_agent_that_does_not_stay_up_is_found_also_while_it_runs() -> None:
    before = ["ocs:a  RUNNING   pid 7, uptime 0:00:01", "ocs:b  RUNNING   pid 8, uptime 0:00:01", "ocs:c  BACKOFF   x"]
    after = ["ocs:a  RUNNING   pid 7, uptime 0:00:09", "ocs:b  RUNNING   pid 9, uptime 0:00:01", "ocs:c  FATAL   x"]
    assert programs.restless_programs(before, after) == ["ocs:b", "ocs:c"]
