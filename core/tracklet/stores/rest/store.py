"""The verbs of a store whose rules are a server's: each is a request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn

from tracklet import entities, names, validation
from tracklet.entities import Metric, PagedList, ViewType
from tracklet.errors import ResourceDoesNotExist, TrackletException
from tracklet.record import Store, rules
from tracklet.stores.rest import messages
from tracklet.stores.rest.traces import RestTraces
from tracklet.wire import Server, pages, quoted

if TYPE_CHECKING:
    from tracklet.record.traces import Traces

MOST_POINTS: Final = 1_000
MOST_TEXTS: Final = 100
"""How many points, and how many params or tags, a server takes at once."""


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
        return str(self._post("experiments/create", body, again=False)["experiment_id"])

    def get_experiment(self, experiment_id: str) -> entities.Experiment:
        asked = {"experiment_id": validation.as_experiment_id(experiment_id)}
        return messages.experiment(self._get("experiments/get", asked)["experiment"], self.uri)

    def get_experiment_by_name(self, name: str) -> entities.Experiment | None:
        asked = {"experiment_name": validation.validate_experiment_name(name)}
        try:
            found = self._get("experiments/get-by-name", asked)
        except ResourceDoesNotExist:
            return None
        return messages.experiment(found["experiment"], self.uri)

    def rename_experiment(self, experiment_id: str, new_name: str) -> None:
        body = {"new_name": rules.experiment_name(new_name)}
        self._change("update", experiment_id, body)

    def delete_experiment(self, experiment_id: str) -> None:
        self._change("delete", experiment_id, again=False)

    def restore_experiment(self, experiment_id: str) -> None:
        self._change("restore", experiment_id, again=False)

    def set_experiment_tag(self, experiment_id: str, key: str, value: Any) -> None:
        (pair,) = messages.pairs(rules.tag("experiment", key, value))
        self._change("set-experiment-tag", experiment_id, pair)

    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        validation.validate_key("experiment tag", key)
        self._change("delete-experiment-tag", experiment_id, {"key": key}, again=False)

    def purge_experiment(self, experiment_id: str) -> None:
        self._beyond("purge_experiment")

    def search_experiments(
        self,
        view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int | None = 1000,
        filter_string: str | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[entities.Experiment]:
        size = 1000 if max_results is None else max_results
        asked = self._asked(filter_string, size, order_by, page_token)
        body = {**asked, "view_type": ViewType.to_string(view_type).upper()}
        found = self._post("experiments/search", body)
        return messages.page(self._experiment, found, "experiments")

    def _change(
        self,
        verb: str,
        experiment_id: str,
        body: Mapping[str, Any] | None = None,
        again: bool = True,
    ) -> None:
        given = {"experiment_id": validation.as_experiment_id(experiment_id), **(body or {})}
        self._post(f"experiments/{verb}", given, again=again)

    def _experiment(self, given: messages.Message) -> entities.Experiment:
        return messages.experiment(given, self.uri)

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
        return messages.run(self._post("runs/create", body, again=False)["run"], self.uri)

    def get_run(self, run_id: str) -> entities.Run:
        asked = {"run_id": validation.validate_run_id(run_id)}
        return self._run(self._get("runs/get", asked)["run"])

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
        return messages.run_info(self._post("runs/update", body)["run_info"], self.uri)

    def delete_run(self, run_id: str) -> None:
        self._post("runs/delete", {"run_id": validation.validate_run_id(run_id)})

    def restore_run(self, run_id: str) -> None:
        self._post("runs/restore", {"run_id": validation.validate_run_id(run_id)})

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
            self._post("runs/log-batch", body, again="metrics" not in batch)

    def delete_tag(self, run_id: str, key: str) -> None:
        validation.validate_key("tag", key)
        body = {"run_id": validation.validate_run_id(run_id), "key": key}
        self._post("runs/delete-tag", body, again=False)

    def get_metric_history(self, run_id: str, key: str) -> list[Metric]:
        asked = {
            "run_id": validation.validate_run_id(run_id),
            "metric_key": validation.validate_key("metric", key),
            "max_results": 25_000,
        }
        return [
            messages.metric(each, run_id)
            for page in pages(
                lambda token: self._get("metrics/get-history", {**asked, "page_token": token})
            )
            for each in page.get("metrics") or ()
        ]

    def set_history(self, run_id: str, key: str, points: Sequence[Metric]) -> None:
        self._beyond("set_history")

    def get_params(self, run_id: str) -> dict[str, str]:
        return self.get_run(run_id).data.params

    def last_points(self, run_id: str) -> list[Metric]:
        run = self.get_run(run_id)
        return [self.get_metric_history(run_id, key)[-1] for key in run.data.metrics]

    def log_inputs(
        self,
        run_id: str,
        datasets: Sequence[entities.DatasetInput] | None = None,
        models: Sequence[entities.LoggedModelInput] | None = None,
    ) -> None:
        used = validation.as_list("datasets", datasets, entities.DatasetInput)
        for given in used:
            validation.validate_dataset_input(given)
        body = {
            "run_id": validation.validate_run_id(run_id),
            "datasets": messages.fields(used),
            "models": messages.fields(
                validation.as_list("models", models, entities.LoggedModelInput)
            ),
        }
        self._post("runs/log-inputs", body)

    def log_outputs(self, run_id: str, models: Sequence[entities.LoggedModelOutput]) -> None:
        made = validation.as_list("models", models, entities.LoggedModelOutput)
        body = {"run_id": validation.validate_run_id(run_id), "models": messages.fields(made)}
        self._post("runs/outputs", body)

    def deletion_time(self, run_id: str) -> int | None:
        """None: servers do not say when a run was deleted."""
        self.get_run(run_id)
        return None

    def purge_run(self, run_id: str) -> None:
        self._beyond("purge_run")

    def search_runs(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None = "",
        run_view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int = 1000,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[entities.Run]:
        body = {
            **self._asked(filter_string, max_results, order_by, page_token),
            "experiment_ids": validation.as_experiment_ids(experiment_ids),
            "run_view_type": ViewType.to_string(run_view_type).upper(),
        }
        return messages.page(self._run, self._post("runs/search", body), "runs")

    def _run(self, given: messages.Message) -> entities.Run:
        return messages.run(given, self.uri)

    # -- logged models -------------------------------------------------------------------------

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
        made = self._model(self._post("logged-models", body, again=False)["model"])
        self._put_params(made.model_id, texts[MOST_TEXTS:])
        return made if len(texts) <= MOST_TEXTS else self.get_logged_model(made.model_id)

    def get_logged_model(self, model_id: str, *, deleted: bool = False) -> entities.LoggedModel:
        """The model; of a deleted one, servers know nothing."""
        return self._model(self._get(_model_path(model_id))["model"])

    def finalize_logged_model(
        self, model_id: str, status: entities.LoggedModelStatus | str
    ) -> entities.LoggedModel:
        final = rules.final_status(status)
        word = "UPLOAD_FAILED" if final == "FAILED" else final
        body = {"model_id": model_id, "status": f"{messages.STATUS}{word}"}
        return self._model(self._call("PATCH", _model_path(model_id), body)["model"])

    def delete_logged_model(self, model_id: str) -> None:
        self._call("DELETE", _model_path(model_id), {})

    def log_logged_model_params(self, model_id: str, params: Mapping[str, Any]) -> None:
        texts = messages.pairs(rules.as_texts("logged model", "params", params))
        self._put_params(model_id, texts)

    def _put_params(self, model_id: str, texts: list[dict[str, str]]) -> None:
        for each in _pieces(texts, MOST_TEXTS):
            self._post(f"{_model_path(model_id)}/params", {"model_id": model_id, "params": each})

    def set_logged_model_tags(self, model_id: str, tags: Mapping[str, Any]) -> None:
        texts = messages.pairs(rules.as_texts("logged model", "tags", tags))
        self._call("PATCH", f"{_model_path(model_id)}/tags", {"model_id": model_id, "tags": texts})

    def delete_logged_model_tag(self, model_id: str, key: str) -> None:
        validation.validate_key("model tag", key)
        self._call("DELETE", f"{_model_path(model_id)}/tags/{quoted(key)}", {}, again=False)

    def purge_logged_model(self, model_id: str) -> None:
        self._beyond("purge_logged_model")

    def search_logged_models(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None = None,
        datasets: Sequence[Mapping[str, str]] | None = None,
        max_results: int | None = None,
        order_by: Sequence[Mapping[str, Any]] | None = None,
        page_token: str | None = None,
    ) -> PagedList[entities.LoggedModel]:
        body = {
            **self._asked(
                filter_string, 100 if max_results is None else max_results, order_by, page_token
            ),
            "experiment_ids": validation.as_experiment_ids(experiment_ids),
            "datasets": validation.as_list("datasets", datasets) or None,
        }
        return messages.page(self._model, self._post("logged-models/search", body), "models")

    def _model(self, given: messages.Message) -> entities.LoggedModel:
        return messages.logged_model(given, self.uri)

    # -- registered models ---------------------------------------------------------------------

    def create_registered_model(
        self,
        name: str,
        tags: Mapping[str, Any] | None = None,
        description: str | None = None,
    ) -> entities.RegisteredModel:
        checked = messages.pairs(rules.as_texts("registered model", "tags", tags))
        body = {
            "name": rules.registered_model_name(name),
            "tags": checked,
            "description": rules.field("a description", description),
        }
        answer = self._post("registered-models/create", body, again=False)
        return self._registered(answer["registered_model"])

    def get_registered_model(self, name: str) -> entities.RegisteredModel:
        asked = {"name": rules.registered_model_name(name)}
        return self._registered(self._get("registered-models/get", asked)["registered_model"])

    def update_registered_model(
        self, name: str, description: str | None
    ) -> entities.RegisteredModel:
        body = {
            "name": rules.registered_model_name(name),
            "description": rules.field("a description", description),
        }
        answer = self._call("PATCH", "registered-models/update", body)
        return self._registered(answer["registered_model"])

    def rename_registered_model(self, name: str, new_name: str) -> entities.RegisteredModel:
        body = {
            "name": rules.registered_model_name(name),
            "new_name": rules.registered_model_name(new_name),
        }
        answer = self._post("registered-models/rename", body, again=False)
        return self._registered(answer["registered_model"])

    def delete_registered_model(self, name: str) -> None:
        body = {"name": rules.registered_model_name(name)}
        self._call("DELETE", "registered-models/delete", body, again=False)

    def set_registered_model_tag(self, name: str, key: str, value: Any) -> None:
        (pair,) = messages.pairs(rules.tag("registered model", key, value))
        body = {"name": rules.registered_model_name(name), **pair}
        self._post("registered-models/set-tag", body)

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        body = {"name": rules.registered_model_name(name)}
        body["key"] = validation.validate_key("model tag", key)
        self._call("DELETE", "registered-models/delete-tag", body)

    def set_registered_model_alias(self, name: str, alias: str, version: int | str) -> None:
        body = {**self._version_key(name, version), "alias": validation.validate_alias(alias)}
        self._post("registered-models/alias", body)

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        body = {"name": rules.registered_model_name(name)}
        body["alias"] = validation.validate_alias(alias)
        self._call("DELETE", "registered-models/alias", body)

    def search_registered_models(
        self,
        filter_string: str | None = None,
        max_results: int = 100,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[entities.RegisteredModel]:
        asked = self._asked(filter_string, max_results, order_by, page_token)
        found = self._get("registered-models/search", asked)
        return messages.page(self._registered, found, "registered_models")

    def _registered(self, given: messages.Message) -> entities.RegisteredModel:
        return messages.registered_model(given, self.uri)

    # -- versions ------------------------------------------------------------------------------

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
        return self._versioned(self._post("model-versions/create", body, again=False))

    def _registrable(
        self, source: str, run_id: str | None, model_id: str | None
    ) -> tuple[str, str | None, str | None]:
        """Source, run and model of a new version, as the server knows them."""
        return source, run_id, model_id

    def get_model_version(self, name: str, version: int | str) -> entities.ModelVersion:
        key = self._version_key(name, version)
        return self._versioned(self._get("model-versions/get", key))

    def get_model_version_by_alias(self, name: str, alias: str) -> entities.ModelVersion:
        asked = {"name": rules.registered_model_name(name)}
        asked["alias"] = validation.validate_alias(alias)
        return self._versioned(self._get("registered-models/alias", asked))

    def update_model_version(
        self, name: str, version: int | str, description: str | None = None
    ) -> entities.ModelVersion:
        body = {
            **self._version_key(name, version),
            "description": rules.field("a description", description),
        }
        return self._versioned(self._call("PATCH", "model-versions/update", body))

    def transition_model_version_stage(
        self,
        name: str,
        version: int | str,
        stage: str,
        archive_existing_versions: bool = False,
    ) -> entities.ModelVersion:
        body = {
            **self._version_key(name, version),
            "stage": rules.version_stage(stage, archive_existing_versions),
            "archive_existing_versions": archive_existing_versions,
        }
        return self._versioned(self._post("model-versions/transition-stage", body))

    def delete_model_version(self, name: str, version: int | str) -> None:
        key = self._version_key(name, version)
        self._call("DELETE", "model-versions/delete", key, again=False)

    def set_model_version_tag(self, name: str, version: int | str, key: str, value: Any) -> None:
        (pair,) = messages.pairs(rules.tag("model version", key, value))
        self._post("model-versions/set-tag", {**self._version_key(name, version), **pair})

    def delete_model_version_tag(self, name: str, version: int | str, key: str) -> None:
        body = {**self._version_key(name, version)}
        body["key"] = validation.validate_key("model version tag", key)
        self._call("DELETE", "model-versions/delete-tag", body)

    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int = 10_000,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[entities.ModelVersion]:
        asked = self._asked(filter_string, max_results, order_by, page_token)
        found = self._get("model-versions/search", asked)
        return messages.page(self._of_version, found, "model_versions")

    def _versioned(self, answer: messages.Message) -> entities.ModelVersion:
        return self._of_version(answer["model_version"])

    def _of_version(self, given: messages.Message) -> entities.ModelVersion:
        return messages.model_version(given, self.uri)

    def _version_key(self, name: str, version: int | str) -> dict[str, str]:
        number = validation.validate_version(version)
        return {"name": rules.registered_model_name(name), "version": str(number)}

    # -- requests ------------------------------------------------------------------------------

    def _asked(
        self,
        filter_string: str | None,
        max_results: int,
        order_by: Sequence[Any] | None,
        page_token: str | None,
    ) -> dict[str, Any]:
        return {
            "filter": filter_string or None,
            "max_results": validation.validate_max_results(max_results),
            "order_by": validation.as_list("order_by", order_by) or None,
            "page_token": page_token or None,
        }

    def _get(self, path: str, query: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self.server.call("GET", path, query=query)

    def _post(self, path: str, body: Mapping[str, Any], *, again: bool = True) -> dict[str, Any]:
        return self.server.call("POST", path, body, again=again)

    def _call(
        self, method: str, path: str, body: Mapping[str, Any], *, again: bool = True
    ) -> dict[str, Any]:
        return self.server.call(method, path, body, again=again)

    def _beyond(self, verb: str) -> NoReturn:
        raise TrackletException(
            f"{verb} is no part of MLflow's protocol; use it where the server {self.uri} keeps "
            "the record: there, 'tracklet gc' removes what is deleted",
            "NOT_IMPLEMENTED",
        )


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
