"""Parameters of an address: which there may be, and what they say."""

import re
from collections.abc import Collection, Mapping, Sequence

from services.bridge.reading import EARLIEST
from services.bridge.refusal import Refused, unreadable
from sisock.moments import DurationError, MomentError, duration, iso, moment

_COUNT = re.compile(r"[0-9]{1,9}")
_RANGE = "-1h"


class Parameters:
    """Parameters of an address; one that is not `known` is refused, and one that comes twice without being `many`."""

    def __init__(
        self, spoken: Mapping[str, Sequence[str]], known: Sequence[str], many: Collection[str] = frozenset()
    ) -> None:
        self._spoken = spoken
        for name, values in spoken.items():
            if name not in known:
                raise unreadable(f"there is no parameter {name[:40]!r} here; {', '.join(known) or 'none'} are known")
            if len(values) > 1 and name not in many:
                raise unreadable(f"'{name}' is given {len(values)} times; give it once")

    def all(self, name: str) -> Sequence[str]:
        """All values of a parameter."""
        return self._spoken.get(name, ())

    def one(self, name: str) -> str | None:
        """Give the value of a parameter; None when it is absent or empty."""
        values = self.all(name)
        return values[0] if values and values[0] else None

    def count(self, name: str, default: int, least: int = 1) -> int:
        """Read a whole number."""
        if not self.all(name):
            return default
        text = self.all(name)[0]
        if not _COUNT.fullmatch(text) or int(text) < least:
            raise unreadable(f"'{name}' is {text[:40]!r}; give a whole number from {least} on")
        return int(text)

    def moment(self, name: str, default: str, now: float) -> float:
        """Read a time, as `sisock.moments.moment` does; UNIX seconds."""
        try:
            return moment(self.one(name) or default, now)
        except MomentError as error:
            raise unreadable(f"{name!r}: {error}") from None

    def duration(self, name: str) -> float:
        """Read a duration, as `sisock.moments.duration` does; seconds, 0 when it is absent or zero."""
        text = self.one(name)
        if text is None or (text.strip("0.") == "" and "0" in text):
            return 0.0
        try:
            return duration(text)
        except DurationError as error:
            raise unreadable(f"{name!r}: {error}") from None

    def range(self, now: float) -> tuple[float, float]:
        """Read ``from`` (an hour before now) and ``to`` (now); UNIX seconds, the first before the second."""
        start, end = self.moment("from", _RANGE, now), self.moment("to", "now", now)
        if end <= start:
            raise unreadable(f"the time range is empty: 'to' is {iso(end, 3)}, and 'from' {iso(start, 3)}")
        start = max(start, EARLIEST)
        return start, max(end, start)

    def choice(self, name: str, known: Sequence[str]) -> str | None:
        """Read one of the known words; None when it is absent."""
        if not self.all(name):
            return None
        text = self.all(name)[0]
        if text not in known:
            raise unreadable(f"there is no {name} {text[:40]!r}; {', '.join(known)} are known")
        return text

    def names(self, most: int) -> list[str]:
        """Read each ``field`` once, in order; at least one."""
        names = list(dict.fromkeys(self.all("field")))
        if not names:
            raise unreadable("'field' is missing; give it as field=<server>::<field>, once for each")
        if len(names) > most:
            raise Refused(413, "too_many_targets", f"{len(names)} fields; ask for at most {most} at once")
        return names
