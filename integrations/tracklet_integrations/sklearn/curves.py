"""What the plots show: sampled while the labels are what they were, computed later."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

MAX_POINTS: Final = 1000
MAX_CLASSES: Final = 50


@dataclass(slots=True)
class Curves:
    """The confusion matrix and, for two classes, the curves of a classifier.

    ``confusion`` has the shares of each true class, in rows, that were predicted as each class;
    ``roc`` and ``precision_recall`` are pairs of arrays (x, y) of at most 1000 points.
    """

    classes: list[str] = field(default_factory=list)
    confusion: Any = None
    roc: tuple[Any, Any] | None = None
    roc_area: float = 0.0
    precision_recall: tuple[Any, Any] | None = None
    average_precision: float = 0.0


@dataclass(slots=True)
class Sample:
    """What curves are made of; copies, because the user may go on to change the labels."""

    labels: Any = None
    predicted: Any = None
    weight: Any = None
    scores: Any = None

    @classmethod
    def of(cls, labels: Any, predicted: Any, weight: Any, scores: Any) -> Sample:
        """A sample of copies; ``scores`` are of the greater of two classes, or None."""
        import numpy as np

        kept = None if weight is None else np.array(weight)
        return cls(np.array(labels), predicted, kept, scores)

    def curves(self) -> Curves:
        """The confusion matrix and the curves."""
        found = Curves()
        if self.labels is not None:
            _of_predictions(self.labels, self.predicted, self.weight, found)
        if self.scores is not None and len(found.classes) == 2:
            _of_scores(self.labels, self.scores, self.weight, found)
        return found


def _of_predictions(labels: Any, predicted: Any, weight: Any, curves: Curves) -> None:
    """The confusion matrix of single-label predictions, up to 50 classes."""
    import numpy as np
    from sklearn.metrics import confusion_matrix

    classes = np.unique(np.concatenate([np.asarray(labels), np.asarray(predicted).ravel()]))
    if not 0 < len(classes) <= MAX_CLASSES:
        return
    curves.confusion = confusion_matrix(
        labels, predicted, labels=classes, sample_weight=weight, normalize="true"
    )
    curves.classes = [str(each) for each in classes]


def _of_scores(labels: Any, scores: Any, weight: Any, curves: Curves) -> None:
    """The ROC and precision-recall curves of the greater of two classes."""
    import numpy as np
    from sklearn.metrics import precision_recall_curve, roc_curve

    positive = np.asarray(labels) == np.unique(labels)[1]
    # drop_intermediate only drops points on a line, so the areas stay what they are.
    false_rate, true_rate, _ = roc_curve(positive, scores, sample_weight=weight)
    precision, recall, _ = precision_recall_curve(
        positive, scores, sample_weight=weight, drop_intermediate=True
    )
    curves.roc_area = float(np.sum(np.diff(false_rate) * (true_rate[1:] + true_rate[:-1]) / 2))
    curves.average_precision = float(-np.sum(np.diff(recall) * precision[:-1]))
    curves.roc = _thinned(false_rate, true_rate)
    curves.precision_recall = _thinned(recall, precision)


def _thinned(x: Any, y: Any) -> tuple[Any, Any]:
    import numpy as np

    if len(x) <= MAX_POINTS:
        return x, y
    kept = np.linspace(0, len(x) - 1, MAX_POINTS).round().astype(int)
    return x[kept], y[kept]
