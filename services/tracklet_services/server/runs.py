"""Endpoints of runs, and of what is recorded on them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from tracklet import entities
from tracklet.entities import Metric, Run, ViewType
from tracklet.errors import InvalidParameterValue, brief
from tracklet.search import Page
from tracklet_services.server import replies, requests
from tracklet_services.server.table import Endpoint, Served

MODEL_HISTORY_TAG: Final = "mlflow.log-model.history"
MOST_RUNS: Final = 100


def create(at: Served, asked: requests.CreateRun) -> replies.OneRun:
    """Create one."""
    made = at.store.create_run(
        asked.experiment_id,
        asked.user_id or None,
        asked.start_time,
        {pair.key: pair.value for pair in asked.tags},
        asked.run_name or None,
        run_id=asked.run_id or None,
    )
    return replies.OneRun(run=replies.run(made, at.places, ()))


def get(at: Served, asked: requests.OfRun) -> replies.OneRun:
    """The run with all that was recorded."""
    found = at.store.get_run(asked.run_id)
    return replies.OneRun(run=replies.run(found, at.places, _latest(at, found)))


def _latest(at: Served, run: Run) -> Iterable[Metric]:
    """The latest point of each metric of a run, which is seldom another than the last one."""
    last = {point.key: point for point in at.store.last_points(run.info.run_id)}
    for key, value in run.data.metrics.items():
        point = last.get(key)
        if point is None or point.value != value:
            points = at.store.get_metric_history(run.info.run_id, key)
            order = ((p.step, p.timestamp, p.value == value, p) for p in points)
            point = max(order, key=lambda one: one[:3], default=(0, 0, 0, point))[3]
        yield Metric(key, value, point.timestamp, point.step) if point else Metric(key, value, 0)


def update(at: Served, asked: requests.UpdateRun) -> replies.OneRunInfo:
    """Change status, end time and name."""
    info = at.store.update_run(asked.run_id, asked.status, asked.end_time, asked.run_name)
    return replies.OneRunInfo(run_info=replies.run_info(info, at.places))


def delete(at: Served, asked: requests.OfRun) -> replies.Nothing:
    """Move one to the trash."""
    at.store.delete_run(asked.run_id)
    return replies.Nothing()


def restore(at: Served, asked: requests.OfRun) -> replies.Nothing:
    """Take one back."""
    at.store.restore_run(asked.run_id)
    return replies.Nothing()


def log_metric(at: Served, asked: requests.LogMetric) -> replies.Nothing:
    """Append a point."""
    _log(at, asked.run_id, [_point(asked)], {}, {})
    return replies.Nothing()


def _log(
    at: Served, run_id: str, points: list[Metric], params: dict[str, str], tags: dict[str, str]
) -> None:
    """Record all of it; points that the run has already are linked to the models they name.

    A client that logs a model sends the points of its run again, with the model's id; one that
    got no answer, those that the model has, too.
    """
    known = {
        _identity(point)
        for key in {point.key for point in points if point.model_id is not None}
        for point in at.store.get_metric_history(run_id, key)
    }
    again = [point for point in points if point.model_id and _identity(point) in known]
    new = [point for point in points if not (point.model_id and _identity(point) in known)]
    if new or params or tags or not again:
        at.store.log_batch(run_id, new, params, tags)
    with at.store.backend.reading() as reading:
        for model_id in {str(point.model_id) for point in again}:
            model = reading.find("logged model", model_id)
            measured = reading.history(model) if model is not None else ()
            has = {_identity(point) for point in measured if point.run_id == run_id}
            again = [p for p in again if p.model_id != model_id or _identity(p) not in has]
    if again:
        writer = at.store.open_run(run_id, live=False)
        try:
            writer.link_metrics(again)
        finally:
            writer.close()


def _identity(point: Metric) -> tuple[str, int, int, str]:
    return point.key, point.step, point.timestamp, repr(float(point.value))


def _point(asked: requests.Point | requests.LogMetric) -> Metric:
    return Metric(
        asked.key,
        asked.value,
        asked.timestamp,
        asked.step,
        asked.model_id or None,
        asked.dataset_name or None,
        asked.dataset_digest or None,
    )


def log_param(at: Served, asked: requests.RunPair) -> replies.Nothing:
    """Set a param."""
    at.store.log_batch(asked.run_id, params={asked.key: asked.value})
    return replies.Nothing()


def set_tag(at: Served, asked: requests.RunPair) -> replies.Nothing:
    """Set a tag."""
    at.store.log_batch(asked.run_id, tags={asked.key: asked.value})
    return replies.Nothing()


def delete_tag(at: Served, asked: requests.RunKey) -> replies.Nothing:
    """Remove a tag."""
    at.store.delete_tag(asked.run_id, asked.key)
    return replies.Nothing()


def log_batch(at: Served, asked: requests.LogBatch) -> replies.Nothing:
    """Record all of it, or nothing."""
    params: dict[str, str] = {}
    for pair in asked.params:
        if pair.key in params:
            raise InvalidParameterValue(
                f"a batch names each param once; this one has {brief(pair.key)} twice"
            )
        params[pair.key] = pair.value
    tags = {pair.key: pair.value for pair in asked.tags}
    _log(at, asked.run_id, list(map(_point, asked.metrics)), params, tags)
    return replies.Nothing()


def log_model(at: Served, asked: requests.LogModel) -> replies.Nothing:
    """Add a model to the list that a run's tag is."""
    try:
        made = json.loads(asked.model_json)
        known = at.store.get_run(asked.run_id).data.tags.get(MODEL_HISTORY_TAG, "[]")
        text = json.dumps([*json.loads(known), dict(made)])
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidParameterValue(f"model_json is no JSON object: {error}") from error
    at.store.log_batch(asked.run_id, tags={MODEL_HISTORY_TAG: text})
    return replies.Nothing()


