"""What every folder of services/data_nodes has, and what every server in it does."""

import importlib
import inspect
import runpy
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

import services.data_nodes
from sisock.base import DataNodeServer
from sisock.config import load_settings
from sisock.errors import SettingError
from sisock.testing import check_contract
from sisock.uris import NODE_NAME

SOURCE = Path(str(files(services.data_nodes)))
TESTS = Path(__file__).parent
SERVERS = sorted(path.name for path in SOURCE.iterdir() if path.is_dir() and not path.name.startswith("_"))
OPTION_KEYS = {"type", "required", "default", "choices", "description"}

pytestmark = pytest.mark.parametrize("name", SERVERS)


def server_class(name: str) -> type[DataNodeServer]:
    module = importlib.import_module(f"services.data_nodes.{name}.server")
    (found,) = (
        kind for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, DataNodeServer) and kind.__module__ == module.__name__
    )  # fmt: skip
    return found


def declared(name: str) -> Any:
    return yaml.safe_load((SOURCE / name / "server.yml").read_text(encoding="utf-8"))


def test_a_server_folder_is_complete(name: str) -> None:
    due = [SOURCE / name / part for part in ("__init__.py", "__main__.py", "server.yml", "server.py", "source.py")]
    due += [TESTS / name / part for part in ("example.py", "test_source.py")]
    missing = [str(path.relative_to(SOURCE.parents[1])) for path in due if not path.is_file()]
    assert not missing, f"data server {name} lacks {', '.join(missing)}"


def test_its_options_are_declared_in_full(name: str) -> None:
    spec = declared(name)
    assert spec["short_description"], f"{name}/server.yml lacks a short_description"
    for option, declaration in spec["options"].items():
        assert option.isupper(), option
        assert option not in ("NAME", "DESCRIPTION"), f"{option} is common to all servers"
        assert set(declaration) <= OPTION_KEYS, f"{option}: {set(declaration) - OPTION_KEYS} is unknown"
        assert {"type", "description"} <= set(declaration), f"{option} lacks its type or description"
        assert ("default" in declaration) != declaration.get("required", False), f"{option}: either default or required"
    load_settings({key: value for key, value in spec["options"].items() if not value.get("required")}, {})


def test_its_source_does_without_twisted(name: str) -> None:
    text = (SOURCE / name / "source.py").read_text(encoding="utf-8")
    assert "twisted" not in text
    assert "autobahn" not in text
    assert "sisock.base" not in text


def test_it_is_named_and_described_and_the_environment_may_rename_it(name: str, tmp_path: Path) -> None:
    kind = server_class(name)
    assert kind.name
    assert NODE_NAME.fullmatch(kind.name)
    assert kind.description
    renamed = kind({"NAME": "other", "DESCRIPTION": "of a test"})  # type: ignore[arg-type]
    assert (renamed.name, renamed.description) == ("other", "of a test")


def test_a_setting_of_the_wrong_kind_is_refused_by_name(name: str) -> None:
    for option, declaration in declared(name)["options"].items():
        if declaration["type"] in ("int", "float"):
            with pytest.raises(SettingError, match=option):
                server_class(name)({option: "many"})  # type: ignore[arg-type]


@pytest.mark.parametrize("renamed", ["a b", "a.b", "a::b", "*", "é"])
def test_a_name_that_cannot_be_part_of_a_uri_is_refused(name: str, renamed: str) -> None:
    with pytest.raises(SettingError, match="NAME"):
        server_class(name)({"NAME": renamed})  # type: ignore[arg-type]


def test_it_keeps_the_contract(name: str, tmp_path: Path) -> None:
    check_contract(runpy.run_path(str(TESTS / name / "example.py"))["example_server"](tmp_path))
