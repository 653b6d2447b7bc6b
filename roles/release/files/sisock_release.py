#!/usr/bin/python3 -I
"""Ways back from an upgrade of a sisock host: marked before, taken by hand or by the host itself.

A mark is a folder below /var/lib/sisock-release with what the links of the environments said, the files that say
which programs run and how, and the schema of the index. While an upgrade is under way, `guard` runs: when the new
release does not show samples, or nobody confirms it in time, or the host was started anew, it goes back, with or
without a controller.
"""

import argparse
import configparser
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

STATE = Path("/var/lib/sisock-release")
_GROUPS = Path("/etc/supervisor/conf.d")
_STAMP = "%Y%m%dT%H%M%SZ"
_KEPT = 3
"""How many marks are kept."""
_STARTING = 45.0
"""Seconds that programs have until they all run."""
_ROUND = 60.0
"""Seconds that one round of questions to all data servers may take."""
_UNIT = "sisock-release.service"


class ReleaseError(Exception):
    """What was asked for cannot be done; the sentence says why and what to do."""


def mark(plan: Mapping[str, Any], now: Callable[[], float] = time.time) -> Path:
    """Write down what stands now, and return the folder.

    Parameters
    ----------
    plan
        `links` of the environments; `paths` of files and folders; `groups` of programs; `database`, its name and
        socket, or None; `backup`, a folder with the index as it is now; `servers`, the file that names data servers;
        `log`, the file that says why the host has gone back.
    """
    pending = _pending()
    if pending:
        return STATE / str(pending["mark"])  # What stands now may be half of an upgrade.
    STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = STATE / datetime.fromtimestamp(now(), UTC).strftime(_STAMP)
    new = STATE / f".new-{folder.name}"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    _run("tar", "--create", f"--file={new / 'files.tar'}", "--directory=/", "--",
         *[path.lstrip("/") for path in plan["paths"] if os.path.lexists(path)])  # fmt: skip
    stood = {
        **plan,
        "links": {link: os.readlink(link) for link in plan["links"] if os.path.islink(link)},
        "schema": schema(plan["database"]),
        "running": [name for name, state in _programs().items() if state == "RUNNING"],
        "shown": _shown(plan),
    }
    _write(new / "mark.json", stood)
    # A host that loses its power goes back by it.
    _run("sync", "--file-system", str(new))
    new.rename(folder)
    for old in marks()[:-_KEPT]:
        shutil.rmtree(old)
    return folder


def marks() -> list[Path]:
    """Return the marks, the newest last."""
    return sorted(path.parent for path in STATE.glob("[0-9]*/mark.json"))


def arm(folder: Path, seconds: float, check: float) -> None:
    """Say that an upgrade is under way, which somebody confirms within `seconds`; a check may take `check` seconds."""
    _write(STATE / "pending", _upgrade(folder, seconds, check))


def _upgrade(folder: Path, seconds: float, check: float) -> dict[str, Any]:
    now = time.time()
    upgrade = {"mark": folder.name, "begun": now, "deadline": now + seconds, "switched": False, "check": check}
    return {**upgrade, "started": _started(), "going_back": False}


def begin(plan: Mapping[str, Any], seconds: float, check: float) -> Path:
    """Mark what stands, say that an upgrade is under way, and return the mark.

    Raises
    ------
    ReleaseError
        The host is on its way back from another one.
    """
    with _alone():
        if (_pending() or {}).get("going_back"):
            raise ReleaseError(f"this host is going back from an upgrade; {plan['log']} says when it has")
        folder = mark(plan)
        arm(folder, seconds, check)
    return folder


def switch(seconds: float) -> None:
    """Say that the new release runs from now on, and is confirmed within `seconds`."""
    with _alone():
        pending = _pending()
        if pending and not pending["going_back"]:
            _write(STATE / "pending", {**pending, "switched": True, "deadline": time.time() + seconds})


