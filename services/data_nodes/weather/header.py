"""What the first lines of a file of weather data say."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Header:
    """What a field is, the timeline that it is to follow, and its units."""

    description: str
    timeline: str
    units: str


def read_header(lines: Sequence[bytes]) -> Header | None:
    """Read description, timeline and units from the first three lines; None where they are no header.

    >>> read_header([b"# APEX radiometer", b"# minutely", b"# mm PWV"])
    Header(description='APEX radiometer', timeline='minutely', units='mm PWV')
    """
    stripped = [line.strip() for line in lines[:3]]
    if len(stripped) < 3 or not all(line.startswith(b"#") for line in stripped):
        return None
    header = Header(*(line[1:].decode(errors="replace").strip() for line in stripped))
    return header if header.timeline else None
