"""A wave that is computed, until it says what is measured."""

import math
import time

import numpy as np

from services.data_nodes.table import Table, TableServer
from sisock.session import run

BEGIN = 1767225600.0  # 2026-01-01, UTC: there are no samples before


class SkeletonServer(TableServer):
    """Settings are declared in the YAML file beside this one."""

    name = "skeleton"
    description = "A wave that is computed"

    def read(self, start: float, end: float) -> dict[str, Table]:
        """Read the samples in [start, end), UNIX seconds: what you change first."""
        interval: float = self.settings["INTERVAL"]
        t = np.arange(math.ceil(max(start, BEGIN) / interval) * interval, min(end, time.time()), interval)
        return {"regular": Table(t, {"wave": np.sin(t / 600)}, units={"wave": "m"})}


if __name__ == "__main__":
    run(SkeletonServer)
