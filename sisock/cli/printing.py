"""Columns of text, and names as short as they can be told apart."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from sisock.answers import Data

_MEASURED = 1000
_GREAT = 1e8


def cell(value: Any) -> str:
    """Write a value on one line; numbers to 10 digits, great ones, which may be times, to 15; no value as nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.10g}" if abs(value) < _GREAT else f"{value:.15g}"
    # What a data server sends must neither move the cursor of a terminal nor turn the line around.
    return "".join(character if character.isprintable() else " " for character in str(value))


def columns(head: Sequence[str], rows: Iterable[Sequence[str]], right: Collection[int] = ()) -> Iterator[str]:
    """Give lines of aligned columns; those at the places `right` end flush. The first thousand rows set the widths."""
    rows = iter(rows)
    first = [list(head), *islice(rows, _MEASURED)]
    widths = [max(len(row[at]) for row in first) for at in range(len(head))]
    for row in chain(first, rows):
        cells = (text.rjust(widths[at]) if at in right else text.ljust(widths[at]) for at, text in enumerate(row))
        yield "  ".join(cells).rstrip() + "\n"


def names_of(data: Data) -> list[str]:
    """Heads of the columns of samples: short names, and units."""
    return [
        f"{short(name, data)} [{series.units}]" if series.units else short(name, data) for name, series in data.items()
    ]


def short(name: str, among: Collection[str]) -> str:
    """The shortest end of a name, from a dot or a double colon on, that no other of `among` has.

    ``observatory.a.feeds.temps.channel_1`` -> ``channel_1``
    """
    for start in sorted((match.end() for match in re.finditer(r"::|\.", name)), reverse=True):
        end = name[start:]
        if end and not any(other != name and other.endswith((f".{end}", f":{end}")) for other in among):
            return end
    return name
