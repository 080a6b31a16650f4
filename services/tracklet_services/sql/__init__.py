"""The record in a database: SQLite for one machine, PostgreSQL for a team."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracklet_services.sql.store import SqlStore

__all__ = ["SqlStore"]


class _Absent:
    """Stands for the store where SQLAlchemy is not installed."""

    requires = "SQLAlchemy"

    def __init__(self, uri: str) -> None:
        from tracklet.errors import MissingDependency

        scheme = str(uri).partition(":")[0]
        extra = "sql" if scheme.startswith("sqlite") else "postgresql"
        raise MissingDependency("SQLAlchemy", extra=extra, purpose=f"a store at {scheme}://")


def __getattr__(name: str) -> Any:
    if name != "SqlStore":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from tracklet_services.sql.store import SqlStore
    except ModuleNotFoundError as error:
        if error.name != "sqlalchemy":
            raise
        return _Absent
    return SqlStore
