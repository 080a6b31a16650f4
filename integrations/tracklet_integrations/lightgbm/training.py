"""What is recorded of one training, before it and after it."""

from __future__ import annotations

from typing import Any, Final

from tracklet.autolog import TrainingRecorder
from tracklet.autolog.boosting import BoostingRecord, BoundCall, add_first
from tracklet.autolog.importances import log_importance
from tracklet.autolog.traces import Trace, Traces, names_of
from tracklet.patching import Outcome
from tracklet_integrations.lightgbm.callback import RoundCallback
from tracklet_integrations.lightgbm.options import LightgbmOptions

IMPORTANCES: Final = ("split", "gain")

# Data, functions and results are no params.
_NO_PARAMS: Final = (
    "params",
    "train_set",
    "valid_sets",
    "valid_names",
    "fobj",
    "feval",
    "init_model",
    "learning_rates",
    "callbacks",
    "folds",
    "fpreproc",
)


class LightgbmRecord(BoostingRecord):
    """Records one training with LightGBM.

    Args:
        recorder: What it is recorded through.
        options: What is wanted.
    """

    def __init__(self, recorder: TrainingRecorder, options: LightgbmOptions) -> None:
        super().__init__(recorder, options)

    def before_train(self, call: BoundCall, traces: Traces) -> None:
        """Record what is known before the training, and listen to its rounds."""
        with self.recorder.step("params"):
            self.params(call.all["params"] or {}, call.without(_NO_PARAMS))
        with self.recorder.step("data"):
            self.datasets(traces.of(call.all.get("train_set")), _evaluated(call, traces))
        self.checkpoint_with("lightgbm", {"model_class": "lightgbm.basic.Booster"}, ".lgb")
        self._listen(call)

    def before_cv(self, call: BoundCall, traces: Traces) -> None:
        """Record what is known before the cross-validation, and listen to its rounds."""
        with self.recorder.step("params"):
            self.params(call.all["params"] or {}, call.without(_NO_PARAMS))
        with self.recorder.step("data"):
            self.datasets(traces.of(call.all.get("train_set")), ())
        self._listen(call)

    def _listen(self, call: BoundCall) -> None:
        with self.recorder.step("callback"):
            callback = RoundCallback(self)
            call.replace("callbacks", add_first(call.all.get("callbacks"), callback))

    def after_train(self, outcome: Outcome) -> None:
        """Record what the training has brought: early stopping and importances."""
        booster = outcome.value
        if outcome.error is not None or booster is None:
            return
        with self.recorder.step("early stopping"):
            best = int(booster.best_iteration or 0)
            if best > 0:
                self.early_stopping(self.rounds.last_step + 1, best, best - 1)
        for kind in IMPORTANCES:
            with self.recorder.step("importance"):
                values = booster.feature_importance(importance_type=kind).tolist()
                scores = dict(zip(booster.feature_name(), values, strict=True))
                log_importance(self.recorder, kind, scores, indent=2)

    def log_booster(self, booster: Any) -> None:
        """Log what ``train`` returned."""

        def predict(example: Any) -> Any:
            # One thread: a pool of OpenMP's that the user's training did not start would make
            # their later forks hang.
            return booster.predict(example, num_threads=1)

        self.model(booster, predict)

    def log_wrapper(self, wrapper: Any) -> None:
        """Log a fitted wrapper. Only ``predict`` of LightGBM's own classes is called."""
        for cls in type(wrapper).__mro__:
            if "predict" in vars(cls):
                own = cls.__module__.partition(".")[0] == "lightgbm"
                break
        else:
            own = False
        self.model(wrapper, wrapper.predict if own else None)


def _evaluated(call: BoundCall, traces: Traces) -> list[tuple[str, Trace | None]]:
    """The evaluation sets under the names that LightGBM gives them."""
    sets = call.all.get("valid_sets")
    if sets is None:
        return []
    sets = list(sets) if isinstance(sets, list | tuple) else [sets]
    names = names_of(len(sets), call.all.get("valid_names"))
    train = call.all.get("train_set")
    given = call.all.get("valid_names") is not None
    return [
        ("training" if each is train and not given else name, traces.of(each))
        for name, each in zip(names, sets, strict=True)
    ]
