"""The names of all fields as Graphite's tree of dotted levels, and what a glob finds in it."""

import fnmatch
import re
import time
from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import Any

from services.bridge.refusal import unreadable
from sisock.graphite import path_of

_WILD = re.compile(r"[*?\[\]{},]")
_BRACES = re.compile(r"\{([^{}]*)\}")
_MOST_CHARACTERS = 65536
_MOST_PATTERNS = 10_000
"""Most texts that the braces of one glob may stand for."""
_MOST_WRITTEN = 1_000_000
"""Characters of all these texts."""
_MOST_WILDCARDS = 20_000
"""Wildcards of the texts of one level."""
_MOST_SECONDS = 1.0
"""How long a glob may be looked for."""

_Branch = dict[str, Any]
"""Levels of a branch: the branches below them, None below a field that has none."""


class Tree:
    """Paths by their levels; nothing in it changes.

    Parameters
    ----------
    names
        Names of fields, ``node::field``.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names: dict[str, str] = {path_of(name): name for name in names}
        self._root: _Branch = {}
        branches: dict[str, _Branch] = {"": self._root}
        for path in self._names:
            above, _, last = path.rpartition(".")
            if above not in branches:
                branches[above] = self._grown(above)
            branches[above].setdefault(last, None)

    def name(self, path: str) -> str | None:
        """Name of the field that has this path; None for a path that is a branch only, or nothing."""
        return self._names.get(path)

    def is_branch(self, path: str) -> bool:
        """Whether there are paths below this one."""
        branch: _Branch | None = self._root
        for level in path.split("."):
            branch = branch.get(level) if branch is not None else None
        return branch is not None

    def find(self, glob: str) -> list[str]:
        """Paths, of branches and of fields, that a glob matches level by level, sorted.

        Raises
        ------
        Refused
            The glob is too long, or its braces stand for too much.
        """
        found: set[str] = set()
        until = time.monotonic() + _MOST_SECONDS
        for pattern in _whole_levels(glob):
            if time.monotonic() > until:
                raise unreadable(f"{glob[:80]!r} takes too long to look for; write one with fewer * and {{..}}")
            *above, last = _levels(pattern)
            places = [("", self._root)]
            for level in above:
                if not places:
                    break
                matching = _matcher(level)
                places = [
                    (f"{prefix}{each}.", below)
                    for prefix, branch in places
                    for each in matching(branch)
                    if (below := branch[each]) is not None
                ]
            matching = _matcher(last)
            found.update(prefix + each for prefix, branch in places for each in matching(branch))
        return sorted(found)

    def fields(self, glob: str) -> list[str]:
        """Paths of fields that a glob matches, sorted."""
        return [path for path in self.find(glob) if path in self._names]

    def _grown(self, path: str) -> "_Branch":
        """The branch at a path, made where there is none."""
        branch = self._root
        for level in path.split("."):
            if branch.get(level) is None:
                branch[level] = {}
            branch = branch[level]
        return branch


class Trees:
    """The tree of a set of names, made anew only when the set is another object; callable in any thread."""

    def __init__(self) -> None:
        self._last: tuple[frozenset[str], Tree] = frozenset(), Tree(())
        self._making = Lock()

    def of(self, names: frozenset[str]) -> Tree:
        """Tree of `names`."""
        with self._making:
            known, tree = self._last
            if known is not names:
                tree = Tree(names)
                self._last = names, tree
            return tree


def is_glob(path: str) -> bool:
    """Whether a path stands for several."""
    return bool(_WILD.search(path))


def _matcher(level: str) -> Callable[[Mapping[str, Any]], Iterable[str]]:
    """What finds the levels of a branch that one level of a glob matches."""
    alternatives = _alternatives(level)
    if "*" in alternatives:
        return iter
    literal = [each for each in alternatives if not is_glob(each)]
    wild = [each for each in alternatives if is_glob(each)]
    if sum(len(_WILD.findall(each)) for each in wild) > _MOST_WILDCARDS or sum(map(len, wild)) > _MOST_WRITTEN // 5:
        raise unreadable(f"{level[:80]!r} has more than {_MOST_WILDCARDS} wildcards; write fewer")
    fits = re.compile("|".join(map(fnmatch.translate, wild))).match if wild else None

    def matching(branch: Mapping[str, Any]) -> Iterable[str]:
        found = [each for each in literal if each in branch]
        return found if fits is None else {*found, *filter(fits, branch)}

    return matching


def _levels(pattern: str) -> list[str]:
    """Split at the dots that stand in no brackets."""
    levels, end, inside = [], len(pattern), False
    for at in range(len(pattern) - 1, -1, -1):
        if pattern[at] in "[]":
            inside = pattern[at] == "]"
        elif pattern[at] == "." and not inside:
            levels.append(pattern[at + 1 : end])
            end = at
    return [pattern[:end], *reversed(levels)]


def _whole_levels(glob: str) -> list[str]:
    """The same glob as several of which each can be split into levels: no braces hold a dot."""
    if len(glob) > _MOST_CHARACTERS:
        raise unreadable(f"the path has {len(glob)} characters; {_MOST_CHARACTERS} are read")
    depth = 0
    for character in glob:
        depth += (character == "{") - (character == "}")
        if character == "." and depth > 0:
            return _alternatives(glob)
    return [glob]


def _alternatives(text: str) -> list[str]:
    """Write out the braces, innermost first; those without a fellow are characters like others."""
    done: list[str] = []
    due = [text]
    written = len(text)
    while due:
        each = due.pop()
        if group := _BRACES.search(each):
            parts = group[1].split(",")
            written += len(parts) * (len(each) - len(group[0])) + len(group[1]) - len(each)
            if written <= _MOST_WRITTEN:
                due += [each[: group.start()] + one + each[group.end() :] for one in reversed(parts)]
        else:
            done.append(each)
        if written > _MOST_WRITTEN or len(done) + len(due) > _MOST_PATTERNS:
            raise unreadable(f"the braces of {text[:80]!r} stand for more than {_MOST_PATTERNS} texts; choose fewer")
    return list(dict.fromkeys(done))
