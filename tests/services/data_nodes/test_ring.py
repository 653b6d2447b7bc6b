"""The ring against plain lists, and what it does to each kind of damage."""

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.data_nodes.ring import FUTURE_TOLERANCE, TYPE_PATIENCE, Ring

NOW = 1_700_000_000.0
KINDS = {float: "number", int: "number", bool: "bool", str: "string"}


def kept(ring: Ring) -> list[tuple[float, dict[str, Any]]]:
    """Every stamp with the values it has."""
    samples = ring.samples(ring.kinds)
    rows = []
    for i, t in enumerate(samples.t.tolist()):
        row = {name: values[i] for name, values in samples.values.items()}
        rows.append(
            (t, {k: v for k, v in row.items() if v is not None and not (isinstance(v, float) and math.isnan(v))})
        )
    return rows


class PlainRing:
    """The same by plain loops, for values that do not change their type."""

    def __init__(self, max_samples: int, max_age: float) -> None:
        self.rows: list[tuple[float, dict[str, Any]]] = []
        self.max_samples, self.max_age = max_samples, max_age

    def append(self, stamps: list[float], columns: dict[str, list[Any]], now: float) -> None:
        self.rows = [row for row in self.rows if row[0] <= now + FUTURE_TOLERANCE]
        good = {name: values for name, values in columns.items() if len(values) == len(stamps)}
        good = {name: values for name, values in good.items() if any(value is not None for value in values)}
        before = self.rows[-1][0] if self.rows else -math.inf
        new: dict[float, dict[str, Any]] = {}
        for i, t in enumerate(stamps):
            if math.isfinite(t) and before < t <= now + FUTURE_TOLERANCE and t >= now - self.max_age:
                new.setdefault(t, {name: values[i] for name, values in good.items() if values[i] is not None})
        if not new or not good:
            return
        rows = self.rows + sorted(new.items())
        self.rows = [row for row in rows if row[0] >= now - self.max_age][-self.max_samples :]


stamps_near_now = st.lists(
    st.one_of(
        st.integers(-200, 70).map(lambda s: NOW + s / 2),
        st.sampled_from([math.nan, math.inf, -math.inf, NOW - 1e6, NOW + 1e6, 0.0]),
    ),
    max_size=12,
)


@st.composite
def messages(draw: st.DrawFn) -> list[tuple[float, list[float], dict[str, list[Any]]]]:
    made, now = [], NOW
    for _ in range(draw(st.integers(1, 12))):
        now += draw(st.sampled_from([0.0, 1.0, 10.0, 300.0, -300.0]))
        stamps = [t + now - NOW for t in draw(stamps_near_now)]
        columns: dict[str, list[Any]] = {}
        for name, value in (("a", st.floats(-10, 10)), ("b", st.booleans()), ("c", st.text(max_size=3))):
            if draw(st.booleans()):
                length = len(stamps) + draw(st.sampled_from([0, 0, 0, 0, 1]))
                columns[name] = draw(st.lists(st.one_of(value, st.none()), min_size=length, max_size=length))
        made.append((now, stamps, columns))
    return made


@settings(max_examples=300)
@given(messages=messages(), max_samples=st.integers(1, 40), max_age=st.sampled_from([5.0, 60.0, 1e9]))
def test_a_ring_keeps_what_plain_lists_keep(messages: Any, max_samples: int, max_age: float) -> None:
    ring, plain = Ring(max_samples, max_age), PlainRing(max_samples, max_age)
    for now, stamps, columns in messages:
        ring.append(stamps, columns, now)
        plain.append(stamps, columns, now)
        assert kept(ring) == plain.rows


def test_the_room_grows_and_the_age_prunes() -> None:
    ring = Ring(10**6, max_age=100.0)
    for i in range(5000):
        ring.append([NOW + i], {"a": [float(i)]}, NOW + i)
    assert ring.t.tolist() == [NOW + i for i in range(4899, 5000)]
    assert ring.samples(["a"]).values["a"].tolist() == [float(i) for i in range(4899, 5000)]
    assert ring.nbytes < 16 * 300


