"""Replies to get_data between our own programs: arrays as bytes, which cost nothing to read and to write.

A column of a packed reply is either a list, as in a plain one, or ``{"packed": form, "data": bytes}`` with as many
values as the bytes hold, little-endian: ``float`` (float64, NaN for no value), ``int`` (int64), ``bool`` (one byte:
0, 1, or 2 for no value). Text stays a list.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from sisock.errors import ShapeError
from sisock.shapes import Column, DataReply

MOST_VALUES = 8_000_000
"""Values of a packed reply that are taken; more (64 MB) are a fault or malice."""

_FORMS = {"float": "<f8", "int": "<i8", "bool": "u1"}
_NO_VALUE = 2
_GREATEST = 2**63 - 1


def pack(reply: DataReply | Literal[False]) -> dict[str, Any] | Literal[False]:
    """Pack a reply that `sisock.shapes.check_data` has made, with or without arrays."""
    if reply is False:
        return False
    return {
        "data": {name: _packed(values) for name, values in reply["data"].items()},
        "timeline": {name: {**timeline, "t": _packed(timeline["t"])} for name, timeline in reply["timeline"].items()},
    }


def unpack(reply: object) -> object:
    """Make arrays of the packed columns of a reply; `sisock.shapes.check_data` is to look at all the rest.

    Raises
    ------
    ShapeError
        A packed column is of an unknown form or length, or the reply is too large.
    """
    if not isinstance(reply, Mapping) or not all(isinstance(reply.get(k), Mapping) for k in ("data", "timeline")):
        return reply
    budget = _Budget()
    return {
        "data": {
            name: _unpacked(column, f"get_data, field {name!r:.80}", budget) for name, column in reply["data"].items()
        },
        "timeline": {
            name: {**timeline, "t": _unpacked(timeline.get("t"), f"get_data, timeline {name!r:.80}", budget)}
            if isinstance(timeline, Mapping)
            else timeline
            for name, timeline in reply["timeline"].items()
        },
    }


class _Budget:
    """What a reply may still hold."""

    def __init__(self) -> None:
        self._left = MOST_VALUES

    def spend(self, values: int) -> None:
        self._left -= values
        if self._left < 0:
            raise ShapeError("get_data", f"more than {MOST_VALUES} values are too many; ask for a shorter range")


def _packed(values: Column) -> object:
    array, form = _array(values)
    return values if form is None else {"packed": form, "data": array.astype(_FORMS[form], copy=False).tobytes()}


def _array(values: Column) -> tuple[Any, str | None]:
    """Values as an array, and the form that it has on the wire; None for what stays a list."""
    if isinstance(values, np.ndarray):
        if values.dtype.kind == "u" and values.size and int(values.max()) > _GREATEST:
            return _array(values.tolist())
        return values, {"f": "float", "b": "bool"}.get(values.dtype.kind, "int")
    kinds = set(map(type, values))
    if float in kinds and kinds <= {float, type(None)}:
        return np.array(values, dtype=np.float64), "float"
    if bool in kinds and kinds <= {bool, type(None)}:
        return np.array([_NO_VALUE if value is None else value for value in values], dtype=np.uint8), "bool"
    if kinds == {int} and max(values) <= _GREATEST and min(values) >= -_GREATEST:
        return np.array(values, dtype=np.int64), "int"
    return values, None


def _unpacked(column: object, where: str, budget: _Budget) -> object:
    if not isinstance(column, Mapping):
        budget.spend(len(column) if isinstance(column, list) else 0)
        return column
    form, data = column.get("packed"), column.get("data")
    if not isinstance(form, str) or form not in _FORMS:
        raise ShapeError(where, f"packed as {form!r:.80}; {', '.join(_FORMS)} are known")
    if not isinstance(data, bytes):
        raise ShapeError(where, f"the values packed as {form} are no bytes but {type(data).__name__}")
    dtype = np.dtype(_FORMS[form])
    if len(data) % dtype.itemsize:
        raise ShapeError(where, f"{len(data)} bytes are no whole number of values packed as {form}")
    budget.spend(len(data) // dtype.itemsize)
    array = np.frombuffer(data, dtype)
    if form != "bool":
        return array
    most = int(array.max(initial=0))
    if most > _NO_VALUE:
        raise ShapeError(where, f"a byte packed as bool is 0, 1 or {_NO_VALUE}, not {most}")
    return array.view(np.bool_) if most < _NO_VALUE else [(False, True, None)[byte] for byte in data]
