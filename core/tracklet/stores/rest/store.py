"""The verbs of a store whose rules are a server's: each is a request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, TypeVar

from tracklet import entities, names, validation
from tracklet.entities import Metric, PagedList, ViewType
from tracklet.entities.messages import STATUSES, Message
from tracklet.errors import ResourceDoesNotExist, TrackletException
from tracklet.record import Store, rules
from tracklet.stores.rest import messages
from tracklet.stores.rest.traces import RestTraces
from tracklet.wire import Server, pages, quoted

if TYPE_CHECKING:
    from tracklet.record.backend import Kind
    from tracklet.record.query import Query
    from tracklet.record.traces import Traces

E = TypeVar("E", bound=entities.Entity)

MOST_POINTS: Final = 1_000
MOST_TEXTS: Final = 100
"""How many points, and how many params or tags, a server takes at once."""

_SEARCHES: Final = {
    "experiments": ("POST", "experiments/search", "_experiment experiments"),
    "runs": ("POST", "runs/search", "_run runs"),
    "logged models": ("POST", "logged-models/search", "_model models"),
    "registered models": ("GET", "registered-models/search", "_registered registered_models"),
    "model versions": ("GET", "model-versions/search", "_versioned model_versions"),
}
"""How each is searched, what reads what is found, and what of the answer it is."""

_CHECKS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "experiment_id": validation.as_experiment_id,
    "run_id": validation.validate_run_id,
    "model_id": validation.validate_model_id,
    "name": rules.registered_model_name,
    "new_name": rules.registered_model_name,
    "version": lambda version: str(validation.validate_version(version)),
    "alias": validation.validate_alias,
    "description": lambda description: rules.field("a description", description),
    "status": lambda status: STATUSES[rules.final_status(status)],
    "datasets": lambda given: messages.fields(_datasets(given)),
}
"""What becomes of an argument in a request; others are sent as they are."""


def _same(value: Any) -> Any:
    return value


def _datasets(given: Any) -> list[entities.DatasetInput]:
    used = validation.as_list("datasets", given, entities.DatasetInput)
    for each in used:
        validation.validate_dataset_input(each)
    return used


def _models(kind: type[entities.Entity]) -> Callable[[Any], Any]:
    return lambda given: messages.fields(validation.as_list("models", given, kind))


class _Request(NamedTuple):
    """The request that a verb is.

    Attributes:
        method: The method of HTTP.
        path: What comes after ``/api/2.0/mlflow/``, where arguments stand in braces.
        answer: What reads an entity, and what of the answer that is; nothing is read by default.
        of: What the params and tags are of.
        again: Whether it does no harm if it is carried out twice.
        checks: What becomes of arguments, beside :data:`_CHECKS`.
    """

    method: str
    path: str
    answer: str = ""
    of: Kind = "run"
    again: bool = True
    checks: Mapping[str, Callable[[Any], Any]] = {}

    def verb(self, verb: Callable[..., Any]) -> Callable[..., Any]:
        """A verb that sends what it is given, checked, and reads the answer."""
        every = {**_CHECKS, **self.checks}
        read, _, part = self.answer.partition(" ")

        @wraps(verb)
        def call(store: RestStore, *args: Any, **kwargs: Any) -> Any:
            given = _arguments(verb, store, *args, **kwargs)
            if "value" in given:
                ((key, text),) = rules.tag(self.of, given["key"], given["value"]).items()
                given |= {"key": key, "value": text}
            elif "key" in given:
                validation.validate_key(rules.word(self.of, "tags"), given["key"])
            sent = {name: every.get(name, _same)(value) for name, value in given.items()}
            if "tags" in sent:
                sent["tags"] = messages.pairs(rules.as_texts(self.of, "tags", sent["tags"]))
            path = self.path.format_map({name: quoted(str(value)) for name, value in sent.items()})
            if self.method == "DELETE":
                sent = {name: sent[name] for name in sent if f"{{{name}}}" not in self.path}
            said = store.call(self.method, path, sent, again=self.again)
            return getattr(store, read)(said[part]) if read else None

        return call


def _arguments(verb: Callable[..., Any], *args: Any, **kwargs: Any) -> dict[str, Any]:
    """The arguments of a verb by their names, but for the store; TypeError as it would raise it."""
    plain: Any = getattr(verb, "__wrapped__", verb)
    store, *names = plain.__code__.co_varnames[: plain.__code__.co_argcount]
    bind = eval(f"lambda {', '.join([store, *names])}: [{', '.join(names)}]")
    bind.__name__, bind.__defaults__ = plain.__name__, plain.__defaults__
    return dict(zip(names, bind(*args, **kwargs), strict=True))


def _beyond(verb: Callable[..., Any]) -> Callable[..., Any]:
    """A verb that the protocol does not have."""

    @wraps(verb)
    def call(store: RestStore, *args: Any, **kwargs: Any) -> NoReturn:
        raise TrackletException(
            f"{verb.__name__} is no part of MLflow's protocol; use it where the server {store.uri} "
            "keeps the record: there, 'tracklet gc' removes what is deleted",
            "NOT_IMPLEMENTED",
        )

    return call


class RestStore(Store):
    """The record behind a tracking server that speaks MLflow's REST protocol.

    The rules are the server's, and so are the messages when it refuses. It keeps nothing open but
    connections, and asks nothing before the first verb.

    Args:
        uri: ``http(s)://[user:password@]host[:port][/prefix]``.
        limit: For how long, in seconds, a request is tried, if that is less than the options say.
    """

    def __init__(self, uri: str, limit: float | None = None) -> None:
        self.server = Server(uri, limit)
        self._experiment = self._reader(entities.Experiment)
        self._run = self._reader(entities.Run)
        self._run_info = self._reader(entities.RunInfo)
        self._registered = self._reader(entities.RegisteredModel)
        self._kept_traces: Traces | None = None

    @property
    def uri(self) -> str:
        return self.server.uri

    @property
    def traces(self) -> Traces:
        if self._kept_traces is None:
            self._kept_traces = RestTraces(self.server)
        return self._kept_traces

    def close(self) -> None:
        self.server.close()

    def left_out(self) -> list[tuple[str, str]]:
        return []

    def search(self, query: Query) -> PagedList[Any]:
        """A page of what a query asks for."""
        method, path, answer = _SEARCHES[query.kind]
        read, _, part = answer.partition(" ")
        body: dict[str, Any] = {
            "filter": query.filter or None,
            "max_results": validation.validate_max_results(query.max_results),
            "order_by": validation.as_list("order_by", query.order_by) or None,
            "page_token": query.page_token or None,
        }
        if query.kind in ("runs", "logged models"):
            body["experiment_ids"] = list(query.experiment_ids)
        if query.kind in ("experiments", "runs"):
            name = "run_view_type" if query.kind == "runs" else "view_type"
            body[name] = ViewType.to_string(query.view).upper()
        if query.datasets:
            body["datasets"] = query.datasets
        return messages.page(getattr(self, read), self.call(method, path, body), part)

    # -- experiments ---------------------------------------------------------------------------

    def create_experiment(
        self,
        name: str,
        artifact_location: str | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> str:
        location = messages.relative(rules.artifact_location(artifact_location), self.uri)
        checked = messages.pairs(rules.as_texts("experiment", "tags", tags))
        body = {"name": rules.experiment_name(name), "artifact_location": location, "tags": checked}
        return str(self.call("POST", "experiments/create", body, again=False)["experiment_id"])

    def get_experiment_by_name(self, name: str) -> entities.Experiment | None:
        asked = {"experiment_name": validation.validate_experiment_name(name)}
        try:
            found = self.call("GET", "experiments/get-by-name", asked)
        except ResourceDoesNotExist:
            return None
        return self._experiment(found["experiment"])

    # -- runs ----------------------------------------------------------------------------------

    def create_run(
        self,
        experiment_id: str,
        user_id: str | None = None,
        start_time: int | None = None,
        tags: Mapping[str, Any] | None = None,
        run_name: str | None = None,
        *,
        run_id: str | None = None,
    ) -> entities.Run:
        """Create a run; the id is an addition of ours to the protocol: others choose their own."""
        given = validation.as_strings(tags)
        given[rules.RUN_NAME_TAG] = rules.run_name(run_name, given)
        checked = rules.texts("run", "tags", given)
        body = {
            "experiment_id": validation.as_experiment_id(experiment_id),
            "user_id": rules.field("a user id", rules.user(user_id, checked)),
            "run_name": checked[rules.RUN_NAME_TAG],
            "start_time": names.now()
            if start_time is None
            else rules.time("start time", start_time),
            "tags": messages.pairs(checked),
            "run_id": run_id,
        }
        return self._run(self.call("POST", "runs/create", body, again=False)["run"])

    def update_run(
        self,
        run_id: str,
        status: str | None = None,
        end_time: int | None = None,
        run_name: str | None = None,
    ) -> entities.RunInfo:
        if status is not None:
            entities.RunStatus.from_string(status)
        body = {
            "run_id": validation.validate_run_id(run_id),
            "status": status,
            "end_time": None if end_time is None else rules.time("end time", end_time),
            "run_name": run_name or None,
        }
        if not any([status, end_time, run_name]):
            return self.get_run(run_id).info
        return self._run_info(self.call("POST", "runs/update", body)["run_info"])

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Record all of it; what is more than a server takes at once goes in several requests."""
        points = [messages.point(each) for each in rules.points(metrics)]
        checked = rules.texts("run", "params", params), rules.texts("run", "tags", tags)
        texts = [messages.pairs(each) for each in checked]
        for batch in _batches(points, *texts):
            body = {"run_id": validation.validate_run_id(run_id), **batch}
            self.call("POST", "runs/log-batch", body, again="metrics" not in batch)

    def get_metric_history(self, run_id: str, key: str) -> list[Metric]:
        asked = {
            "run_id": validation.validate_run_id(run_id),
            "metric_key": validation.validate_key("metric", key),
            "max_results": 25_000,
        }
        return [
            point
            for page in pages(
                lambda token: self.call(
                    "GET", "metrics/get-history", {**asked, "page_token": token}
                )
            )
            for point in messages.history(page.get("metrics") or (), run_id)
        ]

    def get_params(self, run_id: str) -> dict[str, str]:
        return self.get_run(run_id).data.params

    def last_points(self, run_id: str) -> list[Metric]:
        run = self.get_run(run_id)
        return [self.get_metric_history(run_id, key)[-1] for key in run.data.metrics]

    def deletion_time(self, run_id: str) -> int | None:
        """None: servers do not say when a run was deleted."""
        self.get_run(run_id)
        return None

    # -- models --------------------------------------------------------------------------------

    def create_logged_model(
        self,
        experiment_id: str,
        name: str | None = None,
        source_run_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        model_type: str | None = None,
    ) -> entities.LoggedModel:
        name = names.run_name() if name is None else validation.validate_logged_model_name(name)
        texts = messages.pairs(rules.as_texts("logged model", "params", params))
        body = {
            "experiment_id": validation.as_experiment_id(experiment_id),
            "name": rules.field("name", name),
            "model_type": model_type,
            "source_run_id": source_run_id,
            "params": texts[:MOST_TEXTS],
            "tags": messages.pairs(rules.as_texts("logged model", "tags", tags)),
        }
        made = self._model(self.call("POST", "logged-models", body, again=False)["model"])
        self._put_params(made.model_id, texts[MOST_TEXTS:])
        return made if len(texts) <= MOST_TEXTS else self.get_logged_model(made.model_id)

    def get_logged_model(self, model_id: str, *, deleted: bool = False) -> entities.LoggedModel:
        """The model; of a deleted one, servers know nothing."""
        return self._model(self.call("GET", _model_path(model_id))["model"])

    def log_logged_model_params(self, model_id: str, params: Mapping[str, Any]) -> None:
        texts = messages.pairs(rules.as_texts("logged model", "params", params))
        self._put_params(model_id, texts)

    def _put_params(self, model_id: str, texts: list[dict[str, str]]) -> None:
        for each in _pieces(texts, MOST_TEXTS):
            self.call(
                "POST", f"{_model_path(model_id)}/params", {"model_id": model_id, "params": each}
            )

    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
        run_link: str | None = None,
        description: str | None = None,
        model_id: str | None = None,
        storage_location: str | None = None,
        user_id: str | None = None,
    ) -> entities.ModelVersion:
        """Add the next version; where its files lie and who made it, the server finds itself."""
        rules.field("source", source)
        validation.validate_model_source(source)
        source, run_id, model_id = self._registrable(source, run_id, model_id)
        body = {
            "name": rules.registered_model_name(name),
            "source": messages.relative(source, self.uri),
            "run_id": run_id,
            "run_link": run_link,
            "description": rules.field("a description", description),
            "model_id": model_id,
            "tags": messages.pairs(rules.as_texts("model version", "tags", tags)),
        }
        answer = self.call("POST", "model-versions/create", body, again=False)
        return self._versioned(answer["model_version"])

    def _registrable(
        self, source: str, run_id: str | None, model_id: str | None
    ) -> tuple[str, str | None, str | None]:
        """Source, run and model of a new version, as the server knows them."""
        return source, run_id, model_id

    def transition_model_version_stage(
        self,
        name: str,
        version: int | str,
        stage: str,
        archive_existing_versions: bool = False,
    ) -> entities.ModelVersion:
        body = {
            "name": rules.registered_model_name(name),
            "version": str(validation.validate_version(version)),
            "stage": rules.version_stage(stage, archive_existing_versions),
            "archive_existing_versions": archive_existing_versions,
        }
        answer = self.call("POST", "model-versions/transition-stage", body)
        return self._versioned(answer["model_version"])

    def _model(self, given: Message) -> entities.LoggedModel:
        return messages.logged_model(given, self.uri)

    def _versioned(self, given: Message) -> entities.ModelVersion:
        return messages.model_version(given, self.uri)

    def _reader(self, kind: type[E]) -> Callable[[Message], E]:
        return messages.reader(kind, self.server.uri)

    def call(
        self, method: str, path: str, given: Mapping[str, Any] | None = None, *, again: bool = True
    ) -> dict[str, Any]:
        """What the server answers to a request."""
        if method == "GET":
            return self.server.call(method, path, query=given)
        return self.server.call(method, path, given, again=again)


