"""The data server of OCS feeds."""

import time
from collections.abc import Mapping
from typing import Any

from autobahn.wamp.types import EventDetails, SessionDetails, SubscribeOptions

from services.data_nodes.data_feed.source import Feeds
from services.data_nodes.live import LiveServer
from services.data_nodes.settings import take_settings
from sisock.shapes import DataReply, FieldsReply
from sisock.times import time_range


class DataFeedServer(LiveServer):
    """Holds the buffer over all sessions, and subscribes in each of them."""

    name = "data_feed"
    description = "Live data of OCS feeds"

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.feeds = self.make_feeds(take_settings(self, environ))

    def make_feeds(self, settings: dict[str, Any]) -> Feeds:
        """Make the buffer, empty."""
        return Feeds(settings, time.time, self.log.warn, self.name)

    def after_onJoin(self, details: SessionDetails) -> Any:
        """Subscribe to the feed, or to all of them."""
        topic, match = self.feeds.subscription.topic, self.feeds.subscription.match

        def receive(message: object = None, *_: object, details: EventDetails, **__: object) -> None:
            self.feeds.receive(details.topic or topic, message)

        subscribed = self.subscribe(receive, topic, SubscribeOptions(match=match, details=True))
        self.remember(self.feeds.journal, self.feeds.replay())
        return subscribed

    def figures(self) -> dict[str, float]:
        """Count what was received and what was dropped."""
        return self.feeds.figures()

    def get_fields(self, start: float, end: float) -> FieldsReply:
        """List every field with a sample in memory."""
        return self.feeds.get_fields()

    def get_data(self, field: list[str], start: float, end: float, min_stride: float | None = None) -> DataReply | bool:
        """Serve from memory."""
        return self.feeds.get_data(field, *time_range(start, end), min_stride)
