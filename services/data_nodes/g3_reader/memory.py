"""What has been read is kept as long as there is room, the latest used."""

from collections import OrderedDict
from collections.abc import Hashable, Iterable
from itertools import islice
from threading import Lock
from typing import Any, Protocol


class NotRememberedError(Exception):
    """What is needed is not remembered, or it is too much to be looked through at once."""


class Remembers(Protocol):
    """What has been read, by its key: all that a query needs of a `Memory`."""

    @property
    def most(self) -> int:
        """Bytes that can be remembered."""

    def recall(self, keys: Iterable[Hashable]) -> dict[Any, Any]:
        """What is known of each of some keys; without those that are not."""

    def keep(self, key: Hashable, value: Any, size: int) -> None:
        """Remember something of `size` bytes."""


class Memory:
    """`Remembers` anything, in so many bytes together. May be asked from several threads.

    Attributes
    ----------
    most
        So many bytes.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most = most_bytes
        self._held: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def recall(self, keys: Iterable[Hashable]) -> dict[Any, Any]:
        """What is known of each of some keys; without those that are not."""
        held, known = self._held, {}
        with self._lock:
            for key in keys:
                if (found := held.get(key)) is not None:
                    held.move_to_end(key)
                    known[key] = found[0]
        return known

    def keep(self, key: Hashable, value: Any, size: int) -> None:
        """Remember something of `size` bytes; what was used longest ago goes for it."""
        with self._lock:
            if key not in self._held and size <= self.most:
                self._held[key] = value, size
                self._bytes += size
            while self._bytes > self.most:
                self._bytes -= self._held.popitem(last=False)[1][1]


class Recollection:
    """`Remembers` what a memory has and no more; who needs that, or more than `most_keys` together, is told so."""

    def __init__(self, memory: Memory, most_keys: int) -> None:
        self._memory = memory
        self._left = most_keys

    @property
    def most(self) -> int:
        """Bytes that the memory has room for."""
        return self._memory.most

    def recall(self, keys: Iterable[Hashable]) -> dict[Any, Any]:
        """What is known of each of some keys.

        Raises
        ------
        NotRememberedError
            One of them is not, or they are too many.
        """
        wanted = set(islice(keys, max(self._left, 0) + 1))
        self._left -= len(wanted)
        known = self._memory.recall(wanted) if self._left >= 0 else {}
        if len(known) < len(wanted):
            raise NotRememberedError
        return known

    def keep(self, key: Hashable, value: Any, size: int) -> None:
        """Not called, as nothing is read; part of what `Remembers`."""
