"""Who is online: names, descriptions and owners of data servers. No I/O."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Node:
    """A data server and the WAMP session that owns its name."""

    name: str
    description: str
    session: int

    def public(self) -> dict[str, str]:
        """What consumers are told of it."""
        return {"name": self.name, "description": self.description}


class Register:
    """Data servers by name; each name is owned by one session."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}

    def listed(self) -> list[Node]:
        """All of them, by name."""
        return sorted(self._nodes.values(), key=lambda node: node.name)

    def owner(self, name: str) -> int | None:
        """The session that owns the name, if any does."""
        node = self._nodes.get(name)
        return node.session if node else None

    def add(self, node: Node) -> bool:
        """List `node`, or what is new of it; False when another session owns its name."""
        if self.owner(node.name) not in (None, node.session):
            return False
        self._nodes[node.name] = node
        return True

    def knows(self, node: Node) -> bool:
        """Whether exactly this is listed."""
        return self._nodes.get(node.name) == node

    def subtract(self, name: str, session: int) -> Node | None:
        """Take off a name that `session` owns; None when it owns no such name."""
        return self._nodes.pop(name) if self.owner(name) == session else None

    def drop(self, session: int) -> list[Node]:
        """Take off all that `session` owns."""
        gone = [node for node in self.listed() if node.session == session]
        for node in gone:
            del self._nodes[node.name]
        return gone

    def clear(self) -> None:
        """Forget all: the router is another one, and no session of before lives."""
        self._nodes.clear()
