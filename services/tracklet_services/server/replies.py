"""What is answered, as MLflow's REST protocol spells it: one class per message.

What is not set is left out, as are empty lists; NaN and infinities are texts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from tracklet_services.server.requests import Pair

if TYPE_CHECKING:
    from tracklet import entities
    from tracklet_services.server.places import Places


class Reply(Struct, kw_only=True, omit_defaults=True):
    """Base of what is answered."""


class Nothing(Reply):
    """It is done."""


class Metric(Reply, kw_only=True, gc=False):
    """A point of a metric."""

    key: str
    value: float | str
    timestamp: int
    step: int
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None
    run_id: str | None = None


class Experiment(Reply, kw_only=True):
    """An experiment."""

    experiment_id: str
    name: str
    artifact_location: str
    lifecycle_stage: str
    last_update_time: int | None = None
    creation_time: int | None = None
    tags: list[Pair] = []


class RunInfo(Reply, kw_only=True):
    """What a run is."""

    run_id: str
    run_uuid: str
    run_name: str | None = None
    experiment_id: str
    user_id: str | None = None
    status: str
    start_time: int | None = None
    end_time: int | None = None
    artifact_uri: str | None = None
    lifecycle_stage: str


class RunData(Reply, kw_only=True):
    """What a run has."""

    metrics: list[Metric] = []
    params: list[Pair] = []
    tags: list[Pair] = []


class Dataset(Reply, kw_only=True):
    """A dataset."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None


class DatasetInput(Reply, kw_only=True):
    """A dataset, and what it was used for."""

    tags: list[Pair] = []
    dataset: Dataset


class ModelInput(Reply, kw_only=True):
    """A model that a run used."""

    model_id: str


class ModelOutput(Reply, kw_only=True):
    """A model that a run produced."""

    model_id: str
    step: int


class RunInputs(Reply, kw_only=True):
    """What a run used."""

    dataset_inputs: list[DatasetInput] = []
    model_inputs: list[ModelInput] = []


class RunOutputs(Reply, kw_only=True):
    """What a run produced."""

    model_outputs: list[ModelOutput] = []


class Run(Reply, kw_only=True):
    """A run."""

    info: RunInfo
    data: RunData
    inputs: RunInputs
    outputs: RunOutputs | None = None


class Registration(Reply, kw_only=True):
    """A version that a logged model is registered as."""

    name: str
    version: str


class ModelInfo(Reply, kw_only=True):
    """What a logged model is."""

    model_id: str
    experiment_id: str
    name: str
    creation_timestamp_ms: int
    last_updated_timestamp_ms: int
    artifact_uri: str
    status: str
    model_type: str | None = None
    source_run_id: str | None = None
    status_message: str | None = None
    tags: list[Pair] = []


class ModelData(Reply, kw_only=True):
    """What a logged model has."""

    params: list[Pair] = []
    metrics: list[Metric] = []


class Model(Reply, kw_only=True):
    """A logged model."""

    info: ModelInfo
    data: ModelData


class ModelParam(Reply, kw_only=True):
    """A param of a version's model."""

    name: str
    value: str


class ModelVersion(Reply, kw_only=True):
    """A version of a registered model."""

    name: str
    version: str
    creation_timestamp: int
    last_updated_timestamp: int | None = None
    user_id: str | None = None
    current_stage: str
    description: str
    source: str | None = None
    run_id: str | None = None
    status: str
    status_message: str | None = None
    tags: list[Pair] = []
    run_link: str
    aliases: list[str] = []
    model_id: str | None = None
    model_params: list[ModelParam] = []
    model_metrics: list[Metric] = []


class Alias(Reply, kw_only=True):
    """An alias of a registered model."""

    alias: str
    version: str


class RegisteredModel(Reply, kw_only=True):
    """A registered model."""

    name: str
    creation_timestamp: int
    last_updated_timestamp: int
    description: str
    latest_versions: list[ModelVersion] = []
    tags: list[Pair] = []
    aliases: list[Alias] = []


class File(Reply, kw_only=True):
    """An entry of a listing."""

    path: str
    is_dir: bool
    file_size: int | None = None


# -- answers -------------------------------------------------------------------------------------


