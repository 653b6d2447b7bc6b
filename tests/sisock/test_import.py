import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["sisock.base", "sisock.client", "sisock.session"])
def test_an_import_has_no_effect(module: str) -> None:
    """Neither a reactor nor the environment is touched before a program runs."""
    probe = f"import {module}, sys; sys.exit('twisted.internet.reactor' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False, env={"PATH": "/bin"}).returncode == 0


def test_the_manuals_constants_are_read_from_the_environment_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    from sisock import base

    monkeypatch.setenv("CROSSBAR_HOST", "summit")
    monkeypatch.setenv("WAMP_SECRET", "hush")
    assert base.WAMP_URI == "wss://summit:8080/ws"
    assert (base.WAMP_USER, base.WAMP_SECRET, base.REALM) == ("server", "hush", "test_realm")
    assert base.uri("consumer.x") == base.BASE_URI + ".consumer.x" == "org.simonsobservatory.consumer.x"
