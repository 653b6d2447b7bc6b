"""The data server of the host's sensors."""

import time
from collections.abc import Mapping
from typing import Any

from autobahn.wamp.types import SessionDetails
from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThread

from services.data_nodes.live import LiveServer
from services.data_nodes.sensors.source import Sensors
from services.data_nodes.settings import take_settings
from sisock.shapes import DataReply, FieldsReply
from sisock.times import time_range


class SensorsServer(LiveServer):
    """Measures in a thread, from the first session on and between sessions as well."""

    name = "sensors"
    description = "Temperatures, fans, load and memory of the host"

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        super().__init__()
        settings = take_settings(self, environ)
        self.sensors = Sensors(settings, self.log.warn, name=self.name)
        self._interval: float = settings["INTERVAL"]
        self._measuring = LoopingCall(self._measure)
        self._problem: str | None = None

    @inlineCallbacks
    def _measure(self) -> Any:
        try:
            readings = yield deferToThread(self.sensors.measure)
            self.sensors.keep(readings, time.time())
        except Exception as error:  # Whatever it is, the next reading may do better.
            if repr(error) != self._problem:
                self.log.failure("sensors: there is no reading this time")
            self._problem = repr(error)
        else:
            self._problem = None

    def after_onJoin(self, details: SessionDetails) -> None:
        """Begin to measure, once."""
        if not self._measuring.running:
            self._measuring.start(self._interval)
        self.remember(self.sensors.journal, self.sensors.replay(time.time()))

    def figures(self) -> dict[str, float]:
        """Count what was read and what was dropped."""
        return self.sensors.figures()

    def get_fields(self, start: float, end: float) -> FieldsReply:
        """List every field that has been read."""
        return self.sensors.get_fields()

    def get_data(self, field: list[str], start: float, end: float, min_stride: float | None = None) -> DataReply | bool:
        """Serve from memory."""
        return self.sensors.get_data(field, *time_range(start, end), min_stride)
