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
    """It makes its tables and views and fills them."""
    statements = (
        "CREATE TABLE trial (n INT); INSERT INTO trial VALUES (7); CREATE VIEW seen AS SELECT n FROM trial;"
        " SELECT n FROM seen; DROP VIEW seen; DROP TABLE trial"
    )
    assert ask(host, "scanner", statements).split() == ["7"]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE trial (n INT)",
        "DELETE FROM frames",
        "UPDATE state SET version = 0",
        "INSERT INTO state VALUES (2, 0)",
        "DROP TABLE tiles",
        "CREATE VIEW trial AS SELECT 1",
        "CREATE USER trial",
        "SELECT * FROM mysql.global_priv",
        "CREATE DATABASE trial",
    ],
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


@pytest.mark.parametrize("account", ["reader", "scanner"])
def test_the_socket_is_a_door_with_a_lock_too(host: Host, account: str) -> None:
    """Programs come through the socket, and need their password there as well."""
    refused = host.run(f"runuser --user=sisock-{account} -- mariadb --user={account} --execute='SELECT 1'")
    assert DENIED in refused.stderr


def test_the_index_is_set_up_as_an_index(host: Host) -> None:
    """No binary log, memory for its pages, packets as large as its batches, and a flush a second."""
    names = ("log_bin", "max_allowed_packet", "innodb_flush_log_at_trx_commit", "time_zone")
    shown = ", ".join(f"@@{name}" for name in names)
    values = host.check_output("mariadb --batch --skip-column-names --execute=%s", f"SELECT {shown}").split()
    assert values == ["0", str(64 * 2**20), "2", "+00:00"]
    memory = int(host.check_output("awk '/MemTotal/ {print $2}' /proc/meminfo")) * 1024
    pool = int(host.check_output("mariadb --batch --skip-column-names --execute='SELECT @@innodb_buffer_pool_size'"))
    assert memory / 4 - 128 * 2**20 <= pool <= memory / 4
