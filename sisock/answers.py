"""What `sisock.bridge` answers: states, fields, samples as arrays, and why there are none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sisock.errors import SisockError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sisock.tables import Table

TOO_MUCH, EMPTY = "too_much", "empty"
"""Codes of the bridge's problems: with a range that holds more than is sent at once, and with one without samples."""


class BridgeAbsent(SisockError):
    """The bridge could not be reached."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"the bridge at {url} does not answer ({reason}); is it running, and is the ssh tunnel open? "
            "SISOCK_URL or --url says where it is"
        )


class BridgeRefused(SisockError):
    """The bridge does not answer a question."""

    def __init__(self, message: str, code: str = "", status: int = 0) -> None:
        super().__init__(message)
        self.code, self.status = code, status


class FieldMissing(SisockError, KeyError):
    """There is nothing of a field, and why."""

    def __str__(self) -> str:
        return str(self.args[0])


class NodeState(NamedTuple):
    """A data server, or the fields that several `joins` as one.

    `answered` (UNIX seconds) and `problem` are of its last answer to the bridge, and `newest` (UNIX seconds) of its
    newest sample, where that was asked. Whether it is `online` only the hub knows: None while that does not answer.
    """

    name: str
    description: str | None
    online: bool | None
    fields: int
    answered: float | None
    problem: str | None
    joins: tuple[str, ...] = ()
    newest: float | None = None


class CertificateState(NamedTuple):
    """A certificate of the site, by the name of its file; `ends` is in UNIX seconds, `problem` says what to do."""

    name: str
    ends: float | None
    problem: str | None


class State(NamedTuple):
    """Whether the bridge is joined to the router, whether the hub answers, all data servers, and certificates."""

    router: bool
    hub: bool
    nodes: list[NodeState]
    certificates: tuple[CertificateState, ...] = ()


class FieldInfo(NamedTuple):
    """A field as its data server describes it; `name` is ``node::field``, and `stale` is it while that is away."""

    name: str
    type: str
    units: str | None
    description: str | None
    timeline: str
    stale: bool = False


class Newest(NamedTuple):
    """Newest samples of fields.

    Of the others, `empty` and `missing` say why there is none: there never was, or they could not be asked. `now` is
    what time it is at the bridge, UNIX seconds.
    """

    samples: list[Sample]
    empty: dict[str, str]
    missing: dict[str, str]
    now: float


class Sample(NamedTuple):
    """One value of a field at `t`, UNIX seconds."""

    name: str
    t: float
    value: float | str | bool | None
    units: str | None


@dataclass(frozen=True)
class Series:
    """Samples of one field.

    Attributes
    ----------
    name
        ``node::field``.
    type
        "number", "string" or "bool".
    units, description
        As its data server has them.
    t
        Stamps, float64 of shape (n,), UNIX seconds, ascending and unique.
    values
        Shape (n,): numbers as float64 (NaN where there is none) or, when all are whole, int64; booleans as bool; text,
        and booleans of which some are None, as objects.
    finalized_until
        UNIX seconds before which samples will not change; None when none will.
    notices
        What the bridge has to say of them.
    whole
        Whether the bridge knows of nothing that is missing; if it does, a notice says what.
    """

    name: str
    type: str
    units: str | None
    description: str | None
    t: NDArray[np.float64]
    values: NDArray[Any]
    finalized_until: float | None
    notices: tuple[str, ...] = ()
    whole: bool = True


class Data(Mapping[str, Series]):
    """Series by the names of their fields.

    Attributes
    ----------
    missing
        Fields of which nothing could be had, or not all, and why.
    empty
        Fields that have no samples in the range, and the sentence that says so.
    """

    def __init__(self, series: Mapping[str, Series], missing: Mapping[str, str], empty: Mapping[str, str]) -> None:
        self._series, self.missing, self.empty = dict(series), dict(missing), dict(empty)

    def __getitem__(self, name: str) -> Series:
        if why := self.missing.get(name) or self.empty.get(name):
            raise FieldMissing(why)
        return self._series[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._series)

    def __len__(self) -> int:
        return len(self._series)

    def table(self) -> Table:
        """All series side by side."""
        from sisock.tables import side_by_side

        return side_by_side({name: (each.t, each.values) for name, each in self.items()})

    def frame(self) -> Any:
        """All series as a pandas DataFrame; see `sisock.tables.frame`."""
        from sisock.tables import frame

        return frame(self.table())

    def to_csv(self, path: str) -> None:
        """Write a CSV file; see `sisock.tables.write_csv`."""
        from sisock.tables import write_csv

        with open(path, "w", encoding="utf-8", newline="") as file:
            write_csv(self.table(), file)

    def to_parquet(self, path: str) -> None:
        """Write a Parquet file, units and descriptions beside the columns; see `sisock.tables.write_parquet`."""
        from sisock.tables import write_parquet

        about = {n: {"units": each.units or "", "description": each.description or ""} for n, each in self.items()}
        write_parquet(self.table(), path, about)


def series_of(name: str, pages: Sequence[dict[str, Any]]) -> Series:
    """Put the pages of a field, as `arrays` makes them, one after the other."""
    import numpy as np

    known = [page for page in pages if len(page["t"])] or pages[:1]
    last = known[-1]
    until = min((page["finalized_until"] for page in pages if page["finalized_until"] is not None), default=None)
    notices = [each for page in pages for each in page["notices"]]
    return Series(
        name=name,
        type=known[0]["type"],
        units=last["units"],
        description=last["description"],
        t=np.concatenate([page["t"] for page in known]),
        values=np.concatenate([page["values"] for page in known]),
        finalized_until=until,
        notices=tuple(dict.fromkeys(each["text"] for each in notices)),
        whole=all(each["severity"] == "info" for each in notices),
    )


def arrays(page: dict[str, Any]) -> dict[str, Any]:
    """Make arrays of the lists of a page, which take a quarter of the memory."""
    import numpy as np

    listed = page["values"]
    kinds = set(map(type, listed))
    kind: type
    if page["type"] == "string" or (page["type"] == "bool" and type(None) in kinds):
        kind = object
    elif page["type"] == "bool":
        kind = np.bool_
    else:
        kind = np.int64 if kinds == {int} else np.float64
    values = np.empty(len(listed), dtype=kind)
    values[:] = listed
    return page | {"t": np.array(page["t"], dtype=np.float64), "values": values}


def code_of(series: Mapping[str, Any]) -> str:
    """The code of what is wrong with a page; empty for nothing."""
    return str((series["problem"] or {"code": ""})["code"])
