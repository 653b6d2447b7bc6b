"""The catalogue on disk, so that a bridge that was restarted still knows the fields of servers that are away."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import txaio

from services.bridge.catalogue import Catalogue, Listed
from services.bridge.encoders import encode
from sisock.errors import ShapeError
from sisock.shapes import Field, check_fields
from sisock.uris import NODE_NAME

_FORMAT = 1
_DAY = 86400.0
_LEAST_APART = 600.0
"""Seconds between two writings that only say when servers were last heard."""


class Memory:
    """A file that holds a catalogue. Lives in the reactor's thread.

    ``{"format": 1, "servers": {"weather": {"seen": 1700000000.0, "fields": {"apex_pressure": {"description": null,
    "timeline": "hourly", "type": "number", "units": "mBar"}}}}}``
    """

    def __init__(self, path: Path | None, days: float, now: Callable[[], float]) -> None:
        """Take where to keep it.

        Parameters
        ----------
        path
            The file; its folder must exist. None for nowhere.
        days
            How long a data server that is away is remembered.
        now
            Gives the UNIX time.
        """
        self._path = path
        self._days = days
        self._now = now
        self._kept: Listed | None = None
        self._online: frozenset[str] | None = None
        self._kept_at = 0.0
        self._failed = False
        self._log = txaio.make_logger()

    def recall(self, catalogue: Catalogue) -> None:
        """Fill `catalogue` with what is in the file; a file that is none is said in the log, and made anew."""
        if self._path is None:
            return
        try:
            listed, seen = _read(self._path.read_bytes())
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ShapeError) as error:
            self._log.warn(
                "bridge: the fields in {path} (CATALOGUE_FILE) could not be read, and will be listed anew: {error}",
                path=self._path,
                error=error,
            )
            return
        catalogue.recollect(listed, seen)
        catalogue.forget(self._now() - self._days * _DAY)
        self._kept = catalogue.listed

    def keep(self, catalogue: Catalogue) -> None:
        """Write the catalogue, when it has changed, a server came or went, or it was not written for ten minutes."""
        catalogue.forget(self._now() - self._days * _DAY)
        if self._path is None:
            return
        same = catalogue.listed is self._kept and catalogue.online == self._online
        if same and self._now() < self._kept_at + _LEAST_APART:
            return
        seen = catalogue.last_seen()
        servers = {node: {"seen": seen[node], "fields": fields} for node, fields in catalogue.listed.items()}
        try:
            _write(self._path, encode({"format": _FORMAT, "servers": servers}))
        except OSError as error:
            if not self._failed:
                self._log.warn(
                    "bridge: the fields could not be kept in {path} (CATALOGUE_FILE), and will not outlive a restart: "
                    "{error}",
                    path=self._path,
                    error=error,
                )
            self._failed = True
        else:
            self._failed = False
        self._kept, self._online, self._kept_at = catalogue.listed, catalogue.online, self._now()


def _read(content: bytes) -> tuple[Listed, dict[str, float]]:
    held = orjson.loads(content)
    if held["format"] != _FORMAT:
        raise ValueError(f"its format is {held['format']!r}, not {_FORMAT}")
    listed: dict[str, dict[str, Field]] = {}
    for node, each in held["servers"].items():
        if not NODE_NAME.fullmatch(node):
            raise ValueError(f"{node!r:.80} is no name of a data server")
        timelines: dict[str, Any] = {}
        for name, field in each["fields"].items():
            timelines.setdefault(field["timeline"], {"interval": None, "field": []})["field"].append(name)
        listed[node], _ = check_fields((each["fields"], timelines))
    return listed, {node: float(each["seen"]) for node, each in held["servers"].items()}


def _write(path: Path, content: bytes) -> None:
    """Put `content` in the place of the file at once: whoever reads it finds the old or the new."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        # Not synchronized: the reactor does not wait for the disk, and a file that is lost is made anew.
        fresh.write_bytes(content)
        fresh.replace(path)
    except OSError:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise
