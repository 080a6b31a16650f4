"""What is recorded of one outermost fit, before it and after it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from tracklet.autolog import TrainingRecorder, datasets
from tracklet.autolog.recorder import param_text
from tracklet.patching import Call, Outcome
from tracklet_integrations.sklearn import (
    estimators,
    inputs,
    iterations,
    plots,
    training_metrics,
)
from tracklet_integrations.sklearn.estimators import untouched
from tracklet_integrations.sklearn.inputs import TrainingData
from tracklet_integrations.sklearn.options import SklearnOptions
from tracklet_integrations.sklearn.training_metrics import Measured

_logger = logging.getLogger("tracklet.autolog")


class FitRecord:
    """Records one fit of one estimator.

    Args:
        estimator: What is fitted.
        recorder: What it is recorded through.
        options: What is wanted.
    """

    def __init__(self, estimator: Any, recorder: TrainingRecorder, options: SklearnOptions) -> None:
        self._estimator: Any = estimator
        self._recorder = recorder
        self._options = options
        self._is_search = estimators.is_search(estimator)
        *_, last = estimators.innermost(estimator)
        self._search: Any = last if estimators.is_search(last) else None
        self._data = TrainingData()
        self._deep_params: Mapping[str, Any] = {}
        self._shallow_params: Mapping[str, Any] = {}
        self._texts: dict[str, str] = {}
        self._dataset: Any = None
        self._users_code: str | None = "as long as it is not known"
        self.model_id: str | None = None
        self.best_model_id: str | None = None

    def before(self, call: Call) -> None:
        """Record what is known before the fit: params, tags, the dataset."""
        recorder, estimator = self._recorder, self._estimator
        with recorder.step("params"):
            self._deep_params = estimator.get_params(deep=True)
            recorder.guard_generators(estimators.generators_in(self._deep_params))
        shown = self._deep_params
        if self._is_search:
            with recorder.step("params"):
                shown = estimator.get_params(deep=False)
        self._shallow_params = {key: shown[key] for key in shown if "__" not in key}
        self._texts = recorder.params(shown)
        kind = type(estimator)
        recorder.tags(
            {
                "estimator_name": kind.__name__,
                "estimator_class": f"{kind.__module__}.{kind.__name__}",
            }
        )
        with recorder.step("data"):
            arguments = {}
            with suppress(TypeError):  # a call that cannot be made says so by itself
                arguments = call.arguments()
            self._data = inputs.of_call(arguments, estimators.weight_key(estimator))
            if estimators.may_overwrite_input(self._deep_params):
                self._data.features = None  # what remains after the fit is no training data
                self._data.left_out = "the fit may overwrite its data (copy_X=False, copy=False)"
        if self._options.log_datasets and self._data.features is not None:
            seconds = self._options.dataset_seconds
            self._dataset = recorder.dataset(
                self._data.features, self._data.targets, seconds=seconds
            )
        elif self._options.log_datasets and self._data.left_out:
            recorder.note({"tracklet.dataset": f"dataset is left out: {self._data.left_out}"})

    def after(self, outcome: Outcome) -> None:
        """Record what the fit has brought: metrics, the model, a search's results."""
        recorder = self._recorder
        measured = self._measured()
        best_params = self._search_params() if self._search is not None else {}
        if self._options.log_models:
            self._log_models(outcome, measured.predictions, best_params)
        self._record_metrics(measured)
        if self._search is not None:
            self._record_trials()
        make = self._drawing(measured)
        if make is not None:
            recorder.later("plots", make)

    def after_step(self) -> Callable[[Any], None]:
        """Record one step of a training that may go on; what comes back records its end."""
        measured = self._measured()
        self._record_metrics(measured)
        signature = self._signature(Outcome(), measured.predictions)
        make = self._drawing(measured)

        def finish(estimator: Any) -> None:
            self.log_final_model(estimator, signature)
            if make is not None:
                self._recorder.artifacts(make())

        return finish

    def _record_metrics(self, measured: Measured) -> None:
        recorder, estimator = self._recorder, self._estimator
        metrics = dict(measured.metrics)
        if self._search is not None and hasattr(self._search, "best_score_"):
            metrics["best_cv_score"] = self._search.best_score_
        if metrics:
            recorder.metrics(metrics, model_id=self.model_id, dataset=self._dataset)
        if self._options.iteration_metrics != "none":
            iterations.record(estimator, recorder, self.model_id)

    def fitted(self) -> Iterator[tuple[Any, str | None]]:
        """The fitted models and their logged models' ids."""
        yield self._estimator, self.model_id
        best = vars(self._estimator).get("best_estimator_") if self._is_search else None
        if best is not None:
            yield best, self.best_model_id

    def _record_trials(self) -> None:
        from tracklet_integrations.shared import trials  # most trainings are no search

        trials.record(
            self._search,
            self._recorder,
            best_model_id=self.best_model_id,
            dataset=self._dataset,
            max_child_runs=self._options.max_tuning_runs,
        )

    def _drawing(self, measured: Measured) -> Callable[[], dict[str, bytes | str]] | None:
        """What makes the plots and the HTML representation, off the training path."""
        sample, page = measured.sample, None
        if self._options.log_html and estimators.is_estimator(self._estimator):
            with self._recorder.step("html"):
                page = plots.page_maker(self._estimator, self._users_code is None)

        def make() -> dict[str, bytes | str]:
            made: dict[str, bytes | str] = {}
            if page is not None:
                try:
                    made[plots.HTML] = page()
                except Exception as error:  # noqa: BLE001 (docstrings that it cannot read)
                    _logger.info("%s is left out: %s", plots.HTML, error)
            if sample is not None:
                made.update(sample.draw())
            return made

        return make if page is not None or sample is not None else None

    def _may_predict(self) -> bool:
        which = self._options.training_metrics
        return which == "all" or (which == "auto" and self._users_code is None)

    def _measured(self) -> Measured:
        options, measured = self._options, Measured()
        with self._recorder.step("training metrics"):
            self._users_code = estimators.users_code(self._estimator, self._shallow_params)
            # A search with `refit=False` has no estimator to ask.
            can_predict = self._search is None or hasattr(self._search, "best_estimator_")
            if not estimators.is_estimator(self._estimator):
                measured.left_out[training_metrics.ALL] = (
                    "it derives from no class of scikit-learn's, so that nobody knows what "
                    "predicting does"
                )
            elif self._may_predict() and can_predict:
                scoring = estimators.scoring_of(self._estimator)
                with untouched(self._estimator):
                    measured = training_metrics.measure(
                        self._estimator,
                        self._data,
                        options.pos_label,
                        options.training_metrics_seconds,
                        plots=options.log_plots,
                        scores=options.training_metrics == "all"
                        or estimators.users_code(scoring) is None,
                    )
                if self._data.left_out:
                    measured.left_out[training_metrics.ALL] = self._data.left_out
            elif can_predict and options.training_metrics == "auto":
                measured.left_out[training_metrics.ALL] = (
                    f"predicting would run code of yours, {self._users_code}, as "
                    "training_metrics='all' allows; so are plots and the schema of outputs"
                )
        if measured.left_out:
            self._recorder.note(
                {"tracklet.training_metrics": f"left out: {measured.explanation()}"}
            )
        return measured

    def _search_params(self) -> dict[str, str]:
        best = {}
        with self._recorder.step("search"):
            found = getattr(self._search, "best_params_", {})
            best = {f"best_{key}": value for key, value in found.items()}
        return self._recorder.params(best) if best else {}

    def _log_models(self, outcome: Outcome, predictions: Any, best_params: dict[str, str]) -> None:
        options, recorder = self._options, self._recorder
        signature = self._signature(outcome, predictions) if options.log_model_signatures else None
        shared = self._stored_with(signature)
        info = recorder.model(
            self._estimator,
            "model",
            params={**self._texts, **best_params},
            registered_model_name=options.registered_model_name,
            fallback="sklearn",  # of a class that the user named
            **shared,
        )
        self.model_id = info.model_id if info is not None else None
        best = getattr(self._estimator, "best_estimator_", None) if self._is_search else None
        if best is not None:
            with recorder.step("params"):
                found = best.get_params(deep=True)
                texts = {key: param_text(value) for key, value in found.items()}
                info = recorder.model(best, "best_estimator", params=texts, **shared)
                self.best_model_id = info.model_id if info is not None else None

    def forget(self) -> None:
        """Let go of the estimator and its data, for a record that outlives the call."""
        self._estimator = None
        self._deep_params = self._shallow_params = {}
        self._data = TrainingData(example=self._data.example)
        self._recorder.guard_generators(())
        self._recorder.finish(Outcome())

    def log_final_model(self, estimator: Any, signature: Any = None) -> None:
        """Log the model of a loop that has ended, which was fitted call by call."""
        if not self._options.log_models:
            return
        wanted = self._options.log_model_signatures and signature is None
        if wanted and self._data.example is not None:
            from tracklet.models import infer_signature

            signature = infer_signature(self._data.example, None)
        self._recorder.model(
            estimator,
            "model",
            params=self._texts,
            registered_model_name=self._options.registered_model_name,
            **self._stored_with(signature),
        )

    def _stored_with(self, signature: Any) -> dict[str, Any]:
        return {
            # False rather than None: a missing one must not be made up by calling predict.
            "signature": signature if signature is not None else False,
            "input_example": self._data.example if self._options.log_input_examples else None,
            "serialization_format": self._options.serialization_format,
        }

    def _signature(self, outcome: Outcome, predictions: Any) -> Any:
        signature = None
        with self._recorder.step("signature"):
            if self._data.example is None:
                return None
            from tracklet.models import infer_signature

            signature = infer_signature(
                self._data.example, self._example_output(outcome, predictions)
            )
            seconds = self._options.dataset_seconds
            schema = datasets.schema_of(self._data.features, self._dataset, seconds)
            signature = datasets.with_all_rows(signature, schema)
        return signature

    def _example_output(self, outcome: Outcome, predictions: Any) -> Any:
        """The model's answer to the example rows, without another call where one was made."""
        count = inputs.row_count(self._data.example)
        if predictions is not None:
            return datasets.first_rows(predictions, count)
        if outcome.value is not self._estimator and inputs.is_touchable(outcome.value):
            return datasets.first_rows(outcome.value, count)
        if not self._may_predict():
            return None
        for method in ("predict", "transform"):
            ask = getattr(self._estimator, method, None)
            if ask is not None:
                try:
                    with untouched(self._estimator):
                        return ask(datasets.first_rows(self._data.example, count))
                except Exception as error:  # noqa: BLE001 (it cannot answer: that is no fault)
                    _logger.debug("the signature has no outputs: %s failed: %r", method, error)
                    return None
        return None
