"""The schema's history: numbered steps, of which a database notes those that were applied to it.

A step says what tables and indexes it made. Whoever changes the tables of
:mod:`tracklet.reading.tables` appends a step; a test opens databases of every earlier schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Column, Connection, MetaData, String, Table, insert, inspect, select, text

from tracklet.errors import StorageError
from tracklet_services.sql.schema import VERSION_TABLE, metadata

STEPS: Final[Mapping[str, str]] = {
    "0001": "experiments experiment_tags runs params tags metrics latest_metrics datasets inputs "
    "input_tags model_inputs model_outputs leases logged_models logged_model_params "
    "logged_model_tags logged_model_metrics registered_models registered_model_tags "
    "registered_model_aliases model_versions model_version_tags",
    "0002": "traces trace_tags trace_metadata trace_spans assessments",
    "0003": "",
}
"""The tables that each step creates; one that creates none changes something."""

_applied = Table(VERSION_TABLE, MetaData(), Column("version_num", String(32), primary_key=True))


def applied(connection: Connection) -> frozenset[str]:
    """The steps that a database has behind it."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return frozenset()
    return frozenset(connection.execute(select(_applied.c.version_num)).scalars())


def upgrade(connection: Connection, shown: str) -> None:
    """Apply the steps that a database lacks, inside the transaction that is under way.

    Args:
        connection: The database; its transaction is committed or rolled back by the caller.
        shown: What to call the database in messages.

    Raises:
        StorageError: The schema is of a later version of tracklet.
    """
    known = applied(connection)
    check(known, shown)
    _applied.create(connection, checkfirst=True)
    for step, tables in STEPS.items():
        if step not in known:
            named = [metadata.tables[name] for name in tables.split()]
            metadata.create_all(connection, named, checkfirst=False)
            if step == "0003":
                _list_latest_first(connection)
            connection.execute(insert(_applied).values(version_num=step))


def _list_latest_first(connection: Connection) -> None:
    """Sort PostgreSQL's index of runs as a page of them is: so it is read no further than that."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("DROP INDEX ix_runs_listing"))
        connection.execute(
            text(
                "CREATE INDEX ix_runs_listing ON runs "
                "(experiment_id, lifecycle_stage, start_time DESC NULLS LAST, run_id)"
            )
        )


def check(known: frozenset[str], shown: str) -> None:
    """Refuse a database of a later version of tracklet.

    Raises:
        StorageError: It is one.
    """
    later = sorted(known - STEPS.keys())
    if later:
        raise StorageError(
            f"{shown} was made by a later version of tracklet (its schema has {', '.join(later)}); "
            "upgrade tracklet"
        )
