"""Where each public name of MLflow lives in tracklet, and which of them it does not speak.

Paths are those below ``mlflow``; places are those below ``tracklet``, "." the package itself.
"""

from __future__ import annotations

from typing import Final

_ENTITIES: Final = (
    "assessment assessment_error assessment_source dataset dataset_input document experiment "
    "experiment_tag file_info input_tag lifecycle_stage logged_model logged_model_input "
    "logged_model_output logged_model_parameter logged_model_status logged_model_tag metric "
    "model_registry model_registry.model_version model_registry.model_version_search "
    "model_registry.model_version_status model_registry.model_version_tag "
    "model_registry.registered_model model_registry.registered_model_alias "
    "model_registry.registered_model_search model_registry.registered_model_tag param run "
    "run_data run_info run_inputs run_outputs run_status run_tag source_type span span_event "
    "span_status trace trace_data trace_info trace_location trace_state view_type"
)

MODULES: Final[dict[str, str]] = {
    "": ".",
    "artifacts": "artifacts exceptions",
    "catboost": "catboost",
    "client": "tracking",
    "config": ".",
    "data": "data",
    "data.dataset": "data",
    "data.dataset_source": "data",
    "data.dataset_source_registry": "",
    "data.numpy_dataset": "data",
    "data.pandas_dataset": "data",
    "data.polars_dataset": "data",
    "entities": "entities",
    **{f"entities.{name}": "entities" for name in _ENTITIES.split()},
    "entities.model_registry.model_version_stages": "",
    "environment_variables": "",
    "exceptions": "exceptions",
    "keras": "keras",
    "keras.callback": "keras",
    "lightgbm": "lightgbm",
    "models": "models",
    "models.model": "models",
    "models.signature": "models",
    "models.utils": "models",
    "onnx": "onnx",
    "protos": "",
    "protos.databricks_pb2": "",
    "pyfunc": "pyfunc models exceptions",
    "pyfunc.context": "",
    "pyfunc.model": "pyfunc",
    "pytorch": "pytorch",
    "sklearn": "sklearn",
    "store": "",
    "store.entities": "",
    "store.entities.paged_list": "",
    "system_metrics": ".",
    "tensorflow": "tensorflow",
    "tracing": "tracing",
    "tracking": "tracking .",
    "tracking._model_registry": "",
    "tracking.artifact_utils": "",
    "tracking.client": "tracking entities",
    "tracking.context": "",
    "tracking.context.registry": "",
    "tracking.fluent": ".",
    "tracking.request_header": "",
    "tracking.request_header.abstract_request_header_provider": "",
    "tracking.request_header.registry": "",
    "transformers": "transformers",
    "types": "types",
    "types.schema": "types exceptions",
    "types.type_hints": "",
    "types.utils": "types",
    "utils": "",
    "utils.async_logging": "",
    "utils.async_logging.run_operations": "",
    "utils.environment": "",
    "utils.file_utils": "",
    "utils.mlflow_tags": "",
    "utils.model_utils": "",
    "utils.name_utils": "",
    "utils.requirements_utils": "",
    "utils.validation": "",
    "version": "",
    "xgboost": "xgboost",
}
"""The modules of ``mlflow``, and ours whose ``__all__`` they have."""

HOMES: Final[dict[str, str]] = {
    **{
        f"mlflow.{path}".rstrip("."): f"tracklet.{places.split()[0]}".rstrip(".")
        for path, places in MODULES.items()
        if places
    },
    "mlflow.exceptions": "tracklet.errors",
    "mlflow.models.model": "tracklet.models.model",
    "mlflow.models.model_config": "tracklet.models.code",
    "mlflow.models.signature": "tracklet.models.signature",
    "mlflow.pyfunc.context": "tracklet.models.pyfunc.context",
    "mlflow.pyfunc.model": "tracklet.models.pyfunc.python_model",
    "mlflow.pyfunc.utils.data_validation": "tracklet.models.pyfunc.hints",
    "mlflow.types.type_hints": "tracklet.types.type_hints",
}
"""The modules of ``mlflow``, and of ours the one that pickles find in its place. They also name
what is not public, and are written with MLflow's names, the first that leads to a module."""

