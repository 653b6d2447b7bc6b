"""Every template renders with nothing undefined, and what comes out is what the program that reads it expects."""

import configparser
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.dashboards.site import read_site

ROOT = Path(__file__).parents[2]

Play = Callable[..., subprocess.CompletedProcess[str]]

TEMPLATES = sorted([*ROOT.glob("roles/*/templates/**/*.j2"), ROOT / "files/crossbar/config.yaml.j2"])

# The groups of programs as the roles hand them to the one template of supervisor.
GROUPS = {
    "sisock": "{{ [sisock_hub_program, sisock_bridge_program] }}",
    "archive": "{{ [sisock_scanner_program] }}",
    "servers": "{{ sisock_servers | supervised_servers(sisock_python, sisock_environment, sisock_data_nodes, "
    "site_servers_dir, sisock_servers_dir) }}",
    "grafana": "{{ [grafana_dashboards_program, grafana_server_program] }}",
    "ocs": "{{ ocs_agents | supervised_agents('ocs-agent-cli', 'run', {}) }}",
}


@pytest.fixture(scope="module")
def rendered(ansible_playbook: Play, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Render everything in one run of Ansible, with the defaults of all roles and the demonstration's variables."""
    out = tmp_path_factory.mktemp("rendered")
    demo = yaml.safe_load((ROOT / "inventories/demo/group_vars/all.yml").read_text(encoding="utf-8"))
    demo["sisock_servers"][0]["description"] = "100 % of 'it', and more"
    variables = {
        **demo,
        "ansible_managed": "Ansible",
        "crossbar_secrets": {"hub": "h", "server": "s", "consumer": "c"},
        "environment_current": "1.0.0-abc",
        "sisock_secrets": {"files": []},
        "mariadb_buffer_pool_mib": 128,
        "grafana_servers": demo["sisock_servers"],
        "grafana_agents": demo["ocs_agents"],
        "grafana_simpod_zip": "/tmp/plugin.zip",
        "grafana_simpod_sha256": "0" * 64,
        "grafana_current": {"stat": {"lnk_source": "releases/1.0.0-abc"}},
        "grafana_found": {"stdout": "12.4.0"},
        "grafana_read": {"files": [{"path": "/etc/grafana/grafana.ini", "mtime": 1.5}]},
        "sisock_checkout": str(ROOT),
        "site_servers_dir": str(ROOT / "inventories/demo/servers"),
        "supervisor_group": "sisock",
        "supervisor_priority": 200,
        "supervisor_programs": GROUPS["sisock"],
    }
    tasks: list[dict[str, Any]] = [_render(path, out / _name(path), {}) for path in TEMPLATES]
    group = ROOT / "roles/supervisor/templates/etc/supervisor/conf.d/group.conf.j2"
    tasks += [
        _render(group, out / f"group-{name}", {"supervisor_group": name, "supervisor_programs": programs})
        for name, programs in GROUPS.items()
    ]
    for task in tasks:
        task["vars"] = {**{k: variables[k] for k in ("supervisor_group", "supervisor_programs")}, **task["vars"]}
    files = [*sorted(ROOT.glob("roles/*/defaults/main.yml")), *sorted(ROOT.glob("roles/*/vars/main.yml"))]
    # In one file: Ansible reads the files of a play anew for each of its tasks.
    known = {key: value for file in files for key, value in (yaml.safe_load(file.read_text()) or {}).items()}
    merged = {key: value for key, value in (known | variables).items() if key not in tasks[-1]["vars"]}
    (out / "variables.json").write_text(json.dumps(merged))
    play = {
        "name": "Render",
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars_files": [str(out / "variables.json")],
        "tasks": tasks,
    }
    (out / "filter_plugins").symlink_to(ROOT / "playbooks/filter_plugins")
    (out / "render.yml").write_text(yaml.safe_dump([play], sort_keys=False))
    result = ansible_playbook("-i", "localhost,", out / "render.yml")
    assert result.returncode == 0, result.stdout + result.stderr
    return out


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT)).replace("/", "__")


def _render(source: Path, target: Path, variables: dict[str, Any]) -> dict[str, Any]:
    # A lookup renders on the controller: no module is copied, so that all templates take a second.
    content = f"{{{{ lookup('ansible.builtin.template', '{source}') }}}}"
    keep = {"ansible.builtin.copy": {"content": content, "dest": str(target), "mode": "0600"}}
    return {"name": f"Render {source.name}", **keep, "vars": variables}


@pytest.mark.parametrize("template", TEMPLATES, ids=_name)
def test_nothing_is_left_unrendered(rendered: Path, template: Path) -> None:
    text = (rendered / _name(template)).read_text(encoding="utf-8")
    assert text.strip()
    assert [brace for brace in ("{{", "}}", "{%", "%}") if brace in text] == []


