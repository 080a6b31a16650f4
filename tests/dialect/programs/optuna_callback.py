"""An Optuna study, each trial of which is a run."""

import mlflow
import optuna
from optuna_integration.mlflow import MLflowCallback

callback = MLflowCallback(metric_name="distance", mlflow_kwargs={"nested": True})


@callback.track_in_mlflow()
def objective(trial):
    x = trial.suggest_float("x", -10, 10)
    depth = trial.suggest_int("depth", 1, 5)
    trial.set_user_attr("kind", "plain")
    mlflow.log_metric("depth_too", depth, step=3)
    return (x - 2) ** 2 + depth


optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(study_name="plane", sampler=optuna.samplers.RandomSampler(seed=1))
study.optimize(objective, n_trials=3, callbacks=[callback])
print(study.best_params, len(mlflow.search_runs(experiment_names=["plane"])))
