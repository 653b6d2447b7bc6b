"""Answers about weather: from a directory of files, or from the synthetic set."""

from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Lock
from typing import Literal

import numpy as np

from services.data_nodes.selection import Samples, mean_interval, select
from services.data_nodes.weather.parsing import SETTLED_SECONDS, NotWeatherError, WeatherFile, read_weather_file
from services.data_nodes.weather.synthetic import synthetic_weather
from sisock.shapes import DataReply, Field, FieldsReply, Timeline
from sisock.thinning import Values


class Weather:
    """Fields named after their files. Fields of one timeline share it when they have the same stamps.

    A field whose stamps differ from those of the first field of its timeline has one for itself, named
    ``<timeline>_<field>``. Each file is read once, and again when it has changed; it may appear, grow and vanish at
    any time. May be asked from several threads.
    """

    def __init__(
        self, directory: Path | None, max_points: int, clock: Callable[[], float], tell: Callable[..., None]
    ) -> None:
        """Take the data's place.

        Parameters
        ----------
        directory
            Where the `<field>.dat` files lie; None for the synthetic set.
        max_points
            Most points per timeline in one reply; 0 for no cap.
        clock
            Gives the UNIX time.
        tell
            Logs a warning: a format, and the facts in it by name, as txaio does. Each is said once while it is true.
        """
        self._directory = directory
        self._max_points = max_points
        self._clock = clock
        self._tell = tell
        self._files: dict[str, WeatherFile] = synthetic_weather() if directory is None else {}
        self._versions: dict[str, tuple[int, int]] = {}
        self._told: dict[str, str] = {}
        self._lock = Lock()

    def get_fields(self) -> FieldsReply:
        """List every field, with its timeline."""
        files = self._current()
        fields, timelines = {}, {}
        for timeline, names in _timelines(files).items():
            timelines[timeline] = Timeline(interval=mean_interval(files[names[0]].t), field=names)
            for name in names:
                file = files[name]
                fields[name] = Field(
                    description=file.description or None, timeline=timeline, type="number", units=file.units or None
                )
        return fields, timelines

    def get_data(
        self, fields: Iterable[str], start: float, end: float, min_stride: float | None = None
    ) -> DataReply | Literal[False]:
        """Answer with the samples in [start, end), UNIX seconds."""
        files = self._current()
        samples = {}
        for timeline, names in _timelines(files).items():
            t = files[names[0]].t
            growing = self._directory is not None and t.size > 0 and end > t[-1]
            values: dict[str, Values] = {name: files[name].values for name in names}
            samples[timeline] = Samples(t, values, finalized_until=float(t[-1]) if growing else None)
        return select(fields, samples, start, end, min_stride, self._max_points)

    def _current(self) -> dict[str, WeatherFile]:
        """Look for changes; return the files as they are now, by field."""
        if self._directory is None:
            return self._files
        with self._lock:
            try:
                entries = sorted(path for path in self._directory.iterdir() if path.suffix == ".dat")
                self._said("", None)
            except OSError as error:
                self._said("", f"{self._directory} cannot be listed ({error.strerror}); nothing is served until it can")
                entries = []
            found = {path.stem: path for path in entries}
            self._files = {
                name: file for name, path in found.items() if (file := self._read(name, path)) is not None
            }  # fmt: skip
            self._versions = {name: version for name, version in self._versions.items() if name in self._files}
            self._told = {name: told for name, told in self._told.items() if name in found or not name}
            return self._files

    def _read(self, name: str, path: Path) -> WeatherFile | None:
        try:
            state = path.stat()
            version, now = (state.st_mtime_ns, state.st_size), self._clock()
            if self._versions.get(name) == version:
                known = self._files[name]
                if not known.unfinished or now - state.st_mtime < SETTLED_SECONDS:
                    return known
            file = read_weather_file(path, now)
        except OSError as error:
            self._said(name, f"{path} cannot be read ({error.strerror}); its field is not served until it can")
            return None
        except NotWeatherError as error:
            self._said(name, str(error))
            return None
        self._versions[name] = version
        self._said(name, f"{path}: passed over lines that are no sample" if file.bad_lines else None)
        return file

    def _said(self, name: str, sentence: str | None) -> None:
        if sentence and self._told.get(name) != sentence:
            self._tell("weather: {problem}", problem=sentence)
        self._told[name] = sentence or ""


def _timelines(files: dict[str, WeatherFile]) -> dict[str, list[str]]:
    """Timeline -> the fields with the very same stamps."""
    timelines: dict[str, list[str]] = {}
    for name, file in files.items():
        peers = timelines.setdefault(file.timeline, [name])
        if name not in peers:
            if np.array_equal(files[peers[0]].t, file.t):
                peers.append(name)
            else:
                timelines[f"{file.timeline}_{name}"] = [name]
    return timelines
