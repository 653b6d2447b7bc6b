"""``python -m services.self_check --bridge http://127.0.0.1:5000 --expect weather data_feed --wait 60``."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence

from services.self_check.probe import Ask, BridgeError, Finding, find, listed_fields, over_http
from services.self_check.report import shortcomings, table

_PAUSE = 0.5
_TIMEOUT = 30.0


def main(
    arguments: Sequence[str] | None = None,
    connect: Callable[[str, float], Ask] = over_http,
    now: Callable[[], float] = time.time,
    pause: Callable[[float], None] = time.sleep,
) -> int:
    """Ask until everything that is expected is there, or the time is over; then print what there is.

    Returns
    -------
    The exit status: 0 when nothing is missing.
    """
    asked = _arguments(arguments)
    oldest = _oldest(asked.max_age, asked.expect)
    ask = connect(asked.bridge, _TIMEOUT)
    deadline = now() + asked.wait
    done: dict[str, Finding] = {}
    while True:
        missing = _look(ask, asked.expect, oldest, now, done)
        if not missing or now() >= deadline:
            break
        pause(_PAUSE)
    found = [done.get(server, Finding(server, 0, problem="not seen")) for server in asked.expect]
    sys.stdout.write(table(found, now()) + "\n")
    sys.stderr.writelines(f"missing: {sentence}\n" for sentence in missing)
    return 1 if missing else 0


def _look(
    ask: Ask, expected: Sequence[str], oldest: dict[str, float], now: Callable[[], float], done: dict[str, Finding]
) -> list[str]:
    """Look once at all servers, keep what was found in `done`, and say what is missing."""
    try:
        listed = listed_fields(ask)
        for server in expected:
            done[server] = find(ask, server, listed.get(server, []), now())
    except BridgeError as error:
        return [f"the bridge: {error}; look at 'supervisorctl status' and 'supervisorctl tail sisock:bridge'"]
    return shortcomings([done[server] for server in expected], oldest, now())


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m services.self_check", description=__doc__)
    parser.add_argument("--bridge", default="http://127.0.0.1:5000", metavar="URL", help="address of the bridge")
    parser.add_argument(
        "--expect", nargs="+", required=True, metavar="NAME", help="data servers that must show samples"
    )
    parser.add_argument("--wait", type=float, default=60.0, metavar="SECONDS", help="how long to wait for them")
    parser.add_argument("--max-age", nargs="+", default=[], metavar="[NAME=]SECONDS",
                        help="greatest age of the newest sample, for one server or for all")  # fmt: skip
    asked = parser.parse_args(arguments)
    try:
        _oldest(asked.max_age, asked.expect)
    except ValueError as error:
        parser.error(f"--max-age: {error}; write SECONDS or NAME=SECONDS")
    return asked


def _oldest(spoken: Sequence[str], expected: Sequence[str]) -> dict[str, float]:
    oldest: dict[str, float] = {}
    for each in sorted(spoken, key=lambda text: "=" in text):
        name, _, seconds = each.rpartition("=")
        oldest |= dict.fromkeys([name] if name else expected, float(seconds))
    return oldest


if __name__ == "__main__":
    sys.exit(main())
