"""Metrics per iteration, from what estimators keep by themselves, and measured while one trains.

A history becomes one metric with a point per iteration; a final number a single point.

Measuring goes through scikit-learn's own callbacks (1.9 and later), and only where asked for,
because it predicts the training data once per iteration. The callback is on the estimator for the
time of the fit and leaves nothing there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from numbers import Real
from typing import Any, Final

from tracklet.autolog import TrainingRecorder
from tracklet_integrations.shared.metric_keys import metric_key
from tracklet_integrations.sklearn import estimators

# Attributes that hold one number per iteration, and what they are called on the record.
_HISTORIES: Final = {
    "loss_curve_": "loss",  # multi-layer perceptrons
    "validation_scores_": "validation_score",
    "train_score_": "train_score",  # gradient boosting
    "validation_score_": "validation_score",
    "oob_improvement_": "oob_improvement",
    "oob_scores_": "oob_score",
    "estimator_errors_": "estimator_error",  # AdaBoost
    "estimator_weights_": "estimator_weight",
    "lower_bounds_": "lower_bound",  # mixtures
    "loglike_": "log_likelihood",  # factor analysis
    "scores_": "log_marginal_likelihood",  # Bayesian ridge, with compute_score
}
_OWNERS: Final = {"scores_": ("BayesianRidge", "ARDRegression")}

# Attributes in which libraries keep what they evaluated: {set: {metric: one number per iteration}}.
_EVALUATIONS: Final = ("evals_result_", "evals_result")

# In which skorch keeps a dict per epoch; of its entries these are no results.
_EPOCHS: Final = ("history_", "history")
_NO_RESULTS: Final = ("epoch", "dur", "batches")

# Attributes that hold one number for the whole fit.
_NUMBERS: Final = {
    "n_iter_": "n_iter",
    "inertia_": "inertia",
    "best_loss_": "best_loss",
    "best_validation_score_": "best_validation_score",
    "lower_bound_": "lower_bound",
    "reconstruction_err_": "reconstruction_error",
    "bound_": "perplexity_bound",
    "best_iteration_": "best_iteration",
    "best_val_loss_itr": "best_iteration",  # NGBoost
    "oob_score_": "oob_score",
}

# Attributes that change with every call of partial_fit.
_LATEST: Final = {
    "loss_": "loss",
    "t_": "t",
    "n_steps_": "n_steps",
    "n_batch_iter_": "n_batch_iter",
}

_MAX_STEPS: Final = 100_000

_LIVE_LOSS: Final = "training_loss"
_HELD: Final = "_skl_callbacks"


def record(estimator: Any, recorder: TrainingRecorder, model_id: str | None) -> None:
    """Record a fitted estimator's histories and final numbers.

    Those of a pipeline are its last step's. Of an earlier training in the same run, whose history
    a warm start continues, the points that are there already are not repeated.

    Args:
        estimator: The fitted estimator; only its own attributes are read, nothing is called.
        recorder: What records the fit.
        model_id: The logged model that the numbers belong to.
    """
    with recorder.step("iterations"):
        *_, source = estimators.innermost(estimator)
        seen = set()
        for key, values in _histories(source):
            seen.add(key)
            start = recorder.known_steps(key) if continues(source) else 0
            if len(values) > start:
                recorder.history(key, values[start:], first_step=start, model_id=model_id)
            recorder.note_steps(key, len(values))
        numbers = {key: value for key, value in _numbers(source) if key not in seen}
        if numbers:
            recorder.metrics(numbers, model_id=model_id)


def latest(estimator: Any) -> dict[str, float]:
    """The last point of each history, and the final numbers, after a call of ``partial_fit``."""
    found = dict(_numbers(estimator))
    own = _attributes(estimator)
    for attribute, key in _LATEST.items():
        value: Any = own.get(attribute)
        if isinstance(value, Real) and not isinstance(value, bool):
            found[key] = float(value)
    found.update((key, values[-1]) for key, values in _histories(estimator))
    return found


def counters(estimator: Any) -> dict[str, float]:
    """What tells how far calls of ``partial_fit`` have come; empty of one that is not fitted."""
    own = _attributes(estimator)
    found = latest(estimator)
    samples: Any = own.get("n_samples_seen_")
    if samples is None and getattr(own.get("class_count_"), "ndim", 0) == 1:
        samples = sum(own["class_count_"].tolist())
    if isinstance(samples, Real):
        found["n_samples_seen"] = float(samples)
    return {key: value for key, value in found.items() if value == value}


def continues(estimator: Any) -> bool:
    """Whether a fit goes on where the last one of the same object ended."""
    return bool(getattr(estimator, "warm_start", False))


def _histories(estimator: Any) -> Iterator[tuple[str, list[float]]]:
    own = _attributes(estimator)
    for attribute, key in _HISTORIES.items():
        owners = _OWNERS.get(attribute)
        if owners is not None and type(estimator).__name__ not in owners:
            continue
        values = _numbers_in(own.get(attribute))
        if values:
            yield key, values[:_MAX_STEPS]
    for key, found in (*_evaluations(own), *_epochs(own)):
        values = _numbers_in(found)
        if values:
            yield metric_key(key), values[:_MAX_STEPS]


def _evaluations(own: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    found = next((own[name] for name in _EVALUATIONS if type(own.get(name)) is dict), {})
    for data, metrics in found.items():
        for metric, values in metrics.items() if isinstance(metrics, dict) else ():
            yield f"{data}-{metric}", values


def _epochs(own: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    rows = next((own[name] for name in _EPOCHS if isinstance(own.get(name), list)), [])
    if not rows or not all(isinstance(row, dict) for row in rows):
        return
    for key in rows[-1]:
        if key not in _NO_RESULTS and not str(key).endswith(("_best", "_batch_count")):
            yield str(key), [row.get(key) for row in rows]


def _numbers(estimator: Any) -> Iterator[tuple[str, float]]:
    own = _attributes(estimator)
    for attribute, key in _NUMBERS.items():
        value: Any = own.get(attribute)
        if attribute == "n_iter_" and getattr(value, "ndim", 0) == 1 and len(value):
            value = max(value.tolist())  # one per class or target
        if isinstance(value, Real) and not isinstance(value, bool):
            yield key, float(value)


def _attributes(estimator: Any) -> dict[str, Any]:
    # Not getattr: a property of the user's may compute, and a class attribute is no result.
    return getattr(estimator, "__dict__", {})


def _numbers_in(value: Any) -> list[float]:
    if isinstance(value, list | tuple):
        found = list(value)
    elif type(value).__module__ == "numpy" and getattr(value, "ndim", 0) == 1:
        if value.dtype.kind not in "fiu":
            return []
        found = value.tolist()
    else:
        return []
    if not all(isinstance(each, Real) and not isinstance(each, bool) for each in found):
        return []
    return [float(each) for each in found]


def can_measure_live(estimator: Any) -> bool:
    """Whether an estimator tells of its iterations, and the user does not listen already."""
    kind = type(estimator)
    return (
        kind.__module__ == "sklearn.linear_model._logistic"
        and kind.__name__ == "LogisticRegression"
        and hasattr(kind, "set_callbacks")
        and getattr(estimator, "solver", "") == "lbfgs"
        and _HELD not in vars(estimator)
    )


@contextmanager
def measured_live(estimator: Any, recorder: TrainingRecorder) -> Iterator[None]:
    """In this block every iteration of the estimator's fit becomes a point of a metric."""
    with recorder.step("live"):
        estimator.set_callbacks(LossRecorder(recorder))
    try:
        yield
    finally:
        vars(estimator).pop(_HELD, None)


