"""The Optuna integration sees everything and touches nothing."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import pytest

pytest.importorskip("optuna")

from tracklet.testing import IntegrationContract


class TestOptunaIntegration(IntegrationContract):
    name = "optuna"
    modules = ("optuna",)

    # Trials with runs of their own are in test_studies.py; here a training is one run.
    def watched(self, **options: Any) -> AbstractContextManager[None]:
        return super().watched(**{"log_trials": False, **options})

    targets = ("optuna.study.study:Study.optimize", "optuna.study._optimize:_run_trial")
    training = """
    def train():
        import optuna

        def objective(trial):
            x = trial.suggest_float("x", -5, 5)
            trial.report(x, 0)
            return x * x

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=1))
        assert study.optimize(objective, n_trials=4) is None
        return [(trial.number, trial.params, trial.values) for trial in study.trials]


    def fail(error):
        import optuna

        def objective(trial):
            raise error

        optuna.logging.set_verbosity(optuna.logging.CRITICAL)
        optuna.create_study().optimize(objective, n_trials=2)


    def noisy():
        import warnings

        import optuna

        def objective(trial):
            warnings.warn("of the user's")
            return 1.0

        optuna.logging.set_verbosity(optuna.logging.CRITICAL)
        optuna.create_study(study_name="one").optimize(objective, n_trials=1)
    """
