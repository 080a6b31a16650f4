"""``tracklet.tensorflow.autolog``: Keras' autologging by MLflow's arguments for TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracklet_integrations.keras import autolog as autolog_keras


def autolog(
    log_models: bool = True,
    log_datasets: bool = True,
    disable: bool = False,
    exclusive: bool = False,
    disable_for_unsupported_versions: bool = False,
    silent: bool = False,
    registered_model_name: str | None = None,
    log_input_examples: bool = False,
    log_model_signatures: bool = True,
    saved_model_kwargs: Mapping[str, Any] | None = None,
    keras_model_kwargs: Mapping[str, Any] | None = None,
    extra_tags: Mapping[str, Any] | None = None,
    log_every_epoch: bool = True,
    log_every_n_steps: int | None = None,
    checkpoint: bool = True,
    checkpoint_monitor: str = "val_loss",
    checkpoint_mode: str = "min",
    checkpoint_save_best_only: bool = True,
    checkpoint_save_weights_only: bool = False,
    checkpoint_save_freq: str | int = "epoch",
) -> None:
    """Record what Keras trains; see :func:`tracklet.keras.autolog`, which this configures.

    Args:
        log_models: See there; so for the arguments not named here.
        log_datasets: See there.
        disable: See there.
        exclusive: See there.
        disable_for_unsupported_versions: See there.
        silent: See there.
        registered_model_name: See there.
        log_input_examples: See there.
        log_model_signatures: See there.
        saved_model_kwargs: Accepted for compatibility: a trained model is one of Keras'.
        keras_model_kwargs: Further arguments of ``Model.save``.
        extra_tags: See there.
        log_every_epoch: See there.
        log_every_n_steps: See there.
        checkpoint: See there; on by default, as in MLflow.
        checkpoint_monitor: See there.
        checkpoint_mode: See there.
        checkpoint_save_best_only: See there.
        checkpoint_save_weights_only: See there.
        checkpoint_save_freq: See there.

    Raises:
        InvalidParameterValue: A value breaks its rule; what was configured stays in force.
    """
    given = dict(locals())
    del given["saved_model_kwargs"]
    given["save_model_kwargs"] = given.pop("keras_model_kwargs")
    autolog_keras(**given)
