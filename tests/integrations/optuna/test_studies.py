"""What is on the record of studies."""

from __future__ import annotations

import json
import math
import threading
import warnings
from typing import Any

import pytest

pytest.importorskip("optuna")

import optuna
from optuna.samplers import RandomSampler, TPESampler

import tracklet

CLIENT = tracklet.TrackletClient
PARENT = "mlflow.parentRunId"


@pytest.fixture(autouse=True)
def quiet():
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    yield
    optuna.logging.set_verbosity(before)


def runs() -> tuple[list[Any], dict[str, Any]]:
    """The runs that are no trials, and those that are, by their names."""
    found = tracklet.search_runs(output_format="list", order_by=["start_time ASC"])
    trials = {run.info.run_name: run for run in found if "optuna.trial_number" in run.data.tags}
    return [run for run in found if "optuna.trial_number" not in run.data.tags], trials


def points(run: Any, key: str) -> dict[int, float]:
    return {each.step: each.value for each in CLIENT().get_metric_history(run.info.run_id, key)}


def table(run: Any) -> list[dict[str, Any]]:
    found = json.loads(tracklet.artifacts.load_text(f"{run.info.artifact_uri}/trials.json"))
    return [dict(zip(found["columns"], row, strict=True)) for row in found["data"]]


def mixed(trial: Any) -> float:
    """Number 2 raises, 3 has no value, 4 is pruned, others report."""
    x = trial.suggest_float("x", -5, 5)
    kind = trial.suggest_categorical("k", ["a", "b"])
    if trial.number == 2:
        raise ValueError("no")
    if trial.number == 3:
        return math.nan
    for step in range(3):
        trial.report(abs(x) + step, step * 10)
    trial.set_user_attr("kind", kind)
    if trial.number == 4:
        raise optuna.TrialPruned
    return abs(x)


def study_of(name: str | None = None, **given: Any) -> Any:
    return optuna.create_study(study_name=name, sampler=TPESampler(seed=1), **given)


def test_states_values_and_tables(on) -> None:
    """A trial's run ends as the trial did; the study has a point per trial with a value."""
    study = study_of("mixed")
    study.optimize(mixed, n_trials=6, catch=ValueError)
    (parent,), trials = runs()
    assert parent.info.run_name == "mixed"
    assert parent.info.status == "FINISHED"
    assert {name: run.info.status for name, run in trials.items()} == {
        "trial 0": "FINISHED",
        "trial 1": "FINISHED",
        "trial 2": "FAILED",
        "trial 3": "FAILED",
        "trial 4": "KILLED",
        "trial 5": "FINISHED",
    }
    assert {run.data.tags[PARENT] for run in trials.values()} == {parent.info.run_id}
    expected = {each.number: each.value for each in study.trials if each.value is not None}
    assert points(parent, "value") == expected
    assert list(points(parent, "best_value").values()) == sorted(
        points(parent, "best_value").values(), reverse=True
    )
    assert parent.data.metrics["best_value"] == study.best_value
    counts = {key: parent.data.metrics[key] for key in ("n_complete", "n_failed", "n_pruned")}
    assert counts == {"n_complete": 3, "n_failed": 2, "n_pruned": 1}
    assert parent.data.params["best_x"] == str(study.best_params["x"])
    assert parent.data.params["sampler"] == "TPESampler"
    assert parent.data.params["n_trials"] == "6"
    first = trials["trial 0"]
    assert first.data.params == {key: str(value) for key, value in study.trials[0].params.items()}
    assert points(first, "intermediate_value") == study.trials[0].intermediate_values
    assert first.data.metrics["value"] == study.trials[0].value
    rows = table(parent)
    assert [row["state"] for row in rows] == [each.state.name for each in study.trials]
    assert [row["param_x"] for row in rows] == [each.params["x"] for each in study.trials]
    assert rows[0]["run_id"] == first.info.run_id
    assert rows[0]["user_attrs_kind"] == study.trials[0].user_attrs["kind"]


def test_suggestions_are_the_same(on) -> None:
    """A sampler with a seed suggests what it would without us."""

    def suggested() -> list[float]:
        study = study_of()
        study.optimize(mixed, n_trials=6, catch=ValueError)
        return [each.params["x"] for each in study.trials]

    watched = suggested()
    tracklet.autolog(disable=True)
    assert watched == suggested()


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_trains_inside_is_in_the_trials_run(on, jobs: int) -> None:
    """In whichever thread it runs; no run lies beside."""
    from sklearn.linear_model import LogisticRegression

    tracklet.sklearn.autolog(log_models=False)

    def objective(trial: Any) -> float:
        strength = trial.suggest_float("strength", 0.1, 10)
        model = LogisticRegression(C=strength).fit([[0.0], [1.0], [2.0]], [0, 1, 1])
        tracklet.log_metric("mine", trial.number)
        return float(model.coef_[0, 0])

    study = optuna.create_study(sampler=RandomSampler(seed=1), direction="maximize")
    study.optimize(objective, n_trials=4, n_jobs=jobs)
    (parent,), trials = runs()
    assert len(trials) == 4
    for each in study.trials:
        run = trials[f"trial {each.number}"]
        assert run.data.tags[PARENT] == parent.info.run_id
        assert run.data.params["C"] == run.data.params["strength"] == str(each.params["strength"])
        assert run.data.metrics["mine"] == each.number
        assert "training_score" in run.data.metrics


