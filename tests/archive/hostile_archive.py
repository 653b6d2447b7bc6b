"""Archives of everything that a disk and a clock can do to recorded data, the same for the same seed."""

import gzip
import math
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from archive_writer import SECOND, Block, Recording

DAY = 86_400
START = 1_699_920_000
"""UNIX seconds, midnight."""
DAYS = 5

SPIKE = 1e7
"""Larger than any other value."""

_FEEDS = {
    # feed -> blocks -> (seconds between samples, samples of a frame, fields)
    "observatory.LSA22YE.feeds.temperatures": {"temps": (9.7, 90, ("Channel 1 T", "Channel 1 V", "Channel 2 T"))},
    "observatory.fast.feeds.acceleration": {"acc": (0.005, 150, ("x", "y"))},
    "observatory.hk.feeds.mixed": {"state": (61.0, 12, ("mode", "on", "changing")), "rest": (30.0, 20, ("level",))},
    "observatory.case.feeds.names": {"a": (47.0, 20, ("Temp", "temp", " Odd  Name ")), "b": (311.0, 4, ("UPPER",))},
    "observatory.renamed.feeds.block": {"first": (20.0, 25, ("value", "second"))},
}
_FAR = (-5 * SECOND, -1, 0, 64_060_588_800 * SECOND, 90_000_000_000 * SECOND, -(2**62))
"""Stamps that count for nothing."""
_EDGE = (1, 3_600 * SECOND, 64_060_500_000 * SECOND)
"""Stamps that are strange, but count."""


@dataclass(frozen=True)
class Step:
    """Something that happens to one file: bytes come to its end, or it is replaced, or it goes (content None)."""

    path: str
    content: bytes | None
    append: bool = False

    def do(self, root: Path) -> None:
        path = root / self.path
        if self.content is None:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.append:
            with path.open("ab") as file:
                file.write(self.content)
        else:
            beside = path.with_name(path.name + ".new")
            beside.write_bytes(self.content)
            os.replace(beside, path)


@dataclass(frozen=True)
class Spike:
    """A sample unlike all others."""

    feed: str
    name: str
    tick: int
    value: float


@dataclass
class HostileArchive:
    """What happens to each file, and what is known of the samples.

    Attributes
    ----------
    lives
        Path -> what happens to the file there, in that order.
    spikes
        Each is on the disk in the end, unless its frame is broken or another sample has its stamp.
    """

    seed: int
    lives: dict[str, list[Step]] = field(default_factory=dict)
    spikes: list[Spike] = field(default_factory=list)

    def write(self, root: Path) -> Path:
        """Do everything at once."""
        for steps in self.lives.values():
            for step in steps:
                step.do(root)
        return root

    def steps(self, root: Path, shuffle: int = 0) -> Iterator[Step]:
        """Do one thing after another, in an order of the files' lives that `shuffle` chooses."""
        dice = random.Random(f"{self.seed} {shuffle}")
        order = [path for path, steps in self.lives.items() for _ in steps]
        dice.shuffle(order)
        lives = {path: iter(steps) for path, steps in self.lives.items()}
        for path in order:
            step = next(lives[path])
            step.do(root)
            yield step


