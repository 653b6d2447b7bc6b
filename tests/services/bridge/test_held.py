"""Samples that are held are those that the data server would give, for as long as it says so."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from services.bridge.held import ASKED_SECONDS, CONFIRM_SECONDS, CONFIRMED_SECONDS, UNFIT_SECONDS, Held
from services.bridge.stretches import MOST_SAMPLES
from services.data_nodes.g3_reader.zoom import level_for, rounded
from services.g3_index.levels import TICKS
from sisock.errors import NodeFailed, NodeLate, NodeUnknown, TooMuchData
from sisock.thinning import envelope

DAY = 86400.0
BEGIN = 20_000 * DAY
SETTLED = BEGIN + 10 * DAY
FIELDS = ["a", "b"]


class Archive:
    """A data server that thins as g3_reader does, and who asks it; what it was asked is noted."""

    def __init__(self, t, values, settled=SETTLED):
        self.t, self.values, self.settled = t, values, settled
        self.revision = 1
        self.known, self.lists = True, False
        self.asked, self.confirmations, self.refusal = [], [], None

    def asking(self, *question):
        async def ask():
            self.asked.append(question)
            return self.answer(*question)

        return ask

    async def gather(self, start, end, stride):
        self.asked.append((start, end, stride))
        if self.refusal is not None and not stride:
            raise self.refusal
        return self.answer(start, end, stride)

    def answer(self, start, end, stride):
        inside = (self.t >= start) & (self.t < end)
        if not inside.any():
            return {"data": {name: [] for name in self.values}, "timeline": {}}
        values = {name: each[inside] for name, each in self.values.items()}
        level = level_for(2 * stride * TICKS) if stride else None
        t, values = envelope(
            self.t[inside], values, rounded(2 * stride * TICKS, level) / 2 / TICKS if level else stride
        )
        data = {n: each.tolist() if self.lists or each.dtype == object else each for n, each in values.items()}
        timeline = {"t": t, "finalized_until": None, "fields": list(values)}
        if self.known:
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
    return Held(archive, clock, today)


def today():
    return SETTLED + 1000.0


def shown(held, archive, start, end, stride, interval=1.0):
    """What is answered, which must be what the data server would answer; and how often it was asked."""
    before = len(archive.asked)
    reply = reply_of(held, archive, start, end, stride, interval)
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


def reply_of(held, archive, *question):
    *asked, interval = question
    results = []
    work = held.data("g3_reader", FIELDS, tuple(asked), interval, archive.asking(*asked), archive.gather)
    Deferred.fromCoroutine(work).addBoth(results.append)
    return results[0]


HOUR = (BEGIN + 7200.0, BEGIN + 10800.0, 4.0)
A_DAY = (BEGIN + 33_333.0, BEGIN + 33_333.0 + DAY, 90.0)


STRIDES = [24.0, 25.0, 60.0, 75.0, 86.4, 90.0, 100.0, 128.0, 300.0]


@pytest.mark.parametrize(("start", "end", "stride"), [HOUR, *((*A_DAY[:2], stride) for stride in STRIDES)])
def test_a_panel_that_moves_on_is_answered_from_what_is_held(held, archive, clock, start, end, stride):
    asked = []
    for number in range(40):
        asked.append(shown(held, archive, start + 7 * number, end + 7 * number, stride))
        clock.advance(0.4)
    assert asked[0] == 1
    assert asked.count(0) >= 36  # Once more when it has left what was held.


@pytest.mark.parametrize("stride", STRIDES)
def test_a_day_from_midnight_to_midnight_is_held_as_any_other(held, archive, stride):
    """Also where the range ends on a border of what is held."""
    asked = [shown(held, archive, BEGIN + DAY, BEGIN + 2 * DAY, stride) for _ in range(5)]
    assert asked[2:] == [0, 0, 0]


@pytest.mark.parametrize("stride", STRIDES)
def test_slow_samples_are_answered_as_the_server_would(clock, stride):
    slow = dense(interval=10.0)
    held = Held(slow, clock, today)
    for number in range(6):
        shown(held, slow, A_DAY[0] + number, A_DAY[1] + number, stride, interval=10.0)


def test_a_panel_that_asks_once_costs_no_more_than_it_did(held, archive, clock):
    """Nor do those of other ranges, and of other lengths."""
    for start, length in ((0, 3600), (40_000, 3600), (0, 86400), (1800 + 40_000, 7000)):
        assert shown(held, archive, BEGIN + start, BEGIN + start + length, 4.0) == 1
    clock.advance(ASKED_SECONDS + 1)
    assert shown(held, archive, BEGIN, BEGIN + 3600, 4.0) == 1
    assert all(stride == 4.0 for _, _, stride in archive.asked)


def test_whoever_zooms_into_what_is_held_asks_once_for_each_stride(held, archive, clock):
    start, end, stride = HOUR
    shown(held, archive, start, end, stride)
    shown(held, archive, start, end, stride)
    for part in (2, 5, 20, 900):
        within = start + 100, start + 100 + (end - start) / part, stride / part
        assert [shown(held, archive, *within) for _ in range(2)] == [1, 0]
    assert [shown(held, archive, start, end, 0.0) for _ in range(2)] == [1, 0]


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


@pytest.mark.parametrize("what", ["revision", "settled"])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_change_between_the_parts_is_noticed(held, archive, clock, what, at):
    """Of the revision, or of a day that is settled without one, with samples that have come."""
    there, archive.settled = archive.t != A_DAY[0] + 7000, (BEGIN if what == "settled" else SETTLED)
    everything = archive.t, dict(archive.values)
    archive.t, archive.values = archive.t[there], {name: each[there] for name, each in archive.values.items()}
    reply_of(held, archive, *A_DAY, 1.0)
    answer, answered = archive.answer, []

    def changing(start, end, stride):
        if len(answered) == at:
            archive.t, archive.values = everything
            archive.settled, archive.revision = SETTLED, archive.revision + (what == "revision")
        answered.append(stride)
        return answer(start, end, stride)

    archive.answer = changing
    reply_of(held, archive, *A_DAY, 1.0)
    archive.answer = answer
    for _ in range(4):
        clock.advance(CONFIRM_SECONDS)
        shown(held, archive, *A_DAY)


def test_nothing_is_held_that_nobody_wants_any_more(held, archive, clock):
    for _ in range(2):
        shown(held, archive, *HOUR)
    clock.pump([CONFIRM_SECONDS] * int(ASKED_SECONDS / CONFIRM_SECONDS + 2))
    asked = len(archive.confirmations)
    clock.pump([CONFIRM_SECONDS] * 10)
    assert len(archive.confirmations) == asked
    assert shown(held, archive, *HOUR) == 1


def test_what_is_not_settled_is_asked_for_each_time(held, archive, clock):
    """And all of its samples no more than once in a while; those of today never."""
    archive.settled = HOUR[1] - 1
    shown(held, archive, *HOUR)
    assert shown(held, archive, *HOUR) == 2
    for _ in range(5):
        assert shown(held, archive, *HOUR) == 1
    archive.settled = SETTLED
    clock.advance(UNFIT_SECONDS)
    shown(held, archive, *HOUR)
    assert shown(held, archive, *HOUR) == 0
    for _ in range(3):
        assert shown(held, archive, SETTLED - 100, SETTLED + 3500, 4.0) == 1


@pytest.mark.parametrize("refusal", [TooMuchData("g3_reader"), NodeFailed("g3_reader", "no"), NodeLate("g3_reader", 1)])
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


def test_numbers_that_come_as_lists_are_not_taken_for_text(held, archive):
    archive.lists = True
    for start, end, stride in (HOUR, A_DAY):
        for _ in range(4):
            shown(held, archive, start, end, stride)


def test_what_is_too_much_is_not_asked_for(clock):
    fast = dense(3600.0, interval=0.01)
    held = Held(fast, clock, today)
    start, end = BEGIN + 600, BEGIN + 1200
    for _ in range(3):
        assert shown(held, fast, start, end, 0.6, interval=0.01) == 1
    assert (end - start) / 0.01 > MOST_SAMPLES
    assert all(stride for *_, stride in fast.asked)


@pytest.mark.parametrize(("start", "end"), [(BEGIN, BEGIN), (BEGIN + 5, BEGIN), (1.0, 1.5), (1.0, SETTLED)])
def test_strange_ranges_are_answered_as_the_server_does(held, archive, start, end):
    for stride in (0.0, 1e-9, 1.0, 86_400.0, 1e12):
        for _ in range(3):
            shown(held, archive, start, end, stride)


def test_there_is_a_bound_to_what_is_held(archive, clock):
    held = Held(archive, clock, today, most_bytes=400_000)
    for number in range(8):
        for _ in range(2):
            shown(held, archive, BEGIN + 7200 * number, BEGIN + 7200 * number + 3600, 4.0)
        clock.advance(0.01)
    newest, oldest = (shown(held, archive, BEGIN + 7200 * at, BEGIN + 7200 * at + 3600, 4.0) for at in (7, 0))
    assert (newest, oldest > 0) == (0, True)


def with_samples_at(*spans):
    """Samples each so many seconds in spans of time."""
    t = np.concatenate([np.arange(start, end, apart) for start, end, apart in spans])
    return Archive(t, {"a": np.random.default_rng(2).normal(size=t.size), "b": t % 977})


def test_the_newest_sample_is_at_its_own_time_also_before_a_hole(clock):
    end = BEGIN + DAY
    seam = end - 32 * 90.0  # From here on, all samples are held.
    archive = with_samples_at((BEGIN, seam - 500, 1.0), (seam + 95, end + DAY, 1.0))
    held = Held(archive, clock, today)
    for _ in range(2):
        shown(held, archive, end - DAY / 2, end, 45.0)
    assert shown(held, archive, end - DAY / 2 - 7, end - 7, 45.0) == 0
    for after in (200, 97, 95, 50, 0):
        shown(held, archive, seam + after - DAY / 2, seam + after, 45.0)


def test_samples_that_lie_far_apart_are_thinned_beside_others_as_all_are(clock):
    start = BEGIN + 30_000
    archive = with_samples_at(
        (BEGIN, start, 181.0), (start, start + 500, 1.0), (start + 500, start + 40_000, 181.0),
        (start + 40_000, start + 41_000, 1.0), (start + 41_000, start + 2 * DAY, 181.0),
    )  # fmt: skip
    held = Held(archive, clock, today)
    for _ in range(2):
        shown(held, archive, start, start + DAY, 90.0)
    assert shown(held, archive, start + 7, start + DAY + 7, 90.0) == 0
    for later in (600, 700, 800):
        shown(held, archive, start + later, start + DAY + later, 90.0)


@st.composite
def hostile(draw):
    """Samples of several rates, with holes, NaN and spikes, and a panel that moves over them."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    rates = draw(st.lists(st.sampled_from([0.5, 1.0, 1.0, 1.25, 10.0, 181.0]), min_size=1, max_size=8))
    steps = np.concatenate([np.full(int(min(9000, 40_000 / rate)), rate) for rate in rates])
    steps[random.integers(steps.size, size=draw(st.integers(0, 6)))] = 4000.0
    t = BEGIN + np.round(np.cumsum(steps), 6)
    values = {"a": random.normal(size=t.size), "b": np.round(random.normal(size=t.size))}
    values["a"][random.random(t.size) < draw(st.sampled_from([0.0, 0.2]))] = np.nan
    values["b"][random.integers(t.size, size=5)] = 1e9
    if draw(st.booleans()):
        values["b"] = np.array([f"{value:.0f}" for value in values["b"]], dtype=object)
    length = draw(st.sampled_from([100.0, 3600.0, 20_000.0, 50_000.0, DAY]))
    stride = draw(st.sampled_from([0.3, 1.0, 4.0, 25.0, 60.0, 90.0, 100.0]))
    start = BEGIN + draw(st.one_of(st.floats(0, 50_000), st.integers(0, 30).map(lambda piece: piece * 1920.0)))
    moves = draw(st.lists(st.one_of(st.floats(-300, 300), st.sampled_from([-1920.0, 1920.0])), min_size=2, max_size=6))
    return Archive(t, values), start, length, stride, moves


@settings(max_examples=150, deadline=None)
@given(hostile())
def test_what_is_drawn_is_what_would_be_drawn_of_all_samples(case):
    """Wherever the range begins and ends: point by point, and value by value."""
    archive, start, length, stride, moves = case
    held = Held(archive, Clock(), today)
    for move in [0.0, 0.0, *moves]:
        start += move
        shown(held, archive, start, start + length, stride)
