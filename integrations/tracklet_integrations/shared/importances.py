"""Feature importances as artifacts of a run: the numbers as JSON, and a chart of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from tracklet.autolog.recorder import Recorder
from tracklet_integrations.shared.bar_chart import bar_chart


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
