"""The server of the APEX archive with data, for the tests that every server passes."""

import math
from pathlib import Path

from services.data_nodes.apex_weather.server import ApexWeatherServer
from services.data_nodes.apex_weather.source import FIELDS

FIRST = 1_532_044_800


def write_day(directory: Path, field: str, first: int, lines: str = "", samples: int = 24) -> Path:
    """A file of a day, in the folder `targets`: of `lines`, or of a sample each hour."""
    path = directory / "targets" / f"APEX_{field}_{first}_{first + 86399}.dat"
    path.parent.mkdir(exist_ok=True)
    stamps = range(first, first + 3600 * samples, 3600)
    path.write_text(lines or "".join(f"{t} {50 + 30 * math.sin(t):.2f}\n" for t in stamps), encoding="utf-8")
    return path


def example_server(directory: Path) -> ApexWeatherServer:
    """Two days of two fields."""
    for field in list(FIELDS)[:2]:
        for day in (0, 1):
            write_day(directory, field, FIRST + day * 86400)
    return ApexWeatherServer({"DATA_DIRECTORY": str(directory)})
