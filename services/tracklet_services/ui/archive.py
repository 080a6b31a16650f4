"""A folder as one file: written as it is read, so that its size costs no memory and no disk."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from tracklet.errors import InvalidParameterValue
from tracklet_services.ui.place import LIMITS

_PIECE: Final = 1 << 20
_TYPE: Final = "application/zip"


def size_of(folder: Path) -> dict[str, int]:
    """How many files lie in a folder, at any depth, and their bytes."""
    sizes: list[int] = []
    for path in _files(folder):
        with suppress(FileNotFoundError):  # a training keeps its latest checkpoints only
            sizes.append(path.stat().st_size)
    return {"files": len(sizes), "bytes": sum(sizes)}


def response(folder: Path, name: str, headers: dict[str, str]) -> Response:
    """A folder as a zip file to be kept.

    Raises:
        InvalidParameterValue: It is larger than the limit.
    """
    check(size_of(folder)["bytes"])
    attached = f"attachment; filename*=UTF-8''{quote(f'{name}.zip')}"
    return StreamingResponse(
        _packed(folder), headers={**headers, "content-disposition": attached}, media_type=_TYPE
    )


def check(size: int) -> None:
    """Refuse a folder of too many bytes.

    Raises:
        InvalidParameterValue: It is larger than the limit.
    """
    most = LIMITS["zip_bytes"]
    if size > most:
        raise InvalidParameterValue(
            f"the folder has {size:,} bytes, and at most {most:,} are packed into one file; "
            "fetch it with: tracklet artifacts download"
        )


def _files(folder: Path) -> Iterator[Path]:
    """The files of a folder; a link that leads out of it is none of them."""
    within = folder.resolve()
    for root, folders, names in os.walk(within):
        folders.sort()
        for name in sorted(names):
            path = Path(root, name)
            if path.is_file() and path.resolve().is_relative_to(within):
                yield path


class _Pipe:
    """What is written and not yet sent."""

    def __init__(self) -> None:
        self.waiting: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.waiting.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Everything is sent as it comes."""

    def taken(self) -> bytes:
        data = b"".join(self.waiting)
        self.waiting.clear()
        return data


def _packed(folder: Path) -> Iterator[bytes]:
    pipe, within = _Pipe(), folder.resolve()
    # Weights and pictures hardly shrink: packing them would only take time.
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED, strict_timestamps=False) as packed:  # type: ignore[arg-type]
        for path in _files(folder):
            name = path.relative_to(within).as_posix()
            try:
                about = zipfile.ZipInfo.from_file(path, name, strict_timestamps=False)
                file = path.open("rb")
            except FileNotFoundError:  # as above
                continue
            # What is still written to may come to have more than the 2 GiB of a plain entry.
            with file, packed.open(about, "w", force_zip64=True) as entry:
                while piece := file.read(_PIECE):
                    entry.write(piece)
                    yield pipe.taken()
    yield pipe.taken()
