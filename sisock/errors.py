"""One class per cause; each sentence says what happened, to what, and what to do."""

from collections.abc import Iterable


class SisockError(Exception):
    """Parent of every error that this library raises on purpose."""


class SettingError(SisockError):
    """A setting is missing, misspelt or of the wrong kind."""

    def __init__(self, name: str, problem: str, remedy: str) -> None:
        super().__init__(f"setting {name}: {problem}; {remedy}")
        self.name = name


class TimeRangeError(SisockError):
    """A time range that no sample can lie in."""

    def __init__(self, start: object, end: object, problem: str) -> None:
        super().__init__(
            f"time range {start!r} to {end!r}: {problem}; give UNIX seconds, or zero and below for seconds before now"
        )


class ShapeError(SisockError):
    """A reply does not have the shape that the contract documents."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}; see sisock.shapes for what a reply must look like")


class NodeError(SisockError):
    """A data server could not be asked, or its answer could not be used."""


class RouterAbsent(NodeError):
    """There is no session with the router at this moment."""

    def __init__(self) -> None:
        super().__init__("not connected to the WAMP router; wait, or look at 'supervisorctl status router:'")


class NodeUnknown(NodeError):
    """Nobody serves under this name at this moment."""

    def __init__(self, node: str, programs: str = "servers:") -> None:
        super().__init__(f"nobody named {node!r} is online; look at 'supervisorctl status {programs}'")


class NodeLate(NodeError):
    """A data server did not answer before the deadline."""

    def __init__(self, node: str, deadline: float) -> None:
        super().__init__(f"data server {node!r} did not answer within {deadline:g} s; ask for less, or look at its log")


class NodeFailed(NodeError):
    """A data server answered with an error, or with something that is no reply."""

    def __init__(self, node: str, problem: str) -> None:
        super().__init__(f"data server {node!r} failed: {problem}")


class TooMuchData(NodeError):
    """A data server answered `False`: more than its pipeline allows."""

    def __init__(self, node: str) -> None:
        super().__init__(
            f"data server {node!r} holds more data in this range than it sends at once; "
            "ask for a shorter range or a larger min_stride"
        )


class OperatorUnknown(NodeError):
    """A data server does not offer an operator of get_data."""

    def __init__(self, node: str | None, operator: object, offered: Iterable[str] = ()) -> None:
        self.offered = sorted(offered)
        known = f"it offers {', '.join(self.offered)}" if self.offered else "it offers none"
        super().__init__(f"data server {node!r} has no operator {operator!r:.80}; {known}")
