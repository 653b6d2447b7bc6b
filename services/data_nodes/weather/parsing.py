"""Read one file of weather data: four lines of header, then a UNIX time and a value on each line."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np

from sisock.errors import SisockError
from sisock.thinning import Stamps, Values

SETTLED_SECONDS = 60.0
"""A file that has not changed for so long has no writer in the middle of a line."""

_LONGEST_LINE = 4096


class NotWeatherError(SisockError):
    """A file does not begin as a file of weather data does."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is no weather file; its first lines must be '# description', '# timeline', '# units', '# date'"
        )


@dataclass(frozen=True)
class WeatherFile:
    """Content of one file: `t` in UNIX seconds, ascending and unique, and `values`, both of shape (n,).

    It is `unfinished` when its last line was left out because it may be half a one.
    """

    description: str
    timeline: str
    units: str
    t: Stamps
    values: Values
    bad_lines: int = 0
    unfinished: bool = False


def read_weather_file(path: Path, now: float) -> WeatherFile:
    """Read one file, whatever its lines have suffered, as it is at `now`, UNIX seconds.

    A line that is not a finite time and a number is counted and passed over; blank lines are passed over. `nan` is a
    number: a sample that was taken and has no value. Lines in disorder are sorted; of a time that occurs twice, the
    first line counts. A last line without an end is passed over until the file has settled: of `12.75`, a value of 1
    may be all that has been written.

    Raises
    ------
    OSError
        It cannot be read.
    NotWeatherError
        The header is missing.
    """
    with path.open("rb") as file:
        lines = _lines(file)
        header = [line for line, _ in islice(lines, 3)]
        if len(header) < 3 or not all(line.startswith(b"#") for line in header):
            raise NotWeatherError(path)
        description, timeline, units = (line[1:].decode(errors="replace").strip() for line in header)
        if not timeline:
            raise NotWeatherError(path)
        samples, bad_lines, unfinished = [], 0, False
        for line, whole in lines:  # the first is a date, or a sample where there is none
            if not whole and now - os.fstat(file.fileno()).st_mtime < SETTLED_SECONDS:
                unfinished = True
            elif line and not line.startswith(b"#"):
                try:
                    samples.append(_sample(line))
                except ValueError:
                    bad_lines += 1
    t, values = np.array(samples, dtype=np.float64).reshape(-1, 2).T
    t, first = np.unique(t, return_index=True)
    return WeatherFile(description, timeline, units, t, values[first], bad_lines, unfinished)


def _lines(file: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """Read lines without blanks around them, cut where they are longer than any good one, and whether each is whole.

    What a writer appends to half a line in the meantime is no line of its own: the half is the last.
    """
    whole = True
    while whole and (line := file.readline(_LONGEST_LINE)):
        rest = line
        while len(rest) == _LONGEST_LINE and not rest.endswith(b"\n"):
            rest = file.readline(_LONGEST_LINE)
        whole = rest.endswith(b"\n")
        yield line.strip(), whole


def _sample(line: bytes) -> tuple[float, float]:
    stamp, value = line.split()
    if b"_" in line or not math.isfinite(t := float(stamp)):
        raise ValueError(line)
    return t, float(value)
