"""Equal requests that are under way at the same time are answered once.

A dashboard whose plot and tiles show the same fields sends each of its requests twice, several screens with the same
dashboard send it several times, and Graphite's times are whole seconds.
"""

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock
from typing import Generic, TypeVar

_YOUNG = 0.5
"""Seconds after its begin in which others may join a flight: nobody gets an older answer than his own would be."""

T = TypeVar("T")


class _Flight(Generic[T]):
    """One answer that is being made, since `begun`."""

    def __init__(self, begun: float) -> None:
        self.begun = begun
        self.answer: Future[T | None] = Future()


class Flights(Generic[T]):
    """Answers that are being made. For any thread."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Have none under way; `clock` gives seconds that never go back."""
        self._clock = clock
        self._lock = Lock()
        self._under_way: dict[Hashable, _Flight[T]] = {}

    def answer(self, question: Hashable, make: Callable[[], T]) -> T:
        """Give the answer to `question`: that of who is making it already, else by `make`.

        What `make` raises, others are spared: they make their own, as the first one's client may just have gone.
        """
        now = self._clock()
        with self._lock:
            flight = self._under_way.get(question)
            joins = flight is not None and now < flight.begun + _YOUNG
            if flight is None or not joins:
                flight = self._under_way[question] = _Flight(now)
        if joins:
            made = flight.answer.result()
            return make() if made is None else made
        made = None
        try:
            made = make()
        finally:
            with self._lock:
                if self._under_way.get(question) is flight:
                    del self._under_way[question]
            flight.answer.set_result(made)
        return made
