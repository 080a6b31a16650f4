"""The scoring protocol without the server: bodies of requests, and of answers."""

from __future__ import annotations

from tracklet.models.scoring.answers import answer_body
from tracklet.models.scoring.payload import Payload, UnsupportedMediaType, parse, read_json

__all__ = ["Payload", "UnsupportedMediaType", "answer_body", "parse", "read_json"]
