"""What the scanner and its workers say to each other."""

from typing import NamedTuple


class Look(NamedTuple):
    """To a worker: something may be due. The `number` counts these calls."""

    number: int


class Claimed(NamedTuple):
    """From a worker: it is about to read these rows of `files`. Whatever ends it now is theirs."""

    ids: tuple[int, ...]


class Done(NamedTuple):
    """From a worker: a step is in the index."""

    files: int
    bytes: int


class Idle(NamedTuple):
    """From a worker: it has found nothing since the call of this `number`, and waits for the next."""

    number: int


class Stuck(NamedTuple):
    """From a worker: it cannot go on because of `problem`, and tries again; "" when it does go on."""

    problem: str


Report = Claimed | Done | Idle | Stuck
