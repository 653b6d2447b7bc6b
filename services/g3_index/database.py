"""The connection to MariaDB."""

from collections.abc import Mapping
from typing import Any, Literal

from sqlalchemy import URL, Engine, create_engine

from sisock.config import declared_options, load_settings
from sisock.errors import SettingError

_CONNECT_SECONDS = 5


def open_engine(
    environ: Mapping[str, str] | None = None,
    isolation: Literal["READ COMMITTED", "REPEATABLE READ", "AUTOCOMMIT"] = "READ COMMITTED",
    connections: int = 5,
) -> Engine:
    """Prepare connections to the database that the environment names; none is made yet.

    Parameters
    ----------
    environ
        The environment; that of the process when not given.
    isolation
        "REPEATABLE READ" for who reads several tables as of one moment; "AUTOCOMMIT" for single questions: nothing but
        they go to the server, and the first one after a restart of it fails.
    connections
        Most connections at a time.

    Raises
    ------
    SettingError
        A setting of `database.yml` is missing or wrong, or the password's file cannot be read.
    """
    settings = load_settings(declared_options("services.g3_index", "database.yml"), environ)
    host: str = settings["SQL_HOST"]
    where: dict[str, Any] = (
        {"query": {"unix_socket": host}} if host.startswith("/") else {"host": host, "port": settings["SQL_PORT"]}
    )
    url = URL.create(
        "mysql+mysqldb",
        username=settings["SQL_USER"],
        password=_password(settings),
        database=settings["SQL_DB"],
        **where,
    )
    return create_engine(
        url,
        isolation_level=isolation,
        pool_size=connections,
        max_overflow=0,
        pool_pre_ping=isolation != "AUTOCOMMIT",  # The server may have been started anew meanwhile.
        skip_autocommit_rollback=True,
        connect_args={
            "connect_timeout": _CONNECT_SECONDS,
            "charset": "utf8mb4",
            "init_command": "SET time_zone = '+00:00'",
        },
    )


def _password(settings: Mapping[str, Any]) -> str | None:
    file = settings["SQL_PASSWD_FILE"]
    if settings["SQL_PASSWD"] or file is None:
        return settings["SQL_PASSWD"] or None
    try:
        return str(file.read_text(encoding="utf-8").strip())
    except OSError as error:
        problem = f"{file} cannot be read ({error.strerror})"
        raise SettingError("SQL_PASSWD_FILE", problem, "let the program's user read it") from error
