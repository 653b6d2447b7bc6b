"""Thousands of questions about hostile archives, answered as a plain loop over all samples answers them."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from archive_oracle import OPERATORS, Oracle, operate
from hostile_archive import DAY, DAYS, START, HostileArchive, hostile_archive
from private_mariadb import PrivateMariaDB
from scanning import open_index, scan

from services.data_nodes.g3_reader.source import Archive
from sisock.shapes import DataReply, check_data, check_fields
from sisock.thinning import envelope

SEEDS = range(20, 24)
QUESTIONS = 150
"""Of each kind, for each archive."""
LENGTHS = (1, 7, 60, 120, 300, 600, 1800, 3600, 5400, 10_800, 43_200, DAY)
"""Seconds of a bucket that the reader does not round."""
ALL = (1.0, 6.5e10)


@dataclass(frozen=True)
class Case:
    """An archive, the reader of its index, and what the reader must answer."""

    made: HostileArchive
    oracle: Oracle
    reader: Archive
    capped: Archive
    dice: random.Random

    def ask(self, *names: str, span: tuple[float, float] = ALL, stride: float | None = None,
            operator: str | None = None) -> DataReply:  # fmt: skip
        reply = check_data(self.reader.get_data(names, *span, stride, operator), names)
        assert reply is not False
        again = self.reader.recall_data(names, *span, stride, operator)
        assert again is None or check_data(again, names) == reply
        return reply

    def points(self, name: str, span: tuple[float, float], stride: float | None = None,
               operator: str | None = None) -> list[tuple[float, Any]]:  # fmt: skip
        """Stamps and values of a field, without the stamps that are there for others."""
        reply = self.ask(name, span=span, stride=stride, operator=operator)
        stamps = [timeline["t"] for timeline in reply["timeline"].values()] or [[]]
        assert len(stamps) == 1
        return [(t, v) for t, v in zip(stamps[0], reply["data"][name], strict=True) if v is not None]

    def name(self, kinds: str = "number bool string") -> str:
        return self.dice.choice([name for name, found in self.oracle.fields().items() if found.kind in kinds])

    def span(self, name: str) -> tuple[float, float]:
        chance, dice = self.dice.random(), self.dice
        if chance < 0.05:
            return ALL
        if chance < 0.25:  # From one sample to another: the first is in it, and the last is not.
            stamps = sorted(t for t, _ in dice.choices(self.oracle.samples(name, *ALL), k=2))
            return stamps[0], stamps[1]
        length = 10 ** dice.uniform(0, 6)
        first = dice.uniform(START - 3600, START + DAYS * DAY)
        if chance < 0.4:
            first, length = first // 3600 * 3600, max(1, length // 60) * 60
        return first, first + length


@pytest.fixture(scope="module", params=SEEDS)
def case(request: pytest.FixtureRequest, mariadb: PrivateMariaDB, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:  # fmt: skip  # noqa: E501
    root, database = tmp_path_factory.mktemp("archive"), mariadb.fresh()
    made = hostile_archive(request.param)
    scanner = open_index(mariadb, database)
    scan(scanner, made.write(root))
    scanner.dispose()
    environ = mariadb.environ(database, "reader")
    reader, capped = Archive(environ, 2_000_000), Archive(environ, 2_000_000, max_points=40)
    yield Case(made, Oracle(root), reader, capped, random.Random(request.param))
    reader.close()
    capped.close()
    mariadb.drop(database)


def unlike(got: list[tuple[float, Any]], due: list[tuple[float, Any]]) -> str:
    """Where values differ, or stamps by more than the rounding of double precision; "" when nothing does."""
    for place, ((t, value), (s, other)) in enumerate(zip(got, due, strict=False)):
        if value != other or abs(t - s) > max(1e-6, 1e-15 * s):
            return f"at {place} of {len(got)} and {len(due)}: {t!r}: {value!r}; due is {s!r}: {other!r}"
    return f"{len(got)} instead of {len(due)}" if len(got) != len(due) else ""


def test_each_field_is_listed_with_its_kind_while_it_has_samples(case: Case) -> None:
    due = case.oracle.fields()
    fields, timelines = check_fields(case.reader.get_fields(*ALL))
    assert {name: field["type"] for name, field in fields.items() if name in due} == {
        name: summary.kind for name, summary in due.items()
    }
    # A field may be listed that never has a value, as long as it was recorded.
    assert fields.keys() - due.keys() <= case.oracle.names.keys()
    assert all(timeline["interval"] is None or timeline["interval"] > 0 for timeline in timelines.values())
    for _ in range(QUESTIONS):
        name = case.name()
        start, end = case.span(name)
        if case.oracle.samples(name, start, end):
            assert name in case.reader.get_fields(start, end)[0]


def test_samples_are_those_of_the_loop(case: Case) -> None:
    for name in case.oracle.fields():
        assert unlike(case.points(name, ALL), case.oracle.samples(name, *ALL)) == "", name
    for _ in range(QUESTIONS):
        name = case.name()
        span = case.span(name)
        assert unlike(case.points(name, span), case.oracle.samples(name, *span)) == "", (name, span)


def test_fields_that_are_asked_together_are_answered_as_alone(case: Case) -> None:
    names = list(case.oracle.fields())
    for _ in range(QUESTIONS // 5):
        asked = case.dice.sample(names, 5)
        span = case.span(asked[0])
        fields, _ = check_fields(case.reader.get_fields(*ALL))
        reply = case.ask(*asked, "no such field", span=span)
        assert reply["data"]["no such field"] == []
        for name in asked:
            stamps = next((t["t"] for t in reply["timeline"].values() if name in t["fields"]), [])
            together = [(t, v) for t, v in zip(stamps, reply["data"][name], strict=True) if v is not None]
            assert unlike(together, case.oracle.samples(name, *span)) == "", (name, span)
            assert name not in reply["timeline"].get(fields[name]["timeline"], {}).get("fields", []) or stamps


@pytest.mark.parametrize("operator", OPERATORS)
def test_buckets_are_those_of_the_loop(case: Case, operator: str) -> None:
    for _ in range(QUESTIONS):
        name = case.name("number bool" if operator in {"mean", "sum", "min", "max"} else "number bool string")
        start, end = span = case.span(name)
        length = case.dice.choice(LENGTHS)
        buckets = case.oracle.buckets(name, start, end, length)
        text = case.oracle.fields()[name].kind == "string" and operator != "count"
        due = [(max(float(begin), start), values[0 if operator == "first" else -1] if text
                else operate(operator, values)) for begin, values in buckets.items()]  # fmt: skip
        assert unlike(case.points(name, span, length, operator), due) == "", (name, span, length)


@pytest.mark.parametrize("operator", OPERATORS)
def test_without_a_length_all_of_the_range_is_one_bucket(case: Case, operator: str) -> None:
    for _ in range(QUESTIONS // 5):
        name = case.name("number bool")
        span = case.span(name)
        values = [value for _, value in case.oracle.samples(name, *span)]
        due = [operate(operator, values)] if values else []
        assert [value for _, value in case.points(name, span, None, operator)] == due, (name, span)


def test_any_length_of_a_bucket_is_kept_or_made_a_little_longer(case: Case) -> None:
    for _ in range(QUESTIONS):
        name = case.name("number")
        span = case.span(name)
        asked = 10 ** case.dice.uniform(0, 5.5)
        points = case.points(name, span, asked, "count")
        assert sum(value for _, value in points) == len(case.oracle.samples(name, *span))
        if len(points) > 2:
            # All but the first, which the range may cut, begin on multiples of one length.
            gaps = np.diff([t for t, _ in points[1:]])
            assert gaps.min() >= asked - 1e-5, (name, span, asked)


def test_an_envelope_keeps_each_extreme_where_it_is(case: Case) -> None:
    thinned = 0
    for _ in range(QUESTIONS):
        name = case.name("number")
        span = case.span(name)
        stride = 10 ** case.dice.uniform(-2, 5)
        samples, points = case.oracle.samples(name, *span), case.points(name, span, stride)
        about = (name, span, stride)
        assert bool(samples) == bool(points), about
        if not samples:
            continue
        assert points[-1] == pytest.approx(samples[-1], rel=0, abs=1e-6), about
        if len(points) < len(samples):
            thinned += 1
        t, v = np.array(samples).T
        s, w = np.array(points).T
        assert np.all(np.diff(s) >= stride - 1e-5), about
        assert {*w.tolist()} <= {*v.tolist()}, about
        if len(points) > 3:
            # The reader may take cells up to a quarter longer than asked, and a stamp moves by less than two cells.
            reach = 2 * 2 * 1.25 * stride + 1e-5
            assert (w.min(), w.max()) == (v.min(), v.max()), about
            first, last = np.searchsorted(s, t - reach), np.searchsorted(s, t + reach, side="right")
            for sample, begin, end in zip(v.tolist(), first.tolist(), last.tolist(), strict=True):
                assert begin < end, about
                assert w[begin:end].min() <= sample <= w[begin:end].max(), about
    assert thinned > QUESTIONS / 10


def test_an_envelope_has_the_values_of_that_of_the_library(case: Case) -> None:
    """At strides whose cells the reader does not round, and that hold several of its buckets and many samples.

    Of few samples the reader may send more than the library does, or one less where all of them lie within a few
    strides: they are on the grid of its buckets already when they are looked at.
    """
    compared = 0
    dense = [name for name in case.oracle.fields() if "acceleration" in name or "temperatures" in name]
    for _ in range(QUESTIONS):
        name = case.dice.choice(dense)
        span = case.span(name)
        stride = case.dice.choice([length for length in LENGTHS if length >= 120]) / 2
        samples = case.oracle.samples(name, *span)
        t, v = np.array([t for t, _ in samples]), np.array([float(v) for _, v in samples])
        due_t, due = envelope(t, {name: v}, stride)
        if len(due_t) == len(samples) or samples[-1][0] - samples[0][0] < 8 * stride:
            continue
        points = case.points(name, span, stride)
        assert [value for _, value in points] == due[name].tolist(), (name, span, stride)
        assert all(abs(a - b) < 4 * stride for (a, _), b in zip(points, due_t.tolist(), strict=True))
        compared += 1
    assert compared > QUESTIONS / 10


def test_each_spike_of_one_sample_is_seen_at_every_zoom(case: Case) -> None:
    seen = 0
    for name in case.oracle.fields():
        samples = dict(case.oracle.merged(name))
        keys = {(feed, field) for feed, _, field, _ in case.oracle.names[name]}
        for spike in case.made.spikes:
            if (spike.feed, spike.name) not in keys or samples.get(spike.tick) != spike.value:
                continue
            at = spike.tick / 1e8
            for length in (300.0, 3600.0, 10_800.0, 86_400.0, 5 * 86_400.0):
                start = at - case.dice.random() * length
                around = [v for _, v in case.oracle.samples(name, start, start + length)]
                for pixels in (100, 1000):
                    drawn = [v for _, v in case.points(name, (start, start + length), length / pixels)]
                    # Of samples that all lie within a pixel or two there is no room for each extreme. And where two
                    # spikes are in one cell, the greater hides the lesser.
                    extreme = max(around) if spike.value > 0 else min(around)
                    assert len(drawn) < 3 or extreme in drawn, (name, at, length, pixels)
                    seen += len(drawn) >= 3
    assert seen > 50


def test_a_cap_on_points_is_kept_and_loses_no_extreme(case: Case) -> None:
    for _ in range(QUESTIONS // 3):
        name = case.name("number")
        span = case.span(name)
        reply = check_data(case.capped.get_data([name], *span), [name])
        assert reply
        points = [value for value in reply["data"][name] if value is not None]
        samples = [value for _, value in case.oracle.samples(name, *span)]
        assert len(points) <= 40, (name, span)
        if len(points) > 3:
            assert (min(points), max(points)) == (min(samples), max(samples)), (name, span)
        assert points[-1:] == samples[-1:]


def test_nothing_that_is_not_a_number_is_answered(case: Case) -> None:
    for name, summary in case.oracle.fields().items():
        for operator in (None, "mean", "sum"):
            for _, value in case.points(name, ALL, 600.0, operator):
                assert summary.kind == "string" or math.isfinite(value)
