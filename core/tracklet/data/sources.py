"""Where a dataset comes from, as the record keeps it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tracklet import plugins, run_context, settings
from tracklet.errors import InvalidArgument, InvalidParameterValue, ResourceDoesNotExist
from tracklet.frozen import Frozen
from tracklet.repositories import repository


class DatasetSource:
    """A place that a dataset comes from; subclass it for a place of a kind of your own.

    A subclass says what it is by ``_get_source_type`` and ``to_dict``, and how the record's form is
    read again by ``from_dict``. What else names such a place where a source is asked for,
    ``_can_resolve`` and ``_resolve`` say.
    """

    __slots__ = ()

    @staticmethod
    def _get_source_type() -> str:
        """The word for the kind; at most 36 characters."""
        raise InvalidParameterValue(
            "a source of your own says by _get_source_type, a text, what kind of place it is"
        )

    @staticmethod
    def _can_resolve(raw_source: Any) -> bool:
        """Whether ``raw_source`` names a place of this kind."""
        return False

    @classmethod
    def _resolve(cls, raw_source: Any) -> DatasetSource:
        """The source that ``raw_source`` names."""
        raise NotImplementedError(f"{cls.__name__} resolves nothing")

    @property
    def source_type(self) -> str:
        """The word for the kind of place."""
        return self._get_source_type()

    def to_dict(self) -> dict[str, Any]:
        """JSON-like facts that say which place it is."""
        return {}

    @classmethod
    def from_dict(cls, source_dict: dict[str, Any]) -> DatasetSource:
        """The source of these facts."""
        return cls(**source_dict)

    def to_json(self) -> str:
        """The facts as JSON text."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, source_json: str) -> DatasetSource:
        """The source of what :meth:`to_json` gave."""
        return cls.from_dict(json.loads(source_json))

    def load(self, dst_path: str | Path | None = None) -> Any:
        """The data, or the local path where it is."""
        raise ResourceDoesNotExist(f"a source of type {self.source_type!r} loads nothing")


class NamedSource(DatasetSource, Frozen):
    """A kind of place and, as JSON-like facts, which one it is."""

    kind: str
    facts: dict[str, Any]

    @property
    def source_type(self) -> str:
        """The word for the kind of place."""
        return self.kind

    @property
    def uri(self) -> str | None:
        """The URI or path; None for sources that have none."""
        return self.facts.get("uri") or self.facts.get("url")

    def to_dict(self) -> dict[str, Any]:
        """The facts."""
        return dict(self.facts)

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


def _own_kinds(base: type[DatasetSource]) -> Iterator[type[DatasetSource]]:
    """The kinds of sources that somebody else defined in this process, the latest first."""
    for kind in reversed(base.__subclasses__()):
        if kind is not NamedSource:
            yield from _own_kinds(kind)
            yield kind


def get_registered_sources() -> list[type[DatasetSource]]:
    """The kinds of sources that somebody else defined in this process, the latest first."""
    return list(_own_kinds(DatasetSource))


def register_dataset_source(source: type[DatasetSource]) -> None:
    """Check that a class is a kind of source; it is known as soon as it is defined.

    Raises:
        InvalidArgument: It is none.
    """
    if not (isinstance(source, type) and issubclass(source, DatasetSource)):
        raise InvalidArgument(f"a kind of source is a subclass of DatasetSource; got {source!r}")


def get_dataset_source_from_json(source_json: str, source_type: str) -> DatasetSource:
    """The source that the record keeps: of the subclass of that type, if there is one."""
    for kind in _own_kinds(DatasetSource):
        if kind._get_source_type() == source_type:
            return kind.from_json(source_json)
    return NamedSource(source_type, json.loads(source_json))


def source_of(
    raw_source: Any = None, candidate_sources: Sequence[type[DatasetSource]] | None = None
) -> DatasetSource:
    """The source that is meant.

    Args:
        raw_source: None for "the code that runs", a path, a URI, or a source.
        candidate_sources: Of which kinds of somebody's own it may be; any by default.

    Raises:
        ResourceDoesNotExist: It is none of these, or no repository knows its scheme.
    """
    if raw_source is None:
        return NamedSource("code", {"tags": run_context.resolve_tags()})
    if isinstance(raw_source, DatasetSource):
        return raw_source
    candidates = (DatasetSource,) if candidate_sources is None else tuple(candidate_sources)
    for kind in _own_kinds(DatasetSource):
        if issubclass(kind, candidates) and kind._can_resolve(raw_source):
            return kind._resolve(raw_source)
    if isinstance(raw_source, str | os.PathLike):
        text = os.fspath(raw_source)
        if isinstance(text, str):
            return _of_uri(text)
    raise ResourceDoesNotExist(
        f"{raw_source!r} of type {type(raw_source).__name__} is no source of a dataset; give a "
        "path, a URI, or nothing for the code that runs"
    )


# Schemes that records name even where this machine has no repository for them.
_SCHEMES = frozenset(
    ("abfss", "dbfs", "ftp", "gs", "hdfs", "mlflow-artifacts", "r2", "s3", "sftp", "wasbs")
)


def _of_uri(uri: str) -> DatasetSource:
    if settings.local_path(uri) is not None:
        return NamedSource("local", {"uri": uri})
    scheme = urlsplit(uri).scheme
    if scheme in ("http", "https"):
        return NamedSource("http", {"url": uri})
    if scheme in _SCHEMES or scheme in plugins.entry_points("artifacts"):
        return NamedSource(scheme, {"uri": uri})
    known = ", ".join(sorted({"file", "http", "https", *_SCHEMES}))
    raise ResourceDoesNotExist(f"{uri!r} has a scheme that is no source; known are {known}")