class ExperimentId(Reply, kw_only=True):
    """The new experiment."""

    experiment_id: str


class OneExperiment(Reply, kw_only=True):
    """An experiment."""

    experiment: Experiment


class Experiments(Reply, kw_only=True):
    """A page of experiments."""

    experiments: list[Experiment] = []
    next_page_token: str | None = None


class DatasetSummary(Reply, kw_only=True):
    """A dataset that an experiment's runs used."""

    experiment_id: str
    name: str
    digest: str
    context: str | None = None


class DatasetSummaries(Reply, kw_only=True):
    """The datasets that experiments' runs used."""

    dataset_summaries: list[DatasetSummary] = []


class OneRun(Reply, kw_only=True):
    """A run."""

    run: Run


class OneRunInfo(Reply, kw_only=True):
    """What a run is now."""

    run_info: RunInfo


class Runs(Reply, kw_only=True):
    """A page of runs."""

    runs: list[Run] = []
    next_page_token: str | None = None


class Metrics(Reply, kw_only=True):
    """Points of metrics."""

    metrics: list[Metric] = []
    next_page_token: str | None = None


class Files(Reply, kw_only=True):
    """A folder of artifacts."""

    root_uri: str | None = None
    files: list[File] = []
    next_page_token: str | None = None


class OneModel(Reply, kw_only=True):
    """A logged model."""

    model: Model


class Models(Reply, kw_only=True):
    """A page of logged models."""

    models: list[Model] = []
    next_page_token: str | None = None


class OneRegistered(Reply, kw_only=True):
    """A registered model."""

    registered_model: RegisteredModel


class Registered(Reply, kw_only=True):
    """A page of registered models."""

    registered_models: list[RegisteredModel] = []
    next_page_token: str | None = None


class OneVersion(Reply, kw_only=True):
    """A version."""

    model_version: ModelVersion


class Versions(Reply, kw_only=True):
    """A page of versions."""

    model_versions: list[ModelVersion] = []
    next_page_token: str | None = None


class DownloadUri(Reply, kw_only=True):
    """Where a version's files are."""

    artifact_uri: str


class TraceReply(Reply, kw_only=True):
    """What is known of a trace."""

    trace_info: dict[str, Any]
    spans: list[dict[str, Any]] = []


class OneTrace(Reply, kw_only=True):
    """A trace."""

    trace: TraceReply


class Traces(Reply, kw_only=True):
    """Traces."""

    traces: list[TraceReply] = []
    next_page_token: str | None = None


class TraceInfos(Reply, kw_only=True):
    """What is known of traces."""

    trace_infos: list[dict[str, Any]] = []


class FoundTraces(Reply, kw_only=True):
    """A page of traces."""

    traces: list[dict[str, Any]] = []
    next_page_token: str | None = None


class Deleted(Reply, kw_only=True):
    """How many traces are gone."""

    traces_deleted: int = field(name="traces_deleted")


class OneAssessment(Reply, kw_only=True):
    """An assessment."""

    assessment: dict[str, Any]


# -- of entities ---------------------------------------------------------------------------------


