"""Artifacts in object stores: S3 and what speaks its protocol, Google Cloud Storage, Azure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeVar

from tracklet import lazy, settings
from tracklet.entities import FileInfo
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist, StorageError
from tracklet.repositories.remote import RemoteArtifacts
from tracklet.repositories.repository import validate_artifact_path

T = TypeVar("T")

_CHUNK: Final = 10 << 20
"""How many bytes go at once; larger files go in such parts, several at a time."""

_AT_ONCE: Final = 8

_DIGEST: Final = "trackletsha256"
"""The field of an object's metadata with the hash of what was put; Azure allows it no hyphen."""


class ObjectArtifacts(RemoteArtifacts):
    """Artifacts below a prefix of a bucket.

    Credentials come from where the environment's SDK finds them, never from the URI. Of MLflow's
    options ``S3_ENDPOINT_URL``, ``S3_IGNORE_TLS``, ``HTTP_REQUEST_TIMEOUT`` and
    ``HTTP_REQUEST_MAX_RETRIES`` count. What was put by us is compared with its hash when it comes.

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
        self.bucket = bucket
        self._objects = _library("obstore")
        self._prefix = "/".join(part for part in prefix.split("/") if part)
        try:
            self._store = _opened(scheme, bucket)
        except self._objects.exceptions.BaseError as error:
            raise StorageError(
                f"could not open {uri} with the environment's credentials: {_first_line(error)}"
            ) from error

    def _upload(self, local_file: Path, path: str) -> None:
        for is_hashed in (True, True, False):  # what is written to meanwhile has no lasting hash
            before = _signs(local_file)
            attributes = {_DIGEST: _digest(local_file)} if is_hashed else None
            with self._reported("store", path):
                self._objects.put(
                    self._store,
                    self.key(path),
                    local_file,
                    attributes=attributes,
                    chunk_size=_CHUNK,
                    max_concurrency=_AT_ONCE,
                    use_multipart=before[0] > _CHUNK,
                )
            if _signs(local_file) == before:
                return

    def _download(self, path: str, target: Path) -> None:
        with self._reported("fetch", path):
            wanted = self._again(lambda: self._write(path, target))
        if wanted is not None and wanted != _digest(target):
            raise StorageError(f"{self.uri} gave other bytes of {path!r} than were put there")

    def _again(self, call: Callable[[], T]) -> T:
        """The library makes requests again, but reads no answer again that broke off."""
        for _ in range(2):
            try:
                return call()
            except self._objects.exceptions.GenericError as error:
                if "body error" not in str(error):
                    raise
        return call()

    def _write(self, path: str, target: Path) -> str | None:
        """Write an object to a file, and give the hash that was noted when it was put."""
        found = self._objects.get(self._store, self.key(path))
        size, digest = found.meta["size"], found.attributes.get(_DIGEST)
        with target.open("wb") as file:
            if size <= _CHUNK:
                file.write(found.bytes())
                return digest
            file.truncate(size)
            starts = list(range(0, size, _CHUNK))
            for first in range(0, len(starts), _AT_ONCE):
                group = starts[first : first + _AT_ONCE]
                ends = [min(size, start + _CHUNK) for start in group]
                parts = self._objects.get_ranges(
                    self._store, self.key(path), starts=group, ends=ends, coalesce=0
                )
                for start, end, part in zip(group, ends, parts, strict=True):
                    if len(part) != end - start:
                        raise StorageError(f"{self.uri} gave too little of {path!r}")
                    file.seek(start)
                    file.write(part)
        return digest

    def list(self, path: str | None = None) -> list[FileInfo]:
        folder = self.key(validate_artifact_path(path))
        with self._reported("list", path or ""):
            ask = self._objects.list_with_delimiter
            found = self._again(lambda: ask(self._store, folder or None))
        infos = [FileInfo(self._below(each), True) for each in found["common_prefixes"]]
        infos += [
            FileInfo(self._below(each["path"]), False, each["size"]) for each in found["objects"]
        ]
        return sorted(infos, key=lambda info: info.path)

    def delete(self, path: str = "") -> None:
        wanted = self.key(validate_artifact_path(path))
        with self._reported("delete", path):
            below = self._objects.list(self._store, wanted or None)
            paths = [each["path"] for chunk in below for each in chunk]
            self._objects.delete(self._store, paths or [wanted])

    def signed(self, path: str, seconds: int, method: str = "GET") -> str:
        """A URL by which whoever has it may do this with one object, for so many seconds."""
        with self._reported("sign a URL of", path):
            limit = timedelta(seconds=seconds)
            return self._objects.sign(self._store, method, self.key(path), limit)

    def size(self, path: str) -> int:
        """The bytes of an object; ResourceDoesNotExist if there is none."""
        with self._reported("find", path):
            return self._objects.head(self._store, self.key(path))["size"]

    def key(self, path: str) -> str:
        """The key of the object of a path."""
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
            reason = _first_line(error)
            raise StorageError(f"could not {action} {path!r} at {self.uri}: {reason}") from error


def _first_line(error: BaseException) -> str:
    """What a failure of the library's comes to, without its internals."""
    return str(error).partition("\n")[0][:500]


def _signs(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_size, status.st_mtime_ns


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _library(module: str) -> Any:
    return lazy.imported(module, "obstore", purpose="an object store", extra="objects")


def _opened(scheme: str, bucket: str) -> Any:
    stores = _library("obstore.store")
    given: dict[str, Any] = {"retry_config": _patience()}
    if scheme != "s3":
        return stores.from_url(f"{scheme}://{bucket}", **given)
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


def _patience() -> dict[str, Any]:
    """For how long and how often a request is tried; the library has answers of its own."""
    given: dict[str, Any] = {}
    limit, retries = (settings.option(f"HTTP_REQUEST_{it}") for it in ("TIMEOUT", "MAX_RETRIES"))
    try:
        if limit is not None:
            given["retry_timeout"] = timedelta(seconds=float(limit))
        if retries is not None:
            given["max_retries"] = int(retries)
    except ValueError:
        raise InvalidParameterValue(
            f"HTTP_REQUEST_TIMEOUT and HTTP_REQUEST_MAX_RETRIES are numbers; got {limit!r} and "
            f"{retries!r}"
        ) from None
    return given


def _of_sdk() -> Any:
    """What finds credentials as Amazon's SDK does, also in its files; None without the SDK."""
    try:
        return import_module("obstore.auth.boto3").Boto3CredentialProvider()
    except (ImportError, ValueError):
        return None
