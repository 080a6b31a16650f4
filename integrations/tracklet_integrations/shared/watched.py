"""What several integrations watch: a class and its subclasses, and how folds are fitted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

FITTING_FOLDS: Final = (
    "_fit_and_score",
    "_fit_and_predict",
    "_permutation_test_score",
    "_incremental_fit_estimator",
)
"""The functions of ``sklearn.model_selection`` that fit the folds of searches and validation."""


def existing_classes(base: type) -> Iterator[type]:
    """The class and all its subclasses that exist now, each once."""
    seen = {base}
    waiting = [base]
    while waiting:
        cls = waiting.pop()
        yield cls
        for each in type.__subclasses__(cls):
            if each not in seen:
                seen.add(each)
                waiting.append(each)
