"""Brings the tables up to what this release knows."""

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from sisock.errors import SisockError

_PATIENCE = 60


class MigrationError(SisockError):
    """The tables cannot be brought to the form that this release needs."""


def migrate(engine: Engine) -> None:
    """Make the tables, or bring older ones up to date; one program at a time, the others wait.

    Raises
    ------
    MigrationError
        Another program has been at it for a minute, or the tables belong to a later release.
    """
    with engine.connect() as connection:
        if not connection.scalar(
            text("SELECT GET_LOCK(CONCAT(DATABASE(), '.migrations'), :wait)"), {"wait": _PATIENCE}
        ):
            raise MigrationError(f"another program has been changing the tables for {_PATIENCE} s; look at its log")
        try:
            _upgrade(connection)
        except Exception:
            connection.invalidate()  # The lock goes with it, also where the server is away.
            raise
        connection.execute(text("SELECT RELEASE_LOCK(CONCAT(DATABASE(), '.migrations'))"))


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", "services.g3_index:migrations")
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    context = EnvironmentContext(config, scripts)
    context.configure(
        connection=connection,
        fn=lambda revision, _: scripts._upgrade_revs("head", revision),
        transaction_per_migration=True,
    )
    known = {script.revision for script in scripts.walk_revisions()}
    here = set(context.get_context().get_current_heads())
    if not here <= known:
        raise MigrationError(
            f"the tables were made by a later release ({', '.join(here)}); install that, or restore them"
        )
    if here != set(scripts.get_heads()):
        with context.begin_transaction():
            context.run_migrations()
    connection.commit()
