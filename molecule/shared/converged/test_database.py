"""The index database: who may do what."""

import pytest
from testinfra.host import Host

DENIED = "denied"


def ask(host: Host, account: str, statement: str) -> str:
    """Run SQL as an account, with its secret from its file, and return its rows, or why it failed."""
    done = host.run(
        f"MYSQL_PWD=$(cat /etc/sisock/secrets/db_{account}) mariadb --protocol=tcp --host=127.0.0.1"
        f" --user={account} --batch --skip-column-names --execute=%s files",
        statement,
    )
    return str(done.stdout if done.succeeded else done.stderr)


def test_the_scanner_writes_the_index(host: Host) -> None:
    """It makes its tables and fills them."""
    statements = "CREATE TABLE trial (n INT); INSERT INTO trial VALUES (7); SELECT n FROM trial; DROP TABLE trial"
    assert ask(host, "scanner", statements).split() == ["7"]


@pytest.mark.parametrize(
    "statement",
    ["CREATE TABLE trial (n INT)", "CREATE USER trial", "SELECT * FROM mysql.global_priv", "CREATE DATABASE trial"],
)
def test_the_reader_only_reads(host: Host, statement: str) -> None:
    """It changes nothing, and sees nothing beyond the index."""
    assert DENIED in ask(host, "reader", statement)
    assert ask(host, "reader", "SELECT DATABASE()").strip() == "files"


@pytest.mark.parametrize("statement", ["CREATE USER trial", "SELECT * FROM mysql.global_priv", "CREATE DATABASE trial"])
def test_the_scanner_stays_in_the_index(host: Host, statement: str) -> None:
    """Its rights end at the database `files`."""
    assert DENIED in ask(host, "scanner", statement)


def test_nobody_enters_without_a_name_or_password(host: Host) -> None:
    """No account without a name, and none of ours without its secret."""
    anonymous = "SELECT user FROM mysql.user WHERE user=''"
    assert host.check_output("mariadb --batch --skip-column-names --execute=%s", anonymous) == ""
    for account in ("reader", "scanner"):
        refused = host.run(f"mariadb --protocol=tcp --host=127.0.0.1 --user={account} --execute='SELECT 1'")
        assert DENIED in refused.stderr
