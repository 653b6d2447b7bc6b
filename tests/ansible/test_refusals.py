"""A wrong inventory or host is refused by the real playbook, before anything is touched."""

import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from migrate.__main__ import find, migrated
from migrate.inventory import write

ROOT = Path(__file__).parents[2]

Play = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "inventories/demo", tmp_path / "site"))


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def _add(site: Path, text: str) -> None:
    path = site / "group_vars/all.yml"
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def _validate(play: Play, site: Path, *options: str) -> str:
    result = play("-i", site, ROOT / "playbooks/validate.yml", "-e", "ansible_become=false", *options)
    assert "changed=0" in result.stdout
    assert ("failed=1" in result.stdout) == (result.returncode != 0)
    # Ansible wraps and doubles quotes as it prints.
    return " ".join(result.stdout.replace("''", "'").split())


@pytest.mark.skipif(os.geteuid() != 0, reason="the playbook wants root, although it only looks")
def test_the_demonstration_the_template_and_a_migrated_site_are_sound(ansible_playbook: Play, tmp_path: Path) -> None:
    template = Path(shutil.copytree(ROOT / "inventories/template", tmp_path / "template"))
    (template / "host_vars").mkdir()
    (template / "host_vars/monitor.yml").write_text("ansible_connection: local\n")
    inventory, _ = migrated(*find(ROOT / "tests/migrate/manual"))
    write(inventory, tmp_path / "yale", "yale", "localhost", "")
    for site in (ROOT / "inventories/demo", template, tmp_path / "yale"):
        # The fixed ports of this machine are not the matter here.
        said = _validate(ansible_playbook, site, "-e", '{"site_ports": [], "site_release": "Debian 12"}')
        assert "failed=0" in said, said


def test_misspelt_words_are_named_all_at_once(ansible_playbook: Play, site: Path) -> None:
    text = (site / "group_vars/all.yml").read_text(encoding="utf-8")
    text = text.replace("site_name", "site_nmae").replace("TARGET:", "TRAGET:").replace("type: sensors", "typ: sensors")
    (site / "group_vars/all.yml").write_text(text, encoding="utf-8")
    said = _validate(ansible_playbook, site)
    assert "did you mean 'site_name'?" in said
    assert "sisock_servers[1] (faker_slow), type data_feed: unknown setting 'TRAGET'; did you mean 'TARGET'?" in said
    assert "unknown key 'typ'; did you mean 'type'?" in said
    assert "Nothing was changed." in said


def test_a_value_of_the_wrong_kind_is_refused(ansible_playbook: Play, site: Path) -> None:
    _add(site, "site_bridge_port: many\n")
    said = _validate(ansible_playbook, site)
    assert "site_bridge_port" in said
    assert "unable to convert to int" in said


def test_an_unsupported_release_is_refused(ansible_playbook: Play, site: Path) -> None:
    said = _validate(ansible_playbook, site, "-e", "site_release='Fedora 99'")
    assert "runs Fedora 99, which is not supported; nothing was changed" in said
    assert "Debian 12, Debian 13, Ubuntu 24.04, Ubuntu 26.04" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="the playbook wants root before it asks for ports")
def test_a_port_that_somebody_else_holds_is_refused(ansible_playbook: Play, site: Path, taken_port: int) -> None:
    ports = f'{{"site_release": "Debian 12", "site_bridge_port": {taken_port}}}'
    said = _validate(ansible_playbook, site, "-e", ports)
    assert f"Port {taken_port} (site_bridge_port) is in use by a program of the account '{getpass.getuser()}'." in said
    assert "set site_bridge_port to a free port" in said


def test_a_misspelt_variable_of_the_command_line_is_refused(ansible_playbook: Play, site: Path) -> None:
    given = "ansible_become=false renew_autority=true"
    result = ansible_playbook("-i", site, ROOT / "playbooks/renew_tls.yml", "-e", given)
    said = " ".join(result.stdout.replace("''", "'").split())
    assert "no playbook has a variable 'renew_autority'; did you mean 'renew_authority'? A variable" in said
    assert "changed=0" in result.stdout


def test_a_second_router_is_refused(ansible_playbook: Play, site: Path) -> None:
    path = site / "hosts.yml"
    path.write_text(path.read_text() + "\nrouter:\n  hosts:\n    other: {ansible_connection: local}\n")
    assert "The group 'router' has 2 hosts" in _validate(ansible_playbook, site)
