"""Memory of which fields there are, so that a data server that is down for a moment stays in the list."""

from collections.abc import Mapping, Sequence

from sisock.shapes import Field

SEPARATOR = "::"
"""Between the name of a data server and the name of its field."""


class Catalogue:
    """Fields by data server, as last listed. Written in the reactor's thread; `names` may be read in any.

    Attributes
    ----------
    joined
        The name under which fields of several data servers are one; empty for none.
    sources
        Those data servers, the one with the oldest samples first.
    """

    def __init__(self, joined: str = "", sources: Sequence[str] = ()) -> None:
        self.joined, self.sources = joined, tuple(sources)
        self._fields: dict[str, dict[str, Field]] = {}
        self._names: frozenset[str] = frozenset()

    def part(self) -> None:
        """Join no fields any more: a data server has the name."""
        self.joined = ""
        self._join_names()

    def replace(self, node: str, fields: Mapping[str, Field]) -> None:
        """Keep `fields` as all that the data server has."""
        changed = self.fields(node).keys() != fields.keys()
        self._fields[node] = dict(fields)
        if changed:
            self._join_names()

    def extend(self, node: str, fields: Mapping[str, Field]) -> None:
        """Keep `fields`, of some time range, beside what was known."""
        known = self._fields.setdefault(node, {})
        changed = bool(fields.keys() - known.keys())
        known.update(fields)
        if changed:
            self._join_names()

    def fields(self, node: str) -> Mapping[str, Field]:
        """Fields of a data server; none when it never listed any."""
        return self._fields.get(node, {})

    def nodes(self) -> list[str]:
        """Data servers that have ever listed their fields."""
        return sorted(self._fields)

    def names(self) -> frozenset[str]:
        """All names, as ``node::field``."""
        return self._names

    def _join_names(self) -> None:
        listed = self._fields
        if self.joined:
            listed = listed | {self.joined: {k: v for node in self.sources for k, v in self.fields(node).items()}}
        self._names = frozenset(f"{node}{SEPARATOR}{name}" for node, names in listed.items() for name in names)
