"""What clients ask, as MLflow's REST protocol spells it: one class per body or query string.

Numbers may be texts, as protocol buffers allow; unknown fields are left out; all else that does
not fit is an error that names the field. A body that is refused has changed nothing.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct

Int64: TypeAlias = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Int32: TypeAlias = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
View: TypeAlias = Literal["ACTIVE_ONLY", "DELETED_ONLY", "ALL"]
Status: TypeAlias = Literal["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]
ModelStatus: TypeAlias = Literal[
    "LOGGED_MODEL_PENDING",
    "LOGGED_MODEL_READY",
    "LOGGED_MODEL_UPLOAD_FAILED",
    "PENDING",
    "READY",
    "FAILED",
]


class Request(Struct, kw_only=True):
    """Base of what is asked."""


class Empty(Request):
    """Nothing is said."""


class Pair(Struct):
    """A key and a text."""

    key: str
    value: str


class Paged(Request, kw_only=True):
    """A page of a search."""

    filter: str | None = None
    order_by: list[str] = []
    page_token: str | None = None


# -- experiments ---------------------------------------------------------------------------------


class CreateExperiment(Request, kw_only=True):
    """A new experiment."""

    name: str
    artifact_location: str | None = None
    tags: list[Pair] = []


class OfExperiment(Request, kw_only=True):
    """What names an experiment."""

    experiment_id: str


class ExperimentNamed(Request, kw_only=True):
    """What names an experiment by its name."""

    experiment_name: str


class UpdateExperiment(OfExperiment, kw_only=True):
    """Another name."""

    new_name: str | None = None


class ExperimentTag(OfExperiment, kw_only=True):
    """A tag to set."""

    key: str
    value: str


class ExperimentKey(OfExperiment, kw_only=True):
    """A tag to remove."""

    key: str


class SearchExperiments(Paged, kw_only=True):
    """Which experiments."""

    view_type: View = "ACTIVE_ONLY"
    max_results: Int64 = 1000


class OfExperiments(Request, kw_only=True):
    """What names some experiments."""

    experiment_ids: list[str] = []


# -- runs ----------------------------------------------------------------------------------------


class OfRun(Request, kw_only=True):
    """What names a run, also under its oldest name."""

    run_id: str = ""
    run_uuid: str = ""

    def __post_init__(self) -> None:
        self.run_id = self.run_id or self.run_uuid
        if not self.run_id:
            raise ValueError("Object missing required field `run_id`")


class CreateRun(Request, kw_only=True):
    """A new run."""

    experiment_id: str = "0"
    user_id: str | None = None
    run_name: str | None = None
    start_time: Int64 | None = None
    tags: list[Pair] = []
    run_id: str | None = None  # an addition of ours: a machine sends a run that it began


class UpdateRun(OfRun, kw_only=True):
    """What changes of a run."""

    status: Status | None = None
    end_time: Int64 | None = None
    run_name: str | None = None


class Point(Struct, kw_only=True, gc=False):
    """One point of a metric."""

    key: str
    value: float
    timestamp: Int64
    step: Int64 = 0
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None


class LogMetric(OfRun, kw_only=True):
    """One point of a metric of a run."""

    key: str
    value: float
    timestamp: Int64
    step: Int64 = 0
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None


class RunPair(OfRun, kw_only=True):
    """A param or tag of a run."""

    key: str
    value: str


class RunKey(OfRun, kw_only=True):
    """A tag to remove."""

    key: str


class LogBatch(OfRun, kw_only=True):
    """Points, params and tags of a run."""

    metrics: list[Point] = []
    params: list[Pair] = []
    tags: list[Pair] = []


class LogModel(OfRun, kw_only=True):
    """A model of a run, as clients of MLflow 2 report it: its ``MLmodel`` as JSON."""

    model_json: str


class Dataset(Struct, kw_only=True):
    """A dataset."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None


class DatasetInput(Struct, kw_only=True):
    """A dataset, and what it was used for."""

    dataset: Dataset
    tags: list[Pair] = []


class ModelInput(Struct, kw_only=True):
    """A model that a run used."""

    model_id: str


class ModelOutput(Struct, kw_only=True):
    """A model that a run produced."""

    model_id: str
    step: Int64 = 0


class LogInputs(OfRun, kw_only=True):
    """What a run used."""

    datasets: list[DatasetInput] = []
    models: list[ModelInput] = []


