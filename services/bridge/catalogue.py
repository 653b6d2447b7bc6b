"""Memory of which fields there are, so that a data server that is down for a moment stays in the list."""

from collections.abc import Mapping

from sisock.shapes import Field

SEPARATOR = "::"
"""Between the name of a data server and the name of its field."""


class Catalogue:
    """Fields by data server, as last listed."""

    def __init__(self) -> None:
        self._fields: dict[str, dict[str, Field]] = {}
        self._names: frozenset[str] | None = None

    def replace(self, node: str, fields: Mapping[str, Field]) -> None:
        """Keep `fields` as all that the data server has."""
        self._fields[node] = dict(fields)
        self._names = None

    def extend(self, node: str, fields: Mapping[str, Field]) -> None:
        """Keep `fields`, of some time range, beside what was known."""
        known = self._fields.setdefault(node, {})
        if fields.keys() - known.keys():
            self._names = None
        known.update(fields)

    def fields(self, node: str) -> Mapping[str, Field]:
        """Fields of a data server; none when it never listed any."""
        return self._fields.get(node, {})

    def nodes(self) -> list[str]:
        """Data servers that have ever listed their fields."""
        return sorted(self._fields)

    def names(self) -> frozenset[str]:
        """All names, as ``node::field``."""
        if self._names is None:
            self._names = frozenset(
                f"{node}{SEPARATOR}{name}" for node, names in self._fields.items() for name in names
            )
        return self._names
