"""A program that fails is tried again within a minute, however often it has failed."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("supervisor", reason="supervisor is not installed in this environment")

FILES = Path(__file__).parents[2] / "roles/supervisor/files"


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A program of supervisor's, whose every start fails."""
    from supervisor.options import ProcessConfig, ServerOptions
    from supervisor.process import Subprocess

    monkeypatch.setattr("supervisor.events.callbacks", [])
    monkeypatch.syspath_prepend(str(FILES))
    import supervisor_patience

    supervisor_patience.make_rpcinterface(None)
    defaults = dict.fromkeys(ProcessConfig.req_param_names)
    return Subprocess(ProcessConfig(ServerOptions(), **(defaults | {"name": "p", "startretries": 1000000})))


def test_the_wait_grows_to_a_minute_and_no_further(process: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from supervisor.states import ProcessStates

    monkeypatch.setattr("supervisor.process.time", SimpleNamespace(time=lambda: 1000.0))
    waits = []
    for _ in range(200):
        process.state = ProcessStates.STARTING
        process.change_state(ProcessStates.BACKOFF)
        waits.append(process.delay - 1000.0)
    assert waits == [*range(1, 61), *[60] * 140]
    assert process.backoff < process.config.startretries
