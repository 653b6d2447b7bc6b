import pytest
from MySQLdb import IntegrityError as MySQLIntegrityError
from MySQLdb import OperationalError as MySQLOperationalError
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DataError, IntegrityError, OperationalError

from services.g3_index.database import open_engine
from services.g3_scanner.faults import is_race, outside, patiently, sentence

STATEMENT = "INSERT INTO files VALUES ('secret')"


def of_server(code: int, said: str = "said") -> OperationalError:
    return OperationalError(STATEMENT, {}, MySQLOperationalError(code, said))


@pytest.mark.parametrize(
    ("code", "advice"),
    [(2002, "SQL_HOST"), (2013, "SQL_HOST"), (1045, "SQL_USER"), (1049, "SQL_DB"), (1114, "room"), (3, "room"),
     (1290, "written"), (1146, "scanner"), (1053, "by itself"), (1213, "by itself"), (1040, "connections")],
)  # fmt: skip
def test_what_the_database_lacks_is_said_with_what_to_do(code: int, advice: str) -> None:
    problem = outside(of_server(code))
    assert problem is not None
    assert f"({code}: said)" in problem
    assert advice in problem
    assert STATEMENT not in problem


@pytest.mark.parametrize("error", [of_server(1366), of_server(1064), ValueError("x"), MemoryError(),
                                   DataError(STATEMENT, {}, MySQLOperationalError(1406, "too long"))])  # fmt: skip
def test_what_a_file_or_we_have_done_is_no_fault_of_the_database(error: Exception) -> None:
    assert outside(error) is None
    assert not is_race(error)
    assert STATEMENT not in sentence(error)


def test_a_lost_race_is_run_again_and_not_for_ever() -> None:
    attempts = []

    def lose(connection: Connection) -> None:
        attempts.append(connection)
        raise of_server(1213)

    with pytest.raises(OperationalError):
        patiently(create_engine("sqlite://"), lose)
    assert len(attempts) == 5
    assert patiently(create_engine("sqlite://"), lambda c: c.scalar(text("SELECT 7"))) == 7
    assert is_race(IntegrityError(STATEMENT, {}, MySQLIntegrityError(1062, "duplicate")))


def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    settings = {"SQL_HOST": "/nowhere/m.sock", "SQL_USER": "scanner", "SQL_PASSWD": "hidden", "SQL_DB": "files"}
    with pytest.raises(OperationalError) as raised, open_engine(settings).connect():
        pass
    problem = outside(raised.value)
    assert problem is not None
    assert "/nowhere/m.sock" in problem
    assert "hidden" not in problem


def test_a_refused_account_is_told(engine: Engine) -> None:
    refused = create_engine(engine.url.set(password="wrong"))
    with pytest.raises(OperationalError) as raised, refused.connect():
        pass
    assert "SQL_USER" in (outside(raised.value) or "")