def confirm(wanted: str = "", seconds: float = 0.0, say: Callable[[str], None] = print) -> None:
    """Say that the new release is to stay, once the index has the schema `wanted`; if it has not in time, go back.

    Raises
    ------
    ReleaseError
        The host has gone back to the former release, now or meanwhile.
    """
    deadline = time.monotonic() + seconds
    while True:
        with _alone():
            pending = _pending()
            if not pending:
                raise ReleaseError(f"this host has gone back to its former release: {_taken_back().read_text()}")
            if pending["going_back"]:
                raise ReleaseError(f"this host is going back to its former release; {_stood(pending)['log']} says why")
            found = schema(_stood(pending)["database"]) if wanted else None
            if not wanted or found == wanted:
                (STATE / "pending").unlink()
                return
        if time.monotonic() > deadline:
            break
        time.sleep(0.5)
    why = f"the index has schema {found}, which did not become {wanted} in {seconds:.0f} s"
    back(pending["mark"], say, why=why, begun=pending["begun"])
    raise ReleaseError(f"this host has gone back to its former release: {why}")


def back(
    name: str = "",
    say: Callable[[str], None] = print,
    check: float = 90.0,
    why: str = "somebody asked for it",
    begun: float = 0.0,
) -> None:
    """Go back to what a mark says: that of the upgrade under way, else the newest with other releases than now.

    Who wants to confirm the upgrade later is told `why`. With `begun`, nothing is done when the upgrade that began then
    is not under way any more. What was broken off, as by a power cut, is ended by the next call, and by `guard`.

    Raises
    ------
    ReleaseError
        There is no such mark, a release of it is not there any more, or the former release does not show samples.
    """
    with _alone():
        pending = _pending()
        if begun and (pending or {}).get("begun") != begun:
            return
        folder = STATE / name if name else _way_back()
        if not (folder / "mark.json").exists():
            raise ReleaseError(f"{folder} is no mark; 'sisock-release list' shows those that there are")
        stood = json.loads((folder / "mark.json").read_text())
        for link, target in stood["links"].items():
            if not (Path(link).parent / target / "complete").exists():
                raise ReleaseError(f"{Path(link).parent / target} is not there any more; nothing was changed")
        pending = {**_upgrade(folder, 0.0, check), **(pending or {}), "mark": folder.name, "going_back": True}
        _write(STATE / "pending", pending)
        for link, target in stood["links"].items():
            if os.readlink(link) != target:
                say(f"{link}: {os.readlink(link)} -> {target}")
                os.symlink(target, f"{link}.new")
                os.replace(f"{link}.new", link)
        _put_back(folder, stood["paths"])
        # Tables of which only some are there yet have the right schema, too.
        older_index = pending.get("loading", False) or schema(stood["database"]) != stood["schema"]
        # Live data first: the archive follows once its tables are what they were.
        _update([group for group in stood["groups"] if not (older_index and group == "archive")])
        if older_index:
            say(f"the index has schema {schema(stood['database'])}, and is made {stood['schema']} again")
            # Of another host, the playbook rollback stops it; nobody does when this host goes back by itself.
            if "archive" in stood["groups"]:
                _run("supervisorctl", "stop", "archive:*")
            _write(STATE / "pending", {**pending, "loading": True})
            _load_index(stood["database"], stood["backup"], say)
            _update(stood["groups"])
        _taken_back().write_text(why)
        (STATE / "pending").unlink()
        shutil.rmtree(folder)
    problem = trouble(stood, check)
    if problem:
        raise ReleaseError(f"went back, but {problem}")
    say("the former release runs")


def trouble(stood: Mapping[str, Any], seconds: float) -> str:
    """Return what worked when the mark was made and does not now, or an empty string; samples have so many seconds."""
    started = time.monotonic()
    while down := [name for name, state in _programs().items() if name in stood["running"] and state != "RUNNING"]:
        if time.monotonic() > started + min(seconds, _STARTING):
            return f"{down[0]} does not run; look at 'supervisorctl tail {down[0]}'"
        time.sleep(0.5)
    names = set(stood["shown"]) & set(_servers(stood))
    return _without_samples(stood, sorted(names), seconds) if names else ""


def _shown(stood: Mapping[str, Any]) -> list[str]:
    """Return the data servers that show samples now."""
    names = _servers(stood)
    if not names or not _without_samples(stood, names, 0.0):
        return names
    return [name for name in names if not _without_samples(stood, [name], 0.0)]


def _servers(stood: Mapping[str, Any]) -> list[str]:
    file = Path(stood["servers"])
    return file.read_text().split() if file.exists() and bridge_port(_GROUPS / "sisock.conf") else []


