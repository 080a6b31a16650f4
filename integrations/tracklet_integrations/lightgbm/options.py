"""What LightGBM's autologging can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tracklet_integrations.shared.boosting import BoostingOptions


@dataclass(frozen=True)
class LightgbmOptions(BoostingOptions):
    """Record every training with LightGBM.

    Each outermost ``lightgbm.train``, ``lightgbm.cv`` and ``fit`` of a scikit-learn wrapper becomes
    a run, or is added to the active one: params, the metrics of every round, early stopping,
    importances, the model with its signature, the datasets' fingerprints. LightGBM need not be
    imported yet. ``tracklet.autolog.plan()`` says what is watched.

    Args:
        log_input_examples: Store the first five rows of the training data with the model.
        log_model_signatures: Store the schema of inputs and outputs with the model.
        log_models: Log the trained model.
        log_datasets: Record what was trained and evaluated on as inputs of the run.
        disable: Put everything back as it was, instead.
        exclusive: Record only into runs that autologging started, never into yours.
        disable_for_unsupported_versions: Accepted for compatibility; versions before 4.1 are
            always declined, with a line in the log.
        silent: Say nothing in the log.
        registered_model_name: Register every trained model under this name.
        extra_tags: Further tags for the runs that autologging starts.
        log_checkpoints: Write checkpoints during training; ``tracklet.load_checkpoint`` reads them.
        checkpoint_save_freq: Every how many rounds.
        checkpoint_save_best_only: Keep only the checkpoint of the best round so far.
        checkpoint_monitor: The metric that decides what is best, such as ``"valid_0-l2"``; by
            default the last metric of the last evaluation set.
        checkpoint_mode: Whether less (``"min"``) or more (``"max"``) of it is better; by default
            what LightGBM says.
        checkpoint_keep_last: How many checkpoints to keep; None is all.

    Raises:
        InvalidParameterValue: A value breaks its rule; what was configured stays in force.
    """

    extra_tags: Mapping[str, Any] | None = None
