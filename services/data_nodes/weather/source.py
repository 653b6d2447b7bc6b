"""Answers about weather: from a directory of files, or from the synthetic set."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal

from services.data_nodes.selection import Samples, mean_interval, select
from services.data_nodes.text_files import Block, TextFile, interval_of
from services.data_nodes.text_folder import Named, Problems, TextFolder
from services.data_nodes.weather.header import Header, read_header
from services.data_nodes.weather.synthetic import synthetic_weather
from sisock.shapes import DataReply, Field, FieldsReply, Timeline

_DUE = "its first lines must be '# description', '# timeline', '# units', '# date'"


def recognize(name: str) -> Named | None:
    """A file `<field>.dat` holds a field; hidden ones and those with names that nobody can read do not."""
    field = name.removesuffix(".dat")
    return Named(field) if field != name and name.isprintable() and not name.startswith(".") else None


class Weather:
    """Fields named after their files. Fields of one timeline share it when they have the same stamps.

    A field whose stamps differ from those of the first field of its timeline has one for itself, named
    ``<timeline>_<field>``. May be asked from several threads.
    """

    def __init__(self, directory: Path, max_points: int, clock: Callable[[], float], tell: Callable[..., None]) -> None:
        """Take the data's place.

        Parameters
        ----------
        directory
            Where the `<field>.dat` files lie.
        max_points
            Most points per timeline in one reply; 0 for no cap.
        clock
            Gives the UNIX time.
        tell
            Logs a warning: a format, and the facts in it by name, as txaio does. Each is said once while it is true.
        """
        self._folder = TextFolder(directory, recognize, clock, tell)
        self._max_points = max_points
        self._problems = Problems(tell)

    def get_fields(self) -> FieldsReply:
        """List every field, with its timeline."""
        files = self._current()
        fields, timelines = {}, {}
        for timeline, names in _timelines(files).items():
            timelines[timeline] = Timeline(interval=interval_of(files[names[0]][2]), field=names)
            for name in names:
                fields[name] = _field(files[name][0], timeline)
        return fields, timelines

    def get_data(
        self, fields: Iterable[str], start: float, end: float, min_stride: float | None = None
    ) -> DataReply | Literal[False]:
        """Answer with the samples in [start, end), UNIX seconds."""
        timelines = _timelines(self._current())
        return self._folder.get_data(fields, timelines, start, end, min_stride, self._max_points)

    def _current(self) -> dict[str, tuple[Header, TextFile, list[Block]]]:
        """The files that are of weather data, by field, as they are now."""
        newest = self._folder.newest()
        self._problems.forget(newest)
        current = {}
        for field, (file, blocks) in newest.items():
            header = read_header(file.head)
            if header is not None:
                current[field] = header, file, blocks
            self._problems.note(field, "" if header else f"{file.path} is no weather file; {_DUE}")
        return current


class SyntheticWeather:
    """The synthetic set, as if it had been read from files."""

    def __init__(self, max_points: int) -> None:
        self._fields = synthetic_weather()
        self._max_points = max_points

    def get_fields(self) -> FieldsReply:
        """List every field, with its timeline."""
        fields = {name: _field(header, header.timeline) for name, (header, _, _) in self._fields.items()}
        return fields, {
            timeline: Timeline(
                interval=mean_interval(samples.t),
                field=[name for name in fields if fields[name]["timeline"] == timeline],
            )
            for timeline, samples in self._timelines().items()
        }

    def get_data(
        self, fields: Iterable[str], start: float, end: float, min_stride: float | None = None
    ) -> DataReply | Literal[False]:
        """Answer with the samples in [start, end), UNIX seconds."""
        return select(fields, self._timelines(), start, end, min_stride, self._max_points)

    def _timelines(self) -> dict[str, Samples]:
        timelines: dict[str, Samples] = {}
        for name, (header, t, values) in self._fields.items():
            known = timelines.get(header.timeline, Samples(t, {}))
            timelines[header.timeline] = Samples(t, {**known.values, name: values})
        return timelines


def _field(header: Header, timeline: str) -> Field:
    return Field(description=header.description or None, timeline=timeline, type="number", units=header.units or None)


def _timelines(files: Mapping[str, tuple[Header, TextFile, list[Block]]]) -> dict[str, list[str]]:
    """Timeline -> the fields with the very same stamps."""
    timelines: dict[str, list[str]] = {}
    for name, (header, file, _) in files.items():
        peers = timelines.setdefault(header.timeline, [name])
        if name not in peers:
            if files[peers[0]][1].stamps_checksum == file.stamps_checksum:
                peers.append(name)
            else:
                timelines[f"{header.timeline}_{name}"] = [name]
    return timelines
