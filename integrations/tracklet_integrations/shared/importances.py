"""Feature importances as artifacts of a run: the numbers as JSON, and a chart of them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Final

from tracklet.autolog.recorder import Recorder
from tracklet_integrations.shared.canvas import GLYPH_WIDTH, GRID, Canvas, series_colour

MAX_BARS: Final = 60
"""Of more labels, only those with the largest values are drawn."""

_WIDTH: Final = 860
_MAX_LABEL: Final = 36
_BAR: Final = 12


def log_importance(
    recorder: Recorder,
    kind: str,
    scores: Mapping[str, float | Sequence[float]],
    *,
    indent: int | None = None,
) -> None:
    """Store ``feature_importance_<kind>.json``, and the ``.png`` off the training's path.

    Args:
        recorder: The training's.
        kind: What the scores are, such as ``"gain"``.
        scores: By feature: a number, or one per class. What has no number is not in it.
        indent: How the JSON is indented; compact by default.
    """
    name = f"feature_importance_{kind}"
    recorder.artifacts({f"{name}.json": json.dumps(scores, indent=indent)})
    recorder.later("plots", lambda: {f"{name}.png": _chart(kind, scores)})


def _chart(kind: str, scores: Mapping[str, float | Sequence[float]]) -> bytes:
    rows = [
        [float(each) for each in value] if isinstance(value, Sequence) else [float(value)]
        for value in scores.values()
    ]
    classes = max(map(len, rows), default=1)
    series = {
        f"Class {position}": [
            row[position] if position < len(row) else float("nan") for row in rows
        ]
        for position in range(classes)
    }
    return bar_chart(f"Feature importance ({kind})", list(map(str, scores)), series, kind)


def bar_chart(
    title: str, labels: Sequence[str], series: Mapping[str, Sequence[float]], axis: str = ""
) -> bytes:
    """Horizontal bars, the largest on top.

    Args:
        title: Stands above them.
        labels: One per bar, or per group of bars.
        series: Values by the name in the legend; there is no legend for a single one.
        axis: What the values are.

    Returns:
        A PNG file's bytes.
    """
    order = sorted(
        range(len(labels)), key=lambda i: -max((_size(v[i]) for v in series.values()), default=0.0)
    )
    shown = order[:MAX_BARS]
    names = list(series)
    group = _BAR * max(1, len(names)) + 8
    legend = 20 * len(names) if len(names) > 1 else 0
    top, bottom = 40 + legend, 44 if len(order) <= MAX_BARS else 64
    canvas = Canvas(_WIDTH, top + group * max(1, len(shown)) + bottom)
    canvas.text(16, 14, title)
    for position, name in enumerate(names if legend else ()):
        canvas.fill(16, 36 + 20 * position, 12, 12, series_colour(position))
        canvas.text(34, 36 + 20 * position, name)
    widest = min(max((len(labels[i]) for i in shown), default=0), _MAX_LABEL)
    left = 24 + widest * GLYPH_WIDTH
    values = [values[i] for values in series.values() for i in shown if math.isfinite(values[i])]
    low, high = min(0.0, *values, 0.0), max(0.0, *values, 0.0)
    span = (high - low) or 1.0
    scale = (_WIDTH - left - 96) / span
    zero = left + round(-low * scale)
    end = top + group * len(shown)
    canvas.fill(zero, top - 4, 1, end - top + 4, GRID)
    for row, i in enumerate(shown):
        y = top + row * group
        label = labels[i] if len(labels[i]) <= _MAX_LABEL else labels[i][: _MAX_LABEL - 1] + "~"
        canvas.text(left - 8 - len(label) * GLYPH_WIDTH, y + (group - 8 - 13) // 2, label)
        for position, name in enumerate(names):
            value = series[name][i]
            length = round(value * scale) if math.isfinite(value) else 0
            x = zero if length >= 0 else zero + length
            canvas.fill(x, y + position * _BAR, abs(length), _BAR - 2, series_colour(position))
            after = zero + max(length, 0) + 6
            canvas.text(after, y + position * _BAR - 2, f"{value:.4g}")
    canvas.text(left, end + 10, axis)
    if len(order) > MAX_BARS:
        canvas.text(left, end + 30, f"and {len(order) - MAX_BARS} more, with smaller values")
    return canvas.png()


def _size(value: float) -> float:
    return abs(value) if math.isfinite(value) else 0.0