def log_inputs(at: Served, asked: requests.LogInputs) -> replies.Nothing:
    """Record what a run used."""
    datasets = [
        entities.DatasetInput(
            entities.Dataset(
                of.dataset.name,
                of.dataset.digest,
                of.dataset.source_type,
                of.dataset.source,
                of.dataset.schema,
                of.dataset.profile,
            ),
            [entities.InputTag(tag.key, tag.value) for tag in of.tags],
        )
        for of in asked.datasets
    ]
    models = [entities.LoggedModelInput(model.model_id) for model in asked.models]
    at.store.log_inputs(asked.run_id, datasets, models)
    return replies.Nothing()


def log_outputs(at: Served, asked: requests.LogOutputs) -> replies.Nothing:
    """Record what a run produced."""
    made = [entities.LoggedModelOutput(model.model_id, model.step) for model in asked.models]
    at.store.log_outputs(asked.run_id, made)
    return replies.Nothing()


def search(at: Served, asked: requests.SearchRuns) -> replies.Runs:
    """A page of runs."""
    page = at.store.search_runs(
        asked.experiment_ids,
        asked.filter or "",
        ViewType.from_string(asked.run_view_type),
        asked.max_results,
        asked.order_by,
        asked.page_token or None,
    )
    found = [replies.run(run, at.places, _values(run)) for run in page]
    return replies.Runs(runs=found, next_page_token=page.token)


def _values(run: Run) -> Iterable[Metric]:
    """The latest values; when they were measured, a search does not look up."""
    return (Metric(key, value, 0) for key, value in run.data.metrics.items())


def history(at: Served, asked: requests.History) -> replies.Metrics:
    """The points of a metric, a page at a time if a size is given."""
    points = at.store.get_metric_history(asked.run_id, asked.metric_key)
    page = Page.decode(asked.page_token or None, key=asked.metric_key)
    size = asked.max_results or len(points)
    if size < 0:
        raise InvalidParameterValue(f"max_results is at least 1; got {size}")
    chosen = points[page.offset : page.offset + size]
    more = page.offset + size < len(points)
    return replies.Metrics(
        metrics=[replies.metric(point) for point in chosen],
        next_page_token=page.after(len(chosen)) if more else None,
    )


def bulk_history(at: Served, asked: requests.BulkHistory) -> replies.Metrics:
    """The points of a metric of some runs, up to a number."""
    found = _of_runs(at, asked, lambda points: points[: asked.max_results])
    return replies.Metrics(metrics=found.metrics[: max(asked.max_results, 2500)])


