"""How a model that a trainer has trained is logged, with what is known of its training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from tracklet.autolog import Recorder
from tracklet.entities import Metric

_MOST_BYTES: Final = 2**30


def still_there(recorder: Recorder, options: Any, kept: Callable[[], Any] | None) -> Any:
    """The model that a script trained, to be logged; None, which a tag says, if it is gone.

    Args:
        recorder: Of the run.
        options: Those of the integration.
        kept: A weak reference, for nothing is kept alive to be logged; None if no model is known.
    """
    if kept is None or not options.log_models:
        return None
    model = kept()
    if model is None:
        gone = "left out: the script held it no more when the run ended"
        recorder.tags({"tracklet.model": gone})
    return model


def log_model(
    recorder: Recorder,
    model: Any,
    *,
    size: Callable[[Any], int],
    params: Mapping[str, str],
    points: Iterable[Metric],
    otherwise: str,
    signature: Any = False,
    **settings: Any,
) -> None:
    """Log a trained model, unless what it learned has more than a GiB.

    Args:
        recorder: Of the run.
        model: The model.
        size: How many bytes what a model learned has.
        params: The params to link with it.
        points: The newest point of each metric, to link with it.
        otherwise: What has it, if it is too large.
        signature: Its signature; False for none.
        **settings: What :meth:`tracklet.autolog.Recorder.model` takes besides.
    """
    found = 0
    with recorder.step("model"):
        found = size(model)
    if found > _MOST_BYTES:
        gib = f"{found / 2**30:.1f} GiB"
        recorder.tags({"tracklet.model": f"left out: {gib}; {otherwise}"})
        return
    info = recorder.model(model, signature=signature, params=params, **settings)
    if info is not None and info.model_id is not None:
        with recorder.step("model"):
            linked = [replace(each, model_id=info.model_id) for each in points if each.step]
            recorder.run.writer.link_metrics(linked)
