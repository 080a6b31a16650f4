"""The scoring protocol without the server: bodies of requests, and of answers."""

from __future__ import annotations

from tracklet_services.scoring.answers import answer_body
from tracklet_services.scoring.payload import Payload, UnsupportedMediaType, parse, read_json

__all__ = ["Payload", "UnsupportedMediaType", "answer_body", "parse", "read_json"]
