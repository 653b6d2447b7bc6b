r"""From what stands in a panel's target to names of fields.

A target is a field's name, ``node::field``, in which Grafana may have replaced variables: their values come with a
backslash before each character that means something in a regular expression (``a\.b``), and several of them as
``(a|b)``, ``{a,b}``, ``["a","b"]``, ``a|b`` or ``a,b``. A person may write ``*`` (or ``.*``) for any characters, ``?``
for any one, and ``[a-d3]`` for one of some. What is a known name as it stands is that name.
"""

import json
import re
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, takewhile

from sisock.uris import SEPARATOR

_ESCAPED = frozenset("\\^$*+?.()|[]{}/")
_UNSET = re.compile(r"\$\{?\w+(?::\w+)?\}?|\[\[\w+\]\]")
_MOST_GROUPS, _MOST_DEPTH, _MOST_CHARACTERS = 20, 8, 262_144
_MOST_WILDCARDS, _MOST_COMPARED = 5000, 2_000_000
"""Wildcards in all patterns of a target, and comparisons of a name with a pattern."""
_MOST_VALUES, _MOST_WILD = 5000, 20
"""Patterns that a matcher heeds; and those of them with wildcards, and wildcards of one."""
_MOST_WRITTEN = 1_000_000
"""Characters of all patterns of a target, at any step of writing them out."""
_MANY, _ONE = "\x00", "\x01"
_WILD = frozenset("*?")
_GROUPED = frozenset("*?([{|,")
_BRACKETS = {"(": ("|", ")"), "{": (",", "}")}
_SOME = re.compile(r"\[((?:[a-z]-[a-z]|[A-Z]-[A-Z]|[0-9]-[0-9]|[A-Za-z0-9_])+)\]")
_STRINGS = re.compile(r'\["(?:[^"\\]|\\.)*"(?:,"(?:[^"\\]|\\.)*")*\]')
_PLAIN = re.compile(r"[^\\|,(){}\[.*?]+")
_RUN = re.compile(r"(\w)-(\w)|(\w)")


class _TooLong(Exception):
    """The patterns of a target are too much work."""


@dataclass(frozen=True)
class Resolved:
    """Names that a target stands for, and what the person should be told."""

    names: tuple[str, ...]
    notice: str | None = None


def has_wildcard(text: str) -> bool:
    """Whether the text can be resolved only with a list of all names."""
    return not _WILD.isdisjoint(text) and not _WILD.isdisjoint(re.sub(r"\\.", "", text))


def is_literal(text: str) -> bool:
    """Whether the text stands for one name, or for none: it has no wildcards and no groups, which may take long."""
    return _GROUPED.isdisjoint(text)


def resolve(text: str, known: Collection[str], most: int) -> Resolved:
    """Find the names that a target stands for.

    Parameters
    ----------
    text
        The target as it came.
    known
        Names of all known fields. Names without a wildcard need not be among them.
    most
        Most names to return.
    """
    text = text.strip()
    exact = text if text in known else unescaped(text)
    if exact in known:
        return Resolved((exact,))
    if why := _unreadable(text):
        return Resolved((), why)
    too_many = f"{text[:200]!r} stands for too many patterns; write fewer groups and wildcards beside fewer values"
    parts = list(_with_server(part.strip() for part in text.split(",")))
    try:
        if len(parts) > 1 and all(unescaped(part) in known for part in parts):
            patterns = [unescaped(part) for part in parts]
        else:
            patterns = list(_with_server(_patterns(text, most + 1)))
        names = _resolved(patterns, known, most + 1)
    except _TooLong:
        return Resolved((), too_many)
    if not names:
        return Resolved((), f"no known field matches {text[:200]!r}")
    if len(names) > most:
        return Resolved(names[:most], f"{text[:200]!r} matches more than {most} fields; the first {most} are shown")
    return Resolved(names)


def _resolved(patterns: Sequence[str], known: Collection[str], most: int) -> tuple[str, ...]:
    wild = [pattern for pattern in patterns if _is_wild(pattern)]
    listed = _ordered(frozenset(known)) if wild else ()
    candidates = {pattern: _beginning(listed, _head(pattern)) for pattern in wild}
    compared = sum(map(len, candidates.values()))
    if sum(pattern.count(_MANY) for pattern in wild) > _MOST_WILDCARDS or compared > _MOST_COMPARED:
        raise _TooLong
    return tuple(islice(dict.fromkeys(_names(patterns, candidates)), most))


def matcher(text: str) -> Callable[[str], bool]:
    """Say of any name whether a text, as `resolve` reads it, stands for it; no text takes long."""
    text = text.strip()
    if _unreadable(text):
        return lambda name: name == text
    try:
        patterns = _patterns(text, _MOST_VALUES)
    except _TooLong:
        return lambda name: name == text
    literal = {text, unescaped(text), *(pattern for pattern in patterns if not _is_wild(pattern))}
    wild = [_expression(each) for each in patterns if _is_wild(each) and each.count(_MANY) <= _MOST_WILD][:_MOST_WILD]
    return lambda name: name in literal or any(expression.fullmatch(name) for expression in wild)


def unescaped(text: str) -> str:
    """Take away the backslashes that Grafana puts before what means something in a regular expression."""
    return re.sub(r"\\([\\^$*+?.()|\[\]{}/])", r"\1", text)


