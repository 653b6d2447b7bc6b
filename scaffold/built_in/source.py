"""Where the samples come from, and the answers made of them."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import numpy as np

from services.data_nodes.selection import Samples, select
from sisock.errors import SettingError
from sisock.shapes import DataReply, Field, FieldsReply, Timeline

TIMELINE = "regular"
BEGIN = 1767225600.0
"""2026-01-01, UTC: there are no samples before."""


class Source:
    """One timeline of two fields. May be asked from several threads at a time."""

    def __init__(self, settings: Mapping[str, Any], clock: Callable[[], float]) -> None:
        """Take the settings.

        Parameters
        ----------
        settings
            The values of the options in `server.yml`.
        clock
            Gives the UNIX time.

        Raises
        ------
        SettingError
            INTERVAL is no number above zero.
        """
        if not 0 < settings["INTERVAL"] < math.inf:
            raise SettingError("INTERVAL", f"{settings['INTERVAL']} makes no samples", "give a number above 0")
        self._interval: float = settings["INTERVAL"]
        self._max_points: int = settings["MAX_POINTS"]
        self._clock = clock

    def read(self, start: float, end: float) -> Samples:
        """Read the samples in [start, end), UNIX seconds: what you change first."""
        first = math.ceil(max(start, BEGIN) / self._interval)
        t = np.arange(first * self._interval, min(end, self._clock()), self._interval)
        wave = np.sin(t / 600)
        # Later samples may come, those before the newest stay: `finalized_until`.
        return Samples(t, {"wave": wave, "crest": wave > 0.9}, float(t[-1]) if t.size else None)

    def get_fields(self) -> FieldsReply:
        """List every field, with its timeline."""
        fields = {
            "wave": Field(description="A wave", timeline=TIMELINE, type="number", units="m"),
            "crest": Field(description="Whether it is high", timeline=TIMELINE, type="bool", units=None),
        }
        return fields, {TIMELINE: Timeline(interval=self._interval, field=list(fields))}

    def get_data(
        self, fields: Iterable[str], start: float, end: float, min_stride: float | None = None
    ) -> DataReply | Literal[False]:
        """Answer with the samples in [start, end), UNIX seconds."""
        return select(fields, {TIMELINE: self.read(start, end)}, start, end, min_stride, self._max_points)
