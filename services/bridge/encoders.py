"""Replies as bytes: JSON that every parser takes, whatever the data servers sent."""

from functools import lru_cache
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

_MOST_REMEMBERED = 2000 * 8
"""Bytes of a column whose text is remembered: the numbers of a panel. A screen has no room for more."""
_COLUMNS_REMEMBERED = 256
_INT64 = range(-(2**63), 2**64)


def encode(reply: object) -> bytes:
    """Write `reply` as JSON in UTF-8.

    NaN and infinities become null, numbers too great for 64 bits become floats, and characters that UTF-8 has no
    bytes for become question marks. Arrays of numbers are written as lists.
    """
    try:
        return orjson.dumps(reply, option=orjson.OPT_SERIALIZE_NUMPY)
    except orjson.JSONEncodeError:
        return orjson.dumps(_writable(reply), option=orjson.OPT_SERIALIZE_NUMPY)


def written(*columns: NDArray[np.float64] | bytes) -> orjson.Fragment:
    """Write a column of numbers as a list, or several as the list of their rows, as a part of a reply.

    The same samples are asked again and again, by panels side by side, people side by side, and each time that a page
    is drawn anew; numbers take most of the time that a reply takes. What was written lately is not written again.
    A column that several series share is best given as its bytes (float64), which are looked up more quickly.
    """
    parts = [column if isinstance(column, bytes) else column.tobytes() for column in columns]
    write = _text if len(parts[0]) <= _MOST_REMEMBERED else _text.__wrapped__
    return orjson.Fragment(write(*parts))


@lru_cache(_COLUMNS_REMEMBERED)
def _text(*columns: bytes) -> bytes:
    arrays = [np.frombuffer(column) for column in columns]
    return encode(arrays[0] if len(arrays) == 1 else np.column_stack(arrays))


def _writable(part: Any) -> Any:
    if isinstance(part, str):
        return part.encode("utf-8", "replace").decode("utf-8")
    if isinstance(part, dict):
        return {_writable(str(key)): _writable(value) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return [_writable(each) for each in part]
    if isinstance(part, int) and part not in _INT64:
        return float(part) if abs(part) < 10**308 else None
    return part