def test_an_exception_that_is_not_caught(on) -> None:
    """It is the caller's own; the trial and the study failed, what was before stands."""
    error = ZeroDivisionError("mine")

    def objective(trial: Any) -> float:
        if trial.number == 1:
            raise error
        return 1.0

    with pytest.raises(ZeroDivisionError) as caught:
        study_of().optimize(objective, n_trials=3)
    assert caught.value is error
    (parent,), trials = runs()
    assert parent.info.status == "FAILED"
    assert [trials[f"trial {i}"].info.status for i in range(2)] == ["FINISHED", "FAILED"]


def test_runs_of_the_users_inside_of_a_trial(on) -> None:
    """They are started as without us, nested or not, and lie below the trial's."""

    def objective(trial: Any) -> float:
        with tracklet.start_run(run_name="mine", nested=trial.number == 1):
            tracklet.log_param("of", trial.number)
        return 1.0

    study_of().optimize(objective, n_trials=2)
    others, trials = runs()
    mine = [run for run in others if run.info.run_name == "mine"]
    assert [run.data.tags[PARENT] for run in mine] == [
        trials[f"trial {i}"].info.run_id for i in range(2)
    ]


def test_what_the_user_ends_to_be_safe_is_not_the_trials_run(on) -> None:
    """``end_run`` before ``start_run`` is in many an objective; the trial's run goes on."""

    def objective(trial: Any) -> float:
        tracklet.end_run()
        tracklet.start_run(run_name="mine")
        x = trial.suggest_float("x", 0, 1)
        tracklet.log_metric("x", x)
        tracklet.end_run()
        tracklet.end_run()
        return x

    study = study_of()
    study.optimize(objective, n_trials=2)
    others, trials = runs()
    for each in study.trials:
        assert trials[f"trial {each.number}"].data.metrics["value"] == each.value
        assert trials[f"trial {each.number}"].data.params["x"] == str(each.params["x"])
    mine = [run for run in others if run.info.run_name == "mine"]
    assert [run.data.metrics["x"] for run in mine] == [each.params["x"] for each in study.trials]


def test_a_run_of_the_users_around_a_study(on) -> None:
    """The study is recorded into it, and the trials lie below it."""
    with tracklet.start_run() as mine:
        study_of().optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
        assert tracklet.active_run() is mine
    (parent,), trials = runs()
    assert parent.info.run_id == mine.info.run_id
    assert parent.info.status == "FINISHED"
    assert {run.data.tags[PARENT] for run in trials.values()} == {mine.info.run_id}
    assert parent.data.params["sampler"] == "TPESampler"


def test_several_objectives(on) -> None:
    """A metric for each; the trials that no other beats are named."""

    def objective(trial: Any) -> tuple[float, float]:
        x = trial.suggest_float("x", 0, 1)
        return x, 1 - x

    study = study_of(directions=["minimize", "maximize"])
    study.optimize(objective, n_trials=3)
    (parent,), trials = runs()
    assert points(parent, "value_0") == {each.number: each.values[0] for each in study.trials}
    assert "best_value" not in parent.data.metrics
    best = json.loads(parent.data.tags["optuna.best_trials"])
    assert best == [each.number for each in study.best_trials]
    assert trials["trial 0"].data.metrics["value_1"] == study.trials[0].values[1]


def test_ask_and_tell(on) -> None:
    """Nothing is made before a value is told; then the study has one run with all values."""
    study = study_of()
    trials = [study.ask() for _ in range(3)]
    assert runs() == ([], {})
    for trial in trials:
        study.tell(trial, trial.suggest_float("x", 0, 1))
    (parent,), children = runs()
    assert children == {}
    assert points(parent, "value") == {each.number: each.value for each in study.trials}


@pytest.mark.parametrize("told", [False, True])
def test_a_study_inside_of_a_trial(on, told: bool) -> None:
    """Its run lies below the trial's, whose own value stays what it is, and ends with it."""

    def outer(trial: Any) -> float:
        inner = study_of("inner")
        if told:
            for _ in range(3):
                each = inner.ask()
                inner.tell(each, each.suggest_float("y", 5, 9))
        else:
            inner.optimize(lambda each: each.suggest_float("y", 5, 9), n_trials=3)
        return inner.best_value - 100

    study = study_of("outer")
    study.optimize(outer, n_trials=1)
    found = {run.info.run_name: run for run in runs()[0]}
    assert set(found) == {"inner", "outer"}
    parent = CLIENT().get_run(found["inner"].data.tags[PARENT])
    assert parent.data.metrics == {"value": study.best_value}
    assert parent.data.tags[PARENT] == found["outer"].info.run_id
    assert found["inner"].info.status == "FINISHED"
    assert len(points(found["inner"], "value")) == 3