def _without_samples(stood: Mapping[str, Any], names: Sequence[str], seconds: float) -> str:
    """Return which of the data servers show no samples, or an empty string."""
    bridge = f"http://127.0.0.1:{bridge_port(_GROUPS / 'sisock.conf')}"
    python = next(link for link in stood["links"] if link.endswith("/sisock/current")) + "/bin/python"
    command = ["runuser", "--user=nobody", "--", python, "-m", "services.self_check", f"--wait={seconds}",
               f"--bridge={bridge}", "--expect", *names]  # fmt: skip
    asked = subprocess.run(  # noqa: S603 - our own words
        # It counts no time within a round of questions.
        ["/usr/bin/timeout", str(2 * seconds + _ROUND), *command],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    if not asked.returncode:
        return ""
    return asked.stderr.strip() or f"services.self_check ended with status {asked.returncode}"


def bridge_port(group: Path) -> int:
    """Return the port of the bridge by its group's file; 0 when this host has none."""
    if not group.exists():
        return 0
    programs = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"))
    programs.read_string(group.read_text())
    said = re.search(r'\bPORT="(\d+)"', programs.get("program:sisock-bridge", "environment", fallback=""))
    return int(said[1]) if said else 0


def _programs() -> dict[str, str]:
    """Return the state of every program that supervisor has."""
    lines = [line.split() for line in _run("supervisorctl", "status", fine=range(8)).splitlines()]
    return {words[0]: words[1] for words in lines if len(words) > 1}


def guard(say: Callable[[str], None] = print, pause: Callable[[float], None] = time.sleep) -> None:
    """Watch over the upgrade that is under way, until it is confirmed or taken back."""
    checked = 0.0
    while pending := _pending():
        stood, why = _stood(pending), ""
        if pending["going_back"]:
            why = "going back was broken off"
        elif pending["started"] != _started():
            why = "the host was started anew in the middle of an upgrade"
        elif time.time() > pending["deadline"]:
            why = "nobody confirmed the upgrade"
        elif pending["switched"] and checked != pending["begun"]:
            why, checked = trouble(stood, pending["check"]), pending["begun"]
        # Meanwhile it may have been confirmed, and another one begun.
        if why and (_pending() or {}).get("begun") == pending["begun"]:
            say(f"{datetime.now(UTC).isoformat(timespec='seconds')} {why}; going back")
            back(pending["mark"], say, why=why, begun=pending["begun"])
            return
        pause(0.5)


def schema(database: Mapping[str, str] | None) -> str | None:
    """Return the revision of the index's tables; None where there are none."""
    if not database:
        return None
    said = _run("mariadb", f"--socket={database['socket']}", "--batch", "--skip-column-names",
                "--execute=SELECT version_num FROM alembic_version", database["name"], fine=(0, 1))  # fmt: skip
    return said.strip() or None


def _way_back() -> Path:
    pending = _pending()
    if pending:
        return STATE / str(pending["mark"])
    for folder in reversed(marks()):
        links = json.loads((folder / "mark.json").read_text())["links"]
        if any(os.readlink(link) != target for link, target in links.items()):
            return folder
    raise ReleaseError("there is no former release to go back to; an upgrade marks one before it changes anything")


def _put_back(folder: Path, paths: Sequence[str]) -> None:
    """Make the paths what they were: also without what has come since."""
    listed = {f"/{name.rstrip('/')}" for name in _run("tar", "--list", f"--file={folder / 'files.tar'}").splitlines()}
    for path in map(Path, paths):
        inside = sorted(path.rglob("*"), reverse=True) if path.is_dir() and not path.is_symlink() else []
        for each in [*inside, path]:
            if str(each) not in listed and os.path.lexists(each):
                if each.is_dir() and not each.is_symlink():
                    each.rmdir()
                else:
                    each.unlink()
    _run("tar", "--extract", f"--file={folder / 'files.tar'}", "--directory=/")


def _update(groups: Sequence[str]) -> None:
    try:
        _run("/usr/bin/python3", "-m", "supervisor_regroup", *groups)
    except ReleaseError:  # The daemon itself, or its extension, does not answer.
        _run("service", "supervisor", "restart")


def _load_index(database: Mapping[str, str], backup: str, say: Callable[[str], None]) -> None:
    """Put the tables back as they were; what was recorded since, the scanner finds in the files."""
    here, name = f"--socket={database['socket']}", database["name"]
    remade = f"DROP DATABASE `{name}`; CREATE DATABASE `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"
    _run("mariadb", here, f"--execute={remade}")
    dump = Path(backup or "/nonexistent") / "database.sql.gz"
    if not dump.exists():
        say(f"{dump} does not exist: the scanner makes the index of the recorded files again")
        return
    unpack = ["/usr/bin/gzip", "--decompress", "--stdout", str(dump)]
    with subprocess.Popen(unpack, stdout=subprocess.PIPE) as unpacked:  # noqa: S603 - our own words
        done = subprocess.run(  # noqa: S603 - our own words
            ["/usr/bin/env", "mariadb", here, "--default-character-set=utf8mb4", name],
            stdin=unpacked.stdout, capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode or unpacked.returncode:
        raise ReleaseError(f"{dump} could not be loaded: {done.stderr.strip()}; the archive stands still")


def _pending() -> dict[str, Any] | None:
    try:
        pending: dict[str, Any] = json.loads((STATE / "pending").read_text())
    except FileNotFoundError:
        return None
    return pending


def _stood(pending: Mapping[str, Any]) -> dict[str, Any]:
    stood: dict[str, Any] = json.loads((STATE / pending["mark"] / "mark.json").read_text())
    return stood


def _taken_back() -> Path:
    """Return the file that says why the last upgrade was taken back."""
    return STATE / "taken_back"


def _started() -> str:
    """When the host was started: that of its first process, as the kernel of a container is another's."""
    return Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19]


@contextmanager
def _alone() -> Iterator[None]:
    STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (STATE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(path: Path, what: Mapping[str, Any]) -> None:
    """Write a file that is there as a whole or not at all, also after a power cut."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(json.dumps(what, indent=1) + "\n")
    new.chmod(0o600)
    _run("sync", str(new))
    new.replace(path)
    _run("sync", str(path.parent))


def _run(*command: str, fine: Sequence[int] = (0,)) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if done.returncode not in fine:
        raise ReleaseError(f"`{' '.join(command[:3])}` failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def _start_guard(log_file: str) -> None:
    if Path("/run/systemd/system").is_dir():
        _run("systemctl", "restart", "--no-block", _UNIT)
        return
    with Path(log_file).open("a") as log:
        subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-I", __file__, "guard"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks for and return the exit status: 1 when it cannot be done."""
    parser = argparse.ArgumentParser(prog="sisock-release", description="Ways back from an upgrade of this host.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    commands.add_parser("list", help="the marks, the newest last, and what each goes back to")
    commands.add_parser("back", help="go back to the former release").add_argument("mark", nargs="?", default="")
    begin = commands.add_parser("begin", help="mark what stands, and guard the upgrade that follows")
    begin.add_argument("plan", type=json.loads, help="JSON")
    begin.add_argument("--within", type=float, default=3600.0, metavar="SECONDS", help="for all of it")
    begin.add_argument("--check", type=float, default=90.0, metavar="SECONDS", help="until there are samples")
    commands.add_parser("switched", help="the new release runs").add_argument(
        "--within", type=float, default=600.0, metavar="SECONDS", help="until it is confirmed"
    )
    keep = commands.add_parser("confirm", help="the new release is to stay")
    keep.add_argument("--schema", default="", help="that the index has to have first")
    keep.add_argument("--within", type=float, default=90.0, metavar="SECONDS", help="until it has, or go back")
    commands.add_parser("guard", help="watch over an upgrade; it is started by 'begin'")
    asked = parser.parse_args(arguments)
    try:
        _do(asked)
    except (ReleaseError, OSError) as error:
        sys.stderr.write(f"sisock-release: {error}\n")
        return 1
    return 0


def _do(asked: argparse.Namespace) -> None:
    match asked.command:
        case "list":
            for each in marks():
                links = json.loads((each / "mark.json").read_text())["links"]
                _say(" ".join([each.name, *(f"{Path(link).parent.name}:{Path(links[link]).name}" for link in links)]))
        case "back":
            back(asked.mark, _say)
        case "begin":
            folder = begin(asked.plan, asked.within, asked.check)
            _start_guard(asked.plan["log"])
            _say(str(folder))
        case "switched":
            switch(asked.within)
        case "confirm":
            confirm(asked.schema, asked.within, _say)
        case "guard":
            guard(_say)


def _say(text: str) -> None:
    # Who hangs up does not stop what is being done.
    with suppress(OSError):
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
