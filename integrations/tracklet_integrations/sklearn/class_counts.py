"""Labels and predictions as numbers, and the metrics that follow from counting them.

scikit-learn's functions check, sort and compare the labels anew in every call, which takes longer
than all else of a small fit's record, and is slow for many texts. Here it is done once. The values
are the functions' own to the last bit, which the tests hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Codes:
    """Single labels and predictions, each by its position in the sorted classes."""

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

    def accuracy(self, weight: Any) -> float:
        """As ``accuracy_score``."""
        import numpy as np

        return float(np.average(self.true == self.predicted, weights=weight))

    def precision_recall_f1(self, weight: Any) -> tuple[float, float, float]:
        """As ``precision_recall_fscore_support`` with ``average="weighted"``.

        Where a class was never predicted, or is no label, there is nothing to divide by: then 0.
        """
        import numpy as np

        weight = None if weight is None else np.asarray(weight)
        hit = self.true == self.predicted
        hits = self._count(self.true[hit], None if weight is None else weight[hit])
        # Differences first, as there: sums of fractional weights are rounded in that order.
        predicted = hits + (self._count(self.predicted, weight) - hits)
        true = hits + (self._count(self.true, weight) - hits)
        shares = (
            np.divide(count, of, out=np.zeros(len(of)), where=of != 0)
            for count, of in ((hits, predicted), (hits, true), (2.0 * hits, true + predicted))
        )
        precision, recall, f1 = (float(np.average(each, weights=true)) for each in shares)
        return precision, recall, f1

    def _count(self, codes: Any, weight: Any) -> Any:
        import numpy as np

        return np.bincount(codes, weights=weight, minlength=len(self.classes))
