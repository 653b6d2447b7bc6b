"""Findings as a table for people, and as sentences that say what is missing and where to look."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from services.self_check.probe import Finding, Sample

WIDTH = 100
_ARCHIVE_SECONDS = 86400.0
"""Samples older than this are of an archive: their date says more than their age."""


def table(findings: Iterable[Finding], now: float) -> str:
    """Write findings as lines of at most `WIDTH` characters; `now` is in UNIX seconds."""
    rows = [("server", "fields", "newest sample", "a sample")]
    for finding in findings:
        sample = finding.sample
        shown = f"none: {finding.problem}" if sample is None else _value(sample)
        rows.append((finding.server, str(finding.fields), "-" if sample is None else _age(sample.t, now), shown))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(_line(row, widths) for row in rows)


def shortcomings(findings: Iterable[Finding], oldest: Mapping[str, float], now: float) -> list[str]:
    """Say what is missing.

    Parameters
    ----------
    findings
        One for each server that is expected.
    oldest
        Server -> greatest age of its newest sample, seconds; without an entry any age will do.
    now
        UNIX seconds.
    """
    missing = []
    for finding in findings:
        sample, limit = finding.sample, oldest.get(finding.server)
        look = f"look at 'supervisorctl status' and 'supervisorctl tail servers:{finding.server}'"
        if not finding.fields:
            missing.append(f"{finding.server}: is not online, or lists no fields; {look}")
        elif sample is None:
            missing.append(f"{finding.server}: shows no samples ({finding.problem}); {look}")
        elif limit is not None and now - sample.t > limit:
            missing.append(
                f"{finding.server}: its newest sample is {_age(sample.t, now)}, older than {limit:g} s; "
                f"look whether its instrument publishes, then {look}"
            )
    return missing


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    server, fields, age, shown = row
    line = f"{server:<{widths[0]}}  {fields:>{widths[1]}}  {age:<{widths[2]}}  {shown}"
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def _age(t: float, now: float) -> str:
    if now - t > _ARCHIVE_SECONDS:
        return datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{max(now - t, 0.0):.1f} s ago"


def _value(sample: Sample) -> str:
    value = f"{sample.value:.6g}" if isinstance(sample.value, float) else str(sample.value)
    return " ".join(f"{sample.field}={value} {sample.units or ''}".split())
