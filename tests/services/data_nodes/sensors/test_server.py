"""The sensors server's beat."""

from typing import Any

import pytest
from twisted.internet.defer import maybeDeferred
from twisted.internet.task import Clock

from services.data_nodes.sensors import server as module
from services.data_nodes.sensors.measuring import Reading


def test_an_error_that_nobody_foresaw_costs_one_reading_and_is_logged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "deferToThread", maybeDeferred)
    server, clock, logged = module.SensorsServer({"INTERVAL": "1"}), Clock(), []  # type: ignore[arg-type]
    beats = iter([None, RuntimeError("zone asleep"), RuntimeError("zone asleep"), None, RuntimeError("zone asleep")])

    def measure() -> dict[str, Reading]:
        if error := next(beats, None):
            raise error
        return {"load": Reading(1.0, None, "")}

    def failure(event: str, **_: Any) -> None:
        logged.append(event)

    kept: list[object] = []
    monkeypatch.setattr(server.sensors, "measure", measure)
    monkeypatch.setattr(server.sensors, "keep", lambda readings, _now: kept.append(readings))
    monkeypatch.setattr(server.log, "failure", failure)
    server._measuring.clock = clock  # type: ignore[assignment]
    server.after_onJoin(None)  # type: ignore[arg-type]
    clock.pump([1.0] * 5)
    assert (len(kept), len(logged)) == (3, 2)
