"""The fields that the paths of a request stand for, and their series once they have been asked."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping

from services.bridge.graphite.lines import Line, even, line, nothing
from services.bridge.graphite.plan import Leaf
from services.bridge.graphite.tree import Tree, is_glob
from services.bridge.reading import Exact
from services.bridge.refusal import Refused, unreadable
from services.bridge.streams import Outcome, Wanted
from sisock.graphite import name_of

_EDGE = 4
"""Points at each end of an envelope in which a cell may be cut, or taken together with its neighbour."""
_MOST_TOLD = 5
_MOST_BESIDES = 10


class Fetched:
    """Fields by the paths that stand for them.

    Parameters
    ----------
    tree
        All known fields.
    due
        All paths of a request; one may be there several times.
    most
        Most fields of one path; twice as many of all together.

    Raises
    ------
    Refused
        There are more; where a path that no function joins stands for more, the first are shown and the rest is not.
    """

    def __init__(self, tree: Tree, due: Iterable[Leaf], most: int) -> None:
        self._paths: dict[Leaf, list[str]] = {}
        self._notices: dict[Leaf, str] = {}
        self._windows: dict[Leaf, Exact] = {}
        self._lines: dict[Leaf, list[Line]] = {}
        names: dict[str, str | None] = {}
        due = list(due)
        for leaf in dict.fromkeys(due):
            paths = tree.fields(leaf.path) if is_glob(leaf.path) else [leaf.path]
            if len(paths) > most:
                told = f"{leaf.path[:200]!r} matches {len(paths)} fields"
                if leaf.whole:
                    raise Refused(413, "too_many_series", f"{told}; at most {most} can be put together")
                self._notices[leaf] = f"{told}; the first {most} are shown"
            self._paths[leaf] = paths[:most]
            names |= {path: tree.name(path) for path in paths[:most]}
        self.count = sum(len(self._paths[leaf]) for leaf in due)
        if self.count > 2 * most:
            raise Refused(413, "too_many_series", f"{self.count} series are more than {2 * most}; choose fewer")
        self._names = {path: name or name_of(path) for path, name in names.items()}

    def wanted(self, window: Exact, most_points: int) -> dict[Exact, list[Wanted]]:
        """What to ask for in each stretch of time.

        Parameters
        ----------
        window
            The range, and its grid.
        most_points
            Most points of all fields; some times as many may be asked for what functions need besides.

        Raises
        ------
        Refused
            Functions need too much of the time before the range.
        """
        self._windows = {leaf: _window(leaf, window) for leaf in self._paths}
        points = sum(
            len(paths) * (self._windows[leaf].end - self._windows[leaf].start) / self._windows[leaf].interval
            for leaf, paths in self._paths.items()
        )
        if points > _MOST_BESIDES * most_points:
            raise unreadable(
                f"{points:.0f} points are needed, most of them from before the range; average over a shorter time, or "
                "draw fewer fields"
            )
        wanted: dict[Exact, list[Wanted]] = defaultdict(list)
        for leaf, paths in self._paths.items():
            wanted[self._windows[leaf]] += [Wanted(self._names[path], leaf.operator) for path in paths]
        return dict(wanted)

    def take(self, outcomes: Mapping[Exact, Mapping[Wanted, Outcome]]) -> None:
        """Make lines of what has been answered."""
        for leaf, paths in self._paths.items():
            window = self._windows[leaf]
            told = [self._notices[leaf]] if leaf in self._notices else []
            drawn: list[Line] = []
            for path in paths:
                name = self._names[path]
                made = line(path, path, outcomes[window][Wanted(name, leaf.operator)], window, leaf.operator)
                if made is not None:
                    drawn.append(made)
                elif len(told) < _MOST_TOLD:
                    told.append(f"the values of {name!r} are text, which the Graphite API cannot show")
            if told and not drawn:
                drawn = [nothing(leaf.path, leaf.path, window, "; ".join(told))]
            elif told:
                drawn[0] = drawn[0].told(told)
            self._lines[leaf] = drawn

    def lines(self, leaf: Leaf) -> list[Line]:
        """Series of a path; none when it stands for no field."""
        return self._lines.get(leaf, [])


def _window(leaf: Leaf, window: Exact) -> Exact:
    """The stretch of time, and the points in it, that a path needs for a range."""
    step = window.interval
    if leaf.interval:
        # No more points than the grid has, nor a length of which the interval is no part.
        step = leaf.interval * max(math.ceil(window.interval / leaf.interval), 1)
    # The first and the last points of an envelope are not what they are amid it.
    besides = _EDGE * step if leaf.operator is None else 0.0
    before = leaf.seconds + leaf.points * window.interval + besides
    return even(window.start - before, window.end + besides, step)
