"""Read one file of weather data: four lines of header, then a UNIX time and a value on each line."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from sisock.errors import SisockError
from sisock.thinning import Stamps, Values

_LONGEST_LINE = 4096


class NotWeatherError(SisockError):
    """A file does not begin as a file of weather data does."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is no weather file; its first lines must be '# description', '# timeline', '# units', '# date'"
        )


@dataclass(frozen=True)
class WeatherFile:
    """Content of one file: `t` in UNIX seconds, ascending and unique, and `values`, both of shape (n,)."""

    description: str
    timeline: str
    units: str
    t: Stamps
    values: Values
    bad_lines: int = 0


def read_weather_file(path: Path) -> WeatherFile:
    """Read one file, whatever its lines have suffered.

    A line that is not a finite time and a number is counted and passed over; blank lines are passed over. `nan` is a
    number: a sample that was taken and has no value. Lines in disorder are sorted; of a time that occurs twice, the
    first line counts.

    Raises
    ------
    OSError
        It cannot be read.
    NotWeatherError
        The header is missing.
    """
    with path.open("rb") as file:
        header = [_line(file) or b"" for _ in range(4)]
        if not all(line.startswith(b"#") for line in header[:3]):
            raise NotWeatherError(path)
        description, timeline, units = (line[1:].decode(errors="replace").strip() for line in header[:3])
        if not timeline:
            raise NotWeatherError(path)
        samples, bad_lines = [], 0
        line: bytes | None = header[3]  # a date, or the first sample where there is none
        while line is not None:
            if line and not line.startswith(b"#"):
                try:
                    samples.append(_sample(line))
                except ValueError:
                    bad_lines += 1
            line = _line(file)
    t, values = np.array(samples, dtype=np.float64).reshape(-1, 2).T
    t, first = np.unique(t, return_index=True)
    return WeatherFile(description, timeline, units, t, values[first], bad_lines)


def _line(file: BinaryIO) -> bytes | None:
    """Read the next line without blanks around it, cut where it is longer than any good one; None at the end."""
    line = rest = file.readline(_LONGEST_LINE)
    while len(rest) == _LONGEST_LINE and not rest.endswith(b"\n"):
        rest = file.readline(_LONGEST_LINE)
    return line.strip() if line else None


def _sample(line: bytes) -> tuple[float, float]:
    stamp, value = line.split()
    if b"_" in line or not math.isfinite(t := float(stamp)):
        raise ValueError(line)
    return t, float(value)
