"""A MariaDB for the tests alone: a socket in a folder, gone when they are done, and killed as often as they like."""

import ctypes
import getpass
import itertools
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ACCOUNTS = {
    "scanner": "SELECT,INSERT,UPDATE,DELETE,CREATE,ALTER,INDEX,DROP,REFERENCES,CREATE VIEW,SHOW VIEW",
    "reader": "SELECT,SHOW VIEW",
}
"""Account -> its rights, as roles/mariadb grants them."""

_FAST = (
    "--innodb-buffer-pool-size=64M",
    "--innodb-flush-log-at-trx-commit=2",  # A killed server loses nothing by it, only a machine without power.
    "--innodb-flush-method=nosync",
    "--innodb-log-file-size=32M",
    "--skip-log-bin",
    "--performance-schema=OFF",
)
_AS_CONFIGURED = (
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_unicode_ci",
    "--default-time-zone=+00:00",
    "--sql-mode=STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION",
)
_PR_SET_PDEATHSIG = 1
_WITHIN = 60.0
"""Seconds for the server to begin or end."""


class PrivateMariaDB:
    """One server.

    Parameters
    ----------
    folder
        For the socket and the log; its path is short, as that of a socket must be.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.data, self.socket = folder, folder / "data", folder / "m.sock"
        self._places = (f"--datadir={self.data}", f"--tmpdir={folder / 'tmp'}", f"--user={getpass.getuser()}")
        self._own = (f"--socket={self.socket}", f"--pid-file={folder / 'm.pid'}", "--skip-networking")
        self.process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)

    def install(self) -> "PrivateMariaDB":
        """Make the data folder."""
        program = shutil.which("mariadb-install-db")
        if program is None:
            pytest.fail("MariaDB is not installed: apt install mariadb-server-core mariadb-client-core")
        # A server that begins empties the folder of temporary tables, so each has its own.
        (self.folder / "tmp").mkdir()
        command = [
            program,
            "--no-defaults",
            *self._places,
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ]
        made = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
        assert made.returncode == 0, made.stdout + made.stderr
        return self

    def start(self) -> "PrivateMariaDB":
        """Start the server, and wait until it answers."""
        program = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
        with (self.folder / "mariadbd.log").open("ab") as log:
            command = [program, "--no-defaults", *self._places, *self._own, *_FAST, *_AS_CONFIGURED]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=_end_with_us)  # noqa: PLW1509
        deadline = time.monotonic() + _WITHIN
        while self._client("SELECT 1", check=False).returncode != 0:
            assert self.process.poll() is None, f"mariadbd ended: {self.log()[-2000:]}"
            assert time.monotonic() < deadline, f"mariadbd does not answer: {self.log()[-2000:]}"
            time.sleep(0.02)
        return self

    def stop(self) -> None:
        """End the server as an administrator would."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(_WITHIN)
            except subprocess.TimeoutExpired:
                self.kill()
            self.process = None

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def log(self) -> str:
        """What the server has said."""
        return (self.folder / "mariadbd.log").read_text(errors="replace")

    def fresh(self, disk: Path | None = None) -> str:
        """Make an empty database with both accounts, with its tables on another disk if one is given; give its name."""
        name = f"files_{next(self._numbers)}"
        if disk is not None:
            (disk / name).mkdir()
            (self.data / name).symlink_to(disk / name)
        grants = "".join(
            f"CREATE USER IF NOT EXISTS {account}@localhost IDENTIFIED BY '{password(account)}';"
            f"GRANT {rights} ON `{name}`.* TO {account}@localhost;"
            for account, rights in ACCOUNTS.items()
        )
        self.sql(f"CREATE DATABASE IF NOT EXISTS `{name}`;{grants}")
        return name

    def drop(self, name: str) -> None:
        """Take a database away, and the room it takes."""
        self.sql(f"DROP DATABASE IF EXISTS `{name}`")

    def environ(self, name: str, account: str) -> dict[str, str]:
        """Settings of a program that uses the database under an account."""
        return {"SQL_HOST": str(self.socket), "SQL_USER": account, "SQL_PASSWD": password(account), "SQL_DB": name}

    def sql(self, statements: str, name: str = "") -> list[list[str]]:
        """Run statements as root; give the rows as text, NULL as "NULL"."""
        done = self._client(statements, name)
        return [line.split("\t") for line in done.stdout.splitlines()]

    def table(self, query: str, name: str) -> list[tuple[Any, ...]]:
        """Rows of one query, each value as text; bytes as hexadecimal digits where the query asks for HEX()."""
        return [tuple(row) for row in self.sql(query, name)]

    def _client(self, statements: str, name: str = "", *, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["mariadb", "--no-defaults", f"--socket={self.socket}", "--user=root", "--batch", "--skip-column-names",
             *([name] if name else [])],
            input=statements, check=False, capture_output=True, text=True, timeout=_WITHIN,
        )  # fmt: skip
        assert done.returncode == 0 or not check, done.stderr
        return done


def _end_with_us() -> None:
    """Have the kernel end the server with the process of the tests, however that ends; and Ctrl+C is not for it."""
    os.setsid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def password(account: str) -> str:
    """The password of an account, for the tests alone."""
    return f"only-for-tests-{account}"


def without_secrets(text: str) -> bool:
    """Whether no password of an account is in a text, a log for instance."""
    return not any(re.search(re.escape(password(account)), text) for account in ACCOUNTS)


def in_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The environment of this process, with settings of a program."""
    return dict(os.environ) | dict(settings)
