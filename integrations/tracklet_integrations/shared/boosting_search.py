"""A scikit-learn search over a booster, recorded by the booster's own integration.

Where scikit-learn's integration is on it records the search, as that of any estimator. Where it is
not, the search would look like one training per fold. It is one run: the candidates as a table and
as child runs, and the training of the best one as every training.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tracklet.autolog.recorder import TrainingRecorder
from tracklet.patching import Call
from tracklet_integrations.shared import trials
from tracklet_integrations.shared.boosting import BoostingOptions, BoostingRecord

CHILD_RUNS: Final = 5
"""How many of the candidates become child runs, as by default of scikit-learn's integration."""


class SearchRecord:
    """Records one search.

    Args:
        search: The search that is fitted.
        recorder: What it is recorded through.
        options: What is wanted.
    """

    def __init__(self, search: Any, recorder: TrainingRecorder, options: BoostingOptions) -> None:
        self.recorder = recorder
        self.refit: BoostingRecord | None = None
        """The record of the training of the best candidate, once that has begun."""
        self._search = search
        self._options = options
        self._dataset: Any = None

    def before(self, call: Call) -> None:
        """Record what is known before the search: its own params and the data."""
        with self.recorder.step("params"):
            # Of what the search and the booster both have, such as `n_jobs`, it is the booster's.
            taken = {key.rpartition("__")[2] for key in _deep_params(self._search.estimator)}
            own = self._search.get_params(deep=False)
            self.recorder.params({key: own[key] for key in own if key not in taken})
        if self._options.log_datasets:
            with self.recorder.step("data"):
                given = call.arguments()
                self._dataset = self.recorder.dataset(given.get("X"), given.get("y"))

    def after(self) -> None:
        """Record what the search has found."""
        search, recorder = self._search, self.recorder
        with recorder.step("search"):
            best = getattr(search, "best_params_", {})
            recorder.params({f"best_{key}": value for key, value in best.items()})
        if hasattr(search, "best_score_"):
            recorder.metrics({"best_cv_score": search.best_score_})
        found = None
        with recorder.step("search"):
            found = trials.trials_of(search)
        if found is not None:
            trials.record(
                found,
                recorder,
                seed=search.estimator,
                best_index=getattr(search, "best_index_", None),
                best_model_id=self.refit.model_id if self.refit is not None else None,
                dataset=self._dataset,
                max_child_runs=CHILD_RUNS,
            )


def searches_over(search: Any, kind: type) -> bool:
    """Whether a search's candidates are of a class, or train one inside.

    Args:
        search: A search of scikit-learn's.
        kind: The class.
    """
    seed = getattr(search, "estimator", None)
    if isinstance(seed, kind):
        return True
    return any(isinstance(value, kind) for value in _deep_params(seed).values())


def _deep_params(estimator: Any) -> Mapping[str, Any]:
    return estimator.get_params(deep=True) if hasattr(estimator, "get_params") else {}
