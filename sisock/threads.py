"""Threads for work that waits, apart from the reactor's own, which name resolution needs."""

from threading import Thread
from typing import Any

from twisted.python.threadpool import ThreadPool


class DaemonThreads(ThreadPool):
    """Threads that do not hold up the end of the program: one may wait for a dead disk, or for a stopped reactor."""

    class threadFactory(Thread):  # noqa: N801 (Twisted's name)
        """Thread that ends with the program."""

        def __init__(self, **keywords: Any) -> None:
            super().__init__(**keywords, daemon=True)
