"""Finding fields by name among many: by a text, by a glob, or by a regular expression; the likeliest first.

Whatever is asked, an answer comes soon: what RE2 takes for a name grows with the lengths of name and pattern only, and
a pattern that is costly nevertheless is given up after a second.
"""

import re
import time
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Sequence
from threading import Lock
from typing import Any

import re2

from services.bridge.refusal import unreadable
from sisock.uris import SEPARATOR

KINDS = ("text", "glob", "regex")
"""What a pattern may be."""
_WILD = frozenset("*?[")
_MOST_CHARACTERS = 1000
_MOST_SECONDS = 1.0
_AT_ONCE = 16
"""Names between two looks at the clock."""
_MOST_MEMORY = 2**18
"""Bytes that RE2 may take for a pattern."""
_MOST_KEPT = 8
"""Results that are kept for whoever turns their pages."""
_MOST_ORDERED = 10_000
"""Names that a regular expression may find and still have in another order than the alphabet's."""
_APART = str.maketrans(".:/_-", "     ")
"""Characters between the words and the levels of a name."""


class Index:
    """Names of fields, made ready to be searched. For any thread."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = sorted(names)
        self._encodable = [name if name.isascii() else _encodable(name) for name in self._names]
        # In one piece, which is faster.
        folded = "\n".join(name.replace("\n", " ") for name in self._encodable).lower()
        self._folded = folded.split("\n") if self._names else []
        self._words = folded.translate(_APART).split("\n")
        self._found: dict[tuple[str, str | None], list[str]] = {}

    def find(self, pattern: str, kind: str | None = None) -> list[str]:
        """Find names.

        Parameters
        ----------
        pattern
            What to look for, in whatever case of letters; empty for all names.
        kind
            One of `KINDS`. A *text* stands anywhere in ``node::field``, or its words do. A *glob* (``*``, ``?``,
            ``[..]``) is of all of ``node::field``, or of all of ``field``. A *regex* (RE2: no look-around, no back
            references) is found anywhere in ``node::field``. None for an exact name if there is one, else a glob if it
            has such characters, else a text.

        Returns
        -------
        Names. For a text, those first that it is all of, then those of which it is the beginning or a word, then those
        of which a word begins with it; for a regular expression, those first that it covers whole, unless it finds
        thousands. Else alphabetic.

        Raises
        ------
        Refused
            The pattern is too long, is none, or takes too much time.
        """
        if len(pattern) > _MOST_CHARACTERS:
            raise unreadable(f"'match' has {len(pattern)} characters; {_MOST_CHARACTERS} are read")
        if not pattern:
            return self._names
        asked = (pattern, kind)
        if (found := self._found.get(asked)) is None:
            found = self._find(pattern, kind)
            if len(self._found) >= _MOST_KEPT:
                self._found.clear()
            self._found[asked] = found
        return found

    def of_node(self, node: str) -> list[str]:
        """All names of a data server."""
        first = bisect_left(self._names, node + SEPARATOR)
        return self._names[first : bisect_left(self._names, node + SEPARATOR[:-1] + chr(ord(SEPARATOR[-1]) + 1))]

    def _find(self, pattern: str, kind: str | None) -> list[str]:
        if kind is None:
            if self._holds(pattern):
                return [pattern]
            kind = "text" if _WILD.isdisjoint(pattern) else "glob"
        pattern = _encodable(pattern)
        if kind == "regex":
            return self._matching(pattern)
        if kind == "glob":
            fits = _compiled(rf"(?s)^(?:[^:]*::)?{_of_glob(pattern.lower())}\z", "glob")
            return [self._names[place] for place in _fitting(self._folded, fits)]
        return self._holding(pattern.lower().replace("\n", " "))

    def _holds(self, name: str) -> bool:
        place = bisect_left(self._names, name)
        return place < len(self._names) and self._names[place] == name

    def _holding(self, text: str) -> list[str]:
        held = [place for place, name in enumerate(self._folded) if text in name]
        if not held and len(words := text.split()) > 1:
            held = [place for place, name in enumerate(self._folded) if all(word in name for word in words)]
            return [self._names[place] for place in held]
        return [self._names[place] for place in self._ranked(held, text)]

    def _ranked(self, places: Iterable[int], text: str) -> list[int]:
        """Put first the names that a text is most likely to mean."""
        begin = f" {text.translate(_APART)}"
        word = f"{begin} "
        ranks: list[list[int]] = [[] for _ in range(4)]
        for place in places:
            name = self._folded[place]
            if name.startswith(text) or name.startswith(text, name.find(SEPARATOR) + len(SEPARATOR)):
                rank = 0 if name.endswith(text) else 1
            else:
                words = f"{self._words[place]} "
                rank = 3 if begin not in words else 1 if word in words else 2
            ranks[rank].append(place)
        return [place for places in ranks for place in places]

    def _matching(self, pattern: str) -> list[str]:
        found = _fitting(self._encodable, _compiled(rf"(?i){pattern}", "regular expression"))
        if len(found) > _MOST_ORDERED:
            return [self._names[place] for place in found]
        covering = _compiled(rf"(?i)^(?:[^:]*::)?(?:{pattern})\z", "regular expression")
        whole = {found[place] for place in _fitting([self._encodable[place] for place in found], covering)}
        return [self._names[place] for place in sorted(found, key=lambda place: place not in whole)]


class Indexed:
    """Makes an index of names once, as long as the very same names are asked for. For any thread."""

    def __init__(self) -> None:
        self._made: tuple[frozenset[str], Index] | None = None
        self._making = Lock()

    def __call__(self, names: frozenset[str]) -> Index:
        """Give the index of these names."""
        with self._making:
            made = self._made
            if made is None or made[0] is not names:
                made = self._made = (names, Index(names))
            return made[1]


def _encodable(text: str) -> str:
    """The text with question marks for what UTF-8 has no bytes for."""
    return text.encode("utf-8", "replace").decode()


def _fitting(names: Sequence[str], fits: Callable[[str], object]) -> list[int]:
    """Places of the names that fit."""
    until = time.monotonic() + _MOST_SECONDS
    found: list[int] = []
    for first in range(0, len(names), _AT_ONCE):
        found += [place for place, name in enumerate(names[first : first + _AT_ONCE], first) if fits(name)]
        if time.monotonic() > until:
            raise unreadable("the pattern takes too long to look for; write a simpler one, with fewer * and {..}")
    return found


def _compiled(pattern: str, what: str) -> Callable[[str], Any]:
    # Else it would hand what it does not know to Python's own, which may take for ever.
    re2.set_fallback_notification(re2.FALLBACK_EXCEPTION)
    try:
        contains: Callable[[str], Any] = re2.compile(pattern, max_mem=_MOST_MEMORY).contains
    except re2.error as error:
        known = "; look-around and back references are not known" if what == "regular expression" else ""
        raise unreadable(
            f"'match' is no {what} that can be looked for ({str(error).replace('(?i)', '', 1)}){known}"
        ) from None
    return contains


def _of_glob(glob: str) -> str:
    """Write a glob as a regular expression; a ``[`` that is never closed is a character like others."""
    parts = []
    at = 0
    while at < len(glob):
        character = glob[at]
        at += 1
        closed = glob.find("]", at + (2 if glob[at : at + 1] == "!" else 1)) if character == "[" else -1
        if closed >= 0:
            inner = re.sub(r"([\\^\[\]])", r"\\\1", glob[at:closed].removeprefix("!"))
            parts.append(f"[{'^' if glob[at] == '!' else ''}{inner}]")
            at = closed + 1
        else:
            parts.append({"*": ".*", "?": "."}.get(character) or re.escape(character))
    return "".join(parts)
