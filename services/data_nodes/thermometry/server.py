"""The data server of one Lakeshore."""

import time
from typing import Any

from services.data_nodes.data_feed.server import DataFeedServer
from services.data_nodes.data_feed.source import Feeds
from services.data_nodes.thermometry.source import Thermometers


class ThermometryServer(DataFeedServer):
    """A data feed of one agent, whose channels have units."""

    name = "thermometry"
    description = "Channels of a Lakeshore"

    def make_feeds(self, settings: dict[str, Any]) -> Feeds:
        """Make the buffer, empty; the instrument's name is the server's where no other is given."""
        settings |= {"TARGET": settings["TARGET"] or self.name}
        return Thermometers(settings, time.time, self.log.warn, self.name)
