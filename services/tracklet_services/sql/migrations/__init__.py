"""The schema's history, applied by Alembic without a configuration file."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

from tracklet.errors import MissingDependency, StorageError


def upgrade(connection: Connection, shown: str) -> None:
    """Bring a database's schema up to date, inside the transaction that is under way.

    Args:
        connection: The database; its transaction is committed or rolled back by the caller.
        shown: What to call the database in messages.

    Raises:
        MissingDependency: Alembic is not installed.
        StorageError: The schema is of a later version of tracklet.
    """
    try:
        from alembic import command
        from alembic.config import Config
        from alembic.util import CommandError
    except ImportError as error:
        raise MissingDependency(
            "alembic", extra="sql", purpose=f"making or upgrading the tables of {shown}"
        ) from error
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StorageError(
            f"{shown} was made by a later version of tracklet ({error}); upgrade tracklet"
        ) from error
