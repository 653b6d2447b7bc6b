import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from private_mariadb import PrivateMariaDB

# How long an example takes says how busy the machine is.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def mariadb() -> Iterator[PrivateMariaDB]:
    """A MariaDB of this test process alone; whoever kills it starts it again."""
    # A socket's path has some hundred characters at most, and pytest's own folders are deep.
    with tempfile.TemporaryDirectory(prefix="db") as folder:
        server = PrivateMariaDB(Path(folder)).install().start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture
def database(mariadb: PrivateMariaDB) -> Iterator[str]:
    """An empty database with both accounts."""
    name = mariadb.fresh()
    yield name
    mariadb.drop(name)
