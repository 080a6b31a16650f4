"""The values of MLflow's constants that tracklet has no name of its own for."""

from __future__ import annotations

from typing import Any, Final

from tracklet.dialect import VERSION
from tracklet.dialect.environment import VARIABLES
from tracklet.errors import HTTP_STATUS


def _pairs(text: str) -> dict[str, Any]:
    return {name: value for name, _, value in (line.partition(" ") for line in text.splitlines())}


TAGS: Final = _pairs("""\
LATEST_CHECKPOINT_ARTIFACT_TAG_KEY mlflow.latest_checkpoint_artifact
MLFLOW_ARTIFACT_LOCATION mlflow.artifactLocation
MLFLOW_AUTOLOGGING mlflow.autologging
MLFLOW_DATASET_CONTEXT mlflow.data.context
MLFLOW_DOCKER_IMAGE_ID mlflow.docker.image.id
MLFLOW_DOCKER_IMAGE_URI mlflow.docker.image.uri
MLFLOW_EXPERIMENT_PRIMARY_METRIC_GREATER_IS_BETTER mlflow.experiment.primaryMetric.greaterIsBetter
MLFLOW_EXPERIMENT_PRIMARY_METRIC_NAME mlflow.experiment.primaryMetric.name
MLFLOW_EXPERIMENT_SOURCE_ID mlflow.experiment.sourceId
MLFLOW_EXPERIMENT_SOURCE_TYPE mlflow.experiment.sourceType
MLFLOW_GIT_BRANCH mlflow.source.git.branch
MLFLOW_GIT_COMMIT mlflow.source.git.commit
MLFLOW_GIT_DIFF mlflow.source.git.diff
MLFLOW_GIT_DIRTY mlflow.source.git.dirty
MLFLOW_GIT_REPO_URL mlflow.source.git.repoURL
MLFLOW_LOGGED_ARTIFACTS mlflow.loggedArtifacts
MLFLOW_LOGGED_IMAGES mlflow.loggedImages
MLFLOW_LOGGED_MODELS mlflow.log-model.history
MLFLOW_MODEL_IS_EXTERNAL mlflow.model.isExternal
MLFLOW_MODEL_VERSIONS mlflow.modelVersions
MLFLOW_PARENT_RUN_ID mlflow.parentRunId
MLFLOW_PROJECT_BACKEND mlflow.project.backend
MLFLOW_PROJECT_ENTRY_POINT mlflow.project.entryPoint
MLFLOW_PROJECT_ENV mlflow.project.env
MLFLOW_RUN_NAME mlflow.runName
MLFLOW_RUN_NOTE mlflow.note.content
MLFLOW_RUN_SOURCE_TYPE mlflow.runSourceType
MLFLOW_RUN_TYPE mlflow.runType
MLFLOW_SOURCE_NAME mlflow.source.name
MLFLOW_SOURCE_TYPE mlflow.source.type
MLFLOW_TRACE_SPANS_LOCATION mlflow.trace.spansLocation
MLFLOW_USER mlflow.user""")

LIMITS: Final = {
    "INVALID_PARAMETER_VALUE": 1000,
    "MAX_BATCH_LOG_REQUEST_SIZE": 1_000_000,
    "MAX_DATASETS_PER_BATCH": 1000,
    "MAX_DATASET_PROFILE_SIZE": 16_777_215,
    "MAX_DATASET_SCHEMA_SIZE": 1_048_575,
    "MAX_DATASET_SOURCE_SIZE": 65_535,
    "MAX_ENTITIES_PER_BATCH": 1000,
    "MAX_EXPERIMENTS_LISTED_PER_PAGE": 50_000,
    "MAX_METRICS_PER_BATCH": 1000,
    "MAX_PARAMS_TAGS_PER_BATCH": 100,
    "MAX_PARAM_VAL_LENGTH": 6000,
    "MAX_REGISTERED_MODEL_ALIAS_LENGTH": 255,
    "MAX_TAG_VAL_LENGTH": 8000,
    "MAX_TRACE_TAG_VAL_LENGTH": 8000,
}
"""Lengths in characters, sizes in bytes, batches in entries: what MLflow's servers take."""

CONSTANTS: Final[dict[str, dict[str, Any]]] = {
    "environment_variables": VARIABLES,
    "protos.databricks_pb2": {code: code for code in HTTP_STATUS},
    "sklearn": {
        f"SERIALIZATION_FORMAT_{name.upper()}": name for name in ("cloudpickle", "pickle", "skops")
    },
    "tracking._model_registry": {"DEFAULT_AWAIT_MAX_SLEEP_SECONDS": 300},
    "utils.mlflow_tags": TAGS,
    "utils.validation": {
        **LIMITS,
        "MLFLOW_TRUNCATE_LONG_VALUES": VARIABLES["MLFLOW_TRUNCATE_LONG_VALUES"],
    },
    "version": {
        "IS_FULL_MLFLOW": True,
        "IS_MLFLOW_SKINNY": False,
        "IS_TRACING_SDK_ONLY": False,
        "VERSION": VERSION,
    },
}
"""The constants of each module, by its path below ``mlflow``."""
