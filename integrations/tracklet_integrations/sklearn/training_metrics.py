"""Metrics on the training data, from one ``predict`` and at most one ``predict_proba``.

What is called, when, and what is left out: docs/decisions/0005-training-metrics.md.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import combinations
from time import perf_counter
from typing import Any, Final

from tracklet.autolog import datasets
from tracklet_integrations.sklearn import estimators, inputs
from tracklet_integrations.sklearn.inputs import TrainingData
from tracklet_integrations.sklearn.plots import Sample

_logger = logging.getLogger("tracklet.autolog")

# Below so many rows predicting is too cheap to be estimated first.
_ESTIMATED_FROM: Final = 20_000
_PROBE_SHARE: Final = 0.01

ALL: Final = "training metrics"
_AVERAGES: Final = "training_precision_score, recall_score and f1_score"

# Where `predict` takes the class of the greatest probability, as it does in every version.
_MOST_PROBABLE: Final = {
    ("sklearn.ensemble._forest", "ForestClassifier"),
    ("sklearn.ensemble._bagging", "BaggingClassifier"),
}


@dataclass(frozen=True, slots=True)
class Codes:
    """Single labels and predictions, each by its position in the sorted classes of both.

    scikit-learn's functions check, sort and compare the labels anew in every call, which is slow
    for texts. They are numbered once, and the functions get the numbers; the values are the same.
    """

    classes: Any
    true: Any
    predicted: Any

    @classmethod
    def of(cls, labels: Any, predicted: Any) -> Codes:
        """Sort the classes of both and number them."""
        import numpy as np

        both = np.concatenate([np.asarray(labels).ravel(), np.asarray(predicted).ravel()])
        classes, codes = np.unique(both, return_inverse=True)
        return cls(classes, codes[: len(labels)], codes[len(labels) :])

    def position(self, label: Any) -> int | None:
        """The number of a label; None if it is none of the classes."""
        return next((i for i, each in enumerate(self.classes.tolist()) if each == label), None)

    def accuracy(self, weight: Any) -> float:
        """As ``accuracy_score``."""
        import numpy as np

        return float(np.average(self.true == self.predicted, weights=weight))

    def precision_recall_f1(self, positive: int | None) -> list[float]:
        """As ``precision_recall_fscore_support``, of one class or averaged over all by their rows.

        What its counts are divided and averaged by, without its checks of the labels.
        """
        import numpy as np

        count = len(self.classes)
        hits = np.bincount(self.true[self.true == self.predicted], minlength=count)
        true, predicted = (np.bincount(n, minlength=count) for n in (self.true, self.predicted))
        found = [
            np.divide(part, whole, out=np.zeros(count), where=whole > 0)
            for part, whole in ((hits, predicted), (hits, true), (2 * hits, true + predicted))
        ]
        if positive is not None:
            return [float(each[positive]) for each in found]
        return [float(np.average(each, weights=true)) for each in found]


@dataclass(slots=True)
class Measured:
    """The metrics by key, what they come from, what plots show, and what was left out and why."""

    metrics: dict[str, float] = field(default_factory=dict)
    predictions: Any = None
    sample: Sample | None = None
    left_out: dict[str, str] = field(default_factory=dict)

    def explanation(self) -> str:
        """What was left out and why, in one line."""
        return "; ".join(
            why if what == ALL else f"{what}: {why}" for what, why in self.left_out.items()
        )


def measure(
    estimator: Any,
    data: TrainingData,
    pos_label: Any,
    seconds: float,
    *,
    plots: bool = False,
    scores: bool = True,
) -> Measured:
    """Measure a fitted estimator on its training data.

    Args:
        estimator: It is called, so it must be known to be free of side effects.
        data: Features and labels.
        pos_label: The positive one of two classes for precision, recall, F1 and the curves; None
            averages over classes.
        seconds: How long predicting may take by estimate.
        plots: Whether those of classifiers are wanted.
        scores: Whether its ``score`` may be called.
    """
    from sklearn.base import is_classifier, is_regressor

    measured = Measured()
    if data.features is None or data.targets is None:
        return measured
    slow = _too_slow(estimator, data.features, seconds)
    if slow is not None:
        _logger.info("training metrics are left out: %s", slow)
        measured.left_out[ALL] = slow
        return measured
    if is_classifier(estimator):
        _classifier(estimator, data, pos_label, measured, plots)
    elif is_regressor(estimator):
        _regressor(estimator, data, measured)
    if "training_score" in measured.metrics or not hasattr(estimator, "score"):
        return measured
    if not scores:
        measured.left_out["training_score"] = "scoring is a function of yours"
    else:
        with _leaving_out(measured, "training_score"):
            measured.metrics["training_score"] = _score(estimator, data)
    return measured


def _too_slow(estimator: Any, features: Any, seconds: float) -> str | None:
    """Why predicting all rows would take longer than was granted; None if it would not."""
    rows = inputs.row_count(features)
    if rows < _ESTIMATED_FROM or not hasattr(estimator, "predict"):
        return None
    sample = datasets.first_rows(features, max(1, int(rows * _PROBE_SHARE)))
    if sample is None:
        return None
    started = perf_counter()
    estimator.predict(sample)
    estimate = (perf_counter() - started) * rows / inputs.row_count(sample)
    if estimate <= seconds:
        return None
    return (
        f"predicting {rows} rows would take about {estimate:.0f} s; "
        f"training_metrics_seconds={seconds:g} allows less"
    )


def _classifier(
    estimator: Any, data: TrainingData, pos_label: Any, measured: Measured, plots: bool
) -> None:
    from sklearn import metrics

    labels = _one_column(data.targets)
    kind = _kind_of(labels)
    if kind not in ("binary", "multiclass", "multilabel-indicator"):
        measured.left_out[ALL] = f"labels are {kind}"
        return
    weight = data.sample_weight
    predicted, probabilities = _answers(estimator, data.features, kind)
    measured.predictions = predicted
    found = measured.metrics
    codes = None if kind == "multilabel-indicator" else Codes.of(labels, predicted)
    positive = None
    if codes is not None and kind == "binary" and pos_label is not None:
        positive = codes.position(pos_label)
        if positive is None:
            text = f"pos_label={pos_label!r} is none of the labels {codes.classes.tolist()}"
            _logger.warning("%s and their curves are left out: %s", _AVERAGES, text)
            measured.left_out[f"{_AVERAGES}, and curves"] = text
    is_mistaken = bool(measured.left_out)
    if not is_mistaken:
        with _leaving_out(measured, _AVERAGES):
            if codes is not None and weight is None and _adds_up_as_here():
                averages = codes.precision_recall_f1(positive)
            else:
                pair = (labels, predicted) if codes is None else (codes.true, codes.predicted)
                averages = _precision_recall_f1(*pair, positive, weight)
            for name, value in zip(("precision", "recall", "f1"), averages, strict=True):
                found[f"training_{name}_score"] = float(value)
    with _leaving_out(measured, "training_accuracy_score"):
        if codes is not None:
            accuracy = codes.accuracy(weight)
        else:
            accuracy = metrics.accuracy_score(labels, predicted, sample_weight=weight)
        found["training_accuracy_score"] = float(accuracy)
    scores = None
    if codes is not None and probabilities is not None:
        _of_probabilities(codes.true, probabilities, weight, measured)
        scores = probabilities[:, 1] if probabilities.shape[1] == 2 else None
    if plots and codes is not None:
        with _leaving_out(measured, "plots"):
            if kind != "binary" or is_mistaken:
                scores = None
            elif scores is None and hasattr(estimator, "decision_function"):
                scores = estimator.decision_function(data.features)
            measured.sample = _sample(codes, weight, scores, 1 if positive is None else positive)
    _default_score(estimator, "ClassifierMixin", found, "training_accuracy_score")


def _kind_of(labels: Any) -> str:
    """As ``type_of_target``, whose checks of plain labels take longer than all that is measured."""
    import numpy as np

    if type(labels) is np.ndarray and labels.ndim == 1 and labels.dtype.kind in "biuU":
        return "binary" if len(np.unique(labels)) <= 2 else "multiclass"
    from sklearn.utils.multiclass import type_of_target

    return type_of_target(labels)


def _precision_recall_f1(labels: Any, predicted: Any, pos_label: Any, weight: Any) -> Any:
    """Averaged over the classes, or of the positive one of two."""
    from sklearn import metrics

    no_prediction: Any = 0  # the default, without its warning
    return metrics.precision_recall_fscore_support(
        labels,
        predicted,
        average="weighted" if pos_label is None else "binary",
        pos_label=1 if pos_label is None else pos_label,
        sample_weight=weight,
        zero_division=no_prediction,
    )[:3]


def _answers(estimator: Any, features: Any, kind: str) -> tuple[Any, Any]:
    """What it predicts, and the probabilities where it has some for single labels."""
    if kind == "multilabel-indicator" or not hasattr(estimator, "predict_proba"):
        return estimator.predict(features), None
    if _predicts_the_most_probable(estimator):
        probabilities = estimator.predict_proba(features)
        return estimator.classes_.take(probabilities.argmax(axis=1)), probabilities
    return estimator.predict(features), estimator.predict_proba(features)


def _predicts_the_most_probable(estimator: Any) -> bool:
    """Whether ``predict`` is made of ``predict_proba``, and need not be called beside it."""
    for cls in type(estimator).__mro__:
        if "predict" in vars(cls):
            return (cls.__module__, cls.__name__) in _MOST_PROBABLE
    return False


def _of_probabilities(labels: Any, probabilities: Any, weight: Any, measured: Measured) -> None:
    import numpy as np

    classes = np.unique(labels)
    if len(classes) < 2:
        measured.left_out["training_log_loss, training_roc_auc"] = "there is only one class"
        return
    with _leaving_out(measured, "training_log_loss"):
        measured.metrics["training_log_loss"] = log_loss(labels, probabilities, weight)
    if len(classes) > 2 and weight is not None:
        measured.left_out["training_roc_auc"] = "multi-class ROC AUC takes no sample weights"
        return
    with _leaving_out(measured, "training_roc_auc"):
        measured.metrics["training_roc_auc"] = roc_auc(labels, probabilities, weight)


@functools.cache
def _adds_up_as_here() -> bool:
    """Whether this scikit-learn rounds averages and log loss as is done here: from 1.5 on."""
    import sklearn

    major, minor = sklearn.__version__.split(".")[:2]
    return (int(major), int(minor)) >= (1, 5)


def _is_plain(labels: Any, probabilities: Any, weight: Any) -> bool:
    """Whether labels are positions of columns, all of them there, and rows add up to one.

    scikit-learn checks its arguments for most of the time of a small fit's metrics, and some of
    them several times. What it refuses, warns of, or weighs row by row, is left to it.
    """
    import numpy as np

    return (
        weight is None
        and np.array_equal(np.unique(labels), np.arange(probabilities.shape[1]))
        and bool((probabilities >= 0).all())
        and np.allclose(1, probabilities.sum(axis=1))
    )


def log_loss(labels: Any, probabilities: Any, weight: Any = None) -> float:
    """As ``log_loss``."""
    import numpy as np
    from sklearn.metrics import _classification as theirs

    # NumPy's logarithm and SciPy's differ in the last bit on some processors: the one they take.
    xlogy = getattr(theirs, "_xlogy", getattr(theirs, "xlogy", None))
    is_plain = probabilities.dtype == float and _adds_up_as_here()
    if xlogy is None or not is_plain or not _is_plain(labels, probabilities, weight):
        from sklearn import metrics

        # By position: scikit-learn 1.9 renames the parameter and warns about the old name.
        return float(metrics.log_loss(labels, probabilities, sample_weight=weight))
    least = np.finfo(float).eps
    given = np.clip(probabilities[np.arange(len(labels)), labels], least, 1 - least)
    return float(np.average(-xlogy(np.ones_like(given), given)))


def roc_auc(labels: Any, probabilities: Any, weight: Any = None) -> float:
    """As ``roc_auc_score`` of two classes, or one against one, weighted by their rows."""
    import numpy as np

    count = len(np.unique(labels))
    if not _is_plain(labels, probabilities, weight):
        from sklearn import metrics

        scores = probabilities if count > 2 else probabilities[:, 1]
        return float(
            metrics.roc_auc_score(
                labels, scores, average="weighted", multi_class="ovo", sample_weight=weight
            )
        )
    if count == 2:
        return _area(labels, probabilities[:, 1])
    areas, shares = [], []
    for one, other in combinations(range(count), 2):
        kept = (labels == one) | (labels == other)
        is_one, scores = labels[kept] == one, probabilities[kept]
        areas.append((_area(is_one, scores[:, one]) + _area(~is_one, scores[:, other])) / 2)
        shares.append(np.average(kept))
    return float(np.average(areas, weights=shares))


def _area(positive: Any, scores: Any) -> float:
    """Below the ROC curve, added up in the order in which ``auc`` adds that of ``roc_curve``."""
    import numpy as np

    order = np.argsort(scores, kind="stable")[::-1]
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    right = np.cumsum(positive[order], dtype=float)[ends]
    wrong = 1 + ends - right
    if len(ends) > 2:  # points in between on a line
        bends = (np.diff(right, 2) != 0) | (np.diff(wrong, 2) != 0)
        kept = np.concatenate([[True], bends, [True]])
        right, wrong = right[kept], wrong[kept]
    right, wrong = np.append(0.0, right) / right[-1], np.append(0.0, wrong) / wrong[-1]
    return float((np.diff(wrong) * (right[1:] + right[:-1]) / 2.0).sum())


def _sample(codes: Codes, weight: Any, scores: Any, positive: int) -> Sample:
    """Nothing of it is the user's, who may go on to change the labels.

    Scores are those of the greater class, and those of the other one are their negatives.
    """
    import numpy as np

    if scores is not None and not np.isfinite(scores).all():
        scores = None
    kept = None if weight is None else np.array(weight, float).ravel()
    if scores is not None and positive == 0:
        scores = -scores
    return Sample(codes.classes, codes.true, codes.predicted, kept, scores, positive)


def _regressor(estimator: Any, data: TrainingData, measured: Measured) -> None:
    from sklearn import metrics

    targets, weight = data.targets, data.sample_weight
    predicted = measured.predictions = estimator.predict(data.features)
    wanted: dict[str, Callable[..., Any]] = {
        "training_mean_squared_error": metrics.mean_squared_error,
        "training_mean_absolute_error": metrics.mean_absolute_error,
        "training_r2_score": metrics.r2_score,
    }
    found = measured.metrics
    for key, function in wanted.items():
        with _leaving_out(measured, key):
            found[key] = float(function(targets, predicted, sample_weight=weight))
    if "training_mean_squared_error" in found:
        found["training_root_mean_squared_error"] = found["training_mean_squared_error"] ** 0.5
    _default_score(estimator, "RegressorMixin", found, "training_r2_score")


def _default_score(estimator: Any, mixin: str, found: dict[str, float], key: str) -> None:
    """``score`` as the mixin defines it is a metric that is there already."""
    if key not in found:
        return
    decides = estimators.step_of_default_score(estimator)
    if decides is None:
        return
    for cls in type(decides).__mro__:
        if "score" in vars(cls):
            if cls.__name__ == mixin and cls.__module__ == "sklearn.base":
                found["training_score"] = found[key]
            return


def _score(estimator: Any, data: TrainingData) -> float:
    weighted = "sample_weight" in inspect.signature(estimator.score).parameters
    if weighted and data.sample_weight is not None:
        return float(estimator.score(data.features, data.targets, sample_weight=data.sample_weight))
    return float(estimator.score(data.features, data.targets))


def _one_column(labels: Any) -> Any:
    """Labels in one column as a flat array, without the warning of doing so."""
    import numpy as np

    if getattr(labels, "ndim", 1) == 2 and labels.shape[1] == 1:
        return np.asarray(labels).ravel()
    return labels


class _leaving_out:  # noqa: N801 (used as a function in `with`)
    """What fails in this block is left out; the other metrics are kept."""

    def __init__(self, measured: Measured, what: str) -> None:
        self._measured = measured
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> bool:
        if not isinstance(error, Exception):
            return False
        self._measured.left_out[self._what] = f"{type(error).__name__}: {error}"
        _logger.debug("%s is left out: %s", self._what, error)
        return True


def explain() -> Iterator[str]:
    """The metrics by kind of estimator, for the plan."""
    yield (
        "classifiers: training_precision_score, training_recall_score, training_f1_score, "
        "training_accuracy_score, training_log_loss, training_roc_auc, training_score"
    )
    yield (
        "regressors: training_mean_squared_error, training_root_mean_squared_error, "
        "training_mean_absolute_error, training_r2_score, training_score"
    )
    yield "others with labels and a score method: training_score"
