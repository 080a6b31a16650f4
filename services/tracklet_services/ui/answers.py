"""What the answers of several screens have in common."""

from __future__ import annotations

import math
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.requests import Request

from tracklet.entities import Experiment, PagedList
from tracklet.errors import InvalidParameterValue
from tracklet.record.query import all_of
from tracklet_services.ui import rights
from tracklet_services.ui.place import Place

EXACT: Final = (1 << 53) - 1
"""The greatest whole number up to which a browser tells all apart."""
_PAGE: Final = 100
_LARGEST_PAGE: Final = 1_000


def without_user(uri: str) -> str:
    """A URI without user name and password."""
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def number(value: float) -> float | str:
    """A number, or the text that stands for what JSON has no number for."""
    if math.isfinite(value):
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def experiments_of(place: Place, request: Request) -> list[str]:
    """The experiments that are asked for, or all that are active."""
    given = [id_ for id_ in request.query_params.get("experiments", "").split(",") if id_]
    if given:
        return given
    search = place.client.search_experiments

    def page(size: int, token: str | None) -> PagedList[Experiment]:
        return search(max_results=size, page_token=token)

    ids = (one.experiment_id for one in all_of(page, 1000))
    return [id_ for id_ in ids if rights.may(request, "experiment", id_)]


def page_of(request: Request) -> int:
    """How many entries a page has."""
    text = request.query_params.get("most", str(_PAGE))
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= _LARGEST_PAGE:
        raise InvalidParameterValue(f"most is 1 to {_LARGEST_PAGE}; got {text!r}")
    return int(text)


def plain(value: Any) -> Any:
    """What a browser reads of JSON: numbers that are not finite, or too long, as texts."""
    if isinstance(value, float):
        return number(value)
    if isinstance(value, int) and abs(value) > EXACT:
        return str(value)
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value if value is None or isinstance(value, str | int | bool) else str(value)
