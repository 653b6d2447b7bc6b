"""A folder of text files with samples, which grow, come and go, answering for a range of time.

A file is read when a range first needs it. From then on a range costs the blocks that it touches, and a range of years
costs their summaries.

Changes are found when somebody asks, by looking at the files that the range concerns and at the folder's own stamp. For
an hour that is a handful of system calls; it works on file systems of other hosts, of whose changes the kernel tells
nothing, and needs no thread.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import Literal, NamedTuple

import numpy as np

from services.data_nodes.selection import MAX_VALUES, Samples, select
from services.data_nodes.text_files import (
    SUMMARY_SECONDS,
    Block,
    FileChangedError,
    SampleCache,
    TextFile,
    ascending,
    extremes,
)
from sisock.errors import SisockError
from sisock.shapes import DataReply
from sisock.thinning import Stamps, Values, stride_for

SLACK_SECONDS = 21600.0
"""How far samples may lie outside of the time that the name of their file says: a file may be ended late."""

_FEWEST_BUCKETS = 32
_THIN_FROM = 500_000
_RACY_SECONDS = 2.0
_MOST_PROBLEMS = 20
_ATTEMPTS = 3


@dataclass(frozen=True)
class Named:
    """What the name of a file says: the field, when its first and last sample are due, and how its stamps are written.

    `stamps` makes UNIX seconds of them; None where they are.
    """

    field: str
    first: float = -np.inf
    last: float = np.inf
    stamps: Callable[[Stamps], Stamps] | None = None


class Problems:
    """What is wrong with which file; each is said once while it is true."""

    def __init__(self, tell: Callable[..., None]) -> None:
        self._tell = tell
        self._told: dict[str, str] = {}
        self._lock = Lock()

    def note(self, what: str, sentence: str) -> None:
        """Take note of the state of a thing: a sentence, or "" when all is well."""
        with self._lock:
            said = self._told.get(what, "")
            if not sentence:
                self._told.pop(what, None)
            elif said != sentence:
                self._told[what] = sentence
                if said or len(self._told) <= _MOST_PROBLEMS:
                    self._tell("{problem}", problem=sentence)
                elif len(self._told) == _MOST_PROBLEMS + 1:
                    self._tell("more files have problems; no more of them are named until some are well")

    def forget(self, kept: Iterable[str]) -> None:
        """Nothing is wrong with what is not there."""
        with self._lock:
            self._told = {what: self._told[what] for what in self._told.keys() & set(kept)}


class _Piece(NamedTuple):
    """A block in a range, which is [start, end) but for what its file's name forbids."""

    file: TextFile
    block: Block
    start: float
    end: float

    @property
    def is_whole(self) -> bool:
        return self.start <= self.block.first and self.block.last < self.end


class _Dated(NamedTuple):
    """The files of one field, in order, and between what times each of them has samples; arrays of shape (n,)."""

    names: list[str]
    named: list[Named]
    first: Stamps
    last: Stamps


