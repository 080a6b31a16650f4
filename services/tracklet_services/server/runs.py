"""Endpoints of runs, and of what is recorded on them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Final, TypeAlias

from msgspec import Meta

from tracklet import entities
from tracklet.entities import Metric, Run, ViewType
from tracklet.errors import InvalidParameterValue, brief
from tracklet.search import Page
from tracklet_services.server import replies, requests
from tracklet_services.server.table import Endpoint, Served

MODEL_HISTORY_TAG: Final = "mlflow.log-model.history"
MOST_RUNS: Final = 100
_Most: TypeAlias = Annotated[int, Meta(ge=1, le=25_000)]


def create(
    at: Served,
    experiment_id: str = "0",
    user_id: str | None = None,
    run_name: str | None = None,
    start_time: requests.Int64 | None = None,
    tags: requests.Pairs = (),
    run_id: str | None = None,
) -> replies.OneRun:
    """Create one."""
    made = at.store.create_run(
        experiment_id,
        user_id or None,
        start_time,
        requests.by_key(tags),
        run_name or None,
        run_id=run_id or None,
    )
    return replies.run(made, at.places, ())


def get(at: Served, run_id: str) -> replies.OneRun:
    """The run with all that was recorded."""
    found = at.store.get_run(run_id)
    return replies.run(found, at.places, _latest(at, found))


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


def update(
    at: Served,
    run_id: str,
    status: requests.Status | None = None,
    end_time: requests.Int64 | None = None,
    run_name: str | None = None,
) -> replies.OneRunInfo:
    """Change status, end time and name."""
    return replies.run_info(at.store.update_run(run_id, status, end_time, run_name), at.places)


def delete(at: Served, run_id: str) -> None:
    """Move one to the trash."""
    at.store.delete_run(run_id)


def restore(at: Served, run_id: str) -> None:
    """Take one back."""
    at.store.restore_run(run_id)


def log_metric(
    at: Served,
    run_id: str,
    key: str,
    value: float,
    timestamp: requests.Int64,
    step: requests.Int64 = 0,
    model_id: str | None = None,
    dataset_name: str | None = None,
    dataset_digest: str | None = None,
) -> None:
    """Append a point."""
    on = dataset_name or None, dataset_digest or None
    _log(at, run_id, [Metric(key, value, timestamp, step, model_id or None, *on)], {}, {})


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


def log_param(at: Served, run_id: str, key: str, value: str) -> None:
    """Set a param."""
    at.store.log_batch(run_id, params={key: value})


def set_tag(at: Served, run_id: str, key: str, value: str) -> None:
    """Set a tag."""
    at.store.log_batch(run_id, tags={key: value})


def delete_tag(at: Served, run_id: str, key: str) -> None:
    """Remove a tag."""
    at.store.delete_tag(run_id, key)


def log_batch(
    at: Served,
    run_id: str,
    metrics: Sequence[requests.Point] = (),
    params: requests.Pairs = (),
    tags: requests.Pairs = (),
) -> None:
    """Record all of it, or nothing."""
    once: dict[str, str] = {}
    for pair in params:
        if pair.key in once:
            raise InvalidParameterValue(
                f"a batch names each param once; this one has {brief(pair.key)} twice"
            )
        once[pair.key] = pair.value
    _log(
        at,
        run_id,
        requests.made(Metric, metrics),
        once,
        requests.by_key(tags),
    )


def log_model(at: Served, run_id: str, model_json: str) -> None:
    """Add a model to the list that a run's tag is."""
    try:
        made = json.loads(model_json)
        known = at.store.get_run(run_id).data.tags.get(MODEL_HISTORY_TAG, "[]")
        text = json.dumps([*json.loads(known), dict(made)])
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidParameterValue(f"model_json is no JSON object: {error}") from error
    at.store.log_batch(run_id, tags={MODEL_HISTORY_TAG: text})


def log_inputs(
    at: Served,
    run_id: str,
    datasets: Sequence[requests.DatasetInput] = (),
    models: Sequence[requests.ModelInput] = (),
) -> None:
    """Record what a run used."""
    used = requests.made(entities.DatasetInput, datasets)
    on = requests.made(entities.LoggedModelInput, models)
    at.store.log_inputs(run_id, used, on)


def log_outputs(at: Served, run_id: str, models: list[requests.ModelOutput]) -> None:
    """Record what a run produced."""
    made = requests.made(entities.LoggedModelOutput, models)
    at.store.log_outputs(run_id, made)


def search(
    at: Served,
    filter: str | None = None,
    order_by: requests.Texts = (),
    page_token: str | None = None,
    experiment_ids: requests.Texts = (),
    run_view_type: requests.View = "ACTIVE_ONLY",
    max_results: requests.Int32 = 1000,
) -> replies.Runs:
    """A page of runs."""
    page = at.store.search_runs(
        experiment_ids,
        filter or "",
        ViewType.from_string(run_view_type),
        max_results,
        order_by,
        page_token or None,
    )
    found = [replies.run(run, at.places, _values(run)) for run in page]
    return replies.Runs(runs=found, next_page_token=page.token)