class LossRecorder:
    """A callback of scikit-learn's that records the log loss on the training data."""

    def __init__(self, recorder: TrainingRecorder) -> None:
        self._recorder = recorder
        self._count = 0

    def setup(self, estimator: Any, context: Any) -> None:
        """The fit begins."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """The fit has ended."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """An iteration begins."""

    def on_fit_task_end(
        self,
        estimator: Any,
        context: Any,
        *,
        X: Any = None,  # noqa: N803 (scikit-learn passes it by this name)
        y: Any = None,
        fitted_estimator: Any = None,
    ) -> None:
        """An iteration, or the fit, has ended; whatever goes wrong here is contained."""
        with self._recorder.step("live"):
            if context.task_name != "lbfgs-iter" or X is None or fitted_estimator is None:
                return
            from sklearn.metrics import log_loss

            loss = log_loss(y, fitted_estimator.predict_proba(X))
            self._recorder.history(_LIVE_LOSS, [loss], first_step=self._count)
            self._count += 1


def explain() -> Iterator[str]:
    """What is recorded, for the plan."""
    yield "per iteration, where the estimator keeps it: " + ", ".join(
        dict.fromkeys(_HISTORIES.values())
    )
    yield "of the whole fit, where the estimator keeps it: " + ", ".join(
        dict.fromkeys(_NUMBERS.values())
    )