class TextFolder:
    """The files of a folder, by field. May be asked from several threads.

    A file whose name says its time is looked into only when the range touches that time, or the time up to the file
    after it, with six hours' slack. What else it may hold is not served, and that is said.

    Parameters
    ----------
    directory
        Where the files lie; it may come later.
    recognize
        What a name says; None for a file that is none of ours.
    clock
        Gives the UNIX time.
    tell
        Logs a warning: a format, and the facts in it by name, as txaio does. Each is said once while it is true.
    header_lines
        So many of the first lines of a file need not be samples.
    """

    def __init__(
        self,
        directory: Path,
        recognize: Callable[[str], Named | None],
        clock: Callable[[], float],
        tell: Callable[..., None],
        header_lines: int = 0,
    ) -> None:
        self.directory = directory
        self.problems = Problems(tell)
        self._recognize, self._clock, self._header_lines = recognize, clock, header_lines
        self._cache = SampleCache()
        self._named: dict[str, Named | None] = {}
        self._files: dict[str, TextFile] = {}
        self._dated: dict[str, _Dated] = {}
        self._listed: tuple[int, int, int] | None = None
        self._lock = Lock()

    def newest(self) -> dict[str, tuple[TextFile, list[Block]]]:
        """The file of the newest samples of each field, and what it holds, looked at just now.

        Fields whose newest file cannot be read are left out.
        """
        looked = {field: self._look(dated, -1) for field, dated in sorted(self._current().items())}
        return {field: (file, blocks) for field, (file, blocks) in looked.items() if blocks is not None}

    def get_data(
        self,
        requested: Iterable[str],
        timelines: Mapping[str, Sequence[str]],
        start: float,
        end: float,
        min_stride: float | None = None,
        max_points: int = 0,
    ) -> DataReply | Literal[False]:
        """Answer with the samples in [start, end), UNIX seconds, thinned where asked.

        Where lines give several values for one stamp, the first line counts; of a range that is answered from
        summaries, their least and their greatest value may be seen.

        Parameters
        ----------
        requested
            Names of fields; an unknown one is answered with an empty list.
        timelines
            Timeline -> its fields, which have the same stamps.
        start, end, min_stride, max_points
            As `services.data_nodes.selection.select` takes them.

        Raises
        ------
        SisockError
            A file is rewritten faster than it can be read.
        """
        requested = dict.fromkeys(requested)
        for _ in range(_ATTEMPTS):
            current = self._current()
            samples = {}
            try:
                for timeline, fields in timelines.items():
                    asked = {field: current[field] for field in fields if field in requested and field in current}
                    found = self._samples(asked, start, end, min_stride, max_points)
                    if found is False:
                        return False
                    samples[timeline] = found
            except FileChangedError:
                continue
            return select(requested, samples, start, end, min_stride, max_points)
        raise SisockError(f"files in {self.directory} are rewritten faster than they can be read; ask again later")

    def _samples(
        self, fields: Mapping[str, _Dated], start: float, end: float, min_stride: float | None, max_points: int
    ) -> Samples | Literal[False]:
        """Samples of fields with the same stamps: all, or no fewer than a reply of that stride needs."""
        pieces = {field: list(self._pieces(dated, start, end)) for field, dated in fields.items()}
        every = [piece for found in pieces.values() for piece in found]
        count = max((sum(piece.block.samples for piece in found) for found in pieces.values()), default=0)
        if not count:
            return Samples(np.zeros(0), {})
        first = max(start, min(piece.block.first for piece in every))
        last = min(end, max(piece.block.last for piece in every))
        stride = stride_for(count, first, last, min_stride, max_points)
        sure = sum(piece.block.samples for piece in every if piece.is_whole)
        if min(sure, len(fields) * (last - first) / stride if stride else sure) > MAX_VALUES:
            return False
        bucket, many = _bucket(stride, last - first) if stride else 0.0, count > _THIN_FROM
        t, values = _aligned({field: self._joined(found, bucket, many) for field, found in pieces.items()})
        growing = [self._look(dated, -1)[1] or [] for dated in fields.values() if end > dated.first[-1]]
        newest = max((block.last for blocks in growing for block in blocks), default=-np.inf)
        until = None
        if growing and t.size and end > newest:
            until = float(t[0] if stride else t[-1])  # What comes may move every point of an envelope.
        return Samples(t, values, until)

    def _joined(self, pieces: Sequence[_Piece], bucket: float, many: bool) -> tuple[Stamps, Values]:
        parts = [(np.zeros(0), np.zeros(0))]
        for piece in pieces:
            if bucket >= SUMMARY_SECONDS and piece.is_whole:
                parts.append(piece.block.summary)
                continue
            try:
                t, values = piece.file.samples(piece.block)
            except FileChangedError:
                raise
            except OSError as error:
                self._note_unreadable(piece.file, error)
                continue
            if not piece.is_whole:
                low, high = np.searchsorted(t, (piece.start, piece.end))
                t, values = t[low:high], values[low:high]
            parts.append(extremes(t, values, bucket) if bucket and many else (t, values))
        return ascending(np.concatenate([t for t, _ in parts]), np.concatenate([values for _, values in parts]))

    def _pieces(self, dated: _Dated, start: float, end: float) -> Iterator[_Piece]:
        for at in np.flatnonzero((dated.first < end) & (dated.last > start)):
            file, blocks = self._look(dated, int(at))
            low, high = max(start, float(dated.first[at])), min(end, float(dated.last[at]))
            for block in blocks or []:
                if block.first < high and block.last >= low:
                    yield _Piece(file, block, low, high)

    def _look(self, dated: _Dated, at: int) -> tuple[TextFile, list[Block] | None]:
        """What the file at a place holds now; None when it cannot be read."""
        file = self._file(dated.names[at], dated.named[at])
        try:
            blocks = file.blocks(self._clock())
        except OSError as error:
            self._note_unreadable(file, error)
            return file, None
        said = []
        if file.bad:
            said.append(f"passed over lines that are no samples; the first is {file.bad}")
        if any(block.samples and (block.first < dated.first[at] or block.last >= dated.last[at]) for block in blocks):
            said.append("samples far from the time that its name says are not served")
        self.problems.note(file.path.name, f"{file.path}: {'; '.join(said)}" if said else "")
        return file, blocks

    def _note_unreadable(self, file: TextFile, error: OSError) -> None:
        self.problems.note(
            file.path.name, f"{file.path} cannot be read ({error.strerror}); its samples are not served until it can"
        )

    def _file(self, name: str, named: Named) -> TextFile:
        with self._lock:
            if name not in self._files:
                self._files[name] = TextFile(self.directory / name, self._cache, self._header_lines, named.stamps)
            return self._files[name]

    def _current(self) -> dict[str, _Dated]:
        """Look whether files have come or gone; return the files of each field."""
        with self._lock:
            try:
                about = os.stat(self.directory)
                listed = about.st_dev, about.st_ino, about.st_mtime_ns
                if listed != self._listed:
                    self._list(os.listdir(self.directory))
                    # Of two files that come in the same tick, the folder's stamp tells of one only.
                    fresh = abs(self._clock() - about.st_mtime) < _RACY_SECONDS
                    self._listed = None if fresh else listed
            except OSError as error:
                self._listed = None
                self.problems.note(
                    "", f"{self.directory} cannot be listed ({error.strerror}); nothing is served until it can"
                )
                return {}
            self.problems.note("", "")
            return self._dated

    def _list(self, names: Sequence[str]) -> None:
        if self._named.keys() == set(names):
            return
        named = {name: self._named[name] if name in self._named else self._recognize(name) for name in names}
        self._named = named
        self._files = {name: file for name, file in self._files.items() if named.get(name)}
        self.problems.forget(["", *self._files])
        fields: dict[str, list[tuple[str, Named]]] = {}
        for name, said in named.items():
            if said:
                fields.setdefault(said.field, []).append((name, said))
        self._dated = {field: _in_order(files) for field, files in fields.items()}


