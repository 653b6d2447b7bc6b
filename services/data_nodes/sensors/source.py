"""The newest readings of the host, and the answers made from them."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

from services.data_nodes.journal import Journal
from services.data_nodes.ring import Ring
from services.data_nodes.selection import mean_interval, select
from services.data_nodes.sensors.measuring import ChipsUnreadableError, Reading, read_chips, read_kernel
from sisock.errors import SettingError
from sisock.shapes import DataReply, Field, FieldsReply, Timeline

TIMELINE = "sensors"


class Sensors:
    """One timeline of readings: `measure` takes one and may block; `keep` puts it with the others."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        tell: Callable[..., None],
        chips: Callable[[], dict[str, Reading]] = read_chips,
        kernel: Callable[[], dict[str, Reading]] = read_kernel,
        name: str = "",
    ) -> None:
        """Make an empty store.

        Parameters
        ----------
        settings
            The values of the options in `server.yml`.
        tell
            Logs a warning: a format, and the facts in it by name, as txaio does.
        chips, kernel
            Give readings, by field.
        name
            Of the server: that of its folder below BUFFER_DIRECTORY.

        Raises
        ------
        SettingError
            INTERVAL, DEPTH or BUFFER_DISK is no number above zero.
        """
        for bound in ("INTERVAL", "DEPTH", "BUFFER_DISK"):
            if not 0 < settings[bound] < math.inf:
                raise SettingError(bound, f"{settings[bound]} makes no readings", "give a number above 0")
        self.received = 0
        self.dropped: Counter[str] = Counter()
        directory, age = settings["BUFFER_DIRECTORY"], 2 * settings["INTERVAL"] * settings["DEPTH"]
        self.journal = Journal(directory / name if directory else None, age, settings["BUFFER_DISK"] * 2**20, tell)
        self._max_points = settings["MAX_POINTS"]
        self._ring = Ring(settings["DEPTH"])
        self._tell = tell
        self._chips, self._kernel = chips, kernel
        self._about: dict[str, Reading] = {}
        self._told: str | None = None
        self._dropping = False

    def measure(self) -> dict[str, Reading]:
        """Read the chips and the kernel. Blocks for as long as lm-sensors takes; says once when there are no chips."""
        problem = None
        try:
            readings = self._chips()
        except ChipsUnreadableError as error:
            readings, problem = {}, str(error)
        if problem and problem != self._told:
            self._tell("serving load, memory and thermal zones of the kernel alone: {why}", why=problem)
        self._told = problem
        return readings | self._kernel()

    def keep(self, readings: Mapping[str, Reading], now: float) -> None:
        """Store readings taken at `now`, UNIX seconds; says once when that costs others than the oldest."""
        self.journal.append(now, {name: [each.value, each.units, each.description] for name, each in readings.items()})
        if not self.journal.replaying:
            self._take(readings, now)

    def replay(self, now: float) -> Iterator[None]:
        """Take, step by step, what was read before the restart, and then what has been since."""
        for received, record in self.journal.recorded(now):
            self._take({name: Reading(*reading) for name, reading in record.items()}, received)
            yield
        self.received = 0
        self.dropped.clear()
        for received, record in self.journal.meanwhile():
            self._take({name: Reading(*reading) for name, reading in record.items()}, received)
            yield

    def figures(self) -> dict[str, float]:
        """Count the readings, and what became of them, since the server was started."""
        return {
            "received": self.received,
            "dropped": self.dropped.total(),
            **{f"dropped.{reason}": count for reason, count in self.dropped.items()},
            "fields": len(self._ring.kinds),
            "buffer": self._ring.nbytes,
            "disk": self.journal.nbytes,
            "unwritten": self.journal.unwritten,
        }

    def _take(self, readings: Mapping[str, Reading], now: float) -> None:
        self._about.update(readings)
        self.received += 1
        dropped = self._ring.append([now], {name: [reading.value] for name, reading in readings.items()}, now)
        del dropped["overflow"]
        self.dropped.update(dropped)
        if dropped and not self._dropping:
            self._tell("dropping readings ({why}); look at the host's clock", why=", ".join(sorted(dropped)))
        self._dropping = bool(dropped)

    def get_fields(self) -> FieldsReply:
        """List every field that has been read."""
        fields = {
            name: Field(description=self._about[name].description, timeline=TIMELINE, type=kind,
                        units=self._about[name].units)
            for name, kind in self._ring.kinds.items()
        }  # fmt: skip
        timeline = Timeline(interval=mean_interval(self._ring.t), field=list(fields))
        return fields, {TIMELINE: timeline} if fields else {}

    def get_data(
        self, fields: Iterable[str], start: float, end: float, min_stride: float | None = None
    ) -> DataReply | Literal[False]:
        """Answer with the readings in [start, end), UNIX seconds."""
        requested = list(fields)
        return select(requested, {TIMELINE: self._ring.samples(requested)}, start, end, min_stride, self._max_points)