def test_a_slice_handed_out_is_never_written_to_again() -> None:
    ring = Ring(50)
    held = []
    for i in range(500):
        ring.append([NOW + i], {"a": [i]}, NOW + i)
        held.append((ring.samples(["a"]).values["a"], ring.samples(["a"]).values["a"].tolist()))
    ring.append([NOW], {"a": [-1]}, NOW)  # the clock was set back
    ring.append([NOW + 1], {"a": [-2]}, NOW)
    assert all(view.tolist() == copy for view, copy in held)


def test_a_slice_is_no_copy() -> None:
    ring = Ring(50)
    ring.append([NOW, NOW + 1], {"a": [1, 2]}, NOW)
    assert np.shares_memory(ring.samples(["a"]).values["a"], ring.samples(["a"]).values["a"])


@pytest.mark.parametrize(
    ("stamps", "columns", "dropped"),
    [
        ([NOW + 1, NOW + 1], {"a": [1, 2]}, {"duplicate": 1}),
        ([NOW], {"a": [1]}, {"duplicate": 1}),
        ([NOW - 1], {"a": [1]}, {"backward": 1}),
        ([NOW + 1e5, NOW + 1], {"a": [1, 2]}, {"future": 1}),
        ([NOW - 1e5], {"a": [1]}, {"old": 1}),
        ([math.nan, "soon", None, True, 10**400, NOW + 1], {"a": [1] * 6}, {"bad_stamp": 5}),
        ([NOW + 1], {"a": ["warm"]}, {"type_change": 1}),
        ([NOW + 1, NOW + 2], {"a": [2, "warm"]}, {"type_change": 1}),
        ([NOW + 1], {"a": [1, 2], "b": [1]}, {"bad_shape": 2}),
        ([NOW + 1], {"a": 1}, {"bad_shape": 1}),
        ([NOW + 1, NOW + 2], {"a": [1, [2]]}, {"bad_value": 1}),
        ({"t": 1}, {"a": [1]}, {"bad_stamp": 1}),
        (None, {"a": [1]}, {"bad_stamp": 1}),
        ([], {"a": []}, {}),
        ([NOW + 1], {}, {}),
    ],
)
def test_what_is_damaged_is_dropped_and_counted(stamps: Any, columns: dict[str, Any], dropped: dict[str, int]) -> None:
    ring = Ring(100, max_age=1000.0)
    ring.append([NOW], {"a": [0]}, NOW)
    assert ring.append(stamps, columns, NOW) == Counter(dropped)
    assert kept(ring)[0] == (NOW, {"a": 0.0})


def test_one_number_per_field_is_taken_as_a_message_of_one_sample() -> None:
    ring = Ring(10)
    ring.append(NOW, {"a": 1, "b": "x"}, NOW)
    assert kept(ring) == [(NOW, {"a": 1.0, "b": "x"})]


def test_a_field_missing_in_a_message_has_no_value_there() -> None:
    ring = Ring(10)
    ring.append([NOW], {"a": [1], "s": ["x"]}, NOW)
    ring.append([NOW + 1], {"a": [2]}, NOW)
    samples = ring.samples(["a", "s"])
    assert samples.values["a"].tolist() == [1.0, 2.0]
    assert samples.values["s"].tolist() == ["x", None]


def test_a_number_too_large_for_a_float_is_no_value() -> None:
    ring = Ring(10)
    ring.append([NOW, NOW + 1], {"a": [10**400, 1]}, NOW)
    assert kept(ring) == [(NOW, {}), (NOW + 1, {"a": 1.0})]


@pytest.mark.parametrize("at_a_time", [1, 4, TYPE_PATIENCE, 50])
def test_a_field_that_has_changed_its_type_takes_the_new_one_soon_and_lets_the_older_values_go(at_a_time: int) -> None:
    ring = Ring(10_000)
    old, new = [NOW - 1000 + i for i in range(600)], [NOW - 400 + i for i in range(400)]
    dropped = ring.append(old, {"a": ["N/A"] * 600, "b": [1] * 600}, NOW)
    for first in range(0, 400, at_a_time):
        stamps = new[first : first + at_a_time]
        dropped += ring.append(stamps, {"a": [0.5] * len(stamps), "b": [1] * len(stamps)}, NOW)
    assert ring.kinds == {"a": "number", "b": "number"}
    taken = [t for t, row in kept(ring) if "a" in row]
    assert taken == new[-len(taken) :]
    assert len(taken) > 400 - TYPE_PATIENCE
    assert dropped == Counter(type_change=600 + 400 - len(taken))
    assert len(ring) == 1000, "of the older samples, the other fields stay"