def bulk_interval(at: Served, asked: requests.BulkHistory) -> replies.Metrics:
    """So many points of a metric of each run as a chart shows; the first and last are kept."""
    low = -(2**63) if asked.start_step is None else asked.start_step
    high = 2**63 if asked.end_step is None else asked.end_step
    most = min(asked.max_results, 2500)

    def thinned(points: list[Metric]) -> list[Metric]:
        within = sorted((p for p in points if low <= p.step <= high), key=lambda p: p.step)
        if len(within) <= most:
            return within
        gap = (len(within) - 1) / (most - 1) if most > 1 else len(within)
        chosen = {round(place * gap) for place in range(most - 1)} | {len(within) - 1}
        return [within[place] for place in sorted(chosen)]

    return _of_runs(at, asked, thinned)


def _of_runs(at: Served, asked: requests.BulkHistory, choose) -> replies.Metrics:
    ids = list(dict.fromkeys([*asked.run_id, *asked.run_ids]))
    if not 0 < len(ids) <= MOST_RUNS:
        raise InvalidParameterValue(f"give 1 to {MOST_RUNS} runs in run_id; got {len(ids)}")
    metrics: list[replies.Metric] = []
    for run_id in ids:
        for point in choose(at.store.get_metric_history(run_id, asked.metric_key)):
            answered = replies.metric(point)
            answered.run_id = run_id
            metrics.append(answered)
    return replies.Metrics(metrics=metrics)


def list_artifacts(at: Served, asked: requests.ListArtifacts) -> replies.Files:
    """A folder of a run's own artifacts."""
    place = at.places.of_run(asked.run_id, asked.path)
    root = at.places.shown(place.uri, f"{place.experiment_id}/{asked.run_id}/artifacts")
    found = place.files.list(place.path or None)
    return replies.Files(root_uri=root, files=list(map(replies.file, found)))


_NONE = replies.Nothing
ENDPOINTS: Final = (
    Endpoint("POST", "runs/create", "log", "experiment", requests.CreateRun, create,
             replies.OneRun),
    Endpoint("GET", "runs/get", "read", "run", requests.OfRun, get, replies.OneRun),
    Endpoint("POST", "runs/update", "log", "run", requests.UpdateRun, update, replies.OneRunInfo),
    Endpoint("POST", "runs/delete", "admin", "run", requests.OfRun, delete, _NONE),
    Endpoint("POST", "runs/restore", "admin", "run", requests.OfRun, restore, _NONE),
    Endpoint("POST", "runs/log-metric", "log", "run", requests.LogMetric, log_metric, _NONE),
    Endpoint("POST", "runs/log-parameter", "log", "run", requests.RunPair, log_param, _NONE),
    Endpoint("POST", "runs/set-tag", "log", "run", requests.RunPair, set_tag, _NONE),
    Endpoint("POST", "runs/delete-tag", "log", "run", requests.RunKey, delete_tag, _NONE),
    Endpoint("POST", "runs/log-batch", "log", "run", requests.LogBatch, log_batch, _NONE),
    Endpoint("POST", "runs/log-model", "log", "run", requests.LogModel, log_model, _NONE),
    Endpoint("POST", "runs/log-inputs", "log", "run", requests.LogInputs, log_inputs, _NONE),
    Endpoint("POST", "runs/outputs", "log", "run", requests.LogOutputs, log_outputs, _NONE),
    Endpoint("POST", "runs/search", "read", "experiments", requests.SearchRuns, search,
             replies.Runs),
    Endpoint("GET", "metrics/get-history", "read", "run", requests.History, history,
             replies.Metrics),
    Endpoint("GET", "metrics/get-history-bulk", "read", "runs", requests.BulkHistory,
             bulk_history, replies.Metrics),
    Endpoint("GET", "metrics/get-history-bulk-interval", "read", "runs", requests.BulkHistory,
             bulk_interval, replies.Metrics),
    Endpoint("GET", "artifacts/list", "read", "run", requests.ListArtifacts, list_artifacts,
             replies.Files),
)  # fmt: skip
