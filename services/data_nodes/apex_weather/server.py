"""The data server of the weather of the APEX site."""

import time
from collections.abc import Mapping

from services.data_nodes.apex_weather.source import ApexWeather
from services.data_nodes.settings import take_settings
from sisock.base import DataNodeServer
from sisock.shapes import DataReply, FieldsReply
from sisock.times import time_range


class ApexWeatherServer(DataNodeServer):
    """Reads files, therefore answers in threads."""

    name = "apex_weather"
    description = "Weather station of the APEX telescope"

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        super().__init__()
        settings = take_settings(self, environ)
        self.weather = ApexWeather(settings["DATA_DIRECTORY"], settings["MAX_POINTS"], time.time, self.log.warn)

    def get_fields_blocking(self, start: float, end: float) -> FieldsReply:
        """List every field."""
        return self.weather.get_fields()

    def get_data_blocking(
        self, field: list[str], start: float, end: float, min_stride: float | None = None
    ) -> DataReply | bool:
        """Serve from the files."""
        return self.weather.get_data(field, *time_range(start, end), min_stride)
