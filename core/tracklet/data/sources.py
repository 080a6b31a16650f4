"""Where a dataset comes from, as the record keeps it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tracklet import plugins, run_context, settings
from tracklet.errors import ResourceDoesNotExist
from tracklet.frozen import Frozen
from tracklet.repositories import repository


class DatasetSource(Frozen):
    """A kind of place and, as JSON-like facts, which one it is."""

    source_type: str
    facts: dict[str, Any]

    @property
    def uri(self) -> str | None:
        """The URI or path; None for sources that have none."""
        return self.facts.get("uri") or self.facts.get("url")

    def to_dict(self) -> dict[str, Any]:
        """The facts."""
        return dict(self.facts)

    def to_json(self) -> str:
        """The facts as JSON text."""
        return json.dumps(self.facts)

    @classmethod
    def from_json(cls, source_type: str, text: str) -> DatasetSource:
        """The source that the record keeps."""
        return cls(source_type, json.loads(text))

    def load(self, dst_path: str | Path | None = None) -> str:
        """The local path of the data, which is fetched if it is elsewhere.

        Raises:
            ResourceDoesNotExist: The source is code, or nothing is there.
        """
        if self.uri is None:
            raise ResourceDoesNotExist(
                f"a source of type {self.source_type!r} has no files to load; make the data anew"
            )
        local = settings.local_path(self.uri)
        target = Path(dst_path) if dst_path is not None else None
        if local is None:
            folder, _, name = self.uri.rpartition("/")
            return str(repository(folder).fetch(name, target))
        if not local.exists():
            raise ResourceDoesNotExist(f"there is nothing at {local}")
        if target is None:
            return str(local)
        return str(repository(self.uri).fetch("", target / local.name))


def source_of(source: Any = None) -> DatasetSource:
    """The source that is meant.

    Args:
        source: None for "the code that runs", a path, a URI, or a source.

    Raises:
        ResourceDoesNotExist: It is none of these, or no repository knows its scheme.
    """
    if source is None:
        return DatasetSource("code", {"tags": run_context.tags()})
    if isinstance(source, DatasetSource):
        return source
    if isinstance(source, str | os.PathLike):
        text = os.fspath(source)
        if isinstance(text, str):
            return _of_uri(text)
    raise ResourceDoesNotExist(
        f"{source!r} of type {type(source).__name__} is no source of a dataset; give a path, a "
        "URI, or nothing for the code that runs"
    )


# Schemes that records name even where this machine has no repository for them.
_SCHEMES = frozenset(
    ("abfss", "dbfs", "ftp", "gs", "hdfs", "mlflow-artifacts", "r2", "s3", "sftp", "wasbs")
)


def _of_uri(uri: str) -> DatasetSource:
    if settings.local_path(uri) is not None:
        return DatasetSource("local", {"uri": uri})
    scheme = urlsplit(uri).scheme
    if scheme in ("http", "https"):
        return DatasetSource("http", {"url": uri})
    if scheme in _SCHEMES or scheme in plugins.entry_points("artifacts"):
        return DatasetSource(scheme, {"uri": uri})
    known = ", ".join(sorted({"file", "http", "https", *_SCHEMES}))
    raise ResourceDoesNotExist(f"{uri!r} has a scheme that is no source; known are {known}")
