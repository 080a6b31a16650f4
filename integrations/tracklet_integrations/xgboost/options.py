"""What XGBoost's autologging can be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tracklet.errors import InvalidParameterValue
from tracklet_integrations.shared.boosting import BoostingOptions

_FORMATS = ("ubj", "json", "xgb")
_IMPORTANCES = ("weight", "gain", "cover", "total_gain", "total_cover")


@dataclass(frozen=True)
class _Importances:
    importance_types: Sequence[str] | None = None


# The fields of the last base come first.
@dataclass(frozen=True)
class XgboostOptions(BoostingOptions, _Importances):
    """Record every training with XGBoost.

    Each outermost ``xgboost.train``, ``xgboost.cv`` and ``fit`` of a scikit-learn wrapper becomes a
    run, or is added to the active one: params, the metrics of every round, early stopping,
    importances, the model with its signature, the datasets' fingerprints. XGBoost need not be
    imported yet. ``tracklet.autolog.plan()`` says what is watched.

    Args:
        importance_types: Which importances to store; ``["weight"]`` by default. Others are
            ``"gain"``, ``"cover"``, ``"total_gain"`` and ``"total_cover"``.
        log_input_examples: Store the first five rows of the training data with the model.
        log_model_signatures: Store the schema of inputs and outputs with the model.
        log_models: Log the trained model.
        log_datasets: Record what was trained and evaluated on as inputs of the run.
        disable: Put everything back as it was, instead.
        exclusive: Record only into runs that autologging started, never into yours.
        disable_for_unsupported_versions: Accepted for compatibility; versions before 2.0 are
            always declined, with a line in the log.
        silent: Say nothing in the log.
        registered_model_name: Register every trained model under this name.
        model_format: ``"ubj"``, ``"json"`` or ``"xgb"``.
        extra_tags: Further tags for the runs that autologging starts.
        log_checkpoints: Write checkpoints during training; ``tracklet.load_checkpoint`` reads them.
        checkpoint_save_freq: Every how many rounds.
        checkpoint_save_best_only: Keep only the checkpoint of the best round so far.
        checkpoint_monitor: The metric that decides what is best, such as ``"valid-logloss"``; by
            default the last metric of the last evaluation set.
        checkpoint_mode: Whether less (``"min"``) or more (``"max"``) of it is better; by default
            what its name says.
        checkpoint_keep_last: How many checkpoints to keep; None is all.

    Raises:
        InvalidParameterValue: A value breaks its rule; what was configured stays in force.
    """

    model_format: str = "ubj"
    extra_tags: Mapping[str, Any] | None = None

    def __post_init__(self, disable: bool) -> None:
        super().__post_init__(disable)
        if self.model_format not in _FORMATS:
            raise InvalidParameterValue(
                f"model_format={self.model_format!r} is none of {', '.join(_FORMATS)}"
            )
        kinds = self.importance_types
        if isinstance(kinds, str) or any(each not in _IMPORTANCES for each in kinds or ()):
            raise InvalidParameterValue(
                f"importance_types must be a list of {', '.join(_IMPORTANCES)}; got {kinds!r}"
            )
        object.__setattr__(self, "importance_types", tuple(kinds) if kinds is not None else None)

    @property
    def importances(self) -> Sequence[str]:
        """The importances to store."""
        return ("weight",) if self.importance_types is None else self.importance_types
