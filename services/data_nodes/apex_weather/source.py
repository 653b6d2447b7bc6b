"""Answers about the weather of the APEX site, from the files of its archive."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from services.data_nodes.text_files import interval_of
from services.data_nodes.text_folder import Named, TextFolder
from sisock.shapes import DataReply, Field, FieldsReply, Timeline

FIELDS = {
    "humidity": ("APEX weather station, relative humidity", "%"),
    "pressure": ("APEX weather station, pressure", "mBar"),
    "radiometer": ("APEX radiometer, precipitable water vapour", "mm"),
    "dewpoint": ("APEX weather station, dew point", "C"),
    "temperature": ("APEX weather station, temperature", "C"),
    "windspeed": ("APEX weather station, wind speed", "km/h"),
    "winddirection": ("APEX weather station, wind direction", "deg"),
}
"""Field -> its description and units; the files say neither."""

_NAME = re.compile(r"[^_]+_(?P<field>[a-z]+)_(?P<first>[0-9]{1,11})_(?P<last>[0-9]{1,11})\.dat")


def recognize(name: str) -> Named | None:
    """Read the field, and when its first and last sample are, from a name: APEX_humidity_1500000000_1500086399.dat."""
    match = _NAME.fullmatch(name)
    if match is None or match["field"] not in FIELDS:
        return None
    return Named(match["field"], float(match["first"]), float(match["last"]))


class ApexWeather:
    """The seven fields, each with files and a timeline of its own. May be asked from several threads.

    Parameters
    ----------
    directory
        Its folder `targets` holds the files.
    max_points
        Most points per timeline in one reply; 0 for no cap.
    clock
        Gives the UNIX time.
    tell
        Logs a warning: a format, and the facts in it by name, as txaio does.
    """

    def __init__(self, directory: Path, max_points: int, clock: Callable[[], float], tell: Callable[..., None]) -> None:
        self._folder = TextFolder(directory / "targets", recognize, clock, tell)
        self._max_points = max_points

    def get_fields(self) -> FieldsReply:
        """List every field, with its timeline, whether there are files of it or not."""
        newest = self._folder.newest()
        fields, timelines = {}, {}
        for name, (description, units) in FIELDS.items():
            interval = interval_of(newest[name][1]) if name in newest else None
            fields[name] = Field(description=description, timeline=name, type="number", units=units)
            timelines[name] = Timeline(interval=interval, field=[name])
        return fields, timelines

    def get_data(
        self, fields: Iterable[str], start: float, end: float, min_stride: float | None = None
    ) -> DataReply | Literal[False]:
        """Answer with the samples in [start, end), UNIX seconds."""
        timelines = {name: [name] for name in FIELDS}
        return self._folder.get_data(fields, timelines, start, end, min_stride, self._max_points)
