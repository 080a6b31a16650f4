"""How many rows of each class a sampler of imbalanced-learn's was given, and how many it made."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, Final

from tracklet.autolog import Recorder
from tracklet.patching import Call

_MAX_CLASSES: Final = 1000
_MAX_ROWS: Final = 10_000_000


def record(recorder: Recorder, call: Call, made: Any) -> None:
    """Store the counts as ``resampling_<sampler>.json``.

    Args:
        recorder: The training's.
        call: A ``fit_resample``.
        made: What it returned.
    """
    with recorder.step("resampling"):
        before = _counts(call.arguments().get("y"))
        after = _counts(made[1]) if isinstance(made, tuple) and len(made) > 1 else None
        if before is not None and after is not None:
            name = f"resampling_{type(call.instance).__name__}.json"
            recorder.artifacts({name: json.dumps({"before": before, "after": after})})


def _counts(labels: Any) -> dict[str, int] | None:
    """The rows of each class; None of what is not one label per row, or of too many."""
    if getattr(labels, "ndim", 1) != 1 or not 0 < len(labels) <= _MAX_ROWS:
        return None
    values = labels.tolist() if hasattr(labels, "tolist") else list(labels)
    counts = Counter(map(str, values))
    return dict(sorted(counts.items())) if len(counts) <= _MAX_CLASSES else None
