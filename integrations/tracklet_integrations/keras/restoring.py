"""How a training goes on from a checkpoint of its run."""

from __future__ import annotations

from typing import Any

from tracklet import models
from tracklet.errors import InvalidParameterValue
from tracklet_integrations.shared.checkpointing import checkpoint_file


def load_checkpoint(
    model: Any = None,
    run_id: str | None = None,
    epoch: int | None = None,
    global_step: int | None = None,
) -> Any:
    """The model of a checkpoint, compiled, with its optimizer as it was.

    Args:
        model: The model that the weights are loaded into, and its optimizer's state with them.
            Without one the checkpoint's own is made, if it has more than weights; classes that
            are not registered with Keras it finds within ``keras.saving.custom_object_scope``.
        run_id: The run; the active one by default.
        epoch: Of which epoch, from 0; by default the newest checkpoint, or the only one.
        global_step: Of which step, instead of an epoch.

    Raises:
        InvalidParameterValue: Both an epoch and a step are given, or there is no run; or there are
            only weights and no model for them.
        ResourceDoesNotExist: There is no such checkpoint.
        TrackletException: The file is corrupt.
    """
    file = checkpoint_file(run_id, epoch, global_step)
    if model is None and not file.name.endswith(".weights.h5"):
        return models.flavor("keras").load(file.parent, {"data": file.name, "own": True})
    if model is None:
        raise InvalidParameterValue(
            f"the checkpoint {file.name} has weights alone; give load_checkpoint a model for them"
        )
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and not optimizer.built:
        optimizer.build(model.trainable_variables)  # so that its state is loaded, too
    model.load_weights(file)
    return model
