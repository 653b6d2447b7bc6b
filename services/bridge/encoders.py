"""Replies as bytes: JSON that every parser takes, whatever the data servers sent."""

from typing import Any

import orjson

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