def _in_order(files: list[tuple[str, Named]]) -> _Dated:
    """Order files of one field; each may grow up to the begin of the next, and the newest for ever."""
    files.sort(key=lambda file: (file[1].first, file[1].last, file[0]))
    names, named = [name for name, _ in files], [each for _, each in files]
    last = np.array([max(each.last, later.first) for each, later in pairwise(named)] + [np.inf])
    return _Dated(names, named, np.array([each.first for each in named]) - SLACK_SECONDS, last + SLACK_SECONDS)


def _bucket(stride: float, span: float) -> float:
    """How fine extremes must be for an envelope of that stride: parts of its cells, and several in a short range."""
    bucket = stride / 2
    while bucket * _FEWEST_BUCKETS > span > 0:
        bucket /= 2
    return bucket


def _aligned(samples: Mapping[str, tuple[Stamps, Values]]) -> tuple[Stamps, dict[str, Values]]:
    """Bring fields on common stamps; NaN where a field has no value."""
    stamps = [t for t, _ in samples.values()]
    if all(np.array_equal(stamps[0], t) for t in stamps[1:]):
        return stamps[0], {name: values for name, (_, values) in samples.items()}
    t = np.unique(np.concatenate(stamps))
    aligned = {}
    for name, (own, values) in samples.items():
        aligned[name] = np.full(t.size, np.nan)
        aligned[name][np.searchsorted(t, own)] = values
    return t, aligned
