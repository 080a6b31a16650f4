"""What is recorded of one training, before it and after it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from tracklet.autolog import TrainingRecorder
from tracklet.autolog.boosting import BoostingRecord, BoundCall, add_first
from tracklet.autolog.importances import log_importance
from tracklet.autolog.traces import Traces
from tracklet.patching import Outcome
from tracklet_integrations.xgboost.callback import all_values, round_callback
from tracklet_integrations.xgboost.options import XgboostOptions

_logger = logging.getLogger("tracklet.autolog")

# Data, functions and results are no params.
_NO_PARAMS: Final = (
    "params",
    "dtrain",
    "evals",
    "obj",
    "feval",
    "evals_result",
    "xgb_model",
    "callbacks",
    "learning_rates",
    "client",
    "folds",
    "fpreproc",
)


class XgboostRecord(BoostingRecord):
    """Records one training with XGBoost.

    Args:
        recorder: What it is recorded through.
        options: What is wanted.
    """

    def __init__(self, recorder: TrainingRecorder, options: XgboostOptions) -> None:
        super().__init__(recorder, options)
        self._xgboost_options = options

    def before_train(self, call: BoundCall, traces: Traces) -> None:
        """Record what is known before the training, and listen to its rounds."""
        with self.recorder.step("params"):
            self.params(_params(call.all["params"]), call.without(_NO_PARAMS))
        with self.recorder.step("data"):
            evals = [(str(name), traces.of(data)) for data, name in call.all.get("evals") or ()]
            self.datasets(traces.of(call.all.get("dtrain")), evals)
        self.checkpoint_with("xgboost", {"model_class": "xgboost.core.Booster"}, ".ubj")
        self._listen(call)

    def before_cv(self, call: BoundCall, traces: Traces) -> None:
        """Record what is known before the cross-validation, and listen to its rounds."""
        with self.recorder.step("params"):
            self.params(_params(call.all["params"]), call.without(_NO_PARAMS))
        with self.recorder.step("data"):
            self.datasets(traces.of(call.all.get("dtrain")), ())
        self._listen(call)

    def _listen(self, call: BoundCall) -> None:
        with self.recorder.step("callback"):
            callback = round_callback(self)
            call.replace("callbacks", add_first(call.all.get("callbacks"), callback))

    def after_train(self, call: BoundCall, outcome: Outcome) -> None:
        """Record what the training has brought: early stopping and importances."""
        booster = outcome.value
        if outcome.error is not None or booster is None:
            return
        with self.recorder.step("early stopping"):
            best = booster.attributes().get("best_iteration") if _stops_early(call) else None
            if best is not None:
                self.early_stopping(self.rounds.last_step, int(best), int(best))
        for kind in self._xgboost_options.importances:
            with self.recorder.step("importance"):
                scores = _importance(booster, kind)
                if scores is not None:
                    log_importance(self.recorder, kind, scores)

    def before_dask_train(self, call: BoundCall) -> None:
        """Record the params of a distributed training."""
        with self.recorder.step("params"):
            self.params(_params(call.all["params"]), call.without(_NO_PARAMS))

    def after_dask_train(self, call: BoundCall, result: Mapping[str, Any]) -> None:
        """Record what a distributed training has brought: the rounds' metrics, and the rest.

        Callbacks run on the workers, so its rounds are known only now.
        """
        with self.recorder.step("metrics"):
            for step, values in enumerate(all_values(result["history"])):
                self.round(step, values)
        booster = result["booster"]
        self.after_train(call, Outcome(value=booster))
        if self.options.log_models:
            self.log_booster(booster)

    def log_booster(self, booster: Any) -> None:
        """Log what ``train`` returned."""

        def predict(example: Any) -> Any:
            import xgboost

            # One thread: a pool of OpenMP's that the user's training did not start would make
            # their later forks hang.
            data = xgboost.DMatrix(
                example,
                enable_categorical=True,
                feature_types=booster.feature_types,
                nthread=1,
            )
            return booster.predict(data)

        self.model(booster, predict, model_format=self._xgboost_options.model_format)

    def log_wrapper(self, wrapper: Any) -> None:
        """Log a fitted wrapper. Only ``predict`` of XGBoost's own classes is called."""
        for cls in type(wrapper).__mro__:
            if "predict" in vars(cls):
                own = cls.__module__.partition(".")[0] == "xgboost"
                break
        else:
            own = False
        predict = wrapper.predict if own else None
        self.model(wrapper, predict, model_format=self._xgboost_options.model_format)


def _params(params: Any) -> Mapping[str, Any]:
    """The params as a mapping; of pairs with the same name all values are kept."""
    if isinstance(params, Mapping):
        return params
    found: dict[str, Any] = {}
    for name, value in params:
        if name in found:
            before = found[name]
            found[name] = [*before, value] if isinstance(before, list) else [before, value]
        else:
            found[name] = value
    return found


def _stops_early(call: BoundCall) -> bool:
    if call.all.get("early_stopping_rounds"):
        return True
    callbacks = call.given.get("callbacks") or ()
    return any(cls.__name__ == "EarlyStopping" for each in callbacks for cls in type(each).__mro__)


def _importance(booster: Any, kind: str) -> Mapping[str, Any] | None:
    import xgboost

    try:
        return booster.get_score(importance_type=kind)
    except (ValueError, xgboost.core.XGBoostError) as error:
        # A linear booster has weights and no gains.
        _logger.info("the importance %r is left out: %s", kind, str(error).splitlines()[0])
        return None
