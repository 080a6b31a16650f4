"""What integrations of several frameworks share, for those of other distributions as well.

- ``boosting_integration``: which calls of a gradient boosting library become which records;
  ``boosting``: what is recorded of one, round by round.
- ``provenance``: what a framework's data containers were made of.
- ``trials``: the candidates of a parameter search, as a table and as child runs.
- ``post_training``: metrics and scores that the user computes of a fitted model.
- ``importances`` and ``canvas``: feature importances, and how charts are drawn.
- ``weak_table``: facts about a framework's objects, for as long as they live.
"""

from __future__ import annotations

from typing import Final

FITTING_FOLDS: Final = (
    "_fit_and_score",
    "_fit_and_predict",
    "_permutation_test_score",
    "_incremental_fit_estimator",
)
"""The functions of ``sklearn.model_selection`` that fit the folds of searches and validation."""
