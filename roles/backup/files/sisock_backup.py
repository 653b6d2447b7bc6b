#!/usr/bin/python3 -I
"""Backups of a sisock host: made, read back, and the old ones taken away.

A backup is a folder HOST-STAMP of files that common tools read: manifest.json (releases, schema, accounts with their
numbers), database.sql.gz, recorded.gz (names of the recorded files that the index knows), grafana.db, files.tar.gz
(secrets, certificates, configuration) and SHA256SUMS, for `sha256sum --check`. It is written under another name and
gets its own once it was read back. It holds every secret of the host: only root reads it.
"""

import argparse
import base64
import fcntl
import gzip
import hashlib
import json
import os
import pwd
import re
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import time
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from grp import getgrall, getgrgid
from pathlib import Path
from typing import Any

CONFIG = "/etc/sisock/backup.json"
_CONFIGURED = ("host", "restoring", "site", "directory", "mount", "every", "keep", "index_most", "reserve", "database",
         "grafana", "accounts", "links", "paths")  # fmt: skip
STAMP = "%Y%m%dT%H%M%SZ"
_MARKS = Path("/var/lib/sisock-release")
_NAME = re.compile(r"(?P<host>.+)-(?P<stamp>\d{8}T\d{6}Z)")
_GIB = 2**30
_BLOCK = 2**20
_SUMS, _MANIFEST, _DATABASE, _RECORDED = "SHA256SUMS", "manifest.json", "database.sql.gz", "recorded.gz"
_GRAFANA, _FILES = "grafana.db", "files.tar.gz"
_DUMPED = b"-- Dump completed"
_SQLITE = b"SQLite format 3\0"
_ASKED_EVERY = 3600.0
"""Seconds between looks whether a backup is due."""
_CHANGED_WHILE_READ = 1
"""Exit status of tar for that; it is no failure."""


class BackupError(Exception):
    """A backup cannot be made, read or found; the sentence says why and what to do."""


def make(config: Mapping[str, Any], now: Callable[[], float] = time.time) -> Path:
    """Make a backup, read it back, take away the old ones that are not to be kept, and return its folder.

    Raises
    ------
    BackupError
        It could not be made, or is not what it should be; then nothing is left of it, and nothing was taken away.
    """
    if os.path.exists(config["restoring"]):
        raise BackupError(
            "no backup was made: a restore has not ended, and the index may be half of one. Restore again, or remove "
            f"{config['restoring']} when all is as it should be"
        )
    place = _place(config)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(place):
        for left in place.glob(".new-*"):
            shutil.rmtree(left)
        size = _index_size(config)
        with_index = size is not None and size <= config["index_most"] * _GIB
        _room(config, place, size if with_index and size else 0)
        stamp = datetime.fromtimestamp(now(), UTC).strftime(STAMP)
        new = place / f".new-{config['host']}-{stamp}"
        new.mkdir(mode=0o700)
        try:
            _write(config, new, stamp, with_index)
            check(new)
            made = new.rename(place / new.name.removeprefix(".new-"))
        except (OSError, subprocess.SubprocessError, sqlite3.Error) as error:
            raise BackupError(f"no backup was made: {_said(error)}") from error
        finally:
            if new.exists():
                shutil.rmtree(new)
        for old in _superfluous([each.name for each in backups(place, config["host"])], config["keep"]):
            if place / old not in _marked():
                shutil.rmtree(place / old)
    return made


def check(backup: Path) -> dict[str, Any]:
    """Read a backup back: every byte by its checksum, the dump to its end, Grafana's pages, the list of files.

    Returns
    -------
    Its manifest.

    Raises
    ------
    BackupError
        It is not whole.
    """
    try:
        lines = (backup / _SUMS).read_text().splitlines()
        sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
        for name, digest in sums.items():
            if _digest(backup / name) != digest:
                raise BackupError(f"{backup / name} is not what was written; take another backup")
        manifest: dict[str, Any] = json.loads((backup / _MANIFEST).read_text())
        if missing := sorted({*manifest["parts"], _MANIFEST} - set(sums)):
            raise BackupError(f"{backup} has no {missing[0]}; take another backup")
        if _DATABASE in sums:
            _check_dump(backup / _DATABASE, manifest["tables"])
        if _GRAFANA in sums:
            _check_grafana(backup / _GRAFANA)
        with tarfile.open(backup / _FILES) as archive:
            archive.getmembers()
    except (OSError, EOFError, ValueError, KeyError, tarfile.TarError, sqlite3.Error) as error:
        raise BackupError(f"{backup} cannot be read ({_said(error)}); take another backup") from error
    return manifest


