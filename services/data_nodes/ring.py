"""The newest samples of one timeline, in arrays: what a live data server keeps in memory."""

import math
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.data_nodes.selection import Samples
from sisock.shapes import FieldType
from sisock.thinning import Stamps, Values

FUTURE_TOLERANCE = 5.0
"""Seconds by which a stamp may be ahead of this host's clock; an agent's clock that is set right loses no more."""
TYPE_PATIENCE = 10
"""So many values in a row of another type, and the field is of that type from then on."""

_LEAST_CAPACITY = 64
_PLAIN_INTEGER = 2**53
_KINDS: dict[type, FieldType] = {float: "number", int: "number", bool: "bool", str: "string"}


@dataclass
class _Column:
    """Values of one field beside the stamps; NaN (numbers) or None (the others) where it has none."""

    kind: FieldType
    values: Values
    newest: float
    """Stamp of its last value."""
    refused: int = 0
    """Values of another type in a row since the last one of its own."""

    def holds(self, first: int, last: int) -> int:
        """Count the values between two places."""
        live = self.values[first:last]
        return int(np.count_nonzero(~np.isnan(live) if self.kind == "number" else live != None))  # noqa: E711


class Ring:
    """A timeline of bounded length and age, with one array of stamps and one array per field.

    Samples are appended at the end of arrays with room to spare; when the room is used up, the samples still alive
    move to new arrays. So an append costs the same however much is kept, and a slice handed out is never written to
    again.

    Stamps ascend strictly: what comes with an older stamp than the newest is dropped, so all samples before the
    newest are final. Nothing that a publisher sends raises an error; what is dropped is counted by reason.
    """

    def __init__(self, max_samples: int, max_age: float = math.inf) -> None:
        """Make an empty ring.

        Parameters
        ----------
        max_samples
            Most samples to keep.
        max_age
            Seconds after which a sample is let go.
        """
        self._max_samples = max_samples
        self._max_age = max_age
        self._t: Stamps = np.empty(0)
        self._columns: dict[str, _Column] = {}
        self._head = self._tail = 0
        self._text_bytes = 0

    def __len__(self) -> int:
        return self._tail - self._head

    @property
    def kinds(self) -> dict[str, FieldType]:
        """Type of each field."""
        return {name: column.kind for name, column in self._columns.items()}

    @property
    def nbytes(self) -> int:
        """Memory taken by the samples, bytes."""
        return self._t.nbytes * (1 + len(self._columns)) + self._text_bytes

    @property
    def t(self) -> Stamps:
        """All stamps, UNIX seconds, shape (n,), ascending."""
        return self._t[self._head : self._tail]

    def samples(self, fields: Iterable[str]) -> Samples:
        """All samples of the given fields, those among them that the ring has."""
        live = slice(self._head, self._tail)
        values = {name: self._columns[name].values[live] for name in fields if name in self._columns}
        newest = float(self._t[self._tail - 1]) if len(self) else None
        return Samples(self.t, values, finalized_until=newest)

    def append(
        self, stamps: object, columns: Mapping[str, object], now: float, allowance: float = math.inf
    ) -> Counter[str]:
        """Take the samples of one message.

        Parameters
        ----------
        stamps
            UNIX seconds, a list of n; or one number when each column is one value.
        columns
            Field -> list of n numbers, strings or booleans, None where there is no value. A field of the ring that is
            not among them has no value in these samples.
        now
            UNIX seconds.
        allowance
            Bytes by which the ring may grow. When it needs more, it lets its oldest half go instead.

        Returns
        -------
        How much was dropped for which reason. Counted in values: `bad_value` (no number, string or boolean),
        `type_change` (refused, or let go because the field is of another type now), `bad_shape` of a field (more or
        fewer values than stamps). Counted in samples: `bad_stamp`, `future`, `old`, `backward`, `duplicate`, `memory`,
        `overflow`; a `bad_shape` of the stamps counts one.
        """
        dropped: Counter[str] = Counter()
        if not isinstance(stamps, list | tuple):
            stamps, columns = [stamps], {name: [value] for name, value in columns.items()}
        self._forget_future(now, dropped)
        if len(stamps) == 1 and self._append_plain(stamps[0], columns, now, allowance):
            return +dropped
        times, rows = self._accept_stamps(stamps, now, dropped)
        if not times.size:
            return +dropped
        typed = {}
        for name, values in columns.items():
            column = self._typed(name, values, len(stamps), dropped)
            if column is not None:
                typed[name] = column[0], column[1][rows]
        if not typed:
            return +dropped
        taken = self._make_room(times.size, typed, now, allowance, dropped)
        if taken:
            self._write(times[-taken:], {name: (kind, values[-taken:]) for name, (kind, values) in typed.items()})
        return +dropped

    def prune(self, now: float) -> None:
        """Let go of samples beyond the ring's age, and of fields without any value left."""
        self._head += int(np.searchsorted(self.t, now - self._max_age))
        if not len(self) or any(column.newest < self._t[self._head] for column in self._columns.values()):
            self._move(max(_LEAST_CAPACITY, len(self) * 3 // 2))

    def _append_plain(self, stamp: object, columns: Mapping[str, object], now: float, allowance: float) -> bool:
        """Take what nearly all messages are, in the shortest way: one sample, in order, of fields as they are known."""
        end = self._tail
        newest = float(self._t[end - 1]) if len(self) else -math.inf
        if (
            type(stamp) is not float
            or not max(newest, now - self._max_age) < stamp <= now + FUTURE_TOLERANCE
            or end >= self._t.size
            or len(self) >= self._max_samples
        ):
            return False
        cells: list[tuple[_Column, Any]] = []
        text = 0
        for name, values in columns.items():
            column = self._columns.get(name)
            if column is None or type(values) is not list or len(values) != 1:
                return False
            value = values[0]
            kind = type(value)
            if _KINDS.get(kind) != column.kind or (kind is int and abs(value) > _PLAIN_INTEGER):
                return False
            if kind is str:
                text += sys.getsizeof(value)
            cells.append((column, value))
        if text > allowance:
            return False
        self._text_bytes += text
        for column, value in cells:
            column.values[end] = value
            column.newest = stamp
            column.refused = 0
        if cells:
            self._t[end] = stamp
            self._tail += 1
            self._head += int(np.searchsorted(self.t, now - self._max_age))
        return True

    def _forget_future(self, now: float, dropped: Counter[str]) -> None:
        """Let go of samples that a clock set back since has left in the future: they would bar all that follow."""
        limit = now + FUTURE_TOLERANCE
        if len(self) and self._t[self._tail - 1] > limit:
            keep = int(np.searchsorted(self.t, limit, side="right"))
            dropped["future"] += len(self) - keep
            self._tail = self._head + keep
            for column in self._columns.values():
                column.newest = min(column.newest, limit)
            self._move(self._t.size)  # what has been handed out must not be written over

    def _accept_stamps(
        self, stamps: Sequence[Any], now: float, dropped: Counter[str]
    ) -> tuple[Stamps, slice | np.ndarray[Any, np.dtype[np.intp]]]:
        """Good stamps in ascending order, and the rows of the message they stand for."""
        try:
            if not set(map(type, stamps)) <= {float, int}:
                raise TypeError
            t = np.array(stamps, dtype=np.float64)
        except (TypeError, OverflowError):
            t = np.array([_number(stamp) for stamp in stamps], dtype=np.float64)
        newest = self._t[self._tail - 1] if len(self) else -math.inf
        oldest, latest = now - self._max_age, now + FUTURE_TOLERANCE
        if t.size and max(newest, oldest) < t[0] and t[-1] <= latest and bool(np.all(t[1:] > t[:-1])):
            return t, slice(None)
        rows = np.argsort(t, kind="stable")
        for reason, bad in (
            ("bad_stamp", ~np.isfinite(t)),
            ("future", t > latest),
            ("old", t < oldest),
            ("duplicate", t == newest),
            ("backward", t < newest),
        ):
            here = bad[rows]
            if np.any(here):
                dropped[reason] += int(np.count_nonzero(here))
                rows = rows[~here]
        again = np.r_[False, t[rows][1:] == t[rows][:-1]][: rows.size]
        if np.any(again):
            dropped["duplicate"] += int(np.count_nonzero(again))
            rows = rows[~again]
        return t[rows], rows

    def _typed(self, name: str, values: object, due: int, dropped: Counter[str]) -> tuple[FieldType, Values] | None:
        """Give the column's type and its values, shape (due,), less those of another type; None when none is left."""
        if not isinstance(values, list | tuple) or len(values) != due:
            dropped["bad_shape"] += len(values) if isinstance(values, list | tuple) else 1
            return None
        column = self._columns.get(name)
        kinds = {_KINDS.get(kind) for kind in set(map(type, values))}
        if len(kinds) == 1 and None not in kinds:
            (kind,) = kinds
        else:
            values, kind = self._sift(values, column, dropped)
        if kind is None:
            return None
        if column is not None and column.kind != kind:
            count = sum(value is not None for value in values)
            column.refused += count
            if column.refused < TYPE_PATIENCE:
                dropped["type_change"] += count
                return None
            dropped["type_change"] += column.holds(self._head, self._tail)
            self._remove(name)
        elif column is not None:
            column.refused = 0
        return kind, _array(kind, values)

    def _sift(
        self, values: Sequence[Any], column: _Column | None, dropped: Counter[str]
    ) -> tuple[list[Any], FieldType | None]:
        """Of a mixture, keep the values of the column's type (of the first good value's when it is new)."""
        kinds = [_KINDS.get(type(value)) for value in values]
        present: list[FieldType] = [kind for kind in kinds if kind]
        kind = column.kind if column is not None and column.kind in present else next(iter(present), None)
        dropped["type_change"] += sum(other != kind for other in present)
        dropped["bad_value"] += sum(not k and value is not None for k, value in zip(kinds, values, strict=True))
        return [value if k == kind else None for k, value in zip(kinds, values, strict=True)], kind

    def _remove(self, name: str) -> None:
        column = self._columns.pop(name)
        if column.kind == "string":
            self._text_bytes -= _text_bytes(column.values[self._head : self._tail])

    def _make_room(
        self,
        count: int,
        typed: Mapping[str, tuple[FieldType, Values]],
        now: float,
        allowance: float,
        dropped: Counter[str],
    ) -> int:
        """Make room for `count` samples at the end; return for how many of the newest there is any."""
        self._head += int(np.searchsorted(self.t, now - self._max_age))
        if len(self) + count > self._max_samples:
            taken = min(count, self._max_samples)
            excess = max(0, len(self) + taken - self._max_samples)
            self._head += excess
            dropped["overflow"] += excess + count - taken
            count = taken
        new = sum(name not in self._columns for name in typed)
        text = sum(_text_bytes(values[-count:]) for kind, values in typed.values() if kind == "string")
        before = self.nbytes
        for _ in range(2):
            capacity = self._t.size
            if self._tail + count > capacity:
                capacity = max(_LEAST_CAPACITY, (len(self) + count) * 3 // 2)
            growth = 8 * capacity * (1 + len(self._columns) + new) + self._text_bytes + text - before
            if growth <= allowance:
                if capacity != self._t.size or self._tail + count > capacity:
                    self._move(capacity)
                return count
            gone = (len(self) + 1) // 2
            dropped["memory"] += gone
            self._head += gone
            self._move(max(_LEAST_CAPACITY, len(self) * 3 // 2))
        dropped["memory"] += count
        return 0

    def _move(self, capacity: int) -> None:
        """Move what is alive to new arrays, leaving behind the fields without a value."""
        live = slice(self._head, self._tail)
        count = len(self)
        oldest = self._t[self._head] if count else math.inf
        t = np.empty(capacity)
        t[:count] = self._t[live]
        columns, self._text_bytes = {}, 0
        for name, column in self._columns.items():
            if column.newest < oldest:
                continue
            values = _blank(column.kind, capacity)
            values[:count] = column.values[live]
            if column.kind == "string":
                self._text_bytes += _text_bytes(values[:count])
            column.values = values
            columns[name] = column
        self._t, self._columns, self._head, self._tail = t, columns, 0, count

    def _write(self, t: Stamps, typed: Mapping[str, tuple[FieldType, Values]]) -> None:
        place = slice(self._tail, self._tail + t.size)
        self._t[place] = t
        for name, (kind, values) in typed.items():
            column = self._columns.get(name)
            if column is None:
                column = self._columns[name] = _Column(kind, _blank(kind, self._t.size), float(t[-1]))
            column.values[place] = values
            column.newest = float(t[-1])
            if kind == "string":
                self._text_bytes += _text_bytes(values)
        self._tail += t.size


def _number(value: object) -> float:
    try:
        return float(value) if type(value) in (float, int) else math.nan  # type: ignore[arg-type]
    except OverflowError:
        return math.nan


def _array(kind: FieldType, values: Sequence[Any]) -> Values:
    if kind != "number":
        array = np.empty(len(values), dtype=object)
        array[:] = values
        return array
    try:
        return np.array(values, dtype=np.float64)  # None becomes NaN
    except OverflowError:
        return np.array([_number(value) for value in values], dtype=np.float64)


def _blank(kind: FieldType, size: int) -> Values:
    return np.full(size, np.nan) if kind == "number" else np.full(size, None, dtype=object)


def _text_bytes(values: Values) -> int:
    return sum(sys.getsizeof(value) for value in values if value is not None)
