"""``python -m services.dashboards --site /etc/sisock/site.json --folder /var/lib/sisock-dashboards``."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from services.dashboards.writer import write
from sisock.bridge import TIMEOUT, URL
from sisock.errors import SisockError

_PAUSE, _SHORT_PAUSE = 60.0, 5.0


def main(arguments: Sequence[str] | None = None, pause: Callable[[float], None] = time.sleep) -> int:
    """Write the dashboards, once or whenever there is something new to see.

    Returns
    -------
    The exit status of ``--once``: 0 when the dashboards are as they should be.
    """
    asked = _arguments(arguments)
    said = ""
    while True:
        try:
            changes = write(asked.url, asked.site, asked.folder, TIMEOUT)
            problem = ""
            for what, names in (("written", changes.written), ("removed", changes.removed)):
                if names:
                    _say(f"{what}: {', '.join(name.removesuffix('.json') for name in names)}")
        except SisockError as error:
            problem = str(error)
        except OSError as error:
            problem = f"{error.filename or asked.folder} cannot be written: {error.strerror or error}"
        if asked.once:
            sys.stderr.write(f"sisock-dashboards: {problem}\n" if problem else "")
            return 1 if problem else 0
        if problem != said:
            _say(problem or "the bridge answers again")
            said = problem
        # At first there is much that is not there yet.
        pause(min(_SHORT_PAUSE, asked.every) if problem else asked.every)


def _say(what: str) -> None:
    sys.stdout.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} dashboards: {what}\n")
    sys.stdout.flush()


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="sisock-dashboards",
        description="Write Grafana's dashboards from what there is to see.",
        allow_abbrev=False,
    )
    parser.add_argument("--url", default=URL, help="address of the bridge (default: %(default)s)")
    parser.add_argument("--site", type=Path, required=True, metavar="FILE", help="what the inventory says, as JSON")
    parser.add_argument("--folder", type=Path, required=True, help="where the dashboards are kept")
    parser.add_argument("--once", action="store_true", help="end after that, with status 1 if it could not be done")
    parser.add_argument(
        "--every", type=float, default=_PAUSE, metavar="SECONDS", help="how often to look (default: %(default)g)"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
