"""Summaries of buckets against plain loops over their samples."""

import math
import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.g3_index.merging import merged
from services.g3_index.summary import SUMMARY, TEXTS, means, merge, starts_of, summarize, summarize_texts
from services.g3_index.tiles import pack, pack_texts, unpack, unpack_texts

# Two doubles hold the exact sum of numbers whose first and last bits lie within 106 of each other.
wide = st.floats(-1e6, 1e6).map(lambda value: value * 10.0 ** (int(abs(value)) % 5 - 2) if abs(value) > 0.01 else 0.0)
values = st.lists(st.one_of(wide, wide, wide, st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0])), min_size=1, max_size=80)  # fmt: skip  # noqa: E501


def cut(number: int, dice: random.Random) -> list[int]:
    """Places at which buckets begin."""
    return [0, *sorted(dice.sample(range(1, number), min(number - 1, dice.randrange(6))))]


def plainly(bucket: list[float]) -> tuple[float, ...]:
    finite = [value for value in bucket if math.isfinite(value)]
    if not finite:
        return (0,) * 5
    low, high = min(finite), max(finite)
    return (len(finite), low < high and finite.index(low) < finite.index(high), low, high, math.fsum(finite))


def told(row: np.void) -> tuple[float, ...]:
    number, low_first, low, high, total, rest = row.item()
    assert abs(rest) <= math.ulp(total) / 2
    return (number, low < high and low_first, low, high, total)


@settings(max_examples=300, deadline=None)
@given(columns=st.lists(values, min_size=1, max_size=3), seed=st.integers(0, 9))
def test_buckets_and_buckets_of_buckets_tell_of_each_sample_once(columns: list[list[float]], seed: int) -> None:
    length = min(map(len, columns))
    x = np.array([column[:length] for column in columns])
    starts = cut(length, random.Random(seed))
    rows = summarize(x, np.array(starts))
    for column, mine in zip(x.tolist(), rows, strict=True):
        parts = [column[begin:end] for begin, end in pairwise([*starts, length])]
        assert [told(row) for row in mine] == [plainly(part) for part in parts]
        held = [place for place, row in enumerate(mine) if row["count"]]
        if held:
            together = merge(mine[held], np.array([0]))
            finite = [value for value in column if math.isfinite(value)]
            assert told(together[0]) == plainly(column)
            assert means(together)[0] == math.fsum(finite) / len(finite)


@pytest.mark.parametrize("seed", range(5))
def test_a_mean_is_exact_however_often_buckets_are_merged(seed: int) -> None:
    dice = np.random.default_rng(seed)
    x = dice.normal(size=86_400) * 10.0 ** dice.integers(-8, 8, 86_400)
    rows = summarize(x[None], np.arange(0, x.size, 60))[0]
    for step in (5, 6, 6, 8):
        rows = merge(rows, np.arange(0, rows.size, step))
    assert rows.size == 1
    assert means(rows)[0] == math.fsum(x.tolist()) / x.size


def test_a_sum_beyond_all_numbers_is_no_fault_of_the_others() -> None:
    x = np.array([[1.7e308, 1.7e308, 1.0, 2.0, -1.7e308, 1e-300]])
    with np.errstate(all="ignore"):
        rows = summarize(x, np.array([0, 2, 4]))[0]
    assert rows["count"].tolist() == [2, 2, 2]
    assert (rows["low"].tolist(), rows["high"].tolist()) == ([1.7e308, 1.0, -1.7e308], [1.7e308, 2.0, 1e-300])
    assert means(rows)[1] == 1.5


@settings(max_examples=100, deadline=None)
@given(columns=values, size=st.integers(1, 96))
def test_a_tile_comes_back_as_it_was(columns: list[float], size: int) -> None:
    rows = np.zeros(size, dtype=SUMMARY)
    found = summarize(np.array([columns]), np.array(cut(len(columns), random.Random(size))))[0]
    places = random.Random(size).sample(range(size), min(size, found.size))
    rows[places] = found[: len(places)]
    tiles = np.stack([rows, np.zeros(size, dtype=SUMMARY)])
    assert unpack(pack(tiles), size).tobytes() == tiles.tobytes()


@given(texts=st.lists(st.text(max_size=20), min_size=1, max_size=40))
def test_text_has_a_first_and_a_last(texts: list[str]) -> None:
    starts = cut(len(texts), random.Random(len(texts)))
    rows = summarize_texts(np.array(texts, dtype=object), np.array(starts))
    parts = [texts[begin:end] for begin, end in pairwise([*starts, len(texts)])]
    assert rows.tolist() == [(len(part), part[0], part[-1]) for part in parts]
    assert merge(rows, np.array([0])).tolist() == [(len(texts), texts[0], texts[-1])]
    tile = np.zeros(60, dtype=TEXTS)
    tile[: rows.size] = rows
    again = unpack_texts(pack_texts(tile[None]), 60)[0]
    assert again[again["count"] > 0].tolist() == rows.tolist()


@given(index=st.lists(st.integers(-5, 5), max_size=30).map(sorted))
def test_a_new_value_begins_where_the_index_changes(index: list[int]) -> None:
    due = [place for place, value in enumerate(index) if not place or value != index[place - 1]]
    assert starts_of(np.array(index, dtype=np.int64)).tolist() == due


@settings(max_examples=300)
@given(parts=st.lists(st.lists(st.tuples(st.integers(1, 9), st.sampled_from([1.0, 2.0, 3.0, math.nan, math.inf])), max_size=6), max_size=4))  # fmt: skip  # noqa: E501
def test_of_samples_with_one_stamp_the_last_that_has_a_value_counts(parts: list[list[tuple[int, float]]]) -> None:
    due = {t: value for part in parts for t, value in part if math.isfinite(value)}
    pairs = [(np.array([t for t, _ in part], dtype=np.int64), np.array([v for _, v in part])) for part in parts]
    t, v = merged(pairs)
    assert dict(zip(t.tolist(), v.tolist(), strict=True)) == due
    assert t.tolist() == sorted(due)


@pytest.mark.parametrize("fields", [1, 3, 40])
def test_a_bucket_is_told_in_the_same_bits_whatever_lies_beside_it(fields: int) -> None:
    dice = np.random.default_rng(fields)
    lengths = np.concatenate([[1, 2, 20_000], dice.integers(1, 90, 400)])
    x = dice.normal(size=(fields, int(lengths.sum()))) * 10.0 ** dice.integers(-8, 8, int(lengths.sum()))
    x[dice.random(x.shape) < 0.05] = np.nan
    x[0, -int(lengths[-1]) :] = 1e308
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    together = summarize(x, starts)
    for place, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        alone = summarize(x[:, start : start + length], np.array([0]))
        assert alone[:, 0].tobytes() == together[:, place].tobytes()
