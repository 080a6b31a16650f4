"""What ``tracklet doctor`` says, of the record that the UI shows."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from tracklet import plugins
from tracklet_services.ui import rights
from tracklet_services.ui.place import LIMITS, Place


def doctor(place: Place, request: Request) -> Any:
    """Where things are, whether they work, and what to do where they don't."""
    from tracklet_services.health import examined

    if rights.is_user(request):
        raise rights.Denied("the doctor tells administrators where things are; you are none")

    found = plugins.describe()
    return {
        **examined(place.uri),
        "limits": LIMITS,
        "plugins": [
            {"name": one.name, "group": one.group, "state": one.state, "reason": one.reason}
            for one in found
        ],
    }
