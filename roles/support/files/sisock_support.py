#!/usr/bin/python3 -I
"""Gather logs, states and settings of a sisock host into one archive, without its secrets.

Everything goes through one mask before it is written: the values of the host's secrets and lines of its keys wherever
they stand, however they are encoded, and whatever stands where people and programs write passwords.
"""

import base64
import io
import json
import re
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

MASKED = "(masked)"
_LEAST = 4
"""Characters of a value below which it would be found in ordinary words."""
_PATIENCE = 60
"""Seconds that a command has."""
_WORD = r"pass(?:word|wd|phrase)?|pwd|secret(?:_?key)?|token|(?:api|private|access)_?key|credentials?|ticket|seed|salt"
_KEYS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\A(?:(?!-----BEGIN).)*-----END [A-Z ]*PRIVATE KEY-----",
    re.DOTALL,
)
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (_KEYS, MASKED),
    # scheme://account:password@host
    (re.compile(r"(\w+://)[^\s/@'\"]+@"), rf"\1{MASKED}@"),
    (re.compile(r"(?i)\b(bearer|basic|digest)(\s+)[\w.~+/=-]{8,}"), rf"\1\2{MASKED}"),
    (re.compile(r"(?i)\b(identified\s+by(?:\s+password)?\s+|using\s+)(['\"]).*?\2"), rf"\1\2{MASKED}\2"),
    # name = value, name: value, "name": "value", --name=value, --name value; a path says only where the value is.
    (
        re.compile(
            rf"(?i)((?:[\w.-]*?(?:{_WORD}))[\"']?(?:\s*[=:]\s*|(?<=[a-z])\s+(?=[\"'])))"
            r"(?![\"']?(?:/|\$__file|\(masked\)|\{\{))(\"[^\"\n]*\"|'[^'\n]*'|[^\s,;}\]]+)"
        ),
        rf"\1{MASKED}",
    ),
    (re.compile(rf"(?i)(--[\w-]*(?:{_WORD})\s+)(?!/|\(masked\))\S+"), rf"\1{MASKED}"),
)


def known_values(folders: Iterable[Path]) -> list[str]:
    """Return what must not be seen: contents of the files below some folders, keys line by line, in all encodings.

    Certificates are public. The longest comes first, so that none is masked in part.
    """
    values: set[str] = set()
    for path in (each for folder in folders for each in sorted(folder.rglob("*")) if each.is_file()):
        if path.suffix not in {".crt", ".pem"}:
            text = path.read_text(encoding="utf-8", errors="replace").strip()
            values |= {text, *(line.strip() for line in text.splitlines() if not line.startswith("-----"))}
    plain = {value for value in values if len(value) >= _LEAST}
    return sorted({form for value in plain for form in _forms(value)}, key=len, reverse=True)


def _forms(value: str) -> Iterator[str]:
    raw = value.encode()
    yield value
    yield quote(value, safe="")
    yield json.dumps(value)[1:-1]
    yield raw.hex()
    # Behind any characters, as in base64 of account:password; what depends on its neighbours is left out.
    for before in range(3):
        packed = base64.b64encode(b"x" * before + raw).decode()
        inner = packed[(0, 2, 3)[before] : -4]
        if len(inner) >= 2 * _LEAST:
            yield inner


def mask(text: str, values: Sequence[str]) -> str:
    """Return a text without secrets: neither the known values nor what looks like one."""
    for value in values:
        text = text.replace(value, MASKED)
    for pattern, instead in _RULES:
        text = pattern.sub(instead, text)
    return text


def gather(plan: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield names and texts, not masked yet: the commands' outputs, and the ends of the files.

    Parameters
    ----------
    plan
        `commands`, name to words; `files`, patterns of absolute paths; `most`, bytes that are taken of the end of each.
    """
    for name, command in plan["commands"].items():
        yield f"commands/{name}.txt", _output(command)
    for pattern in plan["files"]:
        for path in sorted(Path("/").glob(pattern.lstrip("/"))):
            if path.is_file():
                with path.open("rb") as file:
                    file.seek(max(path.stat().st_size - plan["most"], 0))
                    yield f"files{path}", file.read().decode(errors="replace")


def bundle(plan: Mapping[str, Any], target: Path) -> None:
    """Write the archive; nobody but root reads it."""
    values = known_values(map(Path, plan["secrets"]))
    target.touch(mode=0o600)
    with tarfile.open(target, "w:gz") as archive:
        for name, text in gather(plan):
            masked = mask(text, values).encode()
            member = tarfile.TarInfo(f"{target.name.removesuffix('.tar.gz')}/{name}")
            member.size, member.mtime, member.mode = len(masked), int(time.time()), 0o600
            archive.addfile(member, io.BytesIO(masked))


def _output(command: Sequence[str]) -> str:
    said = f"$ {' '.join(command)}\n"
    try:
        done = subprocess.run(  # noqa: S603 - the plan's words
            command, capture_output=True, check=False, timeout=_PATIENCE, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{said}{error}\n"
    return said + (done.stdout + done.stderr).decode(errors="replace") + f"exit status {done.returncode}\n"


if __name__ == "__main__":
    bundle(json.loads(sys.argv[1]), Path(sys.argv[2]))
