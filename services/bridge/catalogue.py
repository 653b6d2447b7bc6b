"""Memory of which fields there are, so that those of a data server that is down stay in the list, marked stale."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from sisock.shapes import Field
from sisock.uris import SEPARATOR

Listed = Mapping[str, Mapping[str, Field]]
"""Fields by data server; never changed once it is made."""


class Catalogue:
    """Fields by data server, as last listed. Written in the reactor's thread; may be read in any.

    Attributes
    ----------
    joined
        The name under which fields of several data servers are one; empty for none.
    sources
        Those data servers, the one with the oldest samples first.
    online
        Data servers that the hub last named.
    listed
        All that is known: another object after each change.
    """

    def __init__(self, joined: str = "", sources: Sequence[str] = (), now: Callable[[], float] = time.time) -> None:
        self.joined, self.sources = joined, tuple(sources)
        self.online: frozenset[str] = frozenset()
        self.listed: Listed = {}
        self._now = now
        self._seen: dict[str, float] = {}
        self._names: frozenset[str] = frozenset()

    def part(self) -> None:
        """Join no fields any more: a data server has the name."""
        self.joined = ""
        self._join_names()

    def replace(self, node: str, fields: Mapping[str, Field]) -> None:
        """Keep `fields` as all that the data server has."""
        self._keep(node, fields)

    def extend(self, node: str, fields: Mapping[str, Field]) -> None:
        """Keep `fields`, of some time range, beside what was known."""
        known = self.fields(node)
        if node in self.listed and all(known.get(name) == field for name, field in fields.items()):
            self._seen[node] = self._now()
        else:
            self._keep(node, {**known, **fields})

    def recollect(self, listed: Listed, seen: Mapping[str, float]) -> None:
        """Take what was known before a restart, with the UNIX time at which each data server was last heard."""
        self.listed = {**listed, **self.listed}
        self._seen = {**seen, **self._seen}
        self._join_names()

    def forget(self, before: float) -> None:
        """Drop data servers that are not online and were not heard since `before` (UNIX seconds)."""
        old = {node for node, seen in self._seen.items() if seen < before} - self.online
        if old:
            self.listed = {node: fields for node, fields in self.listed.items() if node not in old}
            self._seen = {node: seen for node, seen in self._seen.items() if node not in old}
            self._join_names()

    def fields(self, node: str) -> Mapping[str, Field]:
        """Fields of a data server; none when it never listed any."""
        return self.listed.get(node, {})

    def nodes(self) -> list[str]:
        """Data servers that have ever listed their fields."""
        return sorted(self.listed)

    def names(self) -> frozenset[str]:
        """All names, as ``node::field``: the same object as before while none has come or gone."""
        return self._names

    def about(self, name: str) -> Field | None:
        """What ``node::field`` is; of a joined field, what the server with its newest samples says."""
        return next((field for _, field in self._bearers(name)), None)

    def is_stale(self, name: str) -> bool:
        """Whether no data server that has ``node::field`` is online."""
        return all(node not in self.online for node, _ in self._bearers(name))

    def seen(self, name: str) -> float | None:
        """When a data server that has ``node::field`` last listed fields, UNIX seconds; None for an unknown field."""
        return max((self._seen.get(node, 0.0) for node, _ in self._bearers(name)), default=None)

    def last_seen(self) -> dict[str, float]:
        """When each data server last listed fields, UNIX seconds."""
        return dict(self._seen)

    def _keep(self, node: str, fields: Mapping[str, Field]) -> None:
        known = self.listed.get(node)
        self._seen[node] = self._now()
        if known == fields:
            return
        self.listed = {**self.listed, node: dict(fields)}
        if known is None or known.keys() != fields.keys():
            self._join_names()

    def _bearers(self, name: str) -> Iterator[tuple[str, Field]]:
        """Data servers that have a field, the one with the newest samples first, and what they say of it."""
        node, _, field = name.partition(SEPARATOR)
        listed = self.listed  # Another thread may put another one in its place.
        nodes = reversed(self.sources) if self.joined and node == self.joined else (node,)
        return ((each, listed[each][field]) for each in nodes if field in listed.get(each, ()))

    def _join_names(self) -> None:
        listed = dict(self.listed)
        if self.joined:
            listed[self.joined] = {k: v for node in self.sources for k, v in self.fields(node).items()}
        names = frozenset(f"{node}{SEPARATOR}{name}" for node, fields in listed.items() for name in fields)
        if names != self._names:
            self._names = names
