"""The SQL store: the verbs over a database."""

from __future__ import annotations

from tracklet.record import Store
from tracklet_services.sql.backend import SqlBackend


class SqlStore(Store):
    """Experiments, runs, logged models, the registry and traces in one database.

    The schema is made at the first use, by any number of processes at once. Artifacts lie beside
    a SQLite file, or where ``TRACKLET_DEFAULT_ARTIFACT_ROOT`` says.

    Args:
        uri: ``sqlite:///relative.db``, ``sqlite:////absolute.db`` or ``postgresql://…``.

    Raises:
        InvalidParameterValue: The URI names no such database, or one that belongs to MLflow.
        MissingDependency: The driver is not installed.
        StorageError: The database cannot be reached.
    """

    backend: SqlBackend

    def __init__(self, uri: str) -> None:
        super().__init__(SqlBackend(uri))
