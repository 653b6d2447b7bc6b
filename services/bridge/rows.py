"""What the rows of a panel ask, in the words of SimpleJSON and of simPod."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from services.bridge.reading import read_interval
from services.bridge.refusal import Refused, unreadable
from sisock.shapes import OPERATORS
from sisock.uris import SEPARATOR

ENVELOPE, RAW = "envelope", "raw"
CHOICES = (ENVELOPE, *OPERATORS, RAW)
"""What a row may ask to be made of the samples: the least and the greatest, one value of each bin, or all of them."""
PLACEHOLDERS = {"", "select metric"}
"""What Grafana sends for a row in which nothing is chosen yet."""

_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,9})?")
_MOST_ALIAS = 500
_BESIDE = frozenset({"payload", "data", "alias"})
"""Where a target may ask more than its field."""
_MOST_PLAIN, _LONG = 1000, 100
"""Rows that are remembered, and characters of a `refId` with which none is."""


@dataclass(frozen=True)
class Row:
    """One row of a panel.

    Attributes
    ----------
    texts
        What stands for its fields.
    ref_id
        Grafana's letter for it.
    table
        Whether a table is due, where the protocol knows tables.
    operator
        What is to be made of the samples of each bin, of `sisock.shapes.OPERATORS`; None for an envelope of them.
    raw
        Whether every sample is asked.
    bin
        Seconds of a bin; 0 for what the panel has room for.
    edge
        Whether the samples beside the range are asked, too, so that lines reach the borders of the panel.
    enum
        Whether text is to be sent as places in a list of the texts.
    alias
        What to call its series, with ``{{node}}``, ``{{field}}``, ``{{name}}`` and ``{{operator}}``.
    problem
        Why it cannot be answered; None if it can.
    """

    texts: tuple[str, ...]
    ref_id: object = None
    table: bool = False
    operator: str | None = None
    raw: bool = False
    bin: float = 0.0
    edge: bool = False
    enum: bool = False
    alias: str = ""
    problem: str | None = None

    @property
    def label(self) -> str:
        """How to call what has no name."""
        return ", ".join(self.texts)[:200]

    def labelled(self, name: str) -> str:
        """How a field is called in this row: as its alias says, or by its name and what is made of it."""
        made = self.operator or (RAW if self.raw else "")
        if not self.alias:
            return f"{self.operator}({name})" if self.operator else name
        node, _, field = name.partition(SEPARATOR)
        words = {"node": node, "field": field, "name": name, "operator": made or ENVELOPE}
        return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda word: words.get(word[1], word[0]), self.alias)


def read_rows(spoken: object, known: Collection[str], most: int) -> list[Row]:
    """Read `targets`; rows that are hidden or empty are left out.

    Raises
    ------
    Refused
        They are no list of objects, too many, or name their fields with something else than text.
    """
    if not isinstance(spoken, list):
        raise unreadable('\'targets\' is no list; send [{"target": "<server>::<field>", "refId": "A"}, ..]')
    if len(spoken) > most:
        raise Refused(413, "too_many_targets", f"{len(spoken)} targets; send at most {most}")
    return list(_rows(spoken, known))


def _rows(spoken: list[object], known: Collection[str]) -> Iterator[Row]:
    for place, each in enumerate(spoken):
        if not isinstance(each, dict):
            raise unreadable(f'\'targets[{place}]\' is no object; send {{"target": "<server>::<field>"}}')
        text = each.get("target")
        if text is None or each.get("hide") is True or (isinstance(text, str) and text.strip() in PLACEHOLDERS):
            continue
        if not isinstance(text, str):
            raise unreadable(f"'targets[{place}].target' is no string; send \"<server>::<field>\"")
        ref_id = each.get("refId")
        if _BESIDE.isdisjoint(each) and text in known and isinstance(ref_id, str | None) and len(ref_id or "") < _LONG:
            yield _plain(text, ref_id, table=each.get("type") == "table")
            continue
        text, operator, width = _parted(text, known)
        beside = payload_of(each)
        chosen, seconds, problem = _shape(beside.get("operator") or operator, beside.get("bin") or width)
        yield Row(
            _texts(text, beside.get("field")),
            each.get("refId"),
            table=each.get("type") == "table",
            operator=None if chosen in (ENVELOPE, RAW) else chosen,
            raw=chosen == RAW,
            bin=seconds,
            edge=_is_yes(beside.get("edge")),
            enum=beside.get("text") == "enum",
            alias=_alias(each, beside),
            problem=problem,
        )


@lru_cache(_MOST_PLAIN)
def _plain(text: str, ref_id: str | None, *, table: bool) -> Row:
    return Row((text,), ref_id, table=table)


def payload_of(target: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a person wrote or chose beside the target: simPod's `payload`, SimpleJSON's `data`."""
    for place in ("payload", "data"):
        if isinstance(beside := target.get(place), dict) and beside:
            return beside
    return {}


def _parted(text: str, known: Collection[str]) -> tuple[str, str | None, str | None]:
    """Part ``node::field;operator;bin``, unless that is the name of a field."""
    if text.strip() not in known:
        for parts in (2, 1):
            head, *behind = (part.strip() for part in text.rsplit(";", parts))
            if len(behind) == parts and behind[0] in CHOICES:
                return head, behind[0], behind[1] if parts > 1 else None
    return text, None, None


def _texts(text: str, fields: object) -> tuple[str, ...]:
    """Names of the fields: the target's, or, where it names the data server only, those of the payload."""
    spoken = fields if isinstance(fields, list) else [fields]
    chosen = [field.strip() for field in spoken if isinstance(field, str) and field.strip()]
    if not chosen or SEPARATOR in text:
        return (text,)
    return tuple(field if SEPARATOR in field else f"{text.strip()}{SEPARATOR}{field}" for field in chosen)


def _shape(operator: object, width: object) -> tuple[str | None, float, str | None]:
    """The operator and the seconds of a bin, and what is wrong with them."""
    if operator not in (None, *CHOICES):
        known = f"{', '.join(OPERATORS)} are known, {RAW} for every sample, and none for an envelope of them"
        return None, 0.0, f"there is no operator {operator!r:.80}; {known}"
    try:
        seconds = _seconds(width)
    except Refused:
        return None, 0.0, f"the bin {width!r:.80} is no duration; write seconds, or such as 500ms, 10s, 5m"
    return None if operator is None else str(operator), seconds, None


def _seconds(spoken: object) -> float:
    if spoken is None or spoken == "":
        return 0.0
    if isinstance(spoken, int | float) and not isinstance(spoken, bool):
        spoken = f"{spoken:f}"
    if isinstance(spoken, str) and _NUMBER.fullmatch(spoken.strip()):
        return float(spoken)
    return read_interval(spoken)


def _alias(target: Mapping[str, Any], beside: Mapping[str, Any]) -> str:
    for spoken in (beside.get("alias"), target.get("alias")):
        if isinstance(spoken, str) and spoken.strip():
            return spoken.strip()[:_MOST_ALIAS]
    return ""


def _is_yes(spoken: object) -> bool:
    return spoken is True or (isinstance(spoken, str) and spoken.strip().lower() in ("true", "yes", "1"))
