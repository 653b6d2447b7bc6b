"""The log of the scanner and its workers: to standard output, as that of the other programs."""

import io
import sys
from typing import Any

import txaio

from sisock.config import declared_options, load_settings


def start_logging() -> Any:
    """Begin to log, and make a logger.

    Raises
    ------
    SettingError
        LOGLEVEL is none.
    """
    level = load_settings(declared_options("sisock", "router.yml"))["LOGLEVEL"]
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # A log line is worth most just before the end.
    txaio.use_twisted()
    txaio.start_logging(level=level)
    return txaio.make_logger()
