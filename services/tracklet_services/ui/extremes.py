"""The least and the greatest values of metrics, and their steps: of all points, not of the last."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from starlette.requests import Request

from tracklet.errors import InvalidParameterValue
from tracklet.reading.blocks import Block
from tracklet_services.ui.answers import number
from tracklet_services.ui.place import LIMITS, Place
from tracklet_services.ui.series import Curve


def extremes(place: Place, request: Request) -> Any:
    """Of each metric of each run: how many points, and the least and greatest finite ones.

    A row is run, metric, points, those that are not finite, least, its step, greatest, its step;
    the last four are None where no point is finite.
    """
    runs, keys = (request.query_params.getlist(name) for name in ("run", "key"))
    if len(runs) * len(keys) > LIMITS["series"]:
        raise InvalidParameterValue(f"at most {LIMITS['series']} series are looked at at once")
    rows: list[list[Any]] = []
    for run_id in runs:
        for key in keys:
            curve = Curve(place, run_id, key)
            odd = int(sum(row.odd for row in curve.rows))
            least = _where(curve, lambda row: row.least, min)
            most = _where(curve, lambda row: row.most, max)
            rows.append([run_id, key, curve.count, odd, *least, *most])
    return {"extremes": rows}


def _where(
    curve: Curve, value_of: Callable[[Block], float], best: Callable[..., float]
) -> tuple[float | str | None, int | None]:
    """The best finite value of a curve, and the first step at which it was logged."""
    finite = [row for row in curve.rows if math.isfinite(value_of(row))]
    if not finite:
        return None, None
    found = best(value_of(row) for row in finite)
    first = next(row for row in finite if value_of(row) == found)
    _, values, steps = curve.read([first])
    # A point may go between one look and the other.
    at = (step for value, step in zip(values, steps, strict=True) if value == found)
    return number(found), next(at, None)