def backups(place: Path, host: str) -> list[Path]:
    """Return the backups of a host, the newest last."""
    found = [path for path in place.glob(f"{host}-*") if (name := _NAME.fullmatch(path.name)) and name["host"] == host]
    return sorted(found, key=lambda path: path.name)


def newest(place: Path, host: str) -> Path:
    """Return the newest backup of a host.

    Raises
    ------
    BackupError
        There is none.
    """
    found = backups(place, host)
    if not found:
        raise BackupError(f"{place} has no backup of {host}; type: sudo sisock-backup make")
    return found[-1]


def age(backup: Path, now: float) -> float:
    """Return how old a backup is, in seconds."""
    return now - datetime.strptime(backup.name[-16:], STAMP).replace(tzinfo=UTC).timestamp()


def superfluous(stamps: Collection[str], keep: Mapping[str, int]) -> set[str]:
    """Choose the stamps that are not kept: not the newest of one of the last days, weeks or months that have any.

    Parameters
    ----------
    stamps
        Of all backups.
    keep
        How many days, weeks and months: `daily`, `weekly`, `monthly`.
    """
    kept = {max(stamps)} if stamps else set()
    for period, form in (("daily", "%Y%m%d"), ("weekly", "%G%V"), ("monthly", "%Y%m")):
        last = {datetime.strptime(stamp, STAMP).replace(tzinfo=UTC).strftime(form): stamp for stamp in sorted(stamps)}
        kept |= {last[each] for each in sorted(last)[len(last) - min(keep[period], len(last)) :]}
    return set(stamps) - kept


def lost(backup: Path) -> list[str]:
    """Return the recorded files that the backed up index knows and that are not on this host; see `gone`."""
    return gone((backup / _RECORDED).read_bytes()) if (backup / _RECORDED).exists() else []


def gone(recorded: bytes) -> list[str]:
    """Return the files that are not on this host, of those in the compressed list of a backup.

    Raises
    ------
    BackupError
        It is no such list.
    """
    try:
        names = [bytes.fromhex(line.decode()) for line in gzip.decompress(recorded).splitlines()]
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise BackupError(f"the list of recorded files cannot be read ({_said(error)}); take another backup") from error
    return [os.fsdecode(name) for name in names if not os.path.lexists(name)]


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except ValueError as error:
        raise BackupError(f"the list of recorded files cannot be read ({_said(error)}): it is no base64") from error


def _superfluous(names: Collection[str], keep: Mapping[str, int]) -> list[str]:
    by_stamp = {name[-16:]: name for name in names}
    return [by_stamp[stamp] for stamp in superfluous(by_stamp, keep)]


def _marked() -> set[Path]:
    """Return the backups that a way back from an upgrade needs."""
    return {Path(json.loads(mark.read_text())["backup"]) for mark in _MARKS.glob("[0-9]*/mark.json")}


