"""The data sets are the same each time, on disk as in the text for the peers, and as unkind as they promise."""

from pathlib import Path

import numpy as np

from tests.benchmarks.datasets import D7, DAY, day, lines, span, spt3g_core, write_file

HOURS = D7.first(2 * 3600)


def test_a_day_is_the_same_whenever_it_is_made() -> None:
    t, values = day(D7, 3, 2)
    day.cache_clear()
    again, values_again = day(D7, 3, 2)
    assert np.array_equal(t, again)
    assert np.array_equal(values, values_again, equal_nan=True)


def test_it_has_gaps_spikes_and_stamps_without_a_value() -> None:
    t, values = day(D7, 2, 3)
    assert np.diff(t).max() > 6 * 3600 * 1000
    assert (values[D7.field_names.index("spikes_03")] == 300).any()
    assert np.isnan(values[D7.field_names.index("nan_04")]).sum() > 3600 * 0.7


def test_the_files_hold_each_sample_once_in_frames_that_reach_across_hours(tmp_path: Path) -> None:
    core, found = spt3g_core(), []
    for hour in HOURS.hours:
        write_file(HOURS, hour, tmp_path / f"{hour}.g3")
        for frame in core.G3File(str(tmp_path / f"{hour}.g3")):
            if "blocks" in frame and frame["prov_id"] == 4:
                (block,) = frame["blocks"]
                found.append((np.asarray(block.times), np.asarray(block["walk_05"])))
    t, values = span(HOURS, 4, HOURS.start, HOURS.end)
    assert np.array_equal(np.concatenate([stamps for stamps, _ in found]), t * 100_000)
    assert np.array_equal(np.concatenate([column for _, column in found]), values[5])
    assert any(stamps[0] // 3600e8 != stamps[-1] // 3600e8 for stamps, _ in found)


def test_the_text_has_the_asked_fields_and_no_nan() -> None:
    text = lines(D7, 0, 0, 6)
    t, values = day(D7, 0, 0)
    assert text.count(b"\n") == t.size == DAY
    assert text.count(b"=") == np.isfinite(values[:6]).sum()
    first = text.split(b"\n", 1)[0].split(b" ")
    assert first[0] == b"d7x00"
    assert float(first[1].split(b",")[0].removeprefix(b"walk_00=")) == values[0, 0]
    assert int(first[2]) == t[0]