FLAVORS: Final = {"pyfunc": "python_function", "pyfunc.model": "python_function"}
"""The flavors of modules that are not called like them."""

_CHECK: Final = "tracklet.models.pyfunc.enforcement:enforce"
_INSIDE: Final = "tracklet.dialect.inside:"
_PAGED: Final = {"PagedList": "tracklet.entities:PagedList"}
_REGISTRY: Final = {
    "ModelVersionSearch": "tracklet.entities:ModelVersion",
    "RegisteredModelSearch": "tracklet.entities:RegisteredModel",
}
_DATASETS: Final = {
    "NumpyDataset": "tracklet.data:ArrayDataset",
    "PandasDataset": "tracklet.data:FrameDataset",
    "PolarsDataset": "tracklet.data:FrameDataset",
}

NAMES: Final[dict[str, dict[str, str]]] = {
    "": {"flush_artifact_async_logging": "tracklet:flush_async_logging"},
    "config": {"enable_async_logging": "tracklet.settings:enable_async_logging"},
    "artifacts": {"FileInfo": "tracklet.entities:FileInfo"},
    "data": _DATASETS,
    "data.dataset_source_registry": {
        "get_dataset_source_from_json": "tracklet.data.sources:get_dataset_source_from_json",
        "get_registered_sources": "tracklet.data.sources:get_registered_sources",
        "register_dataset_source": "tracklet.data.sources:register_dataset_source",
        "resolve_dataset_source": "tracklet.data:source_of",
    },
    **{f"data.{kind}_dataset": _DATASETS for kind in ("numpy", "pandas", "polars")},
    **{
        f"entities.model_registry{module}": _REGISTRY
        for module in ("", ".model_version_search", ".registered_model_search")
    },
    "entities.model_registry.model_version_stages": {
        "get_canonical_stage": "tracklet.validation:canonical_stage",
    },
    "entities.trace_location": {
        "TraceLocationBase": "tracklet.entities.trace:TraceLocationBase",
    },
    "models": {"validate_schema": _CHECK},
    "models.model": {"MLMODEL_FILE_NAME": "tracklet.models.model:FILE_NAME"},
    "models.utils": {"_save_example": _INSIDE + "save_example", "validate_schema": _CHECK},
    "protos.databricks_pb2": {"ErrorCode": _INSIDE + "ErrorCode"},
    "pyfunc": {
        "add_to_model": _INSIDE + "add_to_model",
        "Context": "tracklet.models.pyfunc.context:Context",
        "set_prediction_context": "tracklet.models.pyfunc.context:set_prediction_context",
    },
    "pyfunc.context": {
        name: f"tracklet.models.pyfunc.context:{name}"
        for name in ("Context", "get_prediction_context", "set_prediction_context")
    },
    "store.entities": _PAGED,
    "store.entities.paged_list": _PAGED,
    "tracking.artifact_utils": {"_download_artifact_from_uri": _INSIDE + "fetch"},
    "tracking.context.registry": {"resolve_tags": "tracklet.run_context:resolve_tags"},
    "tracking.fluent": {"flush_artifact_async_logging": "tracklet:flush_async_logging"},
    "tracking.request_header.abstract_request_header_provider": {
        "RequestHeaderProvider": _INSIDE + "RequestHeaderProvider",
    },
    "types.schema": {"BaseType": "tracklet.types.datatypes:ColumnType"},
    "types.type_hints": {"TypeFromExample": "tracklet.types.type_hints:TypeFromExample"},
    "types.utils": {
        "InvalidDataForSignatureInferenceError": "tracklet.types:CannotInferSchema",
    },
    "utils.async_logging.run_operations": {
        "RunOperations": "tracklet.client.operations:RunOperations",
    },
    "utils.environment": {
        "_CONDA_ENV_FILE_NAME": "tracklet.models.environment:CONDA",
        "_CONSTRAINTS_FILE_NAME": "tracklet.models.environment:CONSTRAINTS",
        "_PYTHON_ENV_FILE_NAME": "tracklet.models.environment:PYTHON_ENV",
        "_REQUIREMENTS_FILE_NAME": "tracklet.models.environment:REQUIREMENTS",
        "_PythonEnv": _INSIDE + "PythonEnvironment",
        "_mlflow_conda_env": _INSIDE + "conda_environment",
        "_process_conda_env": _INSIDE + "process_conda",
        "_process_pip_requirements": _INSIDE + "process_requirements",
        "_validate_env_arguments": "tracklet.models.environment:check",
    },
    "utils.file_utils": {"write_to": _INSIDE + "write_to"},
    "utils.model_utils": {
        "_add_code_from_conf_to_system_path": _INSIDE + "add_code",
        "_get_flavor_configuration": _INSIDE + "flavor_of",
        "_validate_and_copy_code_paths": _INSIDE + "copy_code",
        "_validate_and_prepare_target_save_path": _INSIDE + "prepare_path",
    },
    "utils.name_utils": {"_generate_random_name": "tracklet.names:run_name"},
    "utils.requirements_utils": {"_get_pinned_requirement": _INSIDE + "pinned"},
    "utils.validation": {
        name: f"tracklet.validation:{ours}"
        for name, ours in {
            "MAX_DATASET_DIGEST_SIZE": "MAX_DATASET_DIGEST_LENGTH",
            "MAX_DATASET_NAME_SIZE": "MAX_DATASET_NAME_LENGTH",
            "MAX_ENTITY_KEY_LENGTH": "MAX_KEY_LENGTH",
            "MAX_EXPERIMENT_NAME_LENGTH": "MAX_EXPERIMENT_NAME_LENGTH",
            "MAX_EXPERIMENT_TAG_KEY_LENGTH": "MAX_KEY_LENGTH",
            "MAX_EXPERIMENT_TAG_VAL_LENGTH": "MAX_EXPERIMENT_TAG_LENGTH",
            "MAX_INPUT_TAG_KEY_SIZE": "MAX_INPUT_TAG_KEY_LENGTH",
            "MAX_INPUT_TAG_VALUE_SIZE": "MAX_INPUT_TAG_LENGTH",
            "MAX_MODEL_REGISTRY_TAG_KEY_LENGTH": "MAX_KEY_LENGTH",
            "MAX_MODEL_REGISTRY_TAG_VALUE_LENGTH": "MAX_REGISTRY_TAG_LENGTH",
            "MAX_TRACE_TAG_KEY_LENGTH": "MAX_KEY_LENGTH",
            "MLFLOW_ARTIFACT_LOCATION_MAX_LENGTH": "MAX_ARTIFACT_LOCATION_LENGTH",
            "validate_param_and_metric_name": "is_mlflow_key",
        }.items()
    },
}
"""Names that live elsewhere, or under another name, as ``module:attribute``."""


