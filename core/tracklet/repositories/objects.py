"""Artifacts in object stores: S3 and what speaks its protocol, Google Cloud Storage, Azure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from tracklet import lazy, settings
from tracklet.entities import FileInfo
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist, StorageError
from tracklet.repositories.remote import RemoteArtifacts
from tracklet.repositories.repository import validate_artifact_path

_CHUNK: Final = 10 << 20
"""How many bytes go at once; larger files go in such parts, several at a time."""

_AT_ONCE: Final = 8


class ObjectArtifacts(RemoteArtifacts):
    """Artifacts below a prefix of a bucket.

    Credentials come from where the environment's SDK finds them, never from the URI. Of MLflow's
    options ``S3_ENDPOINT_URL`` and ``S3_IGNORE_TLS`` count.

    Args:
        uri: ``s3://bucket/prefix``, ``gs://bucket/prefix``, or
            ``abfs[s]://container@account.dfs.core.windows.net/prefix``.
    """

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        scheme, _, rest = uri.partition("://")
        bucket, _, prefix = rest.partition("/")
        if not bucket or (scheme in ("s3", "gs") and "@" in bucket):
            raise InvalidParameterValue(
                f"a place of artifacts is {scheme}:// and the name of a bucket, without a login; "
                "credentials come from the environment"
            )
        self._objects = _library("obstore")
        self._prefix = "/".join(part for part in prefix.split("/") if part)
        self._store = _opened(scheme, bucket)

    def _upload(self, local_file: Path, path: str) -> None:
        with self._reported("store", path):
            self._objects.put(
                self._store,
                self._at(path),
                local_file,
                chunk_size=_CHUNK,
                max_concurrency=_AT_ONCE,
                use_multipart=local_file.stat().st_size > _CHUNK,
            )

    def _download(self, path: str, target: Path) -> None:
        with self._reported("fetch", path), target.open("xb") as file:
            found = self._objects.get(self._store, self._at(path))
            size = found.meta["size"]
            if size <= _CHUNK:
                file.write(found.bytes())
                return
            file.truncate(size)
            starts = list(range(0, size, _CHUNK))
            for first in range(0, len(starts), _AT_ONCE):
                group = starts[first : first + _AT_ONCE]
                ends = [min(size, start + _CHUNK) for start in group]
                parts = self._objects.get_ranges(
                    self._store, self._at(path), starts=group, ends=ends, coalesce=0
                )
                for start, end, part in zip(group, ends, parts, strict=True):
                    if len(part) != end - start:
                        raise StorageError(f"{self.uri} gave too little of {path!r}")
                    file.seek(start)
                    file.write(part)

    def list(self, path: str | None = None) -> list[FileInfo]:
        folder = self._at(validate_artifact_path(path))
        with self._reported("list", path or ""):
            found = self._objects.list_with_delimiter(self._store, folder or None)
        infos = [FileInfo(self._below(each), True) for each in found["common_prefixes"]]
        infos += [
            FileInfo(self._below(each["path"]), False, each["size"]) for each in found["objects"]
        ]
        return sorted(infos, key=lambda info: info.path)

    def delete(self, path: str = "") -> None:
        wanted = self._at(validate_artifact_path(path))
        with self._reported("delete", path):
            below = self._objects.list(self._store, wanted or None)
            paths = [each["path"] for chunk in below for each in chunk]
            self._objects.delete(self._store, paths or [wanted])

    def _at(self, path: str) -> str:
        return "/".join(filter(None, (self._prefix, path)))

    def _below(self, key: str) -> str:
        return key.removeprefix(self._prefix).strip("/")

    @contextmanager
    def _reported(self, action: str, path: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise ResourceDoesNotExist(f"there is no artifact {path!r} at {self.uri}") from error
        except self._objects.exceptions.BaseError as error:
            reason = str(error).splitlines()[0][:500]
            raise StorageError(f"could not {action} {path!r} at {self.uri}: {reason}") from error


def _library(module: str) -> Any:
    return lazy.imported(module, "obstore", purpose="an object store", extra="objects")


def _opened(scheme: str, bucket: str) -> Any:
    stores = _library("obstore.store")
    if scheme != "s3":
        return stores.from_url(f"{scheme}://{bucket}")
    given: dict[str, Any] = {}
    endpoint = settings.option("S3_ENDPOINT_URL")
    if endpoint is not None:
        given["endpoint"] = endpoint
    client: dict[str, Any] = {"allow_http": True}
    if settings.flag("S3_IGNORE_TLS"):
        client["allow_invalid_certificates"] = True
    provider = _of_sdk()
    if provider is not None:
        given["credential_provider"] = provider
    return stores.S3Store(bucket, client_options=client, **given)


def _of_sdk() -> Any:
    """What finds credentials as Amazon's SDK does, also in its files; None without the SDK."""
    try:
        return import_module("obstore.auth.boto3").Boto3CredentialProvider()
    except (ImportError, ValueError):
        return None
