r"""From what stands in a panel's target to names of fields.

A target is a field's name, ``node::field``, in which Grafana may have replaced variables: their values come with a
backslash before each character that means something in a regular expression (``a\.b``), and several of them as
``(a|b)`` or ``{a,b}``. A person may write ``*`` (or ``.*``) for any characters and ``?`` for any one.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import islice

_ESCAPED = frozenset("\\^$*+?.()|[]{}/")
_UNSET = re.compile(r"\$\{?\w+(?::\w+)?\}?|\[\[\w+\]\]")
_MOST_GROUPS, _MOST_DEPTH, _MOST_CHARACTERS = 20, 8, 65536
_MANY, _ONE = "\x00", "\x01"
_WILD = frozenset("*?")
_BRACKETS = {"(": ("|", ")"), "{": (",", "}")}


@dataclass(frozen=True)
class Resolved:
    """Names that a target stands for, and what the person should be told."""

    names: tuple[str, ...]
    notice: str | None = None


def has_wildcard(text: str) -> bool:
    """Whether the text can be resolved only with a list of all names."""
    return not _WILD.isdisjoint(re.sub(r"\\.", "", text))


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
    if text in known:
        return Resolved((text,))
    if (literal := _unescaped(text)) in known:
        return Resolved((literal,))
    if why := _unreadable(text):
        return Resolved((), why)
    patterns = _patterns(text, most + 1)
    listed = sorted(known) if any(_MANY in pattern or _ONE in pattern for pattern in patterns) else []
    names = tuple(islice(dict.fromkeys(_names(patterns, listed)), most + 1))
    if not names:
        return Resolved((), f"no known field matches {text[:200]!r}")
    if len(names) > most:
        return Resolved(names[:most], f"{text[:200]!r} matches more than {most} fields; the first {most} are shown")
    return Resolved(names)


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


def _names(patterns: Iterable[str], known: Iterable[str]) -> Iterable[str]:
    for pattern in patterns:
        if _MANY in pattern or _ONE in pattern:
            yield from (name for name in known if _matches(pattern, name))
        else:
            yield pattern


def _matches(pattern: str, name: str) -> bool:
    # Two pointers: on a mismatch, the last wildcard takes one character more. No pattern takes longer than the product
    # of the lengths, as one made into a regular expression could.
    at = star = -1
    p = n = 0
    while n < len(name):
        if p < len(pattern) and (pattern[p] == _ONE or pattern[p] == name[n]):
            p, n = p + 1, n + 1
        elif p < len(pattern) and pattern[p] == _MANY:
            star, at, p = p, n, p + 1
        elif star >= 0:
            at += 1
            p, n = star + 1, at
        else:
            return False
    return all(rest == _MANY for rest in pattern[p:])


def _unescaped(text: str) -> str:
    return re.sub(r"\\([\\^$*+?.()|\[\]{}/])", r"\1", text)


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
        character = text[at]
        if character == "\\" and text[at + 1 : at + 2] in _ESCAPED and at + 1 < len(text):
            run += text[at + 1]
            at += 2
        elif character == separator:
            done += [head + run for head in heads]
            heads, run = [""], ""
            at += 1
        elif character in _BRACKETS and depth < _MOST_DEPTH and _closes(text, at):
            inner, at = _alternatives(text, at + 1, *_BRACKETS[character], depth + 1, most)
            heads = list(islice((head + run + tail for head in heads for tail in inner), most))
            run = ""
        elif text.startswith(".*", at):
            run += _MANY
            at += 2
        else:
            run += {"*": _MANY, "?": _ONE}.get(character, character)
            at += 1
    done += [head + run for head in heads]
    return done[:most], at + 1


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