def test_the_best_of_trials_that_end_in_another_order(on) -> None:
    """The last point is the best value, although its trial began first."""
    second = threading.Event()

    def objective(trial: Any) -> float:
        if trial.number == 0:
            assert second.wait(60)
            return 1.0
        if trial.number == 2:
            second.set()
        return 5.0 - trial.number

    study = study_of()
    study.optimize(objective, n_trials=4, n_jobs=2)
    (parent,), _ = runs()
    assert parent.data.metrics["best_value"] == study.best_value


def test_the_best_of_trials_that_were_there_before(on) -> None:
    """A study that goes on has its best value from the beginning, and its best params with it."""
    study = study_of()
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    study.optimize(lambda trial: 5 + trial.suggest_float("x", 0, 1), n_trials=2)
    _, parent = runs()[0]
    assert points(parent, "best_value") == {study.best_trial.number: study.best_value}
    assert parent.data.params["best_x"] == str(study.best_params["x"])


def test_the_best_within_the_constraints(on) -> None:
    """Of values that break one none is the best."""

    def objective(trial: Any) -> float:
        return [3.0, 0.0, 2.0][trial.number]

    broken = {0: -1.0, 1: 1.0, 2: 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # constraints come and go, says Optuna
        sampler = TPESampler(seed=0, constraints_func=lambda trial: (broken[trial.number],))
        study = optuna.create_study(sampler=sampler)
        study.optimize(objective, n_trials=3)
    (parent,), _ = runs()
    assert points(parent, "best_value") == {0: 3.0, 2: 2.0}


def test_trials_in_threads_are_where_their_study_is(on) -> None:
    """In the experiment of the user's run, with that as their parent."""
    experiment = tracklet.create_experiment("other")
    with tracklet.start_run(experiment_id=experiment) as mine:
        study_of().optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3, n_jobs=2)
    found = tracklet.search_runs([experiment], output_format="list")
    assert len(found) == 4
    parents = [run.data.tags.get(PARENT) for run in found if run.info.run_id != mine.info.run_id]
    assert parents == [mine.info.run_id] * 3


def test_a_run_of_the_users_for_each_trial(on) -> None:
    """Each has its trial's value once, and not the table of all."""
    study = study_of()
    for _ in range(3):
        with tracklet.start_run():
            trial = study.ask()
            value = trial.suggest_float("x", 0, 1)
            study.tell(trial, value)
            study.tell(trial, value, skip_if_finished=True)
    found, _ = runs()
    assert [run.data.metrics["value"] for run in found] == [each.value for each in study.trials]
    assert [run.data.metrics["n_complete"] for run in found] == [1, 1, 1]
    assert [CLIENT().list_artifacts(run.info.run_id) for run in found] == [[], [], []]


def test_attributes_that_json_has_no_numbers_for(on) -> None:
    """The table is JSON to every reader."""

    def objective(trial: Any) -> float:
        trial.set_user_attr("loss", math.nan)
        return trial.suggest_float("x", 0, 1)

    study_of().optimize(objective, n_trials=1)
    (parent,), _ = runs()
    text = tracklet.artifacts.load_text(f"{parent.info.artifact_uri}/trials.json")
    assert "NaN" in json.loads(text, parse_constant=lambda name: pytest.fail(name))["data"][0]


def test_without_child_runs(on) -> None:
    """Trials are rows, and nothing else."""
    tracklet.optuna.autolog(log_trials=False)
    study = study_of()
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    (parent,), trials = runs()
    assert trials == {}
    assert [row["value"] for row in table(parent)] == [each.value for each in study.trials]
    assert {row["run_id"] for row in table(parent)} == {None}


def test_without_child_runs_a_training_has_a_run_of_its_own(on) -> None:
    """One for each trial's, as without us, and none in the study's."""
    from sklearn.linear_model import LogisticRegression

    tracklet.optuna.autolog(log_trials=False)
    tracklet.sklearn.autolog(log_models=False)

    def objective(trial: Any) -> float:
        c = trial.suggest_float("C", 0.1, 1)
        LogisticRegression(C=c).fit([[0.0], [1.0]], [0, 1])
        return c

    study_of("rows").optimize(objective, n_trials=2)
    found = {run.info.run_name: run for run in runs()[0]}
    assert len(found) == 3
    assert "training_score" not in found.pop("rows").data.metrics
    assert all("training_score" in run.data.metrics for run in found.values())


def test_a_storages_password_is_not_recorded(on, tmp_path) -> None:
    """Of a storage there is its class; the trials of before are in the table only."""
    storage = f"sqlite:///{tmp_path}/secret-word.db"
    objective = lambda trial: trial.suggest_float("x", 0, 1)  # noqa: E731
    for _ in range(2):
        study = optuna.create_study(storage=storage, study_name="kept", load_if_exists=True)
        study.optimize(objective, n_trials=2)
    parents, trials = runs()
    assert len(parents) == 2
    assert len(trials) == 4
    assert len(table(parents[1])) == 4
    assert parents[1].data.metrics["n_complete"] == 2
    for run in parents:
        assert "secret-word" not in str(dict(run.data.params)) + str(dict(run.data.tags))