def _place(config: Mapping[str, Any]) -> Path:
    """Return where backups are, unless their disk is not there: what is below its mount point is another disk."""
    if config["mount"] and not os.path.ismount(config["mount"]):
        raise BackupError(
            f"nothing is mounted at {config['mount']}, where the disk of the backups should be: no backup is made, and "
            "those that there are cannot be read. Mount it, or correct backup_mount"
        )
    return Path(config["directory"])


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Wait until nobody else makes a backup here."""
    with (place / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _room(config: Mapping[str, Any], place: Path, index: int) -> None:
    """Leave the disk what others need of it; what is compressed is no larger than what it was made of."""
    free = shutil.disk_usage(place).free
    needed = index + config["reserve"] * _GIB
    if free < needed:
        raise BackupError(
            f"no backup was made: {place} has {free / _GIB:.1f} GiB left, and it takes {needed / _GIB:.1f}; "
            "make room, or set backup_dir, backup_keep or backup_index_most"
        )


def _write(config: Mapping[str, Any], new: Path, stamp: str, with_index: bool) -> None:
    tables = _tables(config)
    if with_index:
        _dump(config, new / _DATABASE)
        recorded = _ask(config, "SELECT HEX(path) FROM files WHERE status <> 'missing'") if "files" in tables else ""
        with gzip.open(new / _RECORDED, "wb") as names:
            names.write(recorded.encode())
    grafana = Path(config["grafana"])
    if grafana.exists():
        _copy_grafana(grafana, new / _GRAFANA)
    within = {path for path in config["paths"] for folder in config["paths"] if path.startswith(f"{folder}/")}
    paths = [path.lstrip("/") for path in config["paths"] if path not in within and os.path.lexists(path)]
    _run("tar", "--create", "--gzip", f"--file={new / _FILES}", "--directory=/", "--warning=no-file-changed",
         "--warning=no-file-ignored", "--exclude=*.sock", "--", *paths, fine=_CHANGED_WHILE_READ)  # fmt: skip
    parts = sorted(path.name for path in new.iterdir())
    manifest = {
        "host": config["host"],
        "site": config["site"],
        "made": stamp,
        "system": _system(),
        "releases": {link: os.readlink(link) for link in config["links"] if os.path.islink(link)},
        "schema": _ask(config, "SELECT version_num FROM alembic_version") if "alembic_version" in tables else None,
        "tables": len(tables),
        "accounts": accounts(config["accounts"]),
        "parts": parts,
    }
    (new / _MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    sums = [f"{_digest(new / name)}  {name}\n" for name in [_MANIFEST, *parts]]
    (new / _SUMS).write_text("".join(sums))
    for path in new.iterdir():
        path.chmod(0o600)
        with path.open("rb") as written:
            os.fsync(written.fileno())


def accounts(patterns: Collection[str]) -> list[dict[str, Any]]:
    """Return the accounts whose names match, with their numbers and further groups."""
    found = [each for each in pwd.getpwall() if any(fnmatchcase(each.pw_name, pattern) for pattern in patterns)]
    return [
        {
            "name": each.pw_name,
            "uid": each.pw_uid,
            "group": getgrgid(each.pw_gid).gr_name,
            "gid": each.pw_gid,
            "home": each.pw_dir,
            "has_home": os.path.isdir(each.pw_dir),
            "shell": each.pw_shell,
            "groups": sorted(group.gr_name for group in getgrall() if each.pw_name in group.gr_mem),
        }
        for each in found
    ]


def _ask(config: Mapping[str, Any], statement: str) -> str:
    database = config["database"]
    return _run("mariadb", f"--socket={database['socket']}", "--batch", "--skip-column-names",
                f"--execute={statement}", database["name"]).strip()  # fmt: skip


def _tables(config: Mapping[str, Any]) -> list[str]:
    if not config["database"]:
        return []
    try:
        return _ask(config, "SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'").replace("\tBASE TABLE", "").split()
    except FileNotFoundError:
        return []


def _index_size(config: Mapping[str, Any]) -> int | None:
    """Bytes of the database on disk; None where there is none."""
    if not _tables(config):
        return None
    statement = "SELECT CAST(SUM(data_length + index_length) AS INT) FROM information_schema.tables"
    return int(_ask(config, f"{statement} WHERE table_schema = DATABASE()"))


def _dump(config: Mapping[str, Any], target: Path) -> None:
    database = config["database"]
    command = ["mariadb-dump", f"--socket={database['socket']}", "--single-transaction", "--quick", "--hex-blob",
               "--default-character-set=utf8mb4", database["name"]]  # fmt: skip
    dump = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # noqa: S603 - our own words
    with dump, gzip.open(target, "wb", compresslevel=1) as packed:
        assert dump.stdout is not None  # noqa: S101 - for mypy
        assert dump.stderr is not None  # noqa: S101
        shutil.copyfileobj(dump.stdout, packed, _BLOCK)
        said = dump.stderr.read().decode(errors="replace").strip()
    if dump.returncode:
        raise BackupError(f"no backup was made: mariadb-dump failed: {said}")


def _check_dump(path: Path, tables: int) -> None:
    last, found = b"", 0
    with gzip.open(path) as dump:
        for line in dump:
            found += line.startswith(b"CREATE TABLE ")
            last = line.strip() and line
    if not last.startswith(_DUMPED) or found != tables:
        raise BackupError(f"{path} holds {found} of {tables} tables, or not to their end; take another backup")


def _copy_grafana(source: Path, target: Path) -> None:
    """Copy the database as of one moment, also while Grafana writes."""
    with source.open("rb") as file:
        is_sqlite = file.read(len(_SQLITE)) == _SQLITE
    if not is_sqlite:
        shutil.copyfile(source, target)
        return
    live = sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)
    with closing(live), closing(sqlite3.connect(target)) as copy:
        live.backup(copy)


def _check_grafana(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(len(_SQLITE)) != _SQLITE:
            return
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as database:
        (said,) = database.execute("PRAGMA integrity_check").fetchone()
    if said != "ok":
        raise BackupError(f"{path} is damaged: {said}; take another backup, and look at Grafana's disk")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _system() -> str:
    said = re.search(r'^PRETTY_NAME="?([^"\n]*)', Path("/etc/os-release").read_text(), re.MULTILINE)
    return said[1] if said else ""


def _run(*command: str, fine: int = 0) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if done.returncode not in (0, fine):
        raise BackupError(f"{command[0]} failed: {done.stderr.strip()}")
    return done.stdout


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__


def _due(config: Mapping[str, Any]) -> None:
    """Make a backup when the last one is old enough; who asks every hour gets it at about the same time of the day."""
    found = backups(_place(config), config["host"])
    if not found or age(found[-1], time.time()) > config["every"] - _ASKED_EVERY / 2:
        _print(f"made {make(config)}")


def _loop(config: Mapping[str, Any]) -> None:
    """Do for ever what a timer does where systemd runs."""
    while True:
        try:
            _due(config)
        except BackupError as error:
            _print(str(error))
        time.sleep(_ASKED_EVERY)


def _status(config: Mapping[str, Any]) -> None:
    """Say how old the newest backup is; it is a failure when two were due since, unless there was no time for them."""
    since = time.time() - Path(CONFIG).stat().st_mtime
    found = backups(_place(config), config["host"])
    old = min(age(found[-1], time.time()), since) if found else since
    which = f"the newest backup is {found[-1]}" if found else f"{config['directory']} has no backup yet"
    if old > 2 * config["every"]:
        raise BackupError(
            f"{which}, and none was made for {old / 86400:.1f} days; look at 'journalctl --unit sisock-backup', "
            "or type: sudo sisock-backup make"
        )
    _print(which)


def configuration() -> dict[str, Any]:
    """Return what `CONFIG` says.

    Raises
    ------
    BackupError
        It is of another release, as for minutes within a restore or an upgrade, or no JSON.
    OSError
        It is not there.
    """
    try:
        config: dict[str, Any] = json.loads(Path(CONFIG).read_text())
    except ValueError as error:
        raise BackupError(f"{CONFIG} is no JSON ({error}); ./appliance site writes it anew") from None
    if missing := [key for key in _CONFIGURED if key not in config]:
        problem = f"{CONFIG} is that of another release: it does not say {', '.join(missing)}"
        raise BackupError(f"{problem}; ./appliance site writes it anew")
    return config


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks for and return the exit status: 1 when it cannot be done."""
    parser = argparse.ArgumentParser(prog="sisock-backup", description="Backups of this host.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, about in (("make", "make one now"), ("list", "the backups that there are, the newest last"),
                        ("status", "exit status 1 when none was made for long"),
                        ("due", "make one when it is time"), ("loop", "do so every hour, for ever")):  # fmt: skip
        commands.add_parser(name, help=about)
    for name, about in (("check", "read one back and print its manifest"),
                        ("lost", "recorded files that are gone; with -, of a list in base64 on stdin")):  # fmt: skip
        one = commands.add_parser(name, help=about)
        one.add_argument("folder", nargs="?", type=Path, help="the newest when not given")
    asked = parser.parse_args(arguments)
    try:
        if asked.command in {"check", "lost"} and asked.folder:
            config: dict[str, Any] = {}
        else:
            config = configuration()
        _do(asked, config)
    except OSError as error:
        sys.stderr.write(f"sisock-backup: {error}; it takes root, and a converged host\n")
        return 1
    except BackupError as error:
        sys.stderr.write(f"sisock-backup: {error}\n")
        return 1
    return 0


def _do(asked: argparse.Namespace, config: Mapping[str, Any]) -> None:
    match asked.command:
        case "make":
            _print(str(make(config)))
        case "list":
            for each in backups(_place(config), config["host"]):
                _print(f"{each}  {sum(part.stat().st_size for part in each.iterdir()) / 1e6:.1f} MB")
        case "status":
            _status(config)
        case "due":
            _due(config)
        case "loop":
            _loop(config)
        case "check":
            _print(json.dumps(check(asked.folder or newest(_place(config), config["host"])), indent=1))
        case "lost":
            if asked.folder == Path("-"):
                absent = gone(_from_base64(sys.stdin.read()))
            else:
                absent = lost(asked.folder or newest(_place(config), config["host"]))
            for path in absent:
                _print(path)


if __name__ == "__main__":
    sys.exit(main())