def _of(module: str, names: str) -> str:
    return " ".join(f"{module}.{name}" for name in names.split())


LEFT_OUT: Final[dict[str, str]] = {
    # Formats and libraries that it does not speak.
    "*.to_proto *.from_proto": "its records are files and JSON, not protocol buffers",
    (
        "*.from_otel* *.to_otel* *Span.from_dict_v2 *Span(otel_span) *.NoOpSpan.context "
        "*.LiveSpan.from_immutable_span *.create_mlflow_span "
        "*.LazySpan* *.CustomEncoder* *.SpanEvent.json tracing.configure context tracing.context "
        "tracing.get_bridged_tracer_provider tracing.*_http_request* tracing.set_destination "
        "add_trace log_trace"
    ): "its spans are no OpenTelemetry spans, and go to its own store",
    (
        "*.from_spark *.spark_udf spark.* pyspark* *.as_spark_schema *.SparkMLVector.dtype "
        "models.utils.convert_complex_types_pyspark*"
    ): "it has nothing to do with Spark",
    (
        "h2o* paddle* pmdarima* prophet* sentence_transformers* "
        "shap* spacy* statsmodels* transformers.[!a]* data.huggingface_dataset* "
        "data.from_huggingface data.tensorflow_dataset* data.from_tensorflow"
    ): "it has no flavor for this library, unless a plugin brings one",
    (
        "tensorflow.MlflowModelCheckpointCallback* tensorflow.get_global_custom_objects"
    ): "autolog(checkpoint=True) writes checkpoints, as Keras' own ModelCheckpoint does",
    # What it is not for.
    (
        "evaluate validate_evaluation_results models.evaluate models.list_evaluators "
        "models.make_metric models.Evaluation* models.MetricThreshold* "
        "data.*.to_evaluation_dataset data.*.to_pyfunc data.meta_dataset*"
    ): "it records trainings and does not evaluate models",
    (
        "entities.DatasetRecord* entities.dataset_record* entities.EntityAssociationType "
        "entities.entity_type* entities.evaluation_dataset* *.MlflowClient.*_dataset* "
        "*.MlflowClient.search_datasets MlflowClient.*_dataset* MlflowClient.search_datasets "
        "test *ONLINE_SCORING* *MLFLOW_RUN_TYPE_TEST entities.Session* entities.session* "
        "search_sessions entities.trace_metrics* *.llm_cost *.TraceInfo.cost *.Document.from_* "
        "*.ChatAgent* *.ChatModel* *.ChatMessage* *.ChatParams* *.ChatCompletionResponse* "
        "*.ResponsesAgent* *.ModelFromDeploymentEndpoint* pyfunc.model_validate "
        "*.set_retriever_schema tracing.set_span_chat_tools *(prompts)"
    ): "it records trainings and has nothing for chats, agents, prompts and their evaluation",
    (
        "entities.ConnectOptionSettings entities.Fallback* entities.RoutingStrategy "
        "entities._job* entities.multipart_upload* entities.presigned_* *rchival* "
        "*TRACE_ARCHIV* *ICON_URL* login *(workspace_store_uri) *(workspace) *(env_pack) "
        "*(deployment_job_*)"
    ): "it has no server of its own with gateways, jobs, workspaces, uploads and archives",
    (
        "run projects* models.build_docker models.FlavorBackend* pyfunc.build_model_env "
        "pyfunc.get_flavor_backend pyfunc.EnvType *.add_libraries_to_model "
        "*.update_model_requirements models.infer_pip_requirements *(install_mlflow) "
        "*(pip_requirements_override) *(extra_envs) *(uv_*)"
    ): "it builds no environments, containers and projects; models list what they need",
    (
        "*.InferenceTableLocation* *.Resource* *.AuthPolicy* *.Model.resources *.Model.auth_policy "
        "models.resources* *(resources) *(auth_policy) *.MockDbutils *dbr_* *dbconnect* "
        "*DBConnect* *is_spark_connect* *nfs* *(sql_warehouse_id) *(inference_table) *(uc_*) "
        "tracing.*set_experiment_trace_location import_checkpoints "
        "tracking.fluent.import_checkpoints"
    ): "it has nothing of Databricks",
    # What it does otherwise.
    (
        "*.Link* entities.link* *.add_link *(links) *.set_log_level *.log_level *SpanLogLevel "
        "entities.span_log_level* *(log_level) *Span.model_name start_span(run_id)"
    ): "its spans have a name, a type, inputs, outputs and attributes; put it into an attribute",
    "MlflowClient.*link_traces_* *.MlflowClient.*link_traces_*": (
        "a trace is its run's from the start"
    ),
    "doctor": "`tracklet doctor` is its own",
    "tracing.*_notebook_display": "notebooks show a trace when they are asked to",
    (
        "*.TraceInfoV2* entities.trace_info_v2* entities.trace_status* *.TraceData.to_json_bytes"
    ): "traces of older schemas are read as today's",
    "*.ExpectationValue* *.FeedbackValue* *.Assessment(expectation) *.Assessment(feedback)": (
        "assessments hold their value themselves"
    ),
    "*.Assessment(issue)": "it records no issues",
    "*(error_dict) *(source_dict) *(metric_dict)": "from_dictionary is one for all entities",
    "*.MetricWithRunId*": "search_runs and get_metric_history give the metrics of runs",
    "data.dataset_registry*": "a Dataset of your own is logged by log_input",
    (
        "data.*DatasetSourceRegistry*"
    ): "a subclass of DatasetSource is known as soon as it is defined",
    "data.*_dataset_source.*": "a path or a URI names a source of these kinds",
    "tracking.default_experiment*": "the option EXPERIMENT_NAME says the default experiment",
    (
        "tracking.context.abstract_context* tracking.context.registry.RunContextProvider* "
        "*.resolve_tags(ignore)"
    ): "who runs what is told by plugins of the entry-point group tracklet.run_context",
    (
        "exceptions.InvalidUrl* exceptions.MissingConfig* exceptions.MlflowNotImpl* "
        "exceptions.MlflowTrac* exceptions.get_error_code types.utils.TensorsNotSupported*"
    ): "it raises no such error; MlflowException is the base of those that it raises",
    "*.from_json_dict *.validate_param_spec *.validate_type_and_shape types.schema.BaseType.*": (
        "schemas are read whole, by Schema.from_json and ParamSchema.from_json"
    ),
    "types.schema.TensorInfo* types.schema.convert_dataclass_to_schema": (
        "infer_schema makes schemas"
    ),
    "*.PythonModel.predict_type_hints": "infer_signature and the signature tell of type hints",
    "*(extra_files)": "log_artifact and the artifacts of a PythonModel keep further files",
    # What belongs to the inside of MLflow, and is not called from outside.
    (
        _of(
            "pyfunc",
            "archive_directory check_port_connectivity color_warning copy_uv_project_files "
            "deprecated developer_stable extract_archive_to_dir find_free_port format_docstring "
            "get_*_tmp_dir get_*nfs* get_major_minor_py_version get_total_file_size load_pyfunc "
            "modified_environ trace_disabled update_signature_for_* warn_dependency_* write_to "
            "PyFuncModel(*)",
        )
        + " "
        + _of(
            "utils.validation",
            "append_* bad_* exceeds_* invalid_value missing_value not_integer_value path_not_* "
            "PARAM_VALIDATION_MSG",
        )
        + " "
        + _of("models.utils", "get_* load_serving_example plot_lines")
        + " "
        + _of("data.polars_dataset", "hash_polars_df infer_colspec infer_dtype infer_schema")
        + " *.Model.get_tags_dict models.model.Files models.model.get_model_req* "
        "*.ModelInfo(*) *.ActiveModel(*) ActiveModel(*) *.ActiveModelContext* *.Run(run_*) "
        "*.RunInfo.get_* entities.run_info.*able_attribute entities.run_info.check_run_is_active "
        "entities._mlflow_object* *.RunOperations(*) "
        "*.get_combined_run_operations artifacts.get_artifact_repository "
        "*.Model.get_serving_input *.AssessmentSourceType(*) tracking.artifact_utils* "
        "types.utils.clean_tensor_type "
        "version.is_release_version utils.mlflow_tags.IMMUTABLE_TAGS "
        "utils.mlflow_tags.TRACE_RESOLVE_TAGS_ALLOWLIST"
    ): "it belongs to the inside of MLflow",
}
"""What tracklet deliberately does not speak, as patterns, and why.

A pattern that ends with a parenthesis is of a parameter of what is spoken.
"""
