"""KerasTuner: a search is one run, and its trials are a table."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from tracklet.autolog import TrainingRecorder
from tracklet_integrations.keras.fitting import record_datasets
from tracklet_integrations.shared.metric_keys import metric_key
from tracklet_integrations.shared.trials import TRIALS_FILE

# What a search is given that is no setting of it.
_NO_PARAMS: Final = ("x", "y", "callbacks", "validation_data", "verbose")


class Search:
    """What is recorded of a search while it goes.

    Each trial that ends is a point of its metrics, with its number as step, and a row of the table;
    what trains in it has no run of its own.

    Args:
        recorder: What records it.
        tuner: What searches.
    """

    def __init__(self, recorder: TrainingRecorder, tuner: Any) -> None:
        self._recorder = recorder
        self._oracle = tuner.oracle
        with recorder.step("describe"):
            objectives = [*_objectives(self._oracle.objective)]
            told = {
                "tuner": type(tuner).__name__,
                "oracle": type(self._oracle).__name__,
                "objective": ", ".join(each.name for each in objectives),
                "direction": ", ".join(each.direction for each in objectives),
                "max_trials": self._oracle.max_trials,
                "executions_per_trial": getattr(tuner, "executions_per_trial", 1),
                "seed": self._oracle.seed,
            }
            recorder.params(told)

    def describe(self, given: Mapping[str, Any], *, log_datasets: bool) -> None:
        """Record what each training of the search is given.

        Args:
            given: The arguments of ``search``.
            log_datasets: Whether to record the data, too.
        """
        with self._recorder.step("describe"):
            names = dict(zip(("x", "y"), given.get("fit_args", ()), strict=False))
            found = {**names, **given.get("fit_kwargs", {})}
            self._recorder.params({key: found[key] for key in found if key not in _NO_PARAMS})
            if log_datasets:
                record_datasets(self._recorder, found)

    def end_trial(self, trial: Any) -> None:
        """Record what came of a trial, so that a search that is cut off has it, too."""
        with self._recorder.step("trials"):
            number = [*self._oracle.trials].index(trial.trial_id)
            self._recorder.metrics(_measured(trial), step=number)
            self._write()

    def conclude(self) -> None:
        """Record the table, and of the best trial its params."""
        with self._recorder.step("trials"):
            self._write()
            for trial in self._oracle.get_best_trials(1):
                if trial.score is None:  # none has come to its end
                    continue
                values = trial.hyperparameters.values
                self._recorder.params({f"best_{name}": values[name] for name in values})
                self._recorder.metrics({"best_score": trial.score})
                self._recorder.tags({"keras_tuner.best_trial": trial.trial_id})

    def _write(self) -> None:
        table = _table([*self._oracle.trials.values()])
        self._recorder.artifacts({TRIALS_FILE: json.dumps(table, default=str)})
        shown = [{"path": self._recorder.folder + TRIALS_FILE, "type": "table"}]
        self._recorder.note({"mlflow.loggedArtifacts": json.dumps(shown)})


def _objectives(objective: Any) -> Iterator[Any]:
    """The one objective of a search, or each of several."""
    yield from getattr(objective, "objectives", None) or [objective]


def _measured(trial: Any) -> dict[str, float]:
    """The best value of each metric of a trial, and its score."""
    tracked = trial.metrics
    found = {metric_key(name): tracked.get_best_value(name) for name in tracked.metrics}
    found["score"] = trial.score
    return {
        name: float(value)
        for name, value in found.items()
        if value is not None and math.isfinite(value)
    }


def _table(trials: Iterable[Any]) -> dict[str, Any]:
    measured = [_measured(trial) for trial in trials]
    params = [trial.hyperparameters.values for trial in trials]
    names = [*dict.fromkeys(name for each in params for name in each)]
    keys = [*dict.fromkeys(key for each in measured for key in each)]
    rows = [
        [
            number,
            trial.trial_id,
            str(getattr(trial.status, "value", trial.status)),
            *(params[number].get(name) for name in names),
            *(measured[number].get(key) for key in keys),
            trial.best_step,
        ]
        for number, trial in enumerate(trials)
    ]
    columns = ["trial", "trial_id", "status", *(f"param_{name}" for name in names), *keys]
    return {"columns": [*columns, "best_step"], "data": rows}
