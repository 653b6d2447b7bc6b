"""Samples that are held are those that the data server would give, for as long as it says so."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from services.bridge.held import (
    ASKED_SECONDS,
    CONFIRM_SECONDS,
    CONFIRMED_SECONDS,
    UNFIT_SECONDS,
    Held,
)
from services.bridge.stretches import MOST_SAMPLES
from sisock.errors import NodeFailed, NodeLate, NodeUnknown, TooMuchData
from sisock.thinning import envelope

DAY = 86400.0
BEGIN = 20_000 * DAY
SETTLED = BEGIN + 10 * DAY
FIELDS = ["a", "b"]


class Archive:
    """A data server, its samples, and who asks it; what it was asked is counted."""

    def __init__(self, t, values, settled=SETTLED, buckets=1.0):
        self.t, self.values, self.settled, self.buckets = t, values, settled, buckets
        self.revision = 1
        self.known = True
        self.asked, self.confirmations, self.refusal = [], [], None

    async def ask(self, start, end, stride):
        self.asked.append((start, end, stride))
        if self.refusal is not None and not stride:
            raise self.refusal
        return self.answer(start, end, stride)

    def answer(self, start, end, stride):
        inside = (self.t >= start) & (self.t < end)
        if not inside.any():
            return {"data": {name: [] for name in self.values}, "timeline": {}}
        values = {name: each[inside] for name, each in self.values.items()}
        if stride > self.buckets:  # As g3_reader, whose cells are made of whole buckets.
            stride = -(-stride // self.buckets) * self.buckets
        t, values = envelope(self.t[inside], values, stride)
        data = {name: each.tolist() if each.dtype == object else each for name, each in values.items()}
        timeline = {"t": t, "finalized_until": None, "fields": list(values)}
        if not stride and self.known:
            timeline |= {"revision": str(self.revision), "settled_until": self.settled}
        return {"data": data, "timeline": {"t": timeline}}

    def holds(self, node, revisions, deadline):
        assert node == "g3_reader"
        self.confirmations.append((revisions, deadline))
        if isinstance(self.revision, Exception):
            return fail(self.revision)
        return succeed([each == str(self.revision) for each in revisions])


def dense(seconds=2 * DAY, interval=1.0):
    t = BEGIN + np.arange(0.0, seconds, interval)
    return Archive(t, {"a": np.sin(t / 1000) + np.random.default_rng(1).normal(size=t.size), "b": t % 977})


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def archive():
    return dense()


@pytest.fixture
def held(archive, clock):
    return Held(archive, clock)


def shown(held, archive, start, end, stride, interval=1.0):
    """What is answered, which must be what the data server would answer; and how often it was asked."""
    before, results = len(archive.asked), []
    work = held.data("g3_reader", FIELDS, start, end, stride, interval, archive.ask)
    Deferred.fromCoroutine(work).addBoth(results.append)
    (reply,) = results
    due = archive.answer(start, end, stride)
    assert reply["data"].keys() == due["data"].keys()
    for name, values in due["data"].items():
        np.testing.assert_array_equal(reply["data"][name], values)
    for name, timeline in due["timeline"].items():
        np.testing.assert_array_equal(reply["timeline"][name]["t"], timeline["t"])
        assert reply["timeline"][name]["fields"] == timeline["fields"]
        assert reply["timeline"][name]["finalized_until"] is None
    assert reply["timeline"].keys() == due["timeline"].keys()
    return len(archive.asked) - before


HOUR = (BEGIN + 7200.0, BEGIN + 10800.0, 4.0)
A_DAY = (BEGIN + 33_333.0, BEGIN + 33_333.0 + DAY, 90.0)


@pytest.mark.parametrize(("start", "end", "stride"), [HOUR, A_DAY, (*A_DAY[:2], 86.4), (*A_DAY[:2], 75.0)])
def test_a_panel_that_moves_on_is_answered_from_what_is_held(held, archive, clock, start, end, stride):
    archive.buckets = 30.0
    asked = []
    for number in range(40):
        asked.append(shown(held, archive, start + 7 * number, end + 7 * number, stride))
        clock.advance(0.4)
    assert asked[0] == 1
    assert asked.count(0) >= 37  # Once more when it has left what was held.


def test_a_panel_that_asks_once_costs_no_more_than_it_did(held, archive, clock):
    """Nor do those of other ranges, and of other lengths."""
    for start, length in ((0, 3600), (40_000, 3600), (0, 86400), (1800 + 40_000, 7000)):
        assert shown(held, archive, BEGIN + start, BEGIN + start + length, 4.0) == 1
    clock.advance(ASKED_SECONDS + 1)
    assert shown(held, archive, BEGIN, BEGIN + 3600, 4.0) == 1
    assert all(stride == 4.0 for _, _, stride in archive.asked)


def test_whoever_zooms_into_what_is_held_asks_for_nothing(held, archive, clock):
    start, end, stride = HOUR
    shown(held, archive, start, end, stride)
    shown(held, archive, start, end, stride)
    for part in (2, 5, 20, 900):
        assert shown(held, archive, start + 100, start + 100 + (end - start) / part, stride / part) == 0
    assert shown(held, archive, start, end, 0.0) == 0


def test_what_is_not_confirmed_is_not_used(held, archive, clock):
    for _ in range(2):
        shown(held, archive, *HOUR)
    archive.revision = NodeLate("g3_reader", 1.0)
    clock.advance(CONFIRM_SECONDS)
    assert shown(held, archive, *HOUR) == 0
    clock.pump([CONFIRM_SECONDS] * 2)
    assert shown(held, archive, *HOUR) == 1
    archive.revision = 1
    clock.advance(CONFIRM_SECONDS)
    assert shown(held, archive, *HOUR) == 0
    assert all(deadline <= CONFIRMED_SECONDS for _, deadline in archive.confirmations)


@pytest.mark.parametrize(("start", "end", "stride"), [HOUR, A_DAY])
def test_what_has_changed_is_forgotten(held, archive, clock, start, end, stride):
    for _ in range(2):
        shown(held, archive, start, end, stride)
    archive.values["a"] = archive.values["a"] + 1
    archive.revision += 1
    clock.advance(CONFIRM_SECONDS)
    assert shown(held, archive, start, end, stride) >= 1
    clock.advance(CONFIRM_SECONDS)
    assert shown(held, archive, start, end, stride) == 0


def test_a_change_between_the_parts_is_noticed(held, archive):
    """Both ends of what is held must be of one revision."""
    shown(held, archive, *A_DAY)
    answer = archive.answer

    def changing(start, end, stride):
        reply = answer(start, end, stride)
        archive.revision += 1
        return reply

    archive.answer = changing
    results = []
    work = held.data("g3_reader", FIELDS, *A_DAY, 1.0, archive.ask)
    Deferred.fromCoroutine(work).addBoth(results.append)
    archive.answer = answer
    assert archive.asked[-1] == A_DAY
    assert shown(held, archive, *A_DAY) == 1


def test_nobody_is_asked_for_what_nobody_wants_any_more(held, archive, clock):
    for _ in range(2):
        shown(held, archive, *HOUR)
    clock.pump([CONFIRM_SECONDS] * int(ASKED_SECONDS / CONFIRM_SECONDS + 2))
    asked = len(archive.confirmations)
    clock.pump([CONFIRM_SECONDS] * 10)
    assert len(archive.confirmations) == asked
    assert shown(held, archive, *HOUR) == 1
    clock.advance(CONFIRM_SECONDS)
    assert shown(held, archive, *HOUR) == 0


def test_what_is_not_settled_is_asked_for_each_time(held, archive, clock):
    """And all of its samples no more than once in a while."""
    archive.settled = HOUR[1] - 1
    shown(held, archive, *HOUR)
    assert shown(held, archive, *HOUR) == 2
    for _ in range(5):
        assert shown(held, archive, *HOUR) == 1
    archive.settled = SETTLED
    clock.advance(UNFIT_SECONDS)
    shown(held, archive, *HOUR)
    shown(held, archive, *HOUR)
    assert shown(held, archive, *HOUR) == 0


@pytest.mark.parametrize("refusal", [TooMuchData("g3_reader"), NodeFailed("g3_reader", "no")])
def test_who_does_not_give_all_samples_is_asked_as_before(held, archive, refusal):
    archive.refusal = refusal
    asked = [shown(held, archive, *HOUR) for _ in range(4)]
    assert asked == [1, 2, 1, 1]


def test_a_server_that_gives_no_revision_is_asked_each_time(held, archive, clock):
    archive.known = False
    for start, end, stride in (HOUR, A_DAY):
        asked = [shown(held, archive, start, end, stride) for _ in range(5)]
        assert asked[0] == 1
        assert asked[2:] == [1, 1, 1]
    archive.confirmations.clear()
    clock.pump([CONFIRM_SECONDS] * 4)
    assert archive.confirmations == []


def test_a_server_that_knows_no_revisions_is_never_asked_for_all_samples(held, archive):
    archive.revision = NodeUnknown("g3_reader", "servers:")
    for start, end, stride in (HOUR, A_DAY):
        assert [shown(held, archive, start, end, stride) for _ in range(4)] == [1] * 4
    assert all(stride for *_, stride in archive.asked)


def test_what_is_too_much_is_not_asked_for(clock):
    fast = dense(3600.0, interval=0.01)
    held = Held(fast, clock)
    start, end = BEGIN + 600, BEGIN + 1200
    for _ in range(3):
        assert shown(held, fast, start, end, 0.6, interval=0.01) == 1
    assert (end - start) / 0.01 > MOST_SAMPLES
    assert all(stride for *_, stride in fast.asked)


def test_there_is_a_bound_to_what_is_held(archive, clock):
    held = Held(archive, clock, most_bytes=200_000)
    for number in range(8):
        for _ in range(2):
            shown(held, archive, BEGIN + 7200 * number, BEGIN + 7200 * number + 3600, 4.0)
        clock.advance(0.01)
    newest, oldest = (shown(held, archive, BEGIN + 7200 * at, BEGIN + 7200 * at + 3600, 4.0) for at in (7, 0))
    assert (newest, oldest > 0) == (0, True)


@st.composite
def hostile(draw):
    """Samples with holes, bursts, NaN and spikes, and a panel that moves over them."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    steps = random.choice(
        [0.5, 1.0, 1.0, 1.0, 1.25, 40.0, 4000.0], size=60_000, p=[0.1, 0.3, 0.3, 0.2, 0.0999, 0.0, 0.0001]
    )
    t = BEGIN + np.round(np.cumsum(steps), 6)
    values = {"a": random.normal(size=t.size), "b": np.round(random.normal(size=t.size))}
    values["a"][random.random(t.size) < draw(st.sampled_from([0.0, 0.2]))] = np.nan
    values["b"][random.integers(t.size, size=5)] = 1e9
    if draw(st.booleans()):
        values["b"] = np.array([f"{value:.0f}" for value in values["b"]], dtype=object)
    length = draw(st.sampled_from([100.0, 3600.0, 20_000.0, 50_000.0]))
    stride = draw(st.sampled_from([0.3, 1.0, 4.0, 25.0, 60.0]))
    start = BEGIN + draw(st.floats(0, 50_000))
    moves = draw(st.lists(st.floats(-300, 300), min_size=2, max_size=6))
    return Archive(t, values), start, length, stride, moves


@settings(max_examples=150, deadline=None)
@given(hostile())
def test_what_is_drawn_is_what_would_be_drawn_of_all_samples(case):
    """Wherever the range begins and ends: point by point, and value by value."""
    archive, start, length, stride, moves = case
    held = Held(archive, Clock())
    for move in [0.0, 0.0, *moves]:
        start += move
        shown(held, archive, start, start + length, stride)
