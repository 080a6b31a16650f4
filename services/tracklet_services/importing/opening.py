"""Sources and targets, by their paths and URIs."""

from __future__ import annotations

import os

from tracklet import settings
from tracklet.errors import InvalidParameterValue
from tracklet.stores import open_store
from tracklet.stores.files import FileStore
from tracklet.stores.tracking_store import TrackingStore
from tracklet_services.importing.adopting import ImportTarget
from tracklet_services.importing.folder_target import FileTarget
from tracklet_services.importing.mlruns import MlrunsSource
from tracklet_services.importing.source import ImportSource


def open_source(path: str | os.PathLike[str]) -> ImportSource:
    """The record at a path or URI.

    Raises:
        InvalidParameterValue: There is no record.
    """
    given = os.fspath(path)
    local = settings.local_path(given)
    if local is None and not ("://" in given and not given.startswith(("http:", "https:"))):
        raise InvalidParameterValue(
            f"{given!r} cannot be imported: it is neither an mlruns folder, nor the path of an "
            "mlflow.db, nor the URI of a database"
        )
    if local is not None:
        local = local.expanduser()
        if local.is_dir():
            return MlrunsSource(local)
        if not local.exists():
            raise InvalidParameterValue(
                f"there is nothing at {os.path.abspath(local)!r}; give the path of an mlruns "
                "folder or of an mlflow.db"
            )
        given = str(local)
    # Imported here because folders need no SQL library.
    from tracklet_services.importing.databases import ReadOnlyDatabase
    from tracklet_services.importing.mlflow_database import MlflowDatabase
    from tracklet_services.importing.tracklet_database import VERSION_TABLE, TrackletDatabase

    database = ReadOnlyDatabase(given)
    try:
        if VERSION_TABLE in database.columns:
            return TrackletDatabase(database)
        return MlflowDatabase(database)
    except BaseException:
        database.close()
        raise


def open_target(uri: str) -> tuple[ImportTarget, TrackingStore]:
    """The store at a URI, and what takes records into it.

    A store of another distribution's takes part by being an :class:`ImportTarget` itself.

    Raises:
        InvalidParameterValue: The store cannot take records over.
    """
    store = open_store(uri)
    if isinstance(store, ImportTarget):
        return store, store
    if isinstance(store, FileStore):
        return FileTarget(store), store
    if type(store).__module__.startswith("tracklet_services.sql"):
        from tracklet_services.importing.database_target import SqlTarget
        from tracklet_services.sql.store import SqlStore

        if isinstance(store, SqlStore):
            return SqlTarget(store), store
    raise InvalidParameterValue(
        f"the store at {uri!r} cannot take a record over; import into a folder or a database"
    )
