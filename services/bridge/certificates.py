"""How long the site's certificates last."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from OpenSSL.crypto import FILETYPE_PEM, load_certificate
from OpenSSL.crypto import Error as PemError

_DAY = 86400.0


def endings(files: Iterable[str], warn_days: float, now: float | None = None) -> list[dict[str, Any]]:
    """Say of each certificate when it ends.

    Parameters
    ----------
    files
        Paths of PEM files. One that is not there is left out: the router may be on another host.
    warn_days
        Days before its end from which a certificate has a problem.
    now
        UNIX seconds; the present when not given.

    Returns
    -------
    For each `name` (of the file), `ends` (UNIX seconds; None when it cannot be read) and `problem` (a sentence, or
    None).
    """
    now = time.time() if now is None else now
    return [_ending(path, warn_days, now) for path in map(Path, files) if path.exists()]


def _ending(path: Path, warn_days: float, now: float) -> dict[str, Any]:
    try:
        ends = load_certificate(FILETYPE_PEM, path.read_bytes()).to_cryptography().not_valid_after_utc
    except (OSError, PemError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no PEM certificate"
        return {"name": path.name, "ends": None, "problem": f"{path} cannot be read ({why})"}
    left = ends.timestamp() - now
    problem = None
    if left < warn_days * _DAY:
        when = f"ended on {ends:%Y-%m-%d}" if left < 0 else f"ends on {ends:%Y-%m-%d}, in {left / _DAY:.0f} days"
        problem = f"{path} {when}; renew it: ./appliance renew_tls SITE"
    return {"name": path.name, "ends": ends.timestamp(), "problem": problem}
