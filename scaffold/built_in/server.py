"""The data server: what WAMP asks goes to the source."""

import time
from collections.abc import Mapping

from services.data_nodes.settings import take_settings
from services.data_nodes.skeleton.source import Source
from sisock.base import DataNodeServer
from sisock.shapes import DataReply, FieldsReply
from sisock.times import time_range


class SkeletonServer(DataNodeServer):
    """Answers in threads, as its source may wait for a disk or an instrument."""

    name = "skeleton"
    description = "A wave that is computed"

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.source = Source(take_settings(self, environ), time.time)

    def get_fields_blocking(self, start: float, end: float) -> FieldsReply:
        """List every field."""
        return self.source.get_fields()

    def get_data_blocking(
        self, field: list[str], start: float, end: float, min_stride: float | None = None
    ) -> DataReply | bool:
        """Serve the samples of the range."""
        return self.source.get_data(field, *time_range(start, end), min_stride)