def _values(run: Run) -> Iterable[Metric]:
    """The latest values; when they were measured, a search does not look up."""
    return (Metric(key, value, 0) for key, value in run.data.metrics.items())


def history(
    at: Served,
    run_id: str,
    metric_key: str,
    page_token: str | None = None,
    max_results: requests.Int32 | None = None,
) -> replies.Metrics:
    """The points of a metric, a page at a time if a size is given."""
    points = at.store.get_metric_history(run_id, metric_key)
    page = Page.decode(page_token or None, key=metric_key)
    size = max_results or len(points)
    if size < 0:
        raise InvalidParameterValue(f"max_results is at least 1; got {size}")
    chosen = points[page.offset : page.offset + size]
    more = page.offset + size < len(points)
    return replies.Metrics(
        metrics=[replies.metric(point) for point in chosen],
        next_page_token=page.after(len(chosen)) if more else None,
    )


def bulk_history(
    at: Served,
    metric_key: str,
    run_id: requests.Texts = (),
    run_ids: requests.Texts = (),
    max_results: _Most = 25000,
    start_step: requests.Int64 | None = None,
    end_step: requests.Int64 | None = None,
) -> replies.Metrics:
    """The points of a metric of some runs, up to a number."""
    found = _of_runs(at, metric_key, [*run_id, *run_ids], lambda points: points[:max_results])
    return replies.Metrics(metrics=found.metrics[: max(max_results, 2500)])


def bulk_interval(
    at: Served,
    metric_key: str,
    run_id: requests.Texts = (),
    run_ids: requests.Texts = (),
    max_results: _Most = 25000,
    start_step: requests.Int64 | None = None,
    end_step: requests.Int64 | None = None,
) -> replies.Metrics:
    """So many points of a metric of each run as a chart shows; the first and last are kept."""
    low = -(2**63) if start_step is None else start_step
    high = 2**63 if end_step is None else end_step
    most = min(max_results, 2500)

    def thinned(points: list[Metric]) -> list[Metric]:
        within = sorted((p for p in points if low <= p.step <= high), key=lambda p: p.step)
        if len(within) <= most:
            return within
        gap = (len(within) - 1) / (most - 1) if most > 1 else len(within)
        chosen = {round(place * gap) for place in range(most - 1)} | {len(within) - 1}
        return [within[place] for place in sorted(chosen)]

    return _of_runs(at, metric_key, [*run_id, *run_ids], thinned)


def _of_runs(at: Served, metric_key: str, given: list[str], choose) -> replies.Metrics:
    ids = list(dict.fromkeys(given))
    if not 0 < len(ids) <= MOST_RUNS:
        raise InvalidParameterValue(f"give 1 to {MOST_RUNS} runs in run_id; got {len(ids)}")
    metrics: list[replies.Metric] = []
    for run_id in ids:
        for point in choose(at.store.get_metric_history(run_id, metric_key)):
            answered = replies.metric(point)
            answered.run_id = run_id
            metrics.append(answered)
    return replies.Metrics(metrics=metrics)


def list_artifacts(
    at: Served, run_id: str, path: str = "", page_token: str | None = None
) -> replies.Files:
    """A folder of a run's own artifacts."""
    place = at.places.of_run(run_id, path)
    root = at.places.shown(place.uri, f"{place.experiment_id}/{run_id}/artifacts")
    found = place.files.list(place.path or None)
    return replies.Files(root_uri=root, files=list(map(replies.file, found)))


ENDPOINTS: Final = (
    Endpoint("POST", "runs/create", "log", "experiment", create),
    Endpoint("GET", "runs/get", "read", "run", get),
    Endpoint("POST", "runs/update", "log", "run", update),
    Endpoint("POST", "runs/delete", "admin", "run", delete),
    Endpoint("POST", "runs/restore", "admin", "run", restore),
    Endpoint("POST", "runs/log-metric", "log", "run", log_metric),
    Endpoint("POST", "runs/log-parameter", "log", "run", log_param),
    Endpoint("POST", "runs/set-tag", "log", "run", set_tag),
    Endpoint("POST", "runs/delete-tag", "log", "run", delete_tag),
    Endpoint("POST", "runs/log-batch", "log", "run", log_batch),
    Endpoint("POST", "runs/log-model", "log", "run", log_model),
    Endpoint("POST", "runs/log-inputs", "log", "run", log_inputs),
    Endpoint("POST", "runs/outputs", "log", "run", log_outputs),
    Endpoint("POST", "runs/search", "read", "experiments", search),
    Endpoint("GET", "metrics/get-history", "read", "run", history),
    Endpoint("GET", "metrics/get-history-bulk", "read", "runs", bulk_history),
    Endpoint("GET", "metrics/get-history-bulk-interval", "read", "runs", bulk_interval),
    Endpoint("GET", "artifacts/list", "read", "run", list_artifacts),
)
