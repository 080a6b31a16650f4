"""What is recorded of one training, before it and after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

from tracklet_integrations.lightgbm.callback import RoundCallback
from tracklet_integrations.shared.boosting import BoostingRecord, BoundCall
from tracklet_integrations.shared.importances import log_importance
from tracklet_integrations.shared.provenance import Origin, Origins, names_of

IMPORTANCES: Final = ("split", "gain")


class LightgbmRecord(BoostingRecord):
    """Records one training with LightGBM."""

    library: ClassVar[str] = "lightgbm"
    train_argument: ClassVar[str] = "train_set"
    checkpoint_suffix: ClassVar[str] = ".lgb"
    booster_class: ClassVar[str] = "lightgbm.basic.Booster"
    no_params: ClassVar[Iterable[str]] = (
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

    def params_of(self, call: BoundCall) -> Mapping[str, Any]:
        """The library's params that a call was given."""
        return call.all["params"] or {}

    def evaluated(self, call: BoundCall, origins: Origins) -> list[tuple[str, Origin | None]]:
        """The evaluation sets under the names that LightGBM gives them."""
        sets = call.all.get("valid_sets")
        if sets is None:
            return []
        sets = list(sets) if isinstance(sets, list | tuple) else [sets]
        names = names_of(len(sets), call.all.get("valid_names"))
        train = call.all.get("train_set")
        given = call.all.get("valid_names") is not None
        return [
            ("training" if each is train and not given else name, origins.of(each))
            for name, each in zip(names, sets, strict=True)
        ]

    def callback(self) -> RoundCallback:
        """A callback that tells this record of rounds."""
        return RoundCallback(self)

    def after_train(self, call: BoundCall, booster: Any) -> None:
        """Record what the training has brought: early stopping and importances."""
        with self.recorder.step("early stopping"):
            best = int(booster.best_iteration or 0)
            if best > 0:
                self.early_stopping(self.rounds.last_step + 1, best, best - 1)
        self._log_importances(booster)

    def _log_importances(self, booster: Any) -> None:
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

    def before_distributed(self, wrapper: Any) -> None:
        """Record the params of a ``lightgbm.dask`` wrapper."""
        with self.recorder.step("params"):
            params = wrapper.get_params()
            undecided = params.get("objective") is None  # the wrapper chooses one
            left_out = ("client", "objective") if undecided else ("client",)
            self.params({name: params[name] for name in params if name not in left_out}, {})

    def after_distributed(self, wrapper: Any) -> None:
        """Record what one worker has told of the rounds, and the model, which all share."""
        with self.recorder.step("params"):
            self.params({"objective": wrapper.objective_}, {})
        with self.recorder.step("metrics"):
            results = vars(wrapper).get("_evals_result") or {}
            rounds = max((len(of) for each in results.values() for of in each.values()), default=0)
            for step in range(rounds):
                values = [
                    (data, metric, history[step])
                    for data, metrics in results.items()
                    for metric, history in metrics.items()
                    if step < len(history)
                ]
                self.round(step, values)
        self._log_importances(wrapper.booster_)
        if self.options.log_models:
            self.log_wrapper(wrapper.to_local())
