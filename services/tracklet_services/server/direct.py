"""What clients send to an object store, and fetch from it, by URLs that the server signs.

The server's credentials stay with it: a URL is for one object, one method and some minutes. An
upload in parts is begun and completed by the server, which needs boto3 for it, in S3 alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any, Final

from msgspec import Meta, Struct, field

from tracklet import settings
from tracklet.errors import InvalidParameterValue, TrackletException, brief
from tracklet.repositories.objects import ObjectArtifacts
from tracklet_services.server.table import Endpoint, Served

if TYPE_CHECKING:
    from tracklet_services.server.places import Place, Places

SECONDS: Final = 900
"""For how long a URL is good, unless the client says."""

_MOST_SECONDS: Final = 604_800  # what the object stores allow
_MOST_PARTS: Final = 10_000


class Unsupported(TrackletException):
    """There is another way, which clients know."""

    code = "NOT_IMPLEMENTED"


class Signed(Struct, omit_defaults=True):
    """A URL for one request."""

    presigned_url: str
    headers: dict[str, str] = field(default_factory=dict)
    file_size: int | None = None


class Begin(Struct):
    """An upload in parts: the file's path at the client, whose last part is its name here."""

    path: str
    num_parts: Annotated[int, Meta(ge=1, le=_MOST_PARTS)] = 1


class Part(Struct):
    """A part that the object store has taken."""

    part_number: Annotated[int, Meta(ge=1, le=_MOST_PARTS)]
    etag: str


class End(Struct):
    """The end of an upload in parts."""

    path: str
    upload_id: Annotated[str, Meta(min_length=1, max_length=4096)]
    parts: Annotated[Sequence[Part], Meta(max_length=_MOST_PARTS)] = ()


class Parts:
    """Uploads in parts, to S3."""

    @staticmethod
    def are_possible(uri: str | None) -> bool:
        """Whether files below a URI can be sent so."""
        return uri is not None and uri.startswith("s3://") and find_spec("boto3") is not None

    @cached_property
    def _s3(self) -> Any:
        config = import_module("botocore.config").Config(signature_version="s3v4")
        # The session that all share is not to be used by several threads.
        return (
            import_module("boto3.session")
            .Session()
            .client(
                "s3",
                endpoint_url=settings.option("S3_ENDPOINT_URL"),
                region_name=os.environ.get("AWS_REGION"),
                verify=False if settings.flag("S3_IGNORE_TLS") else None,
                config=config,
            )
        )

    def begin(self, place: Place, count: int) -> dict[str, Any]:
        """Begin an upload: its id, and a URL for each part."""
        at = self._at(place)
        made = self._s3.create_multipart_upload(**at)["UploadId"]
        credentials = [
            {
                "url": self._s3.generate_presigned_url(
                    "upload_part",
                    Params={**at, "UploadId": made, "PartNumber": number},
                    ExpiresIn=SECONDS,
                ),
                "part_number": number,
                "headers": {},
            }
            for number in range(1, count + 1)
        ]
        return {"upload_id": made, "credentials": credentials}

    def complete(self, place: Place, asked: End) -> None:
        """Make one object of the parts; an id is good for its own object only."""
        parts = [{"PartNumber": one.part_number, "ETag": one.etag} for one in asked.parts]
        self._tell(
            "complete_multipart_upload", place, asked.upload_id, MultipartUpload={"Parts": parts}
        )

    def abort(self, place: Place, asked: End) -> None:
        """Forget the parts."""
        self._tell("abort_multipart_upload", place, asked.upload_id)

    def _tell(self, verb: str, place: Place, upload_id: str, **more: Any) -> None:
        at = self._at(place)
        refused = import_module("botocore.exceptions").ClientError
        try:
            getattr(self._s3, verb)(UploadId=upload_id, **at, **more)
        except refused as error:
            status = error.response["ResponseMetadata"].get("HTTPStatusCode", 500)
            if not 400 <= status < 500:
                raise
            reason = error.response["Error"].get("Code", "refused")
            raise InvalidParameterValue(
                f"the object store did not take this end of an upload of {brief(place.path)}: "
                f"{reason}"
            ) from error

    def _at(self, place: Place) -> dict[str, str]:
        if not self.are_possible(place.uri):
            raise Unsupported(
                "Multipart upload is not supported for the current artifact repository"
            )
        files = objects(place)
        assert files is not None
        return {"Bucket": files.bucket, "Key": files.key(place.path)}


def named(path: str) -> str:
    """The name of a file, by its path at a client on any system."""
    name = re.split(r"[/\\]", path)[-1]
    if not name:
        raise InvalidParameterValue(
            f"path ends with a file's name, as 'notes.txt'; got {brief(path)}"
        )
    return name


def objects(place: Place) -> ObjectArtifacts | None:
    """The object store in which something lies, if it does."""
    files = place.files if place.kind != "trace" else None
    return files if isinstance(files, ObjectArtifacts) else None


def upload_url(
    at: Served,
    path: str,
    run_id: str | None = None,
    model_id: str | None = None,
    expiration: int | None = None,
) -> Signed:
    """A URL to which a client sends a file of a run or of a logged model."""
    place = _place(at.places, path, run_id, model_id)
    return Signed(presigned_url=_store(place).signed(place.path, _seconds(expiration), "PUT"))


def download_url(at: Served, run_id: str, path: str, expiration: int | None = None) -> Signed:
    """A URL from which a client fetches a file of a run."""
    place = _place(at.places, path, run_id, None)
    files = _store(place)
    size = files.size(place.path)
    return Signed(files.signed(place.path, _seconds(expiration)), file_size=size)


def _place(places: Places, path: str, run_id: str | None, model_id: str | None) -> Place:
    if bool(run_id) == bool(model_id):
        raise InvalidParameterValue("give either run_id or model_id")
    found = places.of_run(run_id, path) if run_id else places.of_model(model_id or "", path)
    if not found.path:
        raise InvalidParameterValue("path names a file, as 'notes.txt'")
    return found


def _store(place: Place) -> ObjectArtifacts:
    files = objects(place)
    if files is None:
        raise InvalidParameterValue(
            "these artifacts are in no object store: send and fetch them through this server"
        )
    return files


def _seconds(given: int | None) -> int:
    if given is None:
        return SECONDS
    if not 1 <= given <= _MOST_SECONDS:
        raise InvalidParameterValue(f"expiration is 1 to {_MOST_SECONDS} seconds; got {given}")
    return given


ENDPOINTS: Final = (
    Endpoint("POST", "artifacts/presigned-upload-url", "log", "files", upload_url),
    Endpoint("POST", "artifacts/presigned-download-url", "read", "run", download_url),
)
