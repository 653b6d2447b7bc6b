from pathlib import Path

import pytest

from sisock.config import Router, load_settings
from sisock.errors import SettingError

OPTIONS = {
    "COUNT": {"type": "int", "default": 3, "description": "How many."},
    "RATE": {"type": "float", "required": True, "description": "Hertz."},
    "KIND": {"choices": ["a", "b"], "default": "a"},
    "ON": {"type": "bool", "default": False},
    "NAMES": {"type": "list", "default": []},
    "PLACE": {"type": "path", "default": "/x"},
}


def test_settings_are_converted_and_defaults_fill_in() -> None:
    assert load_settings(OPTIONS, {"RATE": " 2.5", "ON": "yes", "NAMES": "p, q,"}) == {
        "COUNT": 3,
        "RATE": 2.5,
        "KIND": "a",
        "ON": True,
        "NAMES": ["p", "q"],
        "PLACE": Path("/x"),
    }


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({}, "setting RATE: is missing; set it in the environment: Hertz."),
        ({"RATE": "fast"}, "setting RATE: 'fast' is no float; Hertz."),
        ({"RATE": "1", "COUNT": "1.5"}, "setting COUNT: '1.5' is no int; How many."),
        ({"RATE": "1", "KIND": "c"}, "setting KIND: 'c' is unknown; take one of a, b"),
        ({"RATE": "1", "ON": "maybe"}, "setting ON: 'maybe' is no bool"),
    ],
)
def test_a_wrong_setting_is_refused_by_name_with_a_remedy(environ: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingError) as refusal:
        load_settings(OPTIONS, environ)
    assert sentence in str(refusal.value)


def test_the_router_is_reached_by_the_manuals_variables(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    router = Router.from_environ(
        {"CROSSBAR_HOST": "summit", "CROSSBAR_TLS_PORT": "9080", "WAMP_USER": "u", "WAMP_SECRET_FILE": str(secret)}
    )
    assert router.url == "wss://summit:9080/ws"
    assert router.secret() == "s3cret"
    assert "s3cret" not in repr(router)


def test_there_is_no_default_secret() -> None:
    with pytest.raises(SettingError, match="WAMP_SECRET: is missing"):
        Router.from_environ({}).secret()


def test_the_secret_does_not_show_in_the_repr() -> None:
    assert "hush" not in repr(Router.from_environ({"WAMP_SECRET": "hush"}))
