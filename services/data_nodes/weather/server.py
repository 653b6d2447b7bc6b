"""The data server of weather."""

import time
from collections.abc import Mapping

from services.data_nodes.settings import take_settings
from services.data_nodes.weather.source import SyntheticWeather, Weather
from sisock.base import DataNodeServer
from sisock.shapes import DataReply, FieldsReply
from sisock.times import time_range


class WeatherServer(DataNodeServer):
    """Reads files, therefore answers in threads."""

    name = "apex_archive"
    description = "Weather at the APEX site, July 2017"

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        super().__init__()
        settings = take_settings(self, environ)
        directory, most = settings["DATA_DIRECTORY"], settings["MAX_POINTS"]
        self.weather = Weather(directory, most, time.time, self.log.warn) if directory else SyntheticWeather(most)

    def get_fields_blocking(self, start: float, end: float) -> FieldsReply:
        """List every field."""
        return self.weather.get_fields()

    def get_data_blocking(
        self, field: list[str], start: float, end: float, min_stride: float | None = None
    ) -> DataReply | bool:
        """Serve from the files."""
        return self.weather.get_data(field, *time_range(start, end), min_stride)