def number(value: float) -> float | str:
    """A float as JSON carries it."""
    if math.isfinite(value):
        return float(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def pairs(texts: Mapping[str, str]) -> list[Pair]:
    """Keys and texts."""
    return [Pair(key, value) for key, value in texts.items()]


def metric(point: entities.Metric) -> Metric:
    """A point."""
    return Metric(
        key=point.key,
        value=number(point.value),
        timestamp=point.timestamp,
        step=point.step,
        model_id=point.model_id,
        dataset_name=point.dataset_name,
        dataset_digest=point.dataset_digest,
        run_id=point.run_id,
    )


def experiment(made: entities.Experiment, places: Places) -> Experiment:
    """An experiment."""
    return Experiment(
        experiment_id=made.experiment_id,
        name=made.name,
        artifact_location=places.shown(made.artifact_location, made.experiment_id),
        lifecycle_stage=made.lifecycle_stage,
        last_update_time=made.last_update_time,
        creation_time=made.creation_time,
        tags=pairs(made.tags),
    )


def run_info(info: entities.RunInfo, places: Places) -> RunInfo:
    """What a run is."""
    return RunInfo(
        run_id=info.run_id,
        run_uuid=info.run_id,
        run_name=info.run_name,
        experiment_id=info.experiment_id,
        user_id=info.user_id,
        status=info.status,
        start_time=info.start_time,
        end_time=info.end_time,
        artifact_uri=places.shown(
            info.artifact_uri, f"{info.experiment_id}/{info.run_id}/artifacts"
        ),
        lifecycle_stage=info.lifecycle_stage,
    )


def run(made: entities.Run, places: Places, latest: Iterable[entities.Metric]) -> Run:
    """A run; of each metric its latest point."""
    outputs = [ModelOutput(model_id=m.model_id, step=m.step) for m in made.outputs.model_outputs]
    return Run(
        info=run_info(made.info, places),
        data=RunData(
            metrics=[metric(point) for point in latest],
            params=pairs(made.data.params),
            tags=pairs(made.data.tags),
        ),
        inputs=RunInputs(
            dataset_inputs=[_dataset_input(given) for given in made.inputs.dataset_inputs],
            model_inputs=[ModelInput(model_id=m.model_id) for m in made.inputs.model_inputs],
        ),
        outputs=RunOutputs(model_outputs=outputs) if outputs else None,
    )


def _dataset_input(given: entities.DatasetInput) -> DatasetInput:
    of = given.dataset
    return DatasetInput(
        tags=[Pair(tag.key, tag.value) for tag in given.tags],
        dataset=Dataset(
            name=of.name,
            digest=of.digest,
            source_type=of.source_type,
            source=of.source,
            schema=of.schema,
            profile=of.profile,
        ),
    )


_MODEL_STATUS = {
    "PENDING": "LOGGED_MODEL_PENDING",
    "READY": "LOGGED_MODEL_READY",
    "FAILED": "LOGGED_MODEL_UPLOAD_FAILED",
}


def model(made: entities.LoggedModel, places: Places) -> Model:
    """A logged model."""
    place = f"{made.experiment_id}/models/{made.model_id}/artifacts"
    return Model(
        info=ModelInfo(
            model_id=made.model_id,
            experiment_id=made.experiment_id,
            name=made.name,
            creation_timestamp_ms=made.creation_timestamp,
            last_updated_timestamp_ms=made.last_updated_timestamp,
            artifact_uri=places.shown(made.artifact_location, place),
            status=_MODEL_STATUS.get(str(made.status), "LOGGED_MODEL_STATUS_UNSPECIFIED"),
            model_type=made.model_type,
            source_run_id=made.source_run_id,
            status_message=made.status_message,
            tags=pairs(made.tags),
        ),
        data=ModelData(
            params=pairs(made.params), metrics=[metric(point) for point in made.metrics]
        ),
    )


def version(made: entities.ModelVersion, places: Places) -> ModelVersion:
    """A version of a registered model."""
    return ModelVersion(
        name=made.name,
        version=str(made.version),
        creation_timestamp=made.creation_timestamp,
        last_updated_timestamp=made.last_updated_timestamp,
        user_id=made.user_id,
        current_stage=made.current_stage,
        description=made.description or "",
        source=places.shown_source(made.source, made.run_id, made.model_id),
        run_id=made.run_id,
        status=made.status,
        status_message=made.status_message,
        tags=pairs(made.tags),
        run_link=made.run_link or "",
        aliases=list(made.aliases),
        model_id=made.model_id,
        model_params=[ModelParam(name=key, value=text) for key, text in made.params.items()],
        model_metrics=[metric(point) for point in made.metrics],
    )


def registered(made: entities.RegisteredModel, places: Places) -> RegisteredModel:
    """A registered model."""
    return RegisteredModel(
        name=made.name,
        creation_timestamp=made.creation_timestamp,
        last_updated_timestamp=made.last_updated_timestamp,
        description=made.description or "",
        latest_versions=[version(one, places) for one in made.latest_versions],
        tags=pairs(made.tags),
        aliases=[Alias(alias=alias, version=str(to)) for alias, to in made.aliases.items()],
    )


def file(info: entities.FileInfo) -> File:
    """An entry of a listing."""
    return File(path=info.path, is_dir=info.is_dir, file_size=info.file_size)
