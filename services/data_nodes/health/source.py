"""The figures of the data servers, kept in memory, and the answers made from them."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

from services.data_nodes.journal import Journal
from services.data_nodes.ring import FUTURE_TOLERANCE, Ring
from services.data_nodes.selection import mean_interval, select
from sisock.errors import SettingError
from sisock.shapes import DataReply, Field, FieldsReply, Timeline
from sisock.uris import NODE_NAME

_FIGURE = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,63}")
_MOST_FIGURES = 100
_GREATEST = 1e300
_MOST_SAMPLES = 200_000
_ABOUT = {
    "answered": ("Questions answered since the server was started", None),
    "failed": ("Questions failed since the server was started", None),
    "seconds": ("Time taken by all questions since the server was started", "s"),
    "slowest": ("Longest time that a question took since the last report", "s"),
    "memory": ("Memory that the process holds", "B"),
    "received": ("Samples received since the server was started", None),
    "unrecorded": ("Messages of feeds that are not recorded, since the server was started", None),
    "dropped": ("Samples and values dropped since the server was started", None),
    "lag": ("Longest time from a message's last stamp to its receipt, since the last report", "s"),
    "fields": ("Fields in memory", None),
    "buffer": ("Memory taken by samples", "B"),
    "disk": ("Size of the journal", "B"),
    "unwritten": ("Messages that the journal could not take, since the server was started", None),
}


class Health:
    """The newest figures of every server; those of one server are one timeline, stamped by their receipt."""

    def __init__(
        self, settings: Mapping[str, Any], clock: Callable[[], float], tell: Callable[..., None], name: str = ""
    ) -> None:
        """Make an empty store.

        Parameters
        ----------
        settings
            The values of the options in `server.yml`.
        clock
            Gives the UNIX time.
        tell
            Logs a warning: a format, and the facts in it by name, as txaio does.
        name
            Of the server: that of its folder below BUFFER_DIRECTORY.

        Raises
        ------
        SettingError
            A bound that is not above zero.
        """
        for bound in ("BUFFER_TIME", "BUFFER_DISK", "MAX_SERVERS"):
            if not settings[bound] > 0:
                raise SettingError(bound, f"{settings[bound]} leaves no room for a figure", "give a number above 0")
        self.received = 0
        self.dropped: Counter[str] = Counter()
        self._buffer_time = float(settings["BUFFER_TIME"])
        self._max_servers = settings["MAX_SERVERS"]
        self._max_points = settings["MAX_POINTS"]
        self._clock = clock
        self._tell = tell
        self._told: set[str] = set()
        self._rings: dict[str, Ring] = {}
        directory, age = settings["BUFFER_DIRECTORY"], self._buffer_time + FUTURE_TOLERANCE
        self.journal = Journal(directory / name if directory else None, age, settings["BUFFER_DISK"] * 2**20, tell)

    def receive(self, server: str, figures: object) -> None:
        """Take a report: figure -> number. Whatever it is, it raises nothing; what is not kept is counted."""
        now = self._clock()
        if not isinstance(figures, Mapping) or not NODE_NAME.fullmatch(server) or len(server) > 255:
            self._drop(Counter(bad_shape=1))
            return
        kept = {
            name: float(figure)
            for name, figure in list(figures.items())[:_MOST_FIGURES]
            if isinstance(name, str) and _FIGURE.fullmatch(name) and _is_number(figure)
        }
        if len(kept) < len(figures):
            self._drop(Counter(bad_value=len(figures) - len(kept)))
        if kept:
            self.journal.append(now, [server, kept])
            if not self.journal.replaying:
                self._take(server, kept, now)

    def replay(self) -> Iterator[None]:
        """Take, step by step, what was received before the restart, and then what has been since."""
        for received, (server, figures) in self.journal.recorded(self._clock()):
            self._take(server, figures, received)
            yield
        self.received = 0
        for received, (server, figures) in self.journal.meanwhile():
            self._take(server, figures, received)
            yield

    def figures(self) -> dict[str, float]:
        """Count the reports, and what became of them, since the server was started."""
        return {
            "received": self.received,
            "dropped": self.dropped.total(),
            **{f"dropped.{reason}": count for reason, count in self.dropped.items()},
            "fields": sum(len(ring.kinds) for ring in self._rings.values()),
            "buffer": sum(ring.nbytes for ring in self._rings.values()),
            "disk": self.journal.nbytes,
            "unwritten": self.journal.unwritten,
        }

    def get_fields(self) -> FieldsReply:
        """List every figure in memory; a server is a timeline."""
        fields: dict[str, Field] = {}
        timelines: dict[str, Timeline] = {}
        for server, ring in self._rings.items():
            for name, kind in ring.kinds.items():
                figure = name.removeprefix(f"{server}.")
                said, units = _ABOUT.get(figure.partition(".")[0], (figure, None))
                reason = figure.partition(".")[2]
                description = f"{said} ({reason})" if reason else said
                fields[name] = Field(description=f"{description}: {server}", timeline=server, type=kind, units=units)
            timelines[server] = Timeline(interval=mean_interval(ring.t), field=list(ring.kinds))
        return fields, timelines

    def get_data(
        self, fields: Iterable[str], start: float, end: float, min_stride: float | None = None
    ) -> DataReply | Literal[False]:
        """Answer with the figures in [start, end), UNIX seconds."""
        requested = list(fields)
        servers = {name.partition(".")[0] for name in requested} & self._rings.keys()
        samples = {server: self._rings[server].samples(requested) for server in servers}
        start = max(start, self._clock() - self._buffer_time)
        return select(requested, samples, start, end, min_stride, self._max_points)

    def _take(self, server: str, figures: Mapping[str, float], now: float) -> None:
        if server not in self._rings and len(self._rings) >= self._max_servers:
            for other, ring in list(self._rings.items()):
                ring.prune(now)
                if not ring.kinds:
                    del self._rings[other]
            if len(self._rings) >= self._max_servers:
                self._drop(Counter(too_many_servers=1))
                return
        self.received += 1
        ring = self._rings.setdefault(server, Ring(_MOST_SAMPLES, self._buffer_time))
        self._drop(ring.append([now], {f"{server}.{name}": [figure] for name, figure in figures.items()}, now))

    def _drop(self, dropped: Counter[str]) -> None:
        self.dropped.update(dropped)
        for reason in dropped.keys() - self._told:
            self._told.add(reason)
            self._tell("dropping some of what servers report of themselves: {why}", why=_REASONS.get(reason, reason))


def _is_number(figure: object) -> bool:
    number = isinstance(figure, int | float) and not isinstance(figure, bool)
    return number and -_GREATEST < figure < _GREATEST  # type: ignore[operator]


_REASONS = {
    "bad_shape": "the report is no mapping, or its server has no name that could be one's",
    "bad_value": "a figure has no name of letters, digits, _ and ., or is no number",
    "duplicate": "two processes report under one name; give each server a name of its own",
    "too_many_servers": "there are MAX_SERVERS servers already",
    "backward": "this host's clock was set back",
    "future": "this host's clock was set back",
}
