"""What scikit-learn's autologging can be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, InitVar, dataclass
from typing import Any, Literal

from tracklet.autolog import CommonOptions
from tracklet.errors import InvalidParameterValue

_FORMATS = ("pickle", "cloudpickle", "skops")
_WHICH = ("auto", "all", "none")
_ITERATIONS = ("auto", "live", "none")


@dataclass(frozen=True)
class SklearnOptions(CommonOptions):
    """Record every training with scikit-learn.

    Each outermost ``fit``, ``fit_transform`` or ``fit_predict`` becomes a run, or is added to the
    active one: params, training metrics, the model with its signature, the dataset's fingerprint.
    scikit-learn need not be imported yet. ``tracklet.autolog.plan()`` says what is watched.

    Args:
        log_input_examples: Store the first five rows of the training data with the model.
        log_model_signatures: Store the schema of inputs and outputs with the model.
        log_models: Log the fitted model.
        log_datasets: Record what was trained on as an input of the run.
        disable: Put everything back as it was, instead.
        exclusive: Record only into runs that autologging started, never into yours.
        disable_for_unsupported_versions: Accepted for compatibility; versions before 1.3 are
            always declined, with a line in the log.
        silent: Say nothing in the log.
        max_tuning_runs: How many candidates of a search become child runs, the best first; None
            is all. All candidates are in the run's table ``trials.json`` in any case.
        log_post_training_metrics: Record what your code computes of a model after its fit by
            ``score``, by functions of ``sklearn.metrics`` and by scorers.
        serialization_format: ``"cloudpickle"``, ``"pickle"`` or ``"skops"``.
        registered_model_name: Register every outermost fitted model under this name.
        pos_label: The positive one of two classes for precision, recall, F1 and the curves.
        extra_tags: Further tags for the runs that autologging starts.
        training_metrics: ``"auto"`` computes them for estimators made of installed libraries'
            classes; ``"all"`` also calls ``predict`` of yours; ``"none"`` computes none.
        training_metrics_seconds: They are left out if predicting the training data is estimated
            to take longer.
        dataset_seconds: A dataset is left out if describing it is estimated to take longer, and
            the run says so.
        log_plots: Draw a classifier's confusion matrix and, for two classes, its ROC and
            precision-recall curves; in the background, and without pyplot.
        log_html: Store ``estimator.html``.
        iteration_metrics: ``"auto"`` records what an estimator keeps of its iterations as metrics
            with a step each; ``"live"`` also measures the loss while training, where scikit-learn
            has callbacks; ``"none"`` records none.
        estimators: Further classes whose ``fit`` is a training, although they do not derive from
            ``BaseEstimator``: themselves, or by name as ``"package.module.Class"``. Their modules
            need not be imported yet.

    Raises:
        InvalidParameterValue: A value breaks its rule; what was configured stays in force.
    """

    log_input_examples: bool = False
    log_model_signatures: bool = True
    log_models: bool = True
    log_datasets: bool = True
    disable: InitVar[bool] = False
    exclusive: bool = False
    disable_for_unsupported_versions: bool = False
    silent: bool = False
    max_tuning_runs: int | None = 5
    log_post_training_metrics: bool = True
    serialization_format: str = "cloudpickle"
    registered_model_name: str | None = None
    pos_label: str | int | None = None
    extra_tags: Mapping[str, Any] | None = None
    _: KW_ONLY
    training_metrics: Literal["auto", "all", "none"] = "auto"
    training_metrics_seconds: float = 30.0
    dataset_seconds: float = 10.0
    log_plots: bool = True
    log_html: bool = True
    iteration_metrics: Literal["auto", "live", "none"] = "auto"
    estimators: Sequence[str | type] = ()

    def __post_init__(self, disable: bool) -> None:
        super().__post_init__(disable)
        if self.max_tuning_runs is not None and self.max_tuning_runs < 0:
            raise InvalidParameterValue(
                f"`max_tuning_runs` must be non-negative, instead got {self.max_tuning_runs}."
            )
        self.check_choice("serialization_format", _FORMATS)
        self.check_choice("training_metrics", _WHICH)
        self.check_choice("iteration_metrics", _ITERATIONS)
        if isinstance(self.estimators, str | type):
            raise InvalidParameterValue(
                f"estimators must be a list of classes or their names; got {self.estimators!r}"
            )
        for each in self.estimators:
            if not isinstance(each, type) and not (isinstance(each, str) and {".", ":"} & {*each}):
                raise InvalidParameterValue(
                    "estimators must be classes, or names such as 'package.module.Class'; "
                    f"got {each!r}"
                )
        for name in ("training_metrics_seconds", "dataset_seconds"):
            seconds = getattr(self, name)
            if not seconds >= 0:
                raise InvalidParameterValue(
                    f"{name} must be a number of seconds, 0 or more; got {seconds!r}"
                )
