"""Artifacts that a tracking server passes on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import quote, urlsplit

from tracklet import settings
from tracklet.entities import FileInfo
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist, TrackletException
from tracklet.repositories.remote import RemoteArtifacts
from tracklet.repositories.repository import validate_artifact_path
from tracklet.wire import CHUNK, Server, Unreachable

_SCHEME: Final = "mlflow-artifacts:"
_PATH: Final = "/api/2.0/mlflow-artifacts/artifacts"


class _Beginning:
    """The first bytes of a file, which may grow while it is sent."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._size = size

    def read(self, size: int = -1) -> bytes:
        left = self._size - self._file.tell()
        return self._file.read(left if size < 0 else min(size, left))

    def seek(self, to: int) -> None:
        self._file.seek(to)


class ProxiedArtifacts(RemoteArtifacts):
    """Artifacts below a URI of a server's proxy; ``http(s)`` files of others can be fetched.

    ``mlflow-artifacts:/path`` is a path on the server that the tracking URI names.
    """

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        tracking = settings.tracking_uri()
        is_served = tracking.startswith(("http://", "https://"))
        if is_served:
            self._server = Server(tracking)  # so its login is known for what lies on it
        if uri.startswith(_SCHEME):
            parts = urlsplit(uri)
            if not is_served:
                raise InvalidParameterValue(
                    f"{uri!r} lies on a tracking server, and the tracking URI {tracking!r} is none"
                )
            if parts.netloc:
                other = f"{tracking.partition(':')[0]}://{parts.netloc}"
                self._server = Server(other, trusted=False)
            root = f"{_PATH}{parts.path}"
        else:
            base, proxy, below = uri.partition(_PATH)
            if proxy:
                self._server, root = Server(base, trusted=False), f"{_PATH}{quote(below)}"
            else:
                parts = urlsplit(uri)
                at = f"{parts.scheme}://{parts.netloc}"
                self._server, root = Server(at, trusted=False), parts.path
        self._root = root.rstrip("/")

    def _upload(self, local_file: Path, path: str) -> None:
        with local_file.open("rb") as content:
            length = str(os.fstat(content.fileno()).st_size)
            headers = {"Content-Length": length, "Content-Type": "application/octet-stream"}
            body: Any = _Beginning(content, int(length))
            with self._server.request("PUT", self._at(path), body, headers=headers) as answer:
                answer.drain_conn()

    def _download(self, path: str, target: Path) -> None:
        with self._server.request("GET", self._at(path)) as answer, target.open("xb") as file:
            for chunk in answer.stream(CHUNK):
                file.write(chunk)
            due = answer.headers.get("Content-Length")
            if due is not None and int(due) != file.tell():
                raise Unreachable(f"{self.uri} sent {file.tell()} bytes of {due} of {path!r}")

    def list(self, path: str | None = None) -> list[FileInfo]:
        prefix = validate_artifact_path(path)
        root = self._root.removeprefix(_PATH).strip("/")
        query = {"path": "/".join(filter(None, (root, prefix)))}
        try:
            with self._server.request("GET", _PATH, query=query, whole=True) as answer:
                import json

                found = json.loads(answer.read()).get("files") or ()
        except ResourceDoesNotExist:
            return []
        except (TrackletException, ValueError):
            if _PATH in self._root:
                raise
            return []  # a file of another kind of server, which lists nothing
        infos = [
            FileInfo(
                "/".join(filter(None, (prefix, each["path"].rpartition("/")[2]))),
                bool(each.get("is_dir")),
                None if each.get("is_dir") else int(each.get("file_size", 0)),
            )
            for each in found
        ]
        return sorted(infos, key=lambda info: info.path)

    def delete(self, path: str = "") -> None:
        try:
            at = self._at(validate_artifact_path(path))
            with self._server.request("DELETE", at, whole=True) as answer:
                answer.drain_conn()
        except ResourceDoesNotExist:
            pass

    def _at(self, path: str) -> str:
        return f"{self._root}/{quote(path)}" if path else self._root
