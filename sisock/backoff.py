"""How long to wait before another attempt."""

import random


class Backoff:
    """Delays between attempts: growing while they fail, short again once a session has joined."""

    def __init__(self, shortest: float = 0.25, factor: float = 1.6, longest: float = 5.0) -> None:
        self._shortest, self._factor, self._longest = shortest, factor, longest
        self._failures = 0

    def reset(self) -> None:
        """Start again from the shortest delay."""
        self._failures = 0

    def __call__(self, _attempts_to_connect: int) -> float:
        """Seconds to wait; with up to a fifth at random, so that a whole site does not knock at the same time."""
        delay = min(self._shortest * self._factor**self._failures, self._longest)
        self._failures = min(self._failures + 1, 32)
        return delay * random.uniform(0.8, 1.0)  # noqa: S311 (no cryptography)
