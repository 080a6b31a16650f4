"""Labels and predictions as numbers.

scikit-learn's functions check, sort and compare the labels anew in every call, which is slow for
texts. Here they are numbered once, and the functions get the numbers; the values are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Codes:
    """Single labels and predictions, each by its position in the sorted classes."""

    true: Any
    predicted: Any

    @classmethod
    def of(cls, labels: Any, predicted: Any) -> Codes:
        """Sort the classes of both and number them."""
        import numpy as np

        both = np.concatenate([np.asarray(labels).ravel(), np.asarray(predicted).ravel()])
        codes = np.unique(both, return_inverse=True)[1]
        return cls(codes[: len(labels)], codes[len(labels) :])

    def accuracy(self, weight: Any) -> float:
        """As ``accuracy_score``."""
        import numpy as np

        return float(np.average(self.true == self.predicted, weights=weight))
