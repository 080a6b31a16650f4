"""What is answered, as MLflow's REST protocol spells it: one class per message.

Those of entities are made of the entities' fields. What is not set is left out, as are empty
lists; NaN and infinities are texts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    TypeAlias,
    get_args,
    get_origin,
    get_type_hints,
)

from msgspec import Struct, defstruct, field

from tracklet import entities
from tracklet.entities import messages
from tracklet_services.server.requests import Pair

if TYPE_CHECKING:
    from tracklet_services.server.places import Places


class Reply(Struct, kw_only=True, omit_defaults=True):
    """Base of what is answered."""


class Nothing(Reply):
    """It is done."""


class ModelParam(Reply, kw_only=True):
    """A param of a version's model."""

    name: str
    value: str


class Alias(Reply, kw_only=True):
    """An alias of a registered model."""

    alias: str
    version: str


def number(value: float) -> float | str:
    """A float as JSON carries it."""
    if math.isfinite(value):
        return float(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def pairs(texts: Mapping[str, str]) -> list[Pair]:
    """Keys and texts."""
    return [Pair(key, value) for key, value in texts.items()]


# -- of entities ---------------------------------------------------------------------------------

_PLACES: Final[Mapping[str, Callable[[Any, Places], str]]] = {
    "Experiment": lambda made, places: places.shown(made.artifact_location, made.experiment_id),
    "RunInfo": lambda made, places: places.shown(
        made.artifact_uri, f"{made.experiment_id}/{made.run_id}/artifacts"
    ),
    "LoggedModel": lambda made, places: places.shown(
        made.artifact_location, f"{made.experiment_id}/models/{made.model_id}/artifacts"
    ),
    "ModelVersion": lambda made, places: places.shown_source(
        made.source, made.run_id, made.model_id
    ),
}
_FORMS: Final[Mapping[str, tuple[Any, str]]] = {
    "str": (str, "{}"),
    "str | None": (str | None, "{}"),
    "text": (str, "{} or ''"),
    "digits": (str, "str({})"),
    "int": (int, "{}"),
    "int | None": (int | None, "{}"),
    "end": (int | None, "{}"),
    "float": (float | str, "number({})"),
    "bool": (bool, "{}"),
    "place": (str, "place(made, places)"),
    "place | None": (str | None, "place(made, places)"),
    "dict[str, str]": (list[Pair], "pairs({})"),
    "params": (list[ModelParam], "[param(name=key, value=text) for key, text in {}.items()]"),
    "dict[str, int]": (list[Alias], "[alias(alias=key, version=str(n)) for key, n in {}.items()]"),
    "list[str]": (list[str], "list({})"),
    "list[InputTag]": (list[Pair], "[pair(tag.key, tag.value) for tag in {}]"),
    "LoggedModelStatus": (str, "statuses[{}]"),
}
"""The type of a field of a message by its form, and what is said of its value."""

_KNOWN: Final[dict[str, Any]] = {
    "number": number,
    "pairs": pairs,
    "pair": Pair,
    "param": ModelParam,
    "alias": Alias,
    "statuses": messages.STATUSES,
}


def _message(
    kind: type[entities.Entity], name: str = "", without: str = "", also: str = ""
) -> Callable[..., Any]:
    """What makes the message of an entity; it is compiled, for pages have thousands.

    Args:
        kind: The entity.
        name: What the class of the message is called.
        without: The fields that it does not have.
        also: A property that it has, too.
    """
    said = [each for each in messages.fields(kind) if each.field not in without.split()]
    said += [messages.Field(each, each, "str") for each in also.split()]
    typed = [(each, *_form(each.form)) for each in said]
    typed.sort(key=lambda one: not _is_needed(one[1]))
    reply: Any = defstruct(
        name or kind.__name__,
        [_field(each.name, type_) for each, type_, _ in typed],
        bases=(Reply,),
        namespace={"__doc__": kind.__doc__},
        gc=kind is not entities.Metric,
    )
    values = ", ".join(said.format(f"made.{each.field}") for each, _, said in typed)
    known = {**_KNOWN, "reply": reply, "place": _PLACES.get(kind.__name__)}
    make = eval(f"lambda made, places=None: reply({values})", known)
    _KNOWN[kind.__name__] = make
    _made[kind.__name__] = reply
    return make


_made: Final[dict[str, Any]] = {}


def _form(form: str) -> tuple[Any, str]:
    if form in _FORMS:
        return _FORMS[form]
    name = form.removeprefix("list[").removesuffix("]")
    if name != form:
        return list[_made[name]], f"[{name}(each, places) for each in {{}}]"
    return _made[name], f"{name}({{}}, places)"


def _is_needed(type_: Any) -> bool:
    return type_ in (str, int, bool, float | str) or isinstance(type_, type(Struct))


def _field(name: str, type_: Any) -> Any:
    if _is_needed(type_):
        return name, type_
    return name, type_, (field(default_factory=list) if str(type_).startswith("list") else None)


metric = _message(entities.Metric)
experiment = _message(entities.Experiment, without="workspace")
run_info = _message(entities.RunInfo, also="run_uuid")
_message(entities.Dataset)
_message(entities.DatasetInput)
_message(entities.LoggedModelInput, "ModelInput")
_message(entities.LoggedModelOutput, "ModelOutput")
_inputs = _message(entities.RunInputs)
_outputs = _message(entities.RunOutputs)
_model_info = _message(entities.LoggedModel, "ModelInfo", without="params metrics")
version = _message(entities.ModelVersion)
registered = _message(entities.RegisteredModel)
file = _message(entities.FileInfo, "File")

if TYPE_CHECKING:
    Metric: TypeAlias = Any
    Experiment: TypeAlias = Any
    RunInfo: TypeAlias = Any
    RunInputs: TypeAlias = Any
    RunOutputs: TypeAlias = Any
    ModelInfo: TypeAlias = Any
    ModelVersion: TypeAlias = Any
    RegisteredModel: TypeAlias = Any
    File: TypeAlias = Any
else:
    globals().update((reply.__name__, reply) for reply in _made.values())


class RunData(Reply, kw_only=True):
    """What a run has."""

    metrics: list[Metric] = []
    params: list[Pair] = []
    tags: list[Pair] = []


class Run(Reply, kw_only=True):
    """A run."""

    info: RunInfo
    data: RunData
    inputs: RunInputs
    outputs: RunOutputs | None = None


class ModelData(Reply, kw_only=True):
    """What a logged model has."""

    params: list[Pair] = []
    metrics: list[Metric] = []


class Model(Reply, kw_only=True):
    """A logged model."""

    info: ModelInfo
    data: ModelData


def run(made: entities.Run, places: Places, latest: Iterable[entities.Metric]) -> Run:
    """A run; of each metric its latest point."""
    return Run(
        info=run_info(made.info, places),
        data=RunData(
            metrics=[metric(point) for point in latest],
            params=pairs(made.data.params),
            tags=pairs(made.data.tags),
        ),
        inputs=_inputs(made.inputs),
        outputs=_outputs(made.outputs) if made.outputs.model_outputs else None,
    )


def model(made: entities.LoggedModel, places: Places) -> Model:
    """A logged model."""
    measured = [metric(point) for point in made.metrics]
    data = ModelData(params=pairs(made.params), metrics=measured)
    return Model(info=_model_info(made, places), data=data)


@cache
def answer_of(verb: Callable[..., Any]) -> type[Struct]:
    """The class of what a verb answers: its result, or that under the name it is annotated with."""
    result = get_type_hints(verb, include_extras=True)["return"]
    if get_origin(result) is not Annotated:
        return Nothing if result is type(None) else result
    kind, name = get_args(result)
    return defstruct(f"One_{name}".title().replace("_", ""), [(name, kind)], bases=(Reply,))


# -- answers -------------------------------------------------------------------------------------


class Page(Reply, kw_only=True):
    """A page of what was found."""

    next_page_token: str | None = None


class Experiments(Page, kw_only=True):
    """A page of experiments."""

    experiments: list[Experiment] = []


class DatasetSummary(Reply, kw_only=True):
    """A dataset that an experiment's runs used."""

    experiment_id: str
    name: str
    digest: str
    context: str | None = None


class DatasetSummaries(Reply, kw_only=True):
    """The datasets that experiments' runs used."""

    dataset_summaries: list[DatasetSummary] = []


class Runs(Page, kw_only=True):
    """A page of runs."""

    runs: list[Run] = []


class Metrics(Page, kw_only=True):
    """Points of metrics."""

    metrics: list[Metric] = []


class Files(Page, kw_only=True):
    """A folder of artifacts."""

    root_uri: str | None = None
    files: list[File] = []


class Models(Page, kw_only=True):
    """A page of logged models."""

    models: list[Model] = []


class Registered(Page, kw_only=True):
    """A page of registered models."""

    registered_models: list[RegisteredModel] = []


class Versions(Page, kw_only=True):
    """A page of versions."""

    model_versions: list[ModelVersion] = []


class TraceReply(Reply, kw_only=True):
    """What is known of a trace."""

    trace_info: dict[str, Any]
    spans: list[dict[str, Any]] = []


class Traces(Page, kw_only=True):
    """Traces."""

    traces: list[TraceReply] = []


class TraceInfos(Reply, kw_only=True):
    """What is known of traces."""

    trace_infos: list[dict[str, Any]] = []


class FoundTraces(Page, kw_only=True):
    """A page of traces."""

    traces: list[dict[str, Any]] = []


ExperimentId: TypeAlias = Annotated[str, "experiment_id"]
OneExperiment: TypeAlias = Annotated[Experiment, "experiment"]
OneRun: TypeAlias = Annotated[Run, "run"]
OneRunInfo: TypeAlias = Annotated[RunInfo, "run_info"]
OneModel: TypeAlias = Annotated[Model, "model"]
OneRegistered: TypeAlias = Annotated[RegisteredModel, "registered_model"]
OneVersion: TypeAlias = Annotated[ModelVersion, "model_version"]
DownloadUri: TypeAlias = Annotated[str, "artifact_uri"]
OneTrace: TypeAlias = Annotated[TraceReply, "trace"]
Deleted: TypeAlias = Annotated[int, "traces_deleted"]
OneAssessment: TypeAlias = Annotated[dict[str, Any], "assessment"]
