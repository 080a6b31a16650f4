"""What is recorded of one training, before it and after it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, cast

from tracklet_integrations.shared.boosting import BoostingRecord, BoundCall
from tracklet_integrations.shared.importances import log_importance
from tracklet_integrations.shared.provenance import Origin, Origins
from tracklet_integrations.xgboost.callback import all_values, round_callback
from tracklet_integrations.xgboost.options import XgboostOptions

_logger = logging.getLogger("tracklet.autolog")


class XgboostRecord(BoostingRecord):
    """Records one training with XGBoost."""

    library: ClassVar[str] = "xgboost"
    train_argument: ClassVar[str] = "dtrain"
    checkpoint_suffix: ClassVar[str] = ".ubj"
    booster_class: ClassVar[str] = "xgboost.core.Booster"
    no_params: ClassVar[Iterable[str]] = (
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

    @staticmethod
    def model_options(options: Any) -> Mapping[str, Any]:
        """What the flavor takes beside a model."""
        return {"model_format": options.model_format}

    def params_of(self, call: BoundCall) -> Mapping[str, Any]:
        """The library's params that a call was given."""
        return _params(call.all["params"])

    def evaluated(self, call: BoundCall, origins: Origins) -> list[tuple[str, Origin | None]]:
        """The evaluation sets under the names that they were given."""
        return [(str(name), origins.of(data)) for data, name in call.all.get("evals") or ()]

    def callback(self) -> Any:
        """A callback that tells this record of rounds."""
        return round_callback(self)

    def after_train(self, call: BoundCall, booster: Any) -> None:
        """Record what the training has brought: early stopping and importances."""
        self._after(booster, _stops_early(call))

    def _after(self, booster: Any, stops_early: bool) -> None:
        with self.recorder.step("early stopping"):
            best = booster.attributes().get("best_iteration") if stops_early else None
            if best is not None:
                self.early_stopping(self.rounds.last_step, int(best), int(best))
        for kind in cast(XgboostOptions, self.options).importances:
            with self.recorder.step("importance"):
                scores = _importance(booster, kind)
                if scores is not None:
                    log_importance(self.recorder, kind, scores)

    def before_dask_train(self, call: BoundCall) -> None:
        """Record the params of ``xgboost.dask.train``."""
        with self.recorder.step("params"):
            self.params(self.params_of(call), call.without(self.no_params))

    def after_dask_train(self, call: BoundCall, result: Mapping[str, Any]) -> None:
        """Record what ``xgboost.dask.train`` has brought."""
        self._after_dask(result["booster"], result["history"], _stops_early(call))

    def before_distributed(self, wrapper: Any) -> None:
        """Record the params of a wrapper of ``xgboost.dask``."""
        with self.recorder.step("params"):
            arguments = {
                "num_boost_round": wrapper.get_num_boosting_rounds(),
                "early_stopping_rounds": wrapper.early_stopping_rounds,
            }
            self.params(_decided(wrapper.get_xgb_params()), arguments)

    def after_distributed(self, wrapper: Any) -> None:
        """Record what a wrapper of ``xgboost.dask`` has brought."""
        with self.recorder.step("params"):
            self.params({"objective": wrapper.objective}, {})
        history = vars(wrapper).get("evals_result_") or {}
        callbacks = wrapper.callbacks or ()
        stops_early = bool(wrapper.early_stopping_rounds) or any(map(_is_stopping, callbacks))
        self._after_dask(wrapper.get_booster(), history, stops_early)

    def _after_dask(self, booster: Any, history: Mapping[str, Any], stops_early: bool) -> None:
        with self.recorder.step("metrics"):
            for step, values in enumerate(all_values(history)):
                self.round(step, values)
        self._after(booster, stops_early)
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

        self.model(booster, predict)


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


def _decided(params: Mapping[str, Any]) -> dict[str, Any]:
    """The params without an objective that a wrapper has yet to choose."""
    return {
        name: value for name, value in params.items() if name != "objective" or value is not None
    }


def _stops_early(call: BoundCall) -> bool:
    if call.all.get("early_stopping_rounds"):
        return True
    callbacks = call.given.get("callbacks") or ()
    return any(map(_is_stopping, callbacks))


def _is_stopping(callback: Any) -> bool:
    return any(cls.__name__ == "EarlyStopping" for cls in type(callback).__mro__)


def _importance(booster: Any, kind: str) -> Mapping[str, Any] | None:
    import xgboost

    try:
        return booster.get_score(importance_type=kind)
    except (ValueError, xgboost.core.XGBoostError) as error:
        # A linear booster has weights and no gains.
        _logger.info("the importance %r is left out: %s", kind, str(error).splitlines()[0])
        return None
