"""Ad hoc filters of a dashboard: which data servers and fields to show."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from services.bridge.refusal import Refused
from services.bridge.targets import matcher
from sisock.uris import SEPARATOR

KEYS = ("node", "field")
"""What can be filtered by: the name of the data server, and that of the field without it."""
_MOST = 50
"""Filters of a request; each is held against the name of each of its fields."""
_UNHEEDED = (
    "a filter of the dashboard is not heeded: only 'node' and 'field' can be filtered, with =, !=, =~, !~, =| or !=|"
)


@dataclass(frozen=True)
class Filter:
    """One filter: what it looks at, what it looks for, and whether that is to be kept or left out."""

    key: str
    matches: Callable[[str], bool]
    keep: bool

    def passes(self, name: str) -> bool:
        """Whether a field, ``node::field``, is to be shown."""
        node, _, field = name.partition(SEPARATOR)
        return self.matches(node if self.key == "node" else field) is self.keep


def read_filters(spoken: object) -> tuple[list[Filter], str | None]:
    """Read the ad hoc filters, ``[{"key": "node", "operator": "=", "value": "weather"}, ..]``.

    Returns
    -------
    The filters, and what is to be said of those that are not heeded.

    Raises
    ------
    Refused
        They are too many.
    """
    filters, unheeded = [], None
    listed = spoken if isinstance(spoken, list) else []
    if len(listed) > _MOST:
        raise Refused(413, "too_many_filters", f"{len(listed)} filters; send at most {_MOST}")
    for each in listed:
        made = _filter(each) if isinstance(each, dict) else None
        if made is None:
            unheeded = _UNHEEDED
        else:
            filters.append(made)
    return filters, unheeded


def _filter(spoken: dict[str, object]) -> Filter | None:
    key, operator, value = str(spoken.get("key")), str(spoken.get("operator")), spoken.get("value")
    values = spoken.get("values") if operator in ("=|", "!=|") else [value]
    if key not in KEYS or not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        return None
    keep = not operator.startswith("!")
    if operator in ("=", "!=", "=|", "!=|"):
        return Filter(key, partial(_is_one_of, values), keep)
    return Filter(key, matcher(str(value)), keep) if operator in ("=~", "!~") else None


def _is_one_of(values: Sequence[object], name: str) -> bool:
    return name in values
