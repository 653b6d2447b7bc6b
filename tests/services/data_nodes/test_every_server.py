"""What every data server has and does: each folder of services/data_nodes, and each server of a site's own."""

from pathlib import Path

import pytest
import yaml

from playbooks.filter_plugins import validation
from sisock.config import load_settings
from sisock.errors import SettingError
from sisock.testing import check_contract
from sisock.uris import NODE_NAME
from tests.services.data_nodes.structure import Server, every_server

ROOT = Path(__file__).parents[3]
SERVERS = every_server(ROOT)


@pytest.fixture(params=SERVERS, ids=str)
def server(request: pytest.FixtureRequest) -> Server:
    each: Server = request.param
    return each


@pytest.fixture(params=[each for each in SERVERS if not each.site], ids=str)
def built_in(request: pytest.FixtureRequest) -> Server:
    each: Server = request.param
    return each


def test_it_is_complete(server: Server) -> None:
    lacks = server.lacks()
    assert not lacks, "\n".join(lacks)


def test_its_settings_are_declared_in_full(server: Server) -> None:
    if server.site and not server.declaration.exists():
        return
    assert validation.declaration_problems(str(server.declaration)) == []
    options = yaml.safe_load(server.declaration.read_text(encoding="utf-8"))["options"]
    load_settings({key: value for key, value in options.items() if not value.get("required")}, {})


def test_the_playbook_takes_it(server: Server) -> None:
    if server.site:
        assert validation.site_server_problems(str(server.code), str(ROOT / "services/data_nodes")) == []


def test_its_source_does_without_twisted(built_in: Server) -> None:
    text = built_in.code.with_name("source.py").read_text(encoding="utf-8")
    assert [word for word in ("twisted", "autobahn", "sisock.base") if word in text] == []


def test_it_is_named_and_described_and_the_environment_may_rename_it(server: Server) -> None:
    kind = server.kind()
    assert kind.name
    assert NODE_NAME.fullmatch(kind.name)
    assert kind.description
    renamed = kind({"NAME": "other", "DESCRIPTION": "of a test"})
    assert (renamed.name, renamed.description) == ("other", "of a test")


def test_a_setting_of_the_wrong_kind_is_refused_by_name(server: Server) -> None:
    text = server.declaration.read_text(encoding="utf-8") if server.declaration.exists() else "options: {}"
    for option, declaration in yaml.safe_load(text)["options"].items():
        if declaration["type"] in ("int", "float"):
            with pytest.raises(SettingError, match=option):
                server.kind()({option: "many"})


@pytest.mark.parametrize("renamed", ["a b", "a.b", "a::b", "*", "é"])
def test_a_name_that_cannot_be_part_of_a_uri_is_refused(server: Server, renamed: str) -> None:
    with pytest.raises(SettingError, match="NAME"):
        server.kind()({"NAME": renamed})


def test_it_keeps_the_contract(server: Server, tmp_path: Path) -> None:
    check_contract(server.with_data(tmp_path))
