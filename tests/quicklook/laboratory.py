"""A data server whose samples are computed, so that whoever looks at a plot of them knows what it has to show."""

import math
import time

import numpy as np

from services.data_nodes.table import Table, TableServer
from sisock.session import run

HOLE = 900.0
"""Seconds of every hour, from its begin on, in which `cold_plate` has no samples."""
MODES = ("idle", "cooling", "observing", "calibrating")


class Laboratory(TableServer):
    """A sample each second of all time until now; its slow field has one each ten minutes."""

    name = "lab"
    description = "A laboratory that is computed"

    def read(self, start: float, end: float) -> dict[str, Table]:
        end = min(end, time.time())
        start = max(start, end - 200_000)
        t = np.arange(math.ceil(start), end)
        cold = t[t % 3600 >= HOLE]
        slow = np.arange(math.ceil(start / 600) * 600, end, 600.0)
        return {
            "each second": Table(
                t,
                {
                    "cryostat.stage_4k": 4.2 + 0.1 * np.sin(t / 300),
                    "cryostat.stage_50k": 45 + 5 * np.sin(t / 1200),
                    "cryostat.magnetic_field": 3e-5 * np.cos(t / 500),
                    "heater.drive": 0.1 + 0.01 * np.sin(t / 300),
                    "computer.load": 7 + np.sin(t / 300),
                    "computer.a_load_whose_name_is_rather_longer_than_a_tile_of_a_small_screen_is_wide": t % 60,
                    "cryostat.pump_runs": (t // 240) % 3 > 0,
                    "mode": np.array(MODES, dtype=object)[((t // 420) % len(MODES)).astype(int)],
                },
                units={"cryostat.stage_4k": "K", "cryostat.stage_50k": "K", "cryostat.magnetic_field": "T"},
                descriptions={"cryostat.stage_4k": "Thermometer on the 4 K stage"},
            ),
            "with holes": Table(cold, {"cold_plate": 0.3 + 0.02 * np.sin(cold / 60)}, units={"cold_plate": "K"}),
            "slow": Table(slow, {"tank.level": 70 + slow % 7200 / 720}, units={"tank.level": "%"}),
        }


if __name__ == "__main__":
    run(Laboratory)
