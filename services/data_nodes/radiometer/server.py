"""The data server of the UCSC radiometer."""

import time
from collections.abc import Mapping

from services.data_nodes.radiometer.source import Radiometer
from services.data_nodes.settings import take_settings
from sisock.base import DataNodeServer
from sisock.shapes import DataReply, FieldsReply
from sisock.times import time_range


class RadiometerServer(DataNodeServer):
    """Reads files, therefore answers in threads."""

    name = "ucsc_radiometer"
    description = "Precipitable water vapour from the UCSC radiometer on Cerro Toco"

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        super().__init__()
        settings = take_settings(self, environ)
        self.radiometer = Radiometer(settings["DATA_DIRECTORY"], settings["MAX_POINTS"], time.time, self.log.warn)

    def get_fields_blocking(self, start: float, end: float) -> FieldsReply:
        """List every field."""
        return self.radiometer.get_fields()

    def get_data_blocking(
        self, field: list[str], start: float, end: float, min_stride: float | None = None
    ) -> DataReply | bool:
        """Serve from the files."""
        return self.radiometer.get_data(field, *time_range(start, end), min_stride)