def _unreadable(text: str) -> str | None:
    if len(text) > _MOST_CHARACTERS:
        return f"the target has {len(text)} characters; {_MOST_CHARACTERS} are read"
    if unset := _UNSET.search(text):
        return f"the variable {unset[0]} is not set; choose a value for it"
    if _MANY in text or _ONE in text:
        return "the target holds control characters; write <server>::<field>"
    if sum(text.count(bracket) for bracket in _BRACKETS) > _MOST_GROUPS:
        return "the target has too many groups of ( ) and { }; choose fewer values"
    return None


@lru_cache(maxsize=2)
def _ordered(known: frozenset[str]) -> Sequence[str]:
    """All names in order; the catalogue gives the same set for as long as nothing changes."""
    return sorted(known)


def _beginning(listed: Sequence[str], head: str) -> Sequence[str]:
    """Those of an ordered list that begin with `head`."""
    first = bisect_left(listed, head)
    return listed[first : bisect_left(listed, head + chr(0x10FFFF), first)] if head else listed


def _head(pattern: str) -> str:
    return "".join(takewhile(lambda character: character not in (_MANY, _ONE), pattern))


def _is_wild(pattern: str) -> bool:
    return _MANY in pattern or _ONE in pattern


def _names(patterns: Iterable[str], candidates: dict[str, Sequence[str]]) -> Iterator[str]:
    for pattern in patterns:
        if pattern in candidates:
            yield from filter(_expression(pattern).fullmatch, candidates[pattern])
        else:
            yield pattern


def _expression(pattern: str) -> re.Pattern[str]:
    # What follows a wildcard is taken where it occurs first, and nowhere else: so no pattern takes longer than the
    # product of the lengths, as one that may go back could.
    first, *rest = (re.escape(piece).replace(re.escape(_ONE), ".") for piece in pattern.split(_MANY))
    middle = "".join(f"(?>.*?{piece})" for piece in rest[:-1] if piece)
    return re.compile(first + middle + f".*{rest[-1]}" if rest else first, re.DOTALL)


def _with_server(parts: Iterable[str]) -> Iterator[str]:
    """Put the server of the name before to each that has none: ``n::a|b`` is a and b of n."""
    server = ""
    for part in parts:
        if SEPARATOR in part:
            server = part.partition(SEPARATOR)[0] + SEPARATOR
            yield part
        else:
            yield server + part


def _patterns(text: str, most: int) -> list[str]:
    """Expand the groups of a target: at most `most` patterns."""
    patterns, _ = _alternatives(text, 0, "|", "", 0, most)
    return patterns


def _alternatives(text: str, at: int, separator: str, closer: str, depth: int, most: int) -> tuple[list[str], int]:
    """Patterns of ``a<separator>b..`` from position `at` to `closer`, and the position behind it."""
    done: list[str] = []
    heads = [""]
    run = ""
    while at < len(text) and text[at] != closer:
        if plain := _PLAIN.match(text, at):
            run += plain[0]
            at = plain.end()
            continue
        character = text[at]
        inner: Sequence[str] | None = None
        if character == "\\" and text[at + 1 : at + 2] in _ESCAPED and at + 1 < len(text):
            run += text[at + 1]
            at += 2
        elif character == separator:
            done += _written(heads, [run], most)
            heads, run = [""], ""
            at += 1
        elif character in _BRACKETS and depth < _MOST_DEPTH and _closes(text, at):
            inner, at = _alternatives(text, at + 1, *_BRACKETS[character], depth + 1, most)
        elif character == "[" and (listed := _listed(text, at)):
            inner, at = listed
        elif text.startswith((".*", ".+"), at):
            run += _MANY if text[at + 1] == "*" else _ONE + _MANY
            at += 2
        else:
            run += {"*": _MANY, "?": _ONE}.get(character, character)
            at += 1
        if inner is not None:
            heads = _written(_written(heads, [run], most), inner, most)
            run = ""
    done += _written(heads, [run], most)
    return done[:most], at + 1


def _written(heads: Iterable[str], tails: Sequence[str], most: int) -> list[str]:
    """Each head with each tail, at most `most` of them."""
    made: list[str] = []
    size = 0
    for each in islice((head + tail for head in heads for tail in tails), most):
        made.append(each)
        size += len(each)
        if size > _MOST_WRITTEN:
            raise _TooLong
    return made


def _listed(text: str, at: int) -> tuple[list[str], int] | None:
    """What ``["a","b"]`` or ``[a-d3]`` stands for, and the position behind it; None when it is neither."""
    if strings := _STRINGS.match(text, at):
        try:
            return json.loads(strings[0]), strings.end()
        except ValueError:
            return None
    if some := _SOME.match(text, at):
        characters: list[str] = []
        for first, last, one in _RUN.findall(some[1]):
            characters += [one] if one else map(chr, range(ord(first), ord(last) + 1))
        return list(dict.fromkeys(characters)), some.end()
    return None


def _closes(text: str, at: int) -> bool:
    """Whether the bracket at `at` has its fellow; one without is a character like others."""
    depth = 0
    opener, closer = text[at], _BRACKETS[text[at]][1]
    for place in range(at, len(text)):
        if text[place] in (opener, closer) and text[place - 1 : place] != "\\":
            depth += 1 if text[place] == opener else -1
            if depth == 0:
                return True
    return False
