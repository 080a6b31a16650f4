"""What scikit-learn's autologging can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tracklet.autolog import Options
from tracklet.errors import InvalidParameterValue

_FORMATS = ("pickle", "cloudpickle", "skops")
_WHICH = ("auto", "all", "none")
_ITERATIONS = ("auto", "live", "none")


@dataclass(frozen=True, kw_only=True)
class SklearnOptions(Options):
    """Options of :func:`tracklet.sklearn.autolog`; beside those of every integration.

    Args:
        log_input_examples: Store the first five rows of the training data with the model.
        log_model_signatures: Store the schema of inputs and outputs with the model.
        log_models: Log the fitted model.
        log_datasets: Record what was trained on as an input of the run.
        max_tuning_runs: How many of a parameter search's candidates become child runs; None is
            all.
        log_post_training_metrics: Watch metric functions and ``score`` calls after the fit.
        serialization_format: ``"cloudpickle"``, ``"pickle"`` or ``"skops"``.
        registered_model_name: Register every outermost fitted model under this name.
        pos_label: The positive class of binary metrics; precision, recall and F1 are then those
            of this class rather than weighted averages.
        training_metrics: ``"auto"`` computes them for estimators made of scikit-learn's own
            classes, whose ``predict`` is known to have no side effects; ``"all"`` for every
            estimator; ``"none"`` for none.
        training_metrics_seconds: They are left out if predicting the training data is estimated
            to take longer.
        dataset_seconds: A dataset is left out if describing it is estimated to take longer.
        log_plots: Draw a classifier's confusion matrix and curves; needs matplotlib.
        log_html: Store the estimator's HTML representation.
        iteration_metrics: ``"auto"`` records what an estimator keeps of its iterations
            (``loss_curve_`` and the like) as metrics with a step each; ``"live"`` also measures
            while training, where scikit-learn has callbacks; ``"none"`` records none.

    Raises:
        InvalidParameterValue: A value breaks its rule.
    """

    log_input_examples: bool = False
    log_model_signatures: bool = True
    log_models: bool = True
    log_datasets: bool = True
    max_tuning_runs: int | None = 5
    log_post_training_metrics: bool = True
    serialization_format: str = "cloudpickle"
    registered_model_name: str | None = None
    pos_label: str | int | None = None
    training_metrics: Literal["auto", "all", "none"] = "auto"
    training_metrics_seconds: float = 30.0
    dataset_seconds: float = 10.0
    log_plots: bool = True
    log_html: bool = True
    iteration_metrics: Literal["auto", "live", "none"] = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_tuning_runs is not None and self.max_tuning_runs < 0:
            raise InvalidParameterValue(
                f"`max_tuning_runs` must be non-negative, instead got {self.max_tuning_runs}."
            )
        if self.serialization_format not in _FORMATS:
            raise InvalidParameterValue(
                f"serialization_format={self.serialization_format!r} is none of "
                f"{', '.join(_FORMATS)}"
            )
        if self.training_metrics not in _WHICH:
            raise InvalidParameterValue(
                f"training_metrics={self.training_metrics!r} is none of {', '.join(_WHICH)}"
            )
        if self.iteration_metrics not in _ITERATIONS:
            raise InvalidParameterValue(
                f"iteration_metrics={self.iteration_metrics!r} is none of {', '.join(_ITERATIONS)}"
            )
        for name in ("training_metrics_seconds", "dataset_seconds"):
            seconds = getattr(self, name)
            if not seconds >= 0:
                raise InvalidParameterValue(
                    f"{name} must be a number of seconds, 0 or more; got {seconds!r}"
                )
