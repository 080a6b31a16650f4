"""tracklet keeps the record of machine-learning training.

``tracklet.autolog()`` is one line, and every training run is on the record. The API speaks
MLflow's dialect: ``import tracklet as mlflow`` runs existing scripts, and ``as_mlflow()`` answers
``import mlflow`` itself.

Everything below is looked up when it is first used: importing this package imports nothing
but what serves ``tracklet.<name>`` for plugins of other distributions.
"""

# ruff: noqa: F401 - what type checkers see under TYPE_CHECKING is resolved lazily at run time
from __future__ import annotations

import importlib

from tracklet import facades

__version__ = "0.1.0"

# Each module, and the names that are looked up in it; the imports below say the same to type
# checkers, which do not run this.
_NAMES = {
    "autolog.checkpoints": "load_checkpoint",
    "client": "MlflowClient TrackletClient",
    "client.active_model": "clear_active_model get_active_model_id",
    "client.images": "Image",
    "dialect": "as_mlflow",
    "errors": "MlflowException TrackletException",
    "fluent.active": "ActiveRun",
    "fluent.artifacts": (
        "get_artifact_uri load_table log_artifact log_artifacts log_dict log_figure log_image "
        "log_stream log_table log_text"
    ),
    "fluent.experiments": (
        "create_experiment delete_experiment_tag set_experiment set_experiment_tag "
        "set_experiment_tags"
    ),
    "fluent.models": (
        "ActiveModel create_external_model initialize_logged_model last_logged_model "
        "log_model_params set_active_model"
    ),
    "fluent.records": (
        "delete_tag flush_async_logging log_input log_inputs log_metric log_metrics log_outputs "
        "log_param log_params set_tag set_tags"
    ),
    "fluent.starting": "active_run end_run last_active_run start_run",
    "fluent.searching": (
        "search_experiments search_logged_models search_model_versions search_registered_models "
        "search_runs"
    ),
    "fluent.system_metrics": (
        "disable_system_metrics_logging enable_system_metrics_logging set_system_metrics_node_id "
        "set_system_metrics_samples_before_logging set_system_metrics_sampling_interval"
    ),
    "fluent.verbs": (
        "delete_experiment delete_logged_model delete_logged_model_tag delete_run "
        "finalize_logged_model get_experiment get_experiment_by_name get_logged_model "
        "get_parent_run get_run restore_experiment restore_run set_logged_model_tags "
        "set_model_version_tag"
    ),
    "models": "load_model log_model register_model",
    "settings": "is_tracking_uri_set set_registry_uri set_tracking_uri",
    "tracing": (
        "delete_assessment delete_trace_tag flush_trace_async_logging get_active_trace_id "
        "get_assessment get_current_active_span get_last_active_trace_id get_trace "
        "log_assessment log_expectation log_feedback override_feedback search_traces "
        "set_trace_tag start_span start_span_no_context trace update_assessment "
        "update_current_trace"
    ),
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}

# The same under another name: MLflow's.
_RENAMED = {
    "get_registry_uri": ("settings", "registry_uri"),
    "get_tracking_uri": ("settings", "tracking_uri"),
}

_MODULES = frozenset(
    (
        "artifacts autolog catboost client data entities errors exceptions keras lightgbm models "
        "onnx optuna plugins pyfunc pytorch settings sklearn tensorboard tensorflow testing "
        "tracing tracking transformers xgboost"
    ).split()
)

TYPE_CHECKING = False  # without `typing`, whose import would be half of this one's cost
if TYPE_CHECKING:
    from typing import Any

    from tracklet import (
        artifacts,
        autolog,
        catboost,
        client,
        data,
        entities,
        errors,
        exceptions,
        keras,
        lightgbm,
        models,
        onnx,
        optuna,
        plugins,
        pyfunc,
        pytorch,
        settings,
        sklearn,
        tensorboard,
        tensorflow,
        testing,
        tracing,
        tracking,
        transformers,
        xgboost,
    )
    from tracklet.autolog.checkpoints import load_checkpoint
    from tracklet.client import MlflowClient, TrackletClient
    from tracklet.client.active_model import clear_active_model, get_active_model_id
    from tracklet.client.images import Image
    from tracklet.dialect import as_mlflow
    from tracklet.errors import MlflowException, TrackletException
    from tracklet.fluent.active import ActiveRun
    from tracklet.fluent.artifacts import (
        get_artifact_uri,
        load_table,
        log_artifact,
        log_artifacts,
        log_dict,
        log_figure,
        log_image,
        log_stream,
        log_table,
        log_text,
    )
    from tracklet.fluent.experiments import (
        create_experiment,
        delete_experiment_tag,
        set_experiment,
        set_experiment_tag,
        set_experiment_tags,
    )
    from tracklet.fluent.models import (
        ActiveModel,
        create_external_model,
        initialize_logged_model,
        last_logged_model,
        log_model_params,
        set_active_model,
    )
    from tracklet.fluent.records import (
        delete_tag,
        flush_async_logging,
        log_input,
        log_inputs,
        log_metric,
        log_metrics,
        log_outputs,
        log_param,
        log_params,
        set_tag,
        set_tags,
    )
    from tracklet.fluent.searching import (
        search_experiments,
        search_logged_models,
        search_model_versions,
        search_registered_models,
        search_runs,
    )
    from tracklet.fluent.starting import active_run, end_run, last_active_run, start_run
    from tracklet.fluent.system_metrics import (
        disable_system_metrics_logging,
        enable_system_metrics_logging,
        set_system_metrics_node_id,
        set_system_metrics_samples_before_logging,
        set_system_metrics_sampling_interval,
    )
    from tracklet.fluent.verbs import (
        delete_experiment,
        delete_logged_model,
        delete_logged_model_tag,
        delete_run,
        finalize_logged_model,
        get_experiment,
        get_experiment_by_name,
        get_logged_model,
        get_parent_run,
        get_run,
        restore_experiment,
        restore_run,
        set_logged_model_tags,
        set_model_version_tag,
    )
    from tracklet.models import load_model, log_model, register_model
    from tracklet.settings import is_tracking_uri_set, set_registry_uri, set_tracking_uri
    from tracklet.settings import registry_uri as get_registry_uri
    from tracklet.settings import tracking_uri as get_tracking_uri
    from tracklet.tracing import (
        delete_assessment,
        delete_trace_tag,
        flush_trace_async_logging,
        get_active_trace_id,
        get_assessment,
        get_current_active_span,
        get_last_active_trace_id,
        get_trace,
        log_assessment,
        log_expectation,
        log_feedback,
        override_feedback,
        search_traces,
        set_trace_tag,
        start_span,
        start_span_no_context,
        trace,
        update_assessment,
        update_current_trace,
    )

__all__ = [
    "__version__",
    *sorted([*_HOME, *_RENAMED, *_MODULES]),
]


def _load_public(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _HOME and name not in _RENAMED:
        return facades.attribute(name)
    home, original = _RENAMED.get(name) or (_HOME[name], name)
    value = getattr(importlib.import_module(f"{__name__}.{home}"), original)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


# A type checker that sees a module's __getattr__ takes every name for a good one, typing errors
# too; it gets the names above instead.
if not TYPE_CHECKING:
    __getattr__ = _load_public

facades.install()