class LogOutputs(OfRun, kw_only=True):
    """What a run produced."""

    models: list[ModelOutput]


class SearchRuns(Paged, kw_only=True):
    """Which runs."""

    experiment_ids: list[str] = []
    run_view_type: View = "ACTIVE_ONLY"
    max_results: Int32 = 1000


class History(OfRun, kw_only=True):
    """Which points of a metric."""

    metric_key: str
    page_token: str | None = None
    max_results: Int32 | None = None


class BulkHistory(Request, kw_only=True):
    """Which points of a metric of some runs."""

    metric_key: str
    run_id: list[str] = []
    run_ids: list[str] = []
    max_results: Annotated[int, Meta(ge=1, le=25_000)] = 25_000
    start_step: Int64 | None = None
    end_step: Int64 | None = None


class ListArtifacts(OfRun, kw_only=True):
    """Which folder of a run's artifacts."""

    path: str = ""
    page_token: str | None = None


# -- logged models -------------------------------------------------------------------------------


class CreateModel(Request, kw_only=True):
    """A new logged model."""

    experiment_id: str
    name: str | None = None
    model_type: str | None = None
    source_run_id: str | None = None
    params: list[Pair] = []
    tags: list[Pair] = []


class OfModel(Request, kw_only=True):
    """What names a logged model."""

    model_id: str


class FinalizeModel(OfModel, kw_only=True):
    """How a logged model ended up."""

    status: ModelStatus


class ModelTags(OfModel, kw_only=True):
    """Tags to set."""

    tags: list[Pair] = []


class ModelTagKey(OfModel, kw_only=True):
    """A tag to remove."""

    tag_key: str


class ModelParams(OfModel, kw_only=True):
    """Params to add."""

    params: list[Pair] = []


class ModelFolder(OfModel, kw_only=True):
    """Which folder of a model's files."""

    artifact_directory_path: str = ""
    page_token: str | None = None


class ModelFile(OfModel, kw_only=True):
    """Which of a model's files."""

    artifact_file_path: str


class MeasuredOn(Struct, kw_only=True):
    """A dataset that models were measured on."""

    dataset_name: str
    dataset_digest: str | None = None


class ModelOrder(Struct, kw_only=True):
    """What logged models are ordered by."""

    field_name: str
    ascending: bool = True
    dataset_name: str | None = None
    dataset_digest: str | None = None


class SearchModels(Request, kw_only=True):
    """Which logged models."""

    experiment_ids: list[str] = []
    filter: str | None = None
    datasets: list[MeasuredOn] = []
    max_results: Int32 | None = None
    order_by: list[ModelOrder] = []
    page_token: str | None = None


# -- registry ------------------------------------------------------------------------------------


class Named(Request, kw_only=True):
    """What names a registered model."""

    name: str


class CreateRegistered(Named, kw_only=True):
    """A new registered model."""

    tags: list[Pair] = []
    description: str | None = None


class Rename(Named, kw_only=True):
    """Another name."""

    new_name: str


class Described(Named, kw_only=True):
    """Another description."""

    description: str | None = None


class SearchRegistered(Paged, kw_only=True):
    """Which registered models or versions."""

    max_results: Int64 | None = None


class LatestVersions(Named, kw_only=True):
    """The newest versions, of which stages."""

    stages: list[str] = []


class NamedPair(Named, kw_only=True):
    """A tag of a registered model."""

    key: str
    value: str


class NamedKey(Named, kw_only=True):
    """A tag to remove."""

    key: str


class Alias(Named, kw_only=True):
    """An alias of a registered model."""

    alias: str


class SetAlias(Alias, kw_only=True):
    """The version that an alias points at."""

    version: str


class CreateVersion(Named, kw_only=True):
    """A new version."""

    source: str
    run_id: str | None = None
    tags: list[Pair] = []
    run_link: str | None = None
    description: str | None = None
    model_id: str | None = None


class OfVersion(Named, kw_only=True):
    """What names a version."""

    version: str


class DescribedVersion(OfVersion, kw_only=True):
    """Another description."""

    description: str | None = None


class Transition(OfVersion, kw_only=True):
    """Another stage."""

    stage: str
    archive_existing_versions: bool = False


class VersionPair(OfVersion, kw_only=True):
    """A tag of a version."""

    key: str
    value: str