def _model_path(model_id: str) -> str:
    return f"logged-models/{quoted(validation.validate_model_id(model_id))}"


def _pieces(items: list[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _batches(
    metrics: list[dict[str, Any]], params: list[dict[str, str]], tags: list[dict[str, str]]
) -> Iterator[dict[str, Any]]:
    """What to send at once: all of it if that fits, and first what may be refused."""
    if (
        len(metrics) + len(params) + len(tags) <= MOST_POINTS
        and max(len(params), len(tags)) <= MOST_TEXTS
    ):
        whole = {"metrics": metrics, "params": params, "tags": tags}
        yield {key: value for key, value in whole.items() if value}
        return
    yield from ({"params": each} for each in _pieces(params, MOST_TEXTS))
    yield from ({"tags": each} for each in _pieces(tags, MOST_TEXTS))
    yield from ({"metrics": each} for each in _pieces(metrics, MOST_POINTS))


_NAMED: Final = {"new_name": rules.experiment_name}
_USED: Final = {"models": _models(entities.LoggedModelInput)}
_MADE: Final = {"models": _models(entities.LoggedModelOutput)}
_MODEL: Final = "_registered registered_model"
_VERSION: Final = "_versioned model_version"
_REQUESTS: Final = {
    "get_experiment": _Request("GET", "experiments/get", "_experiment experiment"),
    "rename_experiment": _Request("POST", "experiments/update", checks=_NAMED),
    "delete_experiment": _Request("POST", "experiments/delete", again=False),
    "restore_experiment": _Request("POST", "experiments/restore", again=False),
    "set_experiment_tag": _Request("POST", "experiments/set-experiment-tag", of="experiment"),
    "delete_experiment_tag": _Request(
        "POST", "experiments/delete-experiment-tag", of="experiment", again=False
    ),
    "get_run": _Request("GET", "runs/get", "_run run"),
    "delete_run": _Request("POST", "runs/delete"),
    "restore_run": _Request("POST", "runs/restore"),
    "delete_tag": _Request("POST", "runs/delete-tag", again=False),
    "log_inputs": _Request("POST", "runs/log-inputs", checks=_USED),
    "log_outputs": _Request("POST", "runs/outputs", checks=_MADE),
    "finalize_logged_model": _Request("PATCH", "logged-models/{model_id}", "_model model"),
    "delete_logged_model": _Request("DELETE", "logged-models/{model_id}"),
    "set_logged_model_tags": _Request("PATCH", "logged-models/{model_id}/tags", of="logged model"),
    "delete_logged_model_tag": _Request(
        "DELETE", "logged-models/{model_id}/tags/{key}", of="logged model", again=False
    ),
    "create_registered_model": _Request(
        "POST", "registered-models/create", _MODEL, of="registered model", again=False
    ),
    "get_registered_model": _Request("GET", "registered-models/get", _MODEL),
    "update_registered_model": _Request("PATCH", "registered-models/update", _MODEL),
    "rename_registered_model": _Request("POST", "registered-models/rename", _MODEL, again=False),
    "delete_registered_model": _Request("DELETE", "registered-models/delete", again=False),
    "set_registered_model_tag": _Request(
        "POST", "registered-models/set-tag", of="registered model"
    ),
    "delete_registered_model_tag": _Request(
        "DELETE", "registered-models/delete-tag", of="registered model"
    ),
    "set_registered_model_alias": _Request("POST", "registered-models/alias"),
    "delete_registered_model_alias": _Request("DELETE", "registered-models/alias"),
    "get_model_version": _Request("GET", "model-versions/get", _VERSION),
    "get_model_version_by_alias": _Request("GET", "registered-models/alias", _VERSION),
    "update_model_version": _Request("PATCH", "model-versions/update", _VERSION),
    "delete_model_version": _Request("DELETE", "model-versions/delete", again=False),
    "set_model_version_tag": _Request("POST", "model-versions/set-tag", of="model version"),
    "delete_model_version_tag": _Request("DELETE", "model-versions/delete-tag", of="model version"),
}
"""The verbs that are a request each."""

for _name, _request in _REQUESTS.items():
    setattr(RestStore, _name, _request.verb(getattr(Store, _name)))
for _name in ("purge_experiment", "purge_run", "purge_logged_model", "set_history"):
    setattr(RestStore, _name, _beyond(getattr(Store, _name)))