def hostile_archive(seed: int, files: int = 24, *, broken: bool = True) -> HostileArchive:
    """Make an archive of about so many files.

    Parameters
    ----------
    seed
        Chooses all of it.
    files
        Files that an aggregator wrote; copies and rubbish come to them.
    broken
        Whether some of the files are damaged.
    """
    dice = random.Random(seed)
    archive = HostileArchive(seed)
    recordings: list[tuple[str, list[bytes], bool]] = []
    moments = sorted(START + dice.randrange(DAYS * 48) * 1_800 for _ in range(files))
    written = moments[:]
    for _ in range(files // 5):  # Late files: what they hold is older than what is beside them.
        one, other = dice.randrange(files), dice.randrange(files)
        written[one], written[other] = written[other], written[one]
    for number, (named, moment) in enumerate(zip(moments, written, strict=True)):
        version = dice.choice((2, 2, 2, 2, 1, 0))
        compressed = dice.random() < 0.15
        path = f"{str(named)[:5]}/{named + number}.g3" + (".gz" if compressed else "")
        recording = _recording(dice, archive, moment, number, version)
        recordings.append((path, recording.pieces(), compressed))
    for number, (path, pieces, compressed) in enumerate(recordings):
        archive.lives[path] = _life(dice, path, pieces, compressed, broken=broken)
        if number % 7 == 3:
            archive.lives[f"copies/{path}"] = [Step(f"copies/{path}", _packed(b"".join(pieces), compressed))]
    _overlap(dice, archive, moments)
    _rubbish(dice, archive)
    return archive


def growing(path: Path, pieces: list[bytes]) -> Iterator[int]:
    """Write the next piece to the end of a file, and tell how many there are now."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for number, piece in enumerate(pieces, 1):
        with path.open("ab") as file:
            file.write(piece)
        yield number


def _packed(content: bytes, compressed: bool) -> bytes:
    return gzip.compress(content, 1, mtime=0) if compressed else content


def _recording(dice: random.Random, archive: HostileArchive, moment: int, number: int, version: int) -> Recording:
    """Half an hour of every feed, with providers that come, go, and take over each other's numbers."""
    recording = Recording(version, session_id=1000 + number, start=float(moment))
    feeds = list(_FEEDS)
    providers = dict(enumerate(dice.sample(feeds, len(feeds))))
    recording.status(providers)
    for part in range(dice.randint(2, 4)):
        for prov_id, feed in providers.items():
            if dice.random() < 0.15:
                continue
            blocks = [_block(dice, archive, moment + part * 600, number, feed, name, version) for name in _FEEDS[feed]]
            recording.data(prov_id, *blocks)
            if dice.random() < 0.1:
                recording.other()
        chance = dice.random()
        if chance < 0.2:  # Another provider gets the number of one that is gone.
            providers = dict(zip(providers, dice.sample(feeds, len(providers)), strict=True))
            recording.status(providers)
        elif chance < 0.4:  # One goes, and comes back with the next status.
            gone = dice.choice(list(providers))
            recording.status({prov_id: feed for prov_id, feed in providers.items() if prov_id != gone})
            recording.status(providers)
        elif chance < 0.5:
            providers = {prov_id + 5: feed for prov_id, feed in providers.items()}
            recording.status(providers)
    return recording


def _block(
    dice: random.Random, archive: HostileArchive, moment: int, number: int, feed: str, name: str, version: int
) -> Block:
    period, count, fields = _FEEDS[feed][name]
    ticks = _ticks(dice, moment, dice.randint(1, count), period)
    columns: dict[str, Any] = {}
    for field_name in fields:
        if len(fields) > 1 and dice.random() < 0.08:
            continue  # A block may lose a field for a while.
        kind = "float"
        if version > 0 and field_name in ("mode", "on", "changing"):
            kind = {"mode": "str", "on": "bool"}.get(field_name) or ("float", "str", "int", "bool")[number % 4]
        columns[field_name] = _column(dice, kind, ticks)
    if not columns:
        columns[fields[0]] = _column(dice, "float", ticks)
    target = next((c for c, values in columns.items() if isinstance(values[0], float)), None)
    if target and dice.random() < 0.12:
        place = dice.randrange(len(ticks))
        value = dice.choice((SPIKE, -SPIKE)) + dice.random()
        columns[target][place] = value
        archive.spikes.append(Spike(feed, target, ticks[place], value))
    if feed == "observatory.renamed.feeds.block":
        name = ("first", "second", "First")[number % 3]
    return Block(name, ticks, columns)


def _ticks(dice: random.Random, moment: int, count: int, period: float) -> list[int]:
    """Stamps of one block: mostly rising."""
    jitter = dice.choice((0.0, 0.0, 0.3))
    at = moment + dice.random() * period
    stamps = []
    for _ in range(count):
        stamps.append(at)
        at += period * (1 + jitter * dice.uniform(-1, 1))
        if dice.random() < 0.01:
            at += dice.choice((-40.0, -period, 700.0))  # The clock is set, or the agent sleeps.
    # The aggregator gets doubles, and cuts what is below a tick; others may write ticks that no double holds.
    finer = dice.choice((0, 0, 0, 13))
    ticks = [int(stamp * SECOND) + finer for stamp in stamps]
    for place in range(1, count):
        chance = dice.random()
        if chance < 0.01:
            ticks[place] = ticks[place - 1]
        elif chance < 0.013:
            ticks[place] = dice.choice(_FAR)
        elif chance < 0.0135:
            ticks[place] = dice.choice(_EDGE)
    return ticks


def _column(dice: random.Random, kind: str, ticks: list[int]) -> list[Any]:
    if kind == "str":
        return [dice.choice(("idle", "acq", "", "über", "a b", "NaN", "1")) for _ in ticks]
    if kind == "bool":
        return [dice.random() < 0.5 for _ in ticks]
    if kind == "int":
        return [dice.randrange(-1000, 1000) for _ in ticks]
    scale, missing = 10.0 ** dice.randint(-6, 4), dice.choice((0.0, 0.0, 0.1, 1.0))
    return [
        dice.choice((math.nan, math.nan, math.inf, -math.inf)) if dice.random() < missing else dice.gauss(1, 1) * scale
        for _ in ticks
    ]


def _life(dice: random.Random, path: str, pieces: list[bytes], compressed: bool, *, broken: bool) -> list[Step]:
    """How the file came to be: at once, in steps, over something else; whole, cut or spoilt."""
    content = b"".join(pieces)
    chance = dice.random()
    if broken and chance < 0.1:
        content = _packed(content, compressed)
        return [Step(path, content[: dice.randrange(len(content))])]
    if broken and chance < 0.2 and not compressed:
        spoilt, frame = bytearray(content), dice.randrange(2, len(pieces))
        begin, end = (len(b"".join(pieces[:count])) for count in (frame, frame + 1))
        # The checksum, or the type of the frame, which so3g does not check. Lengths are tried apart: of one of them, a
        # single bit makes so3g ask for all memory there is.
        place = dice.choice((end - dice.randrange(1, 5), end - dice.randrange(1, 5), begin + 9))
        spoilt[place] ^= 1 << dice.randrange(7)
        return [Step(path, bytes(spoilt))]
    if chance < 0.5 and not compressed:
        cuts = sorted(dice.randrange(1, len(content)) for _ in range(dice.randint(1, 4)))
        parts = [content[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(content)], strict=True)]
        return [Step(path, part, append=True) for part in parts if part]
    steps = [Step(path, _packed(content, compressed))]
    if chance > 0.85:
        other = Recording(2, session_id=9000, start=float(START)).status({0: next(iter(_FEEDS))})
        other.data(0, Block("temps", [(START + 5) * SECOND], {"Channel 1 T": [5.0]}))
        steps.insert(0, Step(path, _packed(other.content() * dice.choice((1, 9)), compressed)))
    elif chance > 0.8:
        steps.append(Step(path, None))
    return steps


