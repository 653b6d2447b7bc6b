"""What arrives on OCS feeds, kept in memory, and the answers made from it."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from services.data_nodes.journal import Journal
from services.data_nodes.ring import FUTURE_TOLERANCE, TYPE_PATIENCE, Ring
from services.data_nodes.selection import Samples, mean_interval, select
from sisock.errors import SettingError
from sisock.shapes import DataReply, Field, FieldsReply, Timeline

SWEEP_INTERVAL = 60.0
"""Seconds between two looks for what has grown too old."""

TELL_INTERVAL = 600.0
"""Seconds between two lines in the log about the same thing."""

SESSION_INTERVAL = 60.0
"""Seconds between two samples of when an agent began its session."""

_LONGEST_NAME = 255
_LONGEST_TOPIC = 1000
_MOST_TOLD = 1000
_LATEST = 1e12
_SESSION = re.compile(r"[0-9]{9,11}(\.[0-9]{1,9})?")
"""OCS names the session of an agent by the UNIX time of its start."""


@dataclass(frozen=True)
class Subscription:
    """What to subscribe to: a WAMP topic, and how it is matched (`exact` or `wildcard`)."""

    topic: str
    match: Literal["exact", "wildcard"]

    def covers(self, topic: str) -> bool:
        """Whether the router would hand over what is published there."""
        pattern, parts = self.topic.split("."), topic.split(".")
        return len(parts) == len(pattern) and all(due in ("", part) for due, part in zip(pattern, parts, strict=True))


@dataclass
class _Block:
    """The samples of one block of one feed, and the sisock name of each of its OCS fields."""

    timeline: str
    origin: str
    ring: Ring
    names: dict[str, str] = field(default_factory=dict)


class Feeds:
    """The newest samples of one feed, or of all recorded feeds.

    A block of a feed is a timeline, because its fields are sampled together. Of one feed, the fields bear their OCS
    names in lower case with underscores for blanks, as in ``channel_1_t``; of all feeds, the address of the feed
    stands before it, as in ``observatory.LSA22YE.feeds.temperatures.channel_1_t``, which is also how archived fields
    are named.
    """

    def __init__(
        self, settings: Mapping[str, Any], clock: Callable[[], float], tell: Callable[..., None], name: str = ""
    ) -> None:
        """Make an empty buffer.

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
            TARGET without FEED or the reverse, or a bound that is not above zero.
        """
        target, feed = settings["TARGET"], settings["FEED"]
        if bool(target) != bool(feed):
            missing = "FEED" if target else "TARGET"
            raise SettingError(missing, "is missing", "set TARGET and FEED for one feed, or neither for all of them")
        for bound in ("BUFFER_TIME", "BUFFER_DISK", "MAX_SAMPLES", "MAX_FIELDS", "MAX_MEMORY"):
            if not settings[bound] > 0:
                raise SettingError(bound, f"{settings[bound]} leaves no room for a sample", "give a number above 0")
        root = settings["OCS_ADDRESS_ROOT"]
        self.subscription = (
            Subscription(f"{root}.{target}.feeds.{feed}", "exact") if target
            else Subscription(f"{root}..feeds.", "wildcard")
        )  # fmt: skip
        self.received = self.unrecorded = 0
        self.dropped: Counter[str] = Counter()
        self._one_feed = bool(target)
        self._buffer_time = float(settings["BUFFER_TIME"])
        self._max_points = settings["MAX_POINTS"]
        self._max_samples = settings["MAX_SAMPLES"]
        self._max_fields = settings["MAX_FIELDS"]
        self._max_bytes = settings["MAX_MEMORY"] * 2**20
        self._clock = clock
        self._tell = tell
        self._blocks: dict[tuple[str, str], _Block] = {}
        self._holder: dict[str, _Block] = {}
        self._nbytes = 0
        self._next_sweep = 0.0
        self._untold: dict[tuple[str, str], tuple[int, float]] = {}
        self._sessions: dict[str, tuple[float, float]] = {}
        self._lag: float | None = None
        directory = settings["BUFFER_DIRECTORY"]
        # A sample may be stamped as late as FUTURE_TOLERANCE after its receipt.
        age = self._buffer_time + FUTURE_TOLERANCE
        self.journal = Journal(directory / name if directory else None, age, settings["BUFFER_DISK"] * 2**20, tell)

    @property
    def nbytes(self) -> int:
        """Memory taken by the samples, bytes."""
        return self._nbytes

    def receive(self, topic: str, message: object) -> None:
        """Take what was published on a feed. Whatever it is, it raises nothing; what is not kept is counted.

        Parameters
        ----------
        topic
            The address of the feed.
        message
            For a recorded feed the pair (blocks, feed) of OCS; anything for the others, which are passed over.
        """
        now = self._clock()
        if not self.journal.replaying:
            self._sweep_when_due(now)
        match message:
            case [Mapping(), {"record": True}] if len(topic) <= _LONGEST_TOPIC:
                self.journal.append(now, [topic, message])
                if not self.journal.replaying:
                    self._take(topic, message, now)
            case [_, {"record": False}]:
                self.unrecorded += 1
            case [Mapping(), {"record": True}]:
                self._drop(topic, Counter(bad_name=1), now)
            case _:
                self._drop(topic, Counter(bad_shape=1), now)

    def replay(self) -> Iterator[None]:
        """Take, step by step, what was received before the restart, and then what has been since."""
        tell, self._tell = self._tell, _say_nothing
        for received, (topic, message) in self.journal.recorded(self._clock()):
            if self.subscription.covers(topic):  # The server may have been given another feed since.
                self._take(topic, message, received)
            yield
        # What was dropped then was counted and told then.
        self._tell, self._lag, self.received = tell, None, 0
        self.dropped.clear()
        self._untold.clear()
        for received, (topic, message) in self.journal.meanwhile():
            self._take(topic, message, received)
            yield

    def figures(self) -> dict[str, float]:
        """Count what came and what became of it, since the server was started."""
        lag, self._lag = self._lag, None
        return {
            "received": self.received,
            "unrecorded": self.unrecorded,
            "dropped": self.dropped.total(),
            **{f"dropped.{reason}": count for reason, count in self.dropped.items()},
            **({} if lag is None else {"lag": lag}),
            "fields": len(self._holder),
            "buffer": self._nbytes,
            "disk": self.journal.nbytes,
            "unwritten": self.journal.unwritten,
        }

    def units(self, ocs_name: str) -> str | None:
        """Units of a field; OCS does not tell them."""

    def get_fields(self) -> FieldsReply:
        """List every field with a sample in memory, with its timeline."""
        fields: dict[str, Field] = {}
        timelines: dict[str, Timeline] = {}
        oldest = self._clock() - self._buffer_time
        for block in self._blocks.values():
            t = block.ring.t
            if not t.size or t[-1] < oldest:
                continue
            kinds = block.ring.kinds
            mine = {name: ocs_name for ocs_name, name in block.names.items() if name in kinds}
            for name, ocs_name in mine.items():
                fields[name] = Field(description=f"{ocs_name}, {block.origin}", timeline=block.timeline,
                                     type=kinds[name], units=self.units(ocs_name))  # fmt: skip
            timelines[block.timeline] = Timeline(interval=mean_interval(t), field=list(mine))
        return fields, timelines

    def get_data(
        self, fields: Iterable[str], start: float, end: float, min_stride: float | None = None
    ) -> DataReply | Literal[False]:
        """Answer with the samples in [start, end) (UNIX seconds) that are not older than the buffer's time."""
        requested = list(fields)
        wanted: dict[str, list[str]] = {}
        rings: dict[str, Ring] = {}
        for name in requested:
            if block := self._holder.get(name):
                wanted.setdefault(block.timeline, []).append(name)
                rings[block.timeline] = block.ring
        samples: dict[str, Samples] = {timeline: rings[timeline].samples(names) for timeline, names in wanted.items()}
        start = max(start, self._clock() - self._buffer_time)
        return select(requested, samples, start, end, min_stride, self._max_points)

    def _take(self, topic: str, message: Any, now: float) -> None:
        self._sweep_when_due(now)
        blocks, feed = message
        for name, content in blocks.items():
            self._receive_block(topic, str(name), content, str(feed.get("agent_class", "OCS agent")), now)
        self._note_session(topic, feed, now)

    def _note_session(self, topic: str, feed: Mapping[str, Any], now: float) -> None:
        """Keep when the agent began its session, which each message bears: another one says that it was restarted."""
        agent, spoken = topic.partition(".feeds.")[0], feed.get("session_id")
        began = float(spoken) if isinstance(spoken, str) and _SESSION.fullmatch(spoken) else 0.0
        known, noted = self._sessions.get(agent, (0.0, -math.inf))
        again = began == known and noted <= now < noted + SESSION_INTERVAL
        if self._one_feed or not began or again or len(self._sessions) >= self._max_fields:
            return
        self._sessions[agent] = began, now
        content = {"timestamps": [now], "data": {"session": [began]}}
        self._receive_block(agent, "session", content, str(feed.get("agent_class", "OCS agent")), now)

    def _receive_block(self, topic: str, name: str, content: object, agent_class: str, now: float) -> None:
        match content:
            case {"timestamps": stamps, "data": Mapping() as data} | {"timestamp": stamps, "data": Mapping() as data}:
                pass
            case _:
                self._drop(topic, Counter(bad_shape=1), now)
                return
        if len(name) > _LONGEST_NAME:
            self._drop(topic, Counter(bad_name=1), now)
            return
        block = self._blocks.get((topic, name)) or self._new_block(topic, name, agent_class)
        dropped: Counter[str] = Counter()
        columns = {}
        for ocs_name, values in data.items():
            sisock_name = block.names.get(ocs_name) or self._admit(topic, block, ocs_name, dropped)
            if sisock_name:
                columns[sisock_name] = values
        if columns:
            before = block.ring.nbytes
            dropped.update(block.ring.append(stamps, columns, now, self._max_bytes - self._nbytes))
            self._nbytes += block.ring.nbytes - before
            self._blocks[topic, name] = block
            self.received += len(stamps) if isinstance(stamps, list | tuple) else 1
            last = stamps[-1] if isinstance(stamps, list | tuple) and stamps else stamps
            if isinstance(last, int | float) and abs(last) < _LATEST:
                self._lag = max(now - last, -math.inf if self._lag is None else self._lag)
        if dropped:
            self._drop(topic, dropped, now)

    def _new_block(self, topic: str, name: str, agent_class: str) -> _Block:
        feed = topic.rpartition(".")[2]
        return _Block(
            timeline=name if self._one_feed else f"{topic}.{name}",
            origin=f"feed {feed} of {topic.partition('.feeds.')[0]} ({agent_class[:_LONGEST_NAME]})",
            ring=Ring(self._max_samples, self._buffer_time),
        )

    def _admit(self, topic: str, block: _Block, ocs_name: object, dropped: Counter[str]) -> str | None:
        """Give a new field its name; None when it cannot be had."""
        if not isinstance(ocs_name, str) or not 0 < len(ocs_name) <= _LONGEST_NAME:
            dropped["bad_name"] += 1
            return None
        name = re.sub(r"\s+", "_", ocs_name.strip()).lower()
        if not self._one_feed:
            name = f"{topic}.{name}"
        if name in self._holder:
            dropped["name_taken"] += 1
            return None
        if len(self._holder) >= self._max_fields:
            dropped["too_many_fields"] += 1
            return None
        block.names[ocs_name] = name
        self._holder[name] = block
        return name

    def _sweep_when_due(self, now: float) -> None:
        """Let go of old samples, also of agents that have fallen silent, and of the names of fields without any."""
        if self._next_sweep - SWEEP_INTERVAL <= now < self._next_sweep:
            return
        self._next_sweep = now + SWEEP_INTERVAL
        for key, block in list(self._blocks.items()):
            block.ring.prune(now)
            kinds = block.ring.kinds
            block.names = {ocs_name: name for ocs_name, name in block.names.items() if name in kinds}
            if not kinds:
                del self._blocks[key]
        self._holder = {name: block for block in self._blocks.values() for name in block.names.values()}
        self._sessions = {
            agent: session for agent, session in self._sessions.items() if (agent, "session") in self._blocks
        }
        self._nbytes = sum(block.ring.nbytes for block in self._blocks.values())
        for (topic, reason), (count, since) in list(self._untold.items()):
            if since <= now < since + TELL_INTERVAL:
                continue
            del self._untold[topic, reason]
            if count:
                self._tell("dropped {count} of {topic} since it was last said: {why}",
                           count=count, topic=topic, why=_REASONS[reason])  # fmt: skip
                self._untold[topic, reason] = 0, now

    def _drop(self, topic: str, dropped: Counter[str], now: float) -> None:
        """Count what was dropped, and tell it: at once that it begins, and every ten minutes how much it was."""
        self.dropped.update(dropped)
        if len(self._untold) >= _MOST_TOLD or len(topic) > _LONGEST_TOPIC:
            topic = "further feeds"  # a publisher of ever new addresses fills neither log nor memory
        for reason, count in dropped.items():
            if (topic, reason) not in self._untold:
                self._tell("dropping some of {topic}: {why}", topic=topic, why=_REASONS[reason])
            untold, since = self._untold.get((topic, reason), (0, now))
            self._untold[topic, reason] = untold + count, since


def _say_nothing(*_: object, **__: object) -> None:
    """Stand in for the log."""


_REASONS = {
    "bad_name": "a block or field has a name that is not a string of 1 to 255 characters, or the address is too long",
    "bad_shape": "the message does not have the shape of a recorded OCS feed, or a field has not one value per stamp",
    "bad_stamp": "a timestamp is no finite number",
    "bad_value": "a value is neither number, string nor boolean",
    "backward": "timestamps are older than the newest of their block; look at the clock of the agent's host",
    "duplicate": "a timestamp of the block came twice",
    "future": f"timestamps lie over {FUTURE_TOLERANCE:g} s ahead of this host's clock; compare the clocks",
    "memory": "the buffer would take more memory than MAX_MEMORY",
    "name_taken": "another block of the feed, or a field that differs in case only, has the same name",
    "old": "timestamps are older than BUFFER_TIME; look at the clock of the agent's host",
    "overflow": "the block has more than MAX_SAMPLES samples within BUFFER_TIME; its oldest ones went",
    "too_many_fields": "there are MAX_FIELDS fields already",
    "type_change": f"values are of another type than those before; after {TYPE_PATIENCE} the older ones go instead",
}
