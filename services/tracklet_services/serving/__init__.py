"""The scoring server: one model behind MLflow's HTTP protocol.

It needs the extra ``serve`` (Starlette and uvicorn), which is imported when a server is made.
"""

from __future__ import annotations

from tracklet_services.serving.server import Limits, create_app, serve

__all__ = ["Limits", "create_app", "serve"]