def _overlap(dice: random.Random, archive: HostileArchive, moments: list[int]) -> None:
    """A second aggregator heard some of it too, with the same stamps, and sometimes other values."""
    for feed, blocks in _FEEDS.items():
        moment = dice.choice(moments)
        again = Recording(2, session_id=5, start=float(moment)).status({3: feed})
        for name, (period, count, fields) in blocks.items():
            ticks = [int((moment + place * period) * SECOND) for place in range(count)]
            for part in (ticks, ticks[count // 2 :], [tick + SECOND for tick in ticks[: count // 3]]):
                if part:
                    again.data(3, Block(name, part, {f: _column(dice, "float", part) for f in fields}))
        path = f"{dice.choice(('0', 'z'))}-second/{feed}.g3"
        archive.lives[path] = [Step(path, again.content())]


def _rubbish(dice: random.Random, archive: HostileArchive) -> None:
    for path, content in (
        ("16999/0.g3", b""),
        ("16999/1.g3", b"\n"),
        ("16999/2.g3", dice.randbytes(3000)),
        ("16999/3.g3", bytes(5000)),
        ("16999/4.g3.gz", dice.randbytes(300)),
        ("16999/notes.txt", b"nothing of ours"),
        ("16999/5.g3~", b"nor this"),
    ):
        archive.lives[path] = [Step(path, content)]
