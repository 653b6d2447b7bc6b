"""Lines of text that hold a stamp and a value each, whatever has happened to some of them."""

import re
from dataclasses import dataclass
from itertools import chain

import numpy as np

from sisock.thinning import Stamps, Values

# Possessive throughout: a line of 64 kB that is no sample is found out in one pass.
_NUMBER = rb"[-+]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][-+]?\d++)?"
_SAMPLE = re.compile(
    rb"^[^\S\n]*+(" + _NUMBER + rb")[^\S\n]++(" + _NUMBER + rb"|[-+]?(?i:nan|inf(?:inity)?))[^\S\n]*+$", re.MULTILINE
)

_LATEST = 1e11
"""No stamp is later: UNIX seconds of the year 5138; those of today in milliseconds are beyond it."""


@dataclass(frozen=True)
class Lines:
    """What some lines hold: `t`, as written, and `values`, both of shape (n,), in the order of the lines.

    `bad` is the first line that should be a sample and is none; "" when there is no such line.
    """

    t: Stamps
    values: Values
    bad: str


def read_lines(text: bytes, header_lines: int = 0) -> Lines:
    """Read lines of two numbers that are separated by blanks.

    Blank lines and those that begin with `#` are passed over, as is any other line that is not two numbers, or whose
    stamp is beyond all times. A value that is not finite is NaN: a sample that was taken and has no value.

    Parameters
    ----------
    text
        Lines; each ends with a line feed, with or without a carriage return before it, except perhaps the last.
    header_lines
        So many of the first lines need not be samples.
    """
    numbers = _clean(text)
    if numbers is None:
        numbers = _numbers(list(chain.from_iterable(_SAMPLE.findall(text))))
    t, values = numbers[::2], numbers[1::2]
    timely = np.abs(t) < _LATEST
    bad = ""
    if not timely.all() or t.size < text.count(b"\n") + (not text.endswith(b"\n")):
        bad = next((_shown(line) for line in text.split(b"\n")[header_lines:] if _is_bad(line)), "")
    return Lines(t[timely], np.where(np.isfinite(values), values, np.nan)[timely], bad)


def _clean(text: bytes) -> Values | None:
    """All numbers of a text whose lines are two plain ones and a blank, as nearly all are; None where they are not."""
    count, returns = text.count(b"\n"), text.count(b"\r\n")
    if text.translate(None, b"0123456789.-") != (b" \r\n" if returns else b" \n") * count or 0 < returns < count:
        return None
    words = text.split()  # At most two of each line: if there are two for each on the whole, there are two of each.
    try:
        return _numbers(words) if len(words) == 2 * count else None
    except ValueError:
        return None


def _numbers(words: list[bytes]) -> Values:
    return np.fromiter(map(float, words), np.float64, len(words))


def _is_bad(line: bytes) -> bool:
    content = line.strip()
    if not content or content.startswith(b"#"):
        return False
    sample = _SAMPLE.match(line)
    return sample is None or not abs(float(sample[1])) < _LATEST


def _shown(line: bytes) -> str:
    return repr(line.strip()[:40].decode("ascii", errors="replace"))
