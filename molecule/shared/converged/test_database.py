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


def as_root(host: Host, statement: str, database: str = "") -> list[str]:
    """Lines that the database answers root, who comes through the socket."""
    command = f"mariadb --batch --skip-column-names --default-character-set=utf8mb4 --execute=%s {database}"
    return str(host.check_output(command, statement)).splitlines()


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
    assert as_root(host, "SELECT user FROM mysql.user WHERE user=''") == []
    for account in ("reader", "scanner"):
        refused = host.run(f"mariadb --protocol=tcp --host=127.0.0.1 --user={account} --execute='SELECT 1'")
        assert DENIED in refused.stderr


def test_root_and_our_accounts_come_from_this_host_alone(host: Host) -> None:
    """And root through the socket, without a password that could be guessed."""
    assert as_root(host, "SELECT user FROM mysql.user WHERE host <> 'localhost'") == []
    made = " ".join(as_root(host, "SHOW CREATE USER root@localhost"))
    assert "unix_socket" in made
    assert "mysql_native_password" not in made
    # Whoever is not root on the host is not root in the database.
    for account in ("sisock-reader", "ocs", "mysql", "nobody"):
        assert host.run("runuser --user=%s -- mariadb --user=root --execute='SELECT 1'", account).failed


def test_there_is_no_database_but_ours_and_mariadbs(host: Host) -> None:
    """The one called test is gone."""
    assert set(as_root(host, "SHOW DATABASES")) == {"files", "information_schema", "mysql", "performance_schema", "sys"}


def test_what_does_not_fit_is_refused_and_not_bent(host: Host) -> None:
    """Strict mode, also for a session that does not ask for it."""
    tables = "CREATE TEMPORARY TABLE trial (n TINYINT, word VARCHAR(3));"
    for values in ("(1000, '')", "(1, 'four')", "('x', '')"):
        refused = host.run("mariadb --execute=%s files", f"{tables} INSERT INTO trial VALUES {values}")
        assert "ERROR" in refused.stderr, values


def test_text_is_utf8_in_full(host: Host) -> None:
    """Letters beyond the basic plane, too."""
    names = ("@@character_set_server", "@@character_set_database", "@@collation_database")
    values = as_root(host, f"SELECT CONCAT_WS(' ', {', '.join(names)}, HEX('\U0001d54f'))", "files")
    assert values == ["utf8mb4 utf8mb4 utf8mb4_unicode_ci F09D958F"]


def test_slow_statements_are_in_a_log_that_stays_small_and_only_admins_read(host: Host) -> None:
    """With the statement; logrotate looks after it every day."""
    as_root(host, "SET SESSION long_query_time = 0.1; SELECT SLEEP(0.2), 'what took so long'")
    log = host.file("/var/log/mysql/slow.log")
    assert "what took so long" in log.content_string
    assert (log.user, oct(log.mode)[-1]) == ("mysql", "0")
    assert host.service("logrotate.timer").is_running
    assert "/var/log/mysql/" in host.file("/etc/logrotate.d/mariadb").content_string


def test_no_client_is_asked_for_its_files(host: Host) -> None:
    """LOAD DATA LOCAL is off."""
    assert as_root(host, "SELECT @@local_infile") == ["0"]


@pytest.mark.parametrize("account", ["reader", "scanner"])
def test_no_account_reads_files_of_the_host(host: Host, account: str) -> None:
    """None has the right FILE."""
    assert DENIED in ask(host, account, "SELECT * FROM state INTO OUTFILE '/tmp/trial'")
    assert ask(host, account, "SELECT LOAD_FILE('/etc/passwd')").strip() == "NULL"


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
