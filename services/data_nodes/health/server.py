"""The data server of the data servers' own figures."""

import time
from collections.abc import Mapping
from typing import Any

from autobahn.wamp.types import EventDetails, SessionDetails, SubscribeOptions

from services.data_nodes.health.source import Health
from services.data_nodes.live import LiveServer
from services.data_nodes.settings import take_settings
from sisock.shapes import DataReply, FieldsReply
from sisock.times import time_range
from sisock.uris import health_uri


class HealthServer(LiveServer):
    """Hears what every data server publishes of itself.

    They publish, rather than being asked: a server that hangs holds nobody up, one that is gone leaves a hole, no list
    of servers is needed, and no account may call another's procedures for it.
    """

    name = "health"
    description = "What the data servers received, dropped and answered"

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.health = Health(take_settings(self, environ), time.time, self.log.warn, self.name)

    def after_onJoin(self, details: SessionDetails) -> Any:
        """Subscribe to the figures of every server."""

        def receive(figures: object = None, *_: object, details: EventDetails, **__: object) -> None:
            self.health.receive(str(details.topic).rpartition(".")[2], figures)

        subscribed = self.subscribe(receive, health_uri(""), SubscribeOptions(match="prefix", details=True))
        self.remember(self.health.journal, self.health.replay())
        return subscribed

    def figures(self) -> dict[str, float]:
        """Count the reports themselves."""
        return self.health.figures()

    def get_fields(self, start: float, end: float) -> FieldsReply:
        """List every figure of every server."""
        return self.health.get_fields()

    def get_data(self, field: list[str], start: float, end: float, min_stride: float | None = None) -> DataReply | bool:
        """Serve from memory."""
        return self.health.get_data(field, *time_range(start, end), min_stride)
