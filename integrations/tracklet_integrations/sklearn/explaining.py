"""What is recorded of scikit-learn under given options, and what is not and why."""

from __future__ import annotations

from collections.abc import Iterator

from tracklet.autolog import Explanation
from tracklet_integrations.shared import trials
from tracklet_integrations.sklearn import iterations, plots, training_metrics
from tracklet_integrations.sklearn.options import SklearnOptions


def explain(options: SklearnOptions) -> Explanation:
    """The lines of ``tracklet.autolog.plan()``."""
    return Explanation(tuple(_recorded(options)), dict(_omitted(options)))


def _recorded(options: SklearnOptions) -> Iterator[str]:
    yield "params of the estimator and of the estimators inside of it"
    yield "tags estimator_name, estimator_class"
    if options.training_metrics != "none":
        yield from training_metrics.explain()
    if options.iteration_metrics != "none":
        yield from iterations.explain()
    if options.iteration_metrics == "live":
        yield "LogisticRegression with lbfgs: training_loss while it trains (scikit-learn 1.9)"
    if options.log_plots and options.training_metrics != "none":
        yield "classifiers: " + plots.CONFUSION_MATRIX
        yield f"two classes: {plots.ROC_CURVE}, {plots.PRECISION_RECALL_CURVE}"
    if options.log_html:
        yield "estimator.html"
    if options.log_models:
        parts = [options.serialization_format]
        parts += ["signature"] if options.log_model_signatures else []
        parts += ["input example"] if options.log_input_examples else []
        yield f"the fitted model ({', '.join(parts)})"
    if options.log_datasets:
        yield "the training dataset's name, digest and schema"
    yield (
        "parameter searches: best_ params, best_cv_score, the best estimator, "
        f"{trials.RESULTS_FILE}, all candidates in {trials.TRIALS_FILE}"
    )
    if options.max_tuning_runs != 0:
        count = options.max_tuning_runs
        which = "every candidate" if count is None else f"the best {count} candidates"
        yield f"parameter searches: {which} as child runs"
    yield "partial_fit loops and warm starts: one run, a step per call"
    if options.log_post_training_metrics:
        yield (
            "after the fit, what your own code computes of the model: score, functions of "
            "sklearn.metrics on its predictions, scorers; metric_info.json"
        )


def _omitted(options: SklearnOptions) -> Iterator[tuple[str, str]]:
    yield (
        "fits by sklearn.preprocessing, impute, feature_extraction, feature_selection and "
        "ColumnTransformer alone, unless they can predict, as RFE",
        "preparing data is no training",
    )
    yield "fits that an installed library calls for itself", "your code did not ask for them"
    yield "fits inside of another fit and inside of cross-validation", "the outermost is recorded"
    yield "fits in worker processes", "the process that started them records"
    if options.training_metrics == "auto":
        yield (
            "training metrics and plots of estimators whose predict runs code of yours",
            "calling predict may have side effects; training_metrics='all' allows it",
        )
    if options.training_metrics == "none":
        yield "training metrics and plots", "training_metrics='none'"
    if options.iteration_metrics == "none":
        yield "metrics per iteration", "iteration_metrics='none'"
    if options.iteration_metrics == "auto":
        yield (
            "losses while an estimator trains",
            "they cost a prediction per iteration; iteration_metrics='live' allows it",
        )
    if not options.log_plots:
        yield "plots", "log_plots=False"
    if not options.log_html:
        yield "estimator.html", "log_html=False"
    if not options.log_models:
        yield "models", "log_models=False"
    elif not options.log_input_examples:
        yield "input examples", "log_input_examples=False"
    if not options.log_datasets:
        yield "datasets", "log_datasets=False"
    if options.max_tuning_runs == 0:
        yield "child runs of parameter searches", "max_tuning_runs=0"
    if options.log_post_training_metrics:
        yield (
            "metrics that a library computes, of copies of predictions, and by functions that "
            "were imported by name before autologging was on",
            "it cannot be told that they are of the model",
        )
    else:
        yield "metrics computed after the fit", "log_post_training_metrics=False"
