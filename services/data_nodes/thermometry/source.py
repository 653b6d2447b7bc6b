"""What a Lakeshore's feed holds: temperatures, and what they were made from."""

import re

from services.data_nodes.data_feed.source import Feeds

_UNITS = {"t": "K", "r": "Ohm", "v": "V"}
_CHANNEL = re.compile(r"channel[ _]\w+[ _]([trv])", re.IGNORECASE)


class Thermometers(Feeds):
    """The feed of one Lakeshore."""

    def units(self, ocs_name: str) -> str | None:
        """Units by the agents' own way of naming: `Channel_01_T`, `Channel_01_R` (372), `Channel 1 V` (240)."""
        channel = _CHANNEL.fullmatch(ocs_name.strip())
        return _UNITS[channel[1].lower()] if channel else None
