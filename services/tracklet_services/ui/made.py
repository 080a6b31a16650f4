"""What a run printed and what it was made of: the files below ``tracklet/`` among its artifacts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from starlette.responses import Response

from tracklet.errors import ResourceDoesNotExist, TrackletException
from tracklet_services.ui.place import LIMITS, Place
from tracklet_services.ui.previews import head_of, local_file

_OUTPUT: Final = "tracklet/output.log"


def log(place: Place, run_id: str, start: int | None) -> Response:
    """What a run printed, from a byte on, or the last of it; headers say from where of how much."""
    most = LIMITS["preview_bytes"]
    try:
        path = local_file(place, "runs", run_id, _OUTPUT)
        with path.open("rb") as file:
            size = file.seek(0, 2)
            # A log that got shorter is another one.
            if start is None or not 0 <= start <= size:
                start = max(0, size - most)
            file.seek(start)
            data = file.read(most)
    except (ResourceDoesNotExist, OSError):
        start, size, data = 0, 0, b""
    headers = {"tracklet-from": str(start), "tracklet-size": str(size)}
    return Response(data, headers=headers, media_type="application/octet-stream")


def code(place: Place, run_id: str) -> dict[str, Any]:
    """The script, the uncommitted patch, the packages and the machine, as far as they were kept."""
    found: dict[str, Any] = {"script": None, "patch": None, "packages": None, "machine": None}
    try:
        names = {info.path for info in place.client.list_artifacts(run_id, "tracklet")}
        scripts = (
            [i.path for i in place.client.list_artifacts(run_id, "tracklet/code") if not i.is_dir]
            if "tracklet/code" in names
            else []
        )
    except TrackletException:
        return found

    def text(path: str) -> str:
        return head_of(Path(local_file(place, "runs", run_id, path)))

    for path in scripts:
        if path.endswith("/uncommitted.patch"):
            found["patch"] = text(path)
        else:
            found["script"] = {"path": path, "text": text(path)}
    if "tracklet/packages.txt" in names:
        found["packages"] = text("tracklet/packages.txt").split()
    if "tracklet/machine.json" in names:
        try:
            machine = json.loads(text("tracklet/machine.json"))
        except ValueError:
            machine = None
        found["machine"] = machine if isinstance(machine, dict) else None
    return found
