"""What has been read is kept as long as there is room, the latest used."""

from collections import OrderedDict
from collections.abc import Hashable, Iterable
from threading import Lock
from typing import Any


class Memory:
    """Anything by its key, in so many bytes together. May be asked from several threads.

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
