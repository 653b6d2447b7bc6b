"""Columns as views of frames, and laid one behind the other."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.g3_index.vectors import Columns, ColumnSpans, Span, lay_out

FORM = ColumnSpans(
    {
        "short": Span(np.dtype("<f8"), 3, 2),
        "much longer": Span(np.dtype("<i4"), 31, 2),
        "on": Span(np.dtype("?"), 20, 2),
    },
    41,
)
KEYS = ["on", "much longer", "short"]


def frame(seed: int) -> bytes:
    """A frame of that form, of any content."""
    made = bytearray(np.random.default_rng(seed).bytes(41))
    made[3:19] = np.random.default_rng(seed).normal(size=2).tobytes()
    made[20:22] = bytes([seed % 2, 1])
    return bytes(made)


def test_columns_that_lie_unevenly_are_laid_out_as_each_says() -> None:
    alike = [Columns(frame(seed), FORM) for seed in range(600)]
    another = Columns(frame(7), ColumnSpans(dict(reversed(FORM.places.items())), 41))
    plain = {"short": np.array([1.5]), "on": np.array([True]), "much longer": np.array([-3])}
    parts: list[Mapping[str, NDArray[Any]]] = [*alike, plain, another, plain, plain, alike[5]]
    due = [[float(value) for part in parts for value in part[key]] for key in KEYS]
    out = np.full((len(KEYS), len(due[0])), np.nan)
    lay_out(parts, KEYS, out)
    assert out.tolist() == due


def test_columns_get_other_keys_and_lose_those_that_get_none() -> None:
    spans = FORM.called(lambda name, span: (name, span.kind.kind) if name != "on" else None)
    columns = Columns(frame(1), spans)
    assert list(columns) == [("short", "f"), ("much longer", "i")] == list(spans.keys)
    assert len(columns) == 2
    assert columns["much longer", "i"].tolist() == np.frombuffer(frame(1), "<i4", 2, 31).tolist()
    assert columns.get(("on", "b")) is None