def test_one_odd_value_does_not_cost_a_field_its_past() -> None:
    ring = Ring(100)
    for i in range(10):
        ring.append([NOW + i], {"a": ["N/A" if i == 5 else i]}, NOW + i)
    assert ring.kinds == {"a": "number"}
    assert len([row for row in kept(ring) if row[1]]) == 9


def test_an_agents_clock_that_is_set_right_costs_a_few_seconds() -> None:
    ring = Ring(1000)
    for i in range(100):
        ring.append([NOW + i + 50], {"a": [i]}, NOW + i)
    lost = sum(bool(ring.append([NOW + i], {"a": [i]}, NOW + i)) for i in range(100, 200))
    assert lost <= FUTURE_TOLERANCE <= 10


def test_a_clock_set_back_does_not_bar_what_follows() -> None:
    ring = Ring(100)
    ring.append([NOW + 3600], {"a": [1]}, NOW + 3600)
    assert ring.append([NOW], {"a": [2]}, NOW) == Counter(future=1)
    assert kept(ring) == [(NOW, {"a": 2.0})]


def test_fields_without_a_value_left_are_forgotten() -> None:
    ring = Ring(1000, max_age=100.0)
    ring.append([NOW], {"old": [1], "new": [1]}, NOW)
    ring.append([NOW + 90], {"new": [2]}, NOW + 90)
    ring.prune(NOW + 110)
    assert set(ring.kinds) == {"new"}
    ring.prune(NOW + 300)
    assert (ring.kinds, len(ring)) == ({}, 0)


def test_beyond_its_memory_the_oldest_half_goes() -> None:
    ring, bound = Ring(10**6), 100_000
    dropped: Counter[str] = Counter()
    for i in range(20_000):
        dropped += ring.append([NOW + i], {"a": [i], "b": ["x" * 20]}, NOW + i, bound - ring.nbytes)
        assert ring.nbytes <= bound
    assert kept(ring)[-1] == (NOW + 19_999, {"a": 19_999.0, "b": "x" * 20})
    assert dropped["memory"] == 20_000 - len(ring)
    assert len(ring) > 200


def test_a_message_larger_than_the_memory_is_refused() -> None:
    ring = Ring(10**6)
    assert ring.append([NOW], {"a": ["x" * 10_000]}, NOW, 5000) == Counter(memory=1)
    assert len(ring) == 0


class Roundabout(Ring):
    """A ring without the short way for messages of one sample."""

    def _append_plain(self, *_: object) -> bool:
        return False


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.0, 1.0, 1.0, 1.0, 30.0, -30.0]),
            st.sampled_from([0.0, 0.0, 0.0, -1.0, 20.0, math.nan]),
            st.dictionaries(
                st.sampled_from("abc"),
                st.one_of(
                    st.floats(),
                    st.floats(),
                    st.integers(),
                    st.just(2**70),
                    st.booleans(),
                    st.text(max_size=2),
                    st.none(),
                ).map(lambda value: [value]),
            ),
        ),
        max_size=60,
    ),
    st.sampled_from([3, 100]),
)
def test_the_short_way_of_a_message_of_one_sample_leads_to_the_same(messages: Any, max_samples: int) -> None:
    short, roundabout, now = Ring(max_samples, 20.0), Roundabout(max_samples, 20.0), NOW
    for seconds, ahead, columns in messages:
        now += seconds
        dropped = [ring.append([now + ahead], columns, now) for ring in (short, roundabout)]
        assert dropped[0] == dropped[1]
        assert kept(short) == kept(roundabout)
        assert short.kinds == roundabout.kinds
        assert len(short) == len(roundabout)