def _sections(path: Path) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"))
    parser.read_string(path.read_text(encoding="utf-8"))
    return parser


def test_a_group_names_its_programs_and_each_is_there(rendered: Path) -> None:
    for group in GROUPS:
        parser = _sections(rendered / f"group-{group}")
        names = parser[f"group:{group}"]["programs"].split(",")
        assert names
        assert [name for name in names if f"program:{name}" not in parser] == []


def test_a_program_restarts_for_ever_and_takes_its_children_with_it(rendered: Path) -> None:
    for group in GROUPS:
        parser = _sections(rendered / f"group-{group}")
        for section in parser.sections():
            if section.startswith("program:"):
                assert parser[section]["autorestart"] == "true"
                assert parser.getint(section, "startretries") > 100000
                assert parser[section]["stopasgroup"] == parser[section]["killasgroup"] == "true"
                assert parser[section]["user"] not in ("", "root")


def test_a_percent_sign_reaches_the_program_and_a_secret_only_as_a_path(rendered: Path) -> None:
    text = (rendered / "group-servers").read_text(encoding="utf-8")
    assert "DESCRIPTION=\"100 %% of 'it', and more\"" in text
    assert 'WAMP_SECRET_FILE="/etc/sisock/secrets/wamp_server"' in text
    assert "WAMP_SECRET=" not in text


def test_the_site_configuration_holds_every_agent(rendered: Path) -> None:
    site = yaml.safe_load((rendered / _name(ROOT / "roles/ocs/templates/etc/ocs/site.yaml.j2")).read_text())
    (host,) = site["hosts"].values()
    assert [agent["instance-id"] for agent in host["agent-instances"]] == [
        "registry", "aggregator", "faker-fast", "faker-slow",
    ]  # fmt: skip
    assert host["agent-instances"][1]["arguments"][2] == ["--data-dir", "/data"]
    assert site["hub"]["registry_address"] == "observatory.registry"


def test_the_router_listens_on_the_loopback_interface_alone(rendered: Path) -> None:
    config = yaml.safe_load((rendered / _name(ROOT / "files/crossbar/config.yaml.j2")).read_text())
    for transport in config["workers"][0]["transports"]:
        endpoint = transport["endpoint"]
        assert endpoint["type"] == "unix" or endpoint["interface"] == "127.0.0.1"


def _grafana(rendered: Path, path: str) -> str:
    return (rendered / _name(ROOT / f"roles/grafana/templates/{path}.j2")).read_text(encoding="utf-8")


def test_grafana_listens_on_the_loopback_interface_tells_nobody_and_reads_its_secrets_from_files(
    rendered: Path,
) -> None:
    parser = configparser.RawConfigParser(inline_comment_prefixes=("#",))
    parser.read_string(_grafana(rendered, "etc/grafana/grafana.ini"))
    assert parser["server"]["http_addr"] == "127.0.0.1"
    assert set(parser["analytics"].values()) == {"false"}
    assert not parser.getboolean("users", "allow_sign_up")
    assert not parser.getboolean("auth.anonymous", "enabled")
    assert parser["security"]["admin_password"] == "$__file{/etc/sisock/secrets/grafana_admin}"
    assert parser["security"]["secret_key"] == "$__file{/etc/sisock/secrets/grafana_secret_key}"


def test_grafana_finds_graphite_first_and_the_dashboards_where_they_are_written(rendered: Path) -> None:
    said = yaml.safe_load(_grafana(rendered, "etc/grafana/provisioning/datasources/sisock.yaml"))
    first, second = said["datasources"]
    assert (first["uid"], first["type"], first["isDefault"], first["access"]) == ("sisock", "graphite", True, "proxy")
    assert (second["uid"], second["type"]) == ("sisock-json", "simpod-json-datasource")
    assert {each["url"] for each in (first, second)} == {"http://127.0.0.1:5000"}
    (provider,) = yaml.safe_load(_grafana(rendered, "etc/grafana/provisioning/dashboards/sisock.yaml"))["providers"]
    assert provider["options"]["path"] == "/var/lib/sisock-dashboards"
    assert not provider["allowUiUpdates"]


def test_the_writer_of_dashboards_is_told_of_the_inventory_and_of_no_setting(rendered: Path, tmp_path: Path) -> None:
    path = tmp_path / "site.json"
    path.write_text(_grafana(rendered, "etc/sisock/site.json"))
    site = read_site(path)
    assert site.kind("faker_slow") == "data_feed"
    assert site.servers["faker_slow"].target == "faker-slow"
    assert site.servers["data_feed"].description == "100 % of 'it', and more"
    assert site.agents["faker-fast"] == "FakeDataAgent"
    assert "false_temperatures" not in path.read_text()
