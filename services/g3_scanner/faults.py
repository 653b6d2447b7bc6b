"""Whose fault an error of the database is, as a sentence."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

T = TypeVar("T")

_AGAIN = {1020, 1205, 1213}
"""Lost a race: record has changed, lock wait timeout, deadlock."""
_ATTEMPTS = 5

_ROOM = "make room on the disk of the database"
_RIGHTS = "look at SQL_USER and its password, and at the rights of that account"
_RUNNING = "look at 'systemctl status mariadb', and at SQL_HOST"
_WAIT = "it goes on by itself when the database is back"
_OUTSIDE = (
    {1021: _ROOM, 1026: _ROOM, 1030: _ROOM, 1114: _ROOM, 3: _ROOM, 28: _ROOM, 1180: _ROOM}
    | {1044: _RIGHTS, 1045: _RIGHTS, 1142: _RIGHTS, 1143: _RIGHTS, 1227: _RIGHTS, 1698: _RIGHTS}
    | {1049: "create the database that SQL_DB names, or look at SQL_DB"}
    | {1146: "start the scanner, which makes the tables"}
    | {1290: "let the database be written to", 1836: "let the database be written to"}
    | {1040: "let the database accept more connections", 1203: "let the database accept more connections"}
    | dict.fromkeys((1037, 1038, 1041, 1135), "give the database more memory")
    | dict.fromkeys((1042, 1043, 1129, 1130, 1158, 1159, 1160, 1161), "look at the network between here and there")
    | dict.fromkeys((1047, 1053, 1152, 1184, 1206, 1317, 1927, 1969, 4031), _WAIT)
)


def outside(error: Exception) -> str | None:
    """Say what is wrong with the database or the way to it; None when that is not what the error is about.

    Such an error goes away when somebody mends the database; the same statement can then be tried again.
    """
    if isinstance(error, PoolTimeoutError):
        return f"the database is too slow ({error}); {_WAIT}"
    if not isinstance(error, DBAPIError):
        return None
    code, text = _said(error)
    if code in _AGAIN or error.connection_invalidated:
        advice: str | None = _WAIT
    elif code is not None and 2000 <= code < 3000:
        advice = _RUNNING
    else:
        advice = _OUTSIDE.get(code if code is not None else -1)
    return None if advice is None else f"the database fails ({code}: {text}); {advice}"


def sentence(error: Exception) -> str:
    """What an error says, without the statement and the values that SQLAlchemy puts beside it."""
    if isinstance(error, DBAPIError):
        return "{}: {}".format(*_said(error))
    if isinstance(error, MemoryError):
        return "it needs more memory than WORKER_MEMORY allows"
    return f"{type(error).__name__}: {error}"


def patiently(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Do `work` in a transaction, and again when it has lost a race with another one.

    Raises
    ------
    DBAPIError
        Of any other kind, or it loses every race.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            with engine.begin() as connection:
                return work(connection)
        except DBAPIError as error:
            if not is_race(error):
                raise
    with engine.begin() as connection:
        return work(connection)


def is_race(error: Exception) -> bool:
    """Whether two writers were in each other's way, so that another attempt is due at once."""
    return isinstance(error, IntegrityError) or (isinstance(error, DBAPIError) and _said(error)[0] in _AGAIN)


def _said(error: DBAPIError) -> tuple[int | None, str]:
    arguments = getattr(error.orig, "args", ())
    code = arguments[0] if arguments and isinstance(arguments[0], int) else None
    return code, str(arguments[-1] if arguments else error.orig)