class VersionKey(OfVersion, kw_only=True):
    """A tag to remove."""

    key: str


# -- traces --------------------------------------------------------------------------------------


class ExperimentPlace(Struct, kw_only=True):
    """An experiment."""

    experiment_id: str


class TracePlace(Struct, kw_only=True, omit_defaults=True):
    """Where traces are."""

    type: str = "MLFLOW_EXPERIMENT"
    mlflow_experiment: ExperimentPlace | None = None


class AssessmentSource(Struct, kw_only=True, omit_defaults=True):
    """Who assessed."""

    source_type: str = "SOURCE_TYPE_UNSPECIFIED"
    source_id: str | None = None


class AssessmentError(Struct, kw_only=True, omit_defaults=True):
    """Why there is no feedback."""

    error_code: str = ""
    error_message: str | None = None
    stack_trace: str | None = None


class Feedback(Struct, kw_only=True, omit_defaults=True):
    """A judgement."""

    value: Any = None
    error: AssessmentError | None = None


class SerializedValue(Struct, kw_only=True):
    """A value as a text."""

    serialization_format: Literal["JSON_FORMAT"] = "JSON_FORMAT"
    value: str


class Expectation(Struct, kw_only=True, omit_defaults=True):
    """What a trace should have answered."""

    value: Any = None
    serialized_value: SerializedValue | None = None


class Assessment(Struct, kw_only=True, omit_defaults=True):
    """What is thought of a trace."""

    assessment_id: str | None = None
    assessment_name: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    source: AssessmentSource | None = None
    create_time: str | None = None
    last_update_time: str | None = None
    feedback: Feedback | None = None
    expectation: Expectation | None = None
    rationale: str | None = None
    metadata: dict[str, str] | None = None
    valid: bool | None = None
    overrides: str | None = None


class TraceInfo(Struct, kw_only=True, omit_defaults=True):
    """What is known of a trace."""

    trace_id: str
    trace_location: TracePlace
    request_time: str
    execution_duration: str | None = None
    state: str | None = None
    request_preview: str | None = None
    response_preview: str | None = None
    client_request_id: str | None = None
    trace_metadata: dict[str, str] = {}
    tags: dict[str, str] = {}
    assessments: list[Assessment] = []


class NewTrace(Struct, kw_only=True):
    """A trace."""

    trace_info: TraceInfo


class StartTrace(Request, kw_only=True):
    """A trace that begins or is over."""

    trace: NewTrace


class OfTrace(Request, kw_only=True):
    """What names a trace, also under its older name."""

    trace_id: str = ""
    request_id: str = ""

    def __post_init__(self) -> None:
        self.trace_id = self.trace_id or self.request_id
        if not self.trace_id:
            raise ValueError("Object missing required field `trace_id`")


class OfTraces(Request, kw_only=True):
    """What names some traces."""

    trace_ids: list[str] = []


class PromptOfTrace(Struct, kw_only=True):
    """A version of a prompt."""

    name: str
    version: str


class LinkPrompts(OfTrace, kw_only=True):
    """The prompts that a trace used."""

    prompt_versions: list[PromptOfTrace]


class TracePair(OfTrace, kw_only=True):
    """A tag of a trace."""

    key: str
    value: str


class TraceKey(OfTrace, kw_only=True):
    """A tag to remove."""

    key: str


class SearchTraces(Paged, kw_only=True):
    """Which traces; also as clients of MLflow 2 ask."""

    locations: list[TracePlace] = []
    experiment_ids: list[str] = []
    max_results: Int32 = 100


class DeleteTraces(OfExperiment, kw_only=True):
    """Which traces go."""

    max_timestamp_millis: Int64 | None = None
    max_traces: Int32 | None = None
    request_ids: list[str] | None = None


class LinkTraces(Request, kw_only=True):
    """The run that traces belong to."""

    run_id: str
    trace_ids: Annotated[list[str], Meta(max_length=100)] = []


class CreateAssessment(Request, kw_only=True):
    """What is thought of a trace."""

    trace_id: str
    assessment: Assessment


class OfAssessment(Request, kw_only=True):
    """What names an assessment."""

    trace_id: str
    assessment_id: str


class UpdateAssessment(OfAssessment, kw_only=True):
    """What changes of an assessment."""

    assessment: Assessment
    update_mask: str | None = None
