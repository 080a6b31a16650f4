"""The tracking server: one record for a team, behind MLflow's REST protocol.

It needs the extra ``server`` (Starlette, uvicorn, msgspec), which is imported when one is made.
:mod:`tracklet_services.server.app` says how routes are added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracklet import lazy

if TYPE_CHECKING:
    from tracklet_services.server.app import create_app as create_app
    from tracklet_services.server.running import serve as serve
    from tracklet_services.web.guard import Policy as Policy

if not TYPE_CHECKING:
    __all__ = ["Policy", "create_app", "serve"]
    __getattr__ = lazy.lookup(
        __name__,
        {
            "Policy": "tracklet_services.web.guard",
            "create_app": "tracklet_services.server.app",
            "serve": "tracklet_services.server.running",
        },
    )
