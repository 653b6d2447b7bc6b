"""What is asked of data servers, and what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from sisock.errors import NodeError, OperatorUnknown
from sisock.shapes import Column, Field


class Wanted(NamedTuple):
    """A field, as ``node::field``, and what is to be made of its samples; None for an envelope of them."""

    name: str
    operator: str | None = None


@dataclass(frozen=True)
class Question:
    """What to ask a data server about some of its fields.

    Attributes
    ----------
    fields
        Their names.
    start, end
        UNIX seconds, [start, end).
    stride
        Least seconds between points; 0 for every sample.
    operator
        What is to be made of the samples; None for an envelope of them.
    """

    fields: Sequence[str]
    start: float
    end: float
    stride: float
    operator: str | None = None


@dataclass(frozen=True)
class Stream:
    """Samples of a field as its data server sent them.

    Attributes
    ----------
    field
        What get_fields said of it.
    t
        Stamps, UNIX seconds.
    values
        As many values.
    interval
        Mean seconds between samples; None when the server did not say.
    finalized_until
        Samples before it (UNIX seconds) will not change; None when none will.
    operator
        What has been made of the samples.
    notices
        What the person should be told, as (severity, sentence).
    """

    field: Field
    t: Column
    values: Column
    interval: float | None
    finalized_until: float | None = None
    operator: str | None = None
    notices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Missing:
    """Why there are no samples of a field.

    `severity` is "error", or "info" where nothing is wrong; `unlisted` says that its data server has no such field,
    `lacks_operator` that it does not make of samples what was asked.
    """

    why: str
    severity: str = "error"
    unlisted: bool = False
    lacks_operator: bool = False

    @classmethod
    def of(cls, error: NodeError) -> Self:
        """What a data server's error says."""
        return cls(str(error), lacks_operator=isinstance(error, OperatorUnknown))


Outcome = Stream | Missing


def without_samples(node: str, field: str) -> str:
    """Say that a field is there, but not in this time range."""
    return f"data server {node!r} has no samples of {field!r} in this time range"
