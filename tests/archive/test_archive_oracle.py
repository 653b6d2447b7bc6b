"""The rules that the oracle takes for right, each on an archive small enough to see the answer."""

import gzip
import math
from pathlib import Path

import pytest
from archive_oracle import YEAR_4000, Oracle, operate
from archive_writer import SECOND, Block, Column, Recording
from hostile_archive import hostile_archive

FEED = "observatory.a.feeds.b"
X = f"{FEED}.x"


def block(*stamps: float, name: str = "a", **columns: Column) -> Block:
    return Block(name, [round(stamp * SECOND) for stamp in stamps], columns)


def archive(folder: Path, **files: list[Block]) -> Oracle:
    """Files named after the keywords, each with one frame for each block."""
    for path, blocks in files.items():
        recording = Recording().status({0: FEED})
        for each in blocks:
            recording.data(0, each)
        recording.write(folder / f"{path}.g3")
    return Oracle(folder)


def values(oracle: Oracle, name: str = X) -> list[tuple[float, object]]:
    return [(stamp, value) for stamp, value in oracle.samples(name, 0, 1e11)]


def test_of_samples_with_one_stamp_the_one_written_last_counts(tmp_path: Path) -> None:
    oracle = archive(
        tmp_path,
        one=[block(1, 1, 2, x=[1.0, 2.0, 3.0]), block(2, 3, x=[4.0, 5.0])],
        two=[block(3, x=[6.0])],
        three=[block(1, x=[7.0])],
    )
    assert values(oracle) == [(1, 7.0), (2, 4.0), (3, 6.0)]


def test_no_value_never_hides_a_value(tmp_path: Path) -> None:
    oracle = archive(tmp_path, one=[block(1, 2, 3, x=[1.0, math.nan, math.inf]), block(1, 2, x=[math.nan, 5.0])])
    assert values(oracle) == [(1, 1.0), (2, 5.0)]


def test_stamps_outside_the_years_that_count_are_passed_over(tmp_path: Path) -> None:
    stamps = (-1, 0, 1e-8, 5, YEAR_4000 - 1, YEAR_4000, 9e10)
    oracle = archive(tmp_path, one=[block(*stamps, x=[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])])
    assert [value for _, value in values(oracle)] == [2.0, 3.0, 4.0]
    assert oracle.dropped == 4


def test_a_field_is_named_in_lower_case_unless_two_would_have_the_same_name(tmp_path: Path) -> None:
    columns: dict[str, Column] = {name: [1.0] for name in (" Odd  Name", "Temp", "temp", "UPPER")}
    oracle = archive(tmp_path, one=[Block("a", [SECOND], columns)])
    assert set(oracle.names) == {f"{FEED}.{name}" for name in ("odd_name", "Temp", "temp", "upper")}


def test_a_field_of_several_kinds_has_a_name_for_each(tmp_path: Path) -> None:
    oracle = archive(tmp_path, one=[block(1, x=["a"], y=["a"]), block(2, x=[2]), block(3, x=[True], y=[False])])
    assert {name: summary.kind for name, summary in oracle.fields().items()} == {
        X: "number", f"{X}.bool": "bool", f"{X}.string": "string", f"{FEED}.y": "bool", f"{FEED}.y.string": "string",
    }  # fmt: skip


def test_a_renamed_block_goes_on_with_its_fields(tmp_path: Path) -> None:
    oracle = archive(tmp_path, one=[block(1, 2, x=[1.0, 2.0])], two=[block(2, 3, name="b", x=[3.0, 4.0])])
    assert values(oracle) == [(1, 1.0), (2, 3.0), (3, 4.0)]


def test_a_provider_is_who_the_last_status_says(tmp_path: Path) -> None:
    recording = Recording().status({0: FEED, 1: "other"}).data(0, block(1, x=[1.0]))
    recording.status({0: "other"}).data(0, block(2, x=[2.0]))
    recording.data(1, block(3, x=[3.0]), address=FEED).write(tmp_path / "1.g3")
    oracle = Oracle(tmp_path)
    assert values(oracle) == [(1, 1.0), (3, 3.0)]
    assert values(oracle, "other.x") == [(2, 2.0)]


@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_counts_up_to_its_first_broken_frame(tmp_path: Path, *, compressed: bool) -> None:
    pieces = Recording().status({0: FEED}).data(0, block(1, x=[1.0])).data(0, block(2, x=[2.0])).pieces()
    pieces.append(pieces[-2].replace(b"\0", b"\1"))
    pieces.append(pieces[2])
    path = tmp_path / ("1.g3.gz" if compressed else "1.g3")
    content = b"".join(pieces)
    path.write_bytes(gzip.compress(content)[:-9] if compressed else content)
    assert values(Oracle(tmp_path)) == [(1, 1.0), (2, 2.0)]


def test_buckets_begin_on_multiples_of_their_length_and_are_cut_at_the_range(tmp_path: Path) -> None:
    stamps = [float(stamp) for stamp in range(100, 400, 20)]
    oracle = archive(tmp_path, one=[block(*stamps, x=[stamp / 10 for stamp in stamps])])
    assert oracle.buckets(X, 120, 360, 60) == {
        120: [12, 14, 16], 180: [18, 20, 22], 240: [24, 26, 28], 300: [30, 32, 34],
    }  # fmt: skip
    assert oracle.buckets(X, 150, 250, 60) == {120: [16], 180: [18, 20, 22], 240: [24]}
    bucket = [1e16, 1.0, -1e16]
    assert [operate(how, bucket) for how in ("mean", "min", "max", "sum", "count", "first", "last")] == [
        1 / 3, -1e16, 1e16, 1, 3, 1e16, -1e16,
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_a_hostile_archive_is_the_same_at_once_and_step_by_step(tmp_path: Path, seed: int) -> None:
    made = hostile_archive(seed)
    made.write(tmp_path / "once")
    for _ in made.steps(tmp_path / "steps", shuffle=seed):
        pass
    once, steps = (
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (tmp_path / "once", tmp_path / "steps")
    )
    assert once == steps


def test_hostile_archives_have_all_that_they_are_for(tmp_path: Path) -> None:
    kinds, dropped, visible, steps = set(), 0, 0, 0
    for seed in range(3):
        made = hostile_archive(seed)
        oracle = Oracle(made.write(tmp_path / str(seed)))
        kinds |= {summary.kind for summary in oracle.fields().values()}
        dropped += oracle.dropped
        steps += sum(len(life) > 1 for life in made.lives.values())
        samples = {
            (key[0], key[2], tick): value for key, held in oracle.series.items() for tick, (_, value) in held.items()
        }
        visible += sum(samples.get((spike.feed, spike.name, spike.tick)) == spike.value for spike in made.spikes)
        assert "observatory.hk.feeds.mixed.changing.string" in oracle.fields()
        assert "observatory.case.feeds.names.Temp" in oracle.fields()
    assert kinds == {"number", "bool", "string"}
    assert min(dropped, visible, steps) > 20
