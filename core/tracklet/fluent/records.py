"""Recording into the active run: params, metrics, tags, inputs and outputs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tracklet import entities, settings
from tracklet.entities import Metric
from tracklet.errors import InvalidArgument, InvalidParameterValue, brief
from tracklet.fluent import active
from tracklet.fluent.active import ActiveRun, _stack
from tracklet.fluent.starting import run_to_record
from tracklet.frozen import replace
from tracklet.validation import (
    MAX_INTEGER,
    MIN_INTEGER,
    as_list,
    as_strings,
    metric_step,
    metric_timestamp,
    metric_value,
    validate_key,
)

if TYPE_CHECKING:
    from tracklet.client import RunOperations
    from tracklet.entities import DatasetInput, LoggedModelInput, LoggedModelOutput
    from tracklet.record import Store

_time_ns = time.time_ns
_process = active.process


def log_metric(
    key: str,
    value: Any,
    step: int | None = None,
    synchronous: bool | None = None,
    timestamp: int | None = None,
    run_id: str | None = None,
    model_id: str | None = None,
    dataset: Any = None,
) -> RunOperations | None:
    """Append one point to a metric of the active run.

    When the call returns, the point is with the operating system and survives the death of this
    process.

    Args:
        key: The metric's name, such as ``"loss"`` or ``"val/loss"``.
        value: A number, numeric text, or a one-element array or tensor; NaN and infinities too.
        step: Any 64-bit integer; 0 by default.
        synchronous: False to get errors from the answer's ``wait()`` instead of here.
        timestamp: Milliseconds since the epoch; now by default.
        run_id: Another run than the active one.
        model_id: The logged model that the value belongs to; by default the active model, or
            those that the run produced at this step.
        dataset: The dataset that the value was measured on, recorded as an input if it is not yet.

    Raises:
        InvalidParameterValue: Key, value, step or timestamp break a rule.
        TypeError: The value is of a kind that holds no number.

    Example:
        >>> with tracklet.start_run() as run:
        ...     for epoch, loss in enumerate([0.9, 0.5, 0.4]):
        ...         tracklet.log_metric("loss", loss, step=epoch)
        >>> tracklet.get_run(run.info.run_id).data.metrics  # the last points
        {'loss': 0.4}
    """
    # The training path: one look-up, one write. What is rarer goes the long way below.
    if (
        run_id is None
        and model_id is None
        and dataset is None
        and synchronous is None
        and (stack := _stack.get())
        and (run := stack[-1]).is_open
        and not run.outputs_by_step
        and not _process.linking
    ):
        if type(value) is not float:
            value = metric_value(key, value)
        if step is None:
            step = 0
        elif type(step) is not int or not MIN_INTEGER <= step <= MAX_INTEGER:
            step = metric_step(key, step)
        if timestamp:
            timestamp = metric_timestamp(key, timestamp)
        else:
            timestamp = _time_ns() // 1_000_000
        run.writer.log_metric(key, value, step, timestamp)
        return None
    metrics = {validate_key("metric", key): value}
    return _carried_out(
        lambda: _log_metrics(metrics, step, timestamp, run_id, model_id, dataset), synchronous
    )


def log_metrics(
    metrics: Mapping[str, Any],
    step: int | None = None,
    synchronous: bool | None = None,
    run_id: str | None = None,
    timestamp: int | None = None,
    model_id: str | None = None,
    dataset: Any = None,
) -> RunOperations | None:
    """Append one point to each of several metrics; a bad one refuses them all.

    Arguments are those of :func:`log_metric`.

    Example:
        >>> with tracklet.start_run() as run:
        ...     tracklet.log_metrics({"loss": 0.4, "accuracy": 0.9}, step=3)
        >>> sorted(tracklet.get_run(run.info.run_id).data.metrics)
        ['accuracy', 'loss']
    """
    if (
        run_id is None
        and model_id is None
        and dataset is None
        and synchronous is None
        and (run := active.top()) is not None
        and isinstance(metrics, Mapping)
        and not _process.linking
        and (number := metric_step("", step)) not in run.outputs_by_step
    ):
        values = {
            key: value if type(value) is float else metric_value(key, value)
            for key, value in metrics.items()
        }
        run.writer.log_values(values, number, metric_timestamp("", timestamp))
        return None
    return _carried_out(
        lambda: _log_metrics(metrics, step, timestamp, run_id, model_id, dataset),
        synchronous,
    )


def log_param(key: str, value: Any, synchronous: bool | None = None) -> Any:
    """Set a param of the active run, kept as text of any length; returns the value.

    Raises:
        InvalidParameterValue: The key breaks a rule, or has another value already.

    Example:
        >>> with tracklet.start_run() as run:
        ...     rate = tracklet.log_param("rate", 0.1)
        >>> rate, tracklet.get_run(run.info.run_id).data.params
        (0.1, {'rate': '0.1'})
    """
    answer = log_params({validate_key("param", key): value}, synchronous)
    return value if answer is None else answer


def log_params(
    params: Mapping[str, Any], synchronous: bool | None = None, run_id: str | None = None
) -> RunOperations | None:
    """Set several params, all or none; see :func:`log_param`.

    Example:
        >>> with tracklet.start_run() as run:
        ...     tracklet.log_params({"rate": 0.1, "depth": 3})
        >>> tracklet.get_run(run.info.run_id).data.params["depth"]
        '3'
    """

    def record() -> None:
        kept = as_strings(params)
        if run_id is not None and active.opened(run_id) is None:
            active.store().log_batch(run_id, params=kept)
        else:
            _run(run_id).writer.log_params(kept)

    return _carried_out(record, synchronous)


def set_tag(key: str, value: Any, synchronous: bool | None = None) -> RunOperations | None:
    """Set a tag of the active run, kept as text; ``mlflow.runName`` also renames the run.

    Example:
        >>> with tracklet.start_run() as run:
        ...     tracklet.set_tag("team", "growth")
        >>> tracklet.get_run(run.info.run_id).data.tags["team"]
        'growth'
    """
    return set_tags({validate_key("tag", key): value}, synchronous)


def set_tags(tags: Mapping[str, Any], synchronous: bool | None = None) -> RunOperations | None:
    """Set several tags of the active run."""
    return _carried_out(
        lambda: run_to_record().writer.set_tags(as_strings(tags)),
        synchronous,
    )


def delete_tag(key: str) -> None:
    """Remove a tag of the active run; ResourceDoesNotExist if it has none of that key."""
    run = run_to_record()
    run.store.delete_tag(run.info.run_id, key)


def log_input(
    dataset: Any = None,
    context: str | None = None,
    tags: Mapping[str, Any] | None = None,
    model: LoggedModelInput | None = None,
) -> None:
    """Record a dataset, a model, or both, as inputs of the active run.

    Args:
        dataset: A dataset of :mod:`tracklet.data`.
        context: Its role, such as ``"train"``; becomes the input tag ``mlflow.data.context``.
        tags: Further tags of this use of the dataset.
        model: A logged model.
    """
    datasets = None if dataset is None else [dataset]
    log_inputs(datasets, [context], [tags], None if model is None else [model])


def log_inputs(
    datasets: Sequence[Any] | None = None,
    contexts: Sequence[str | None] | None = None,
    tags_list: Sequence[Mapping[str, Any] | None] | None = None,
    models: Sequence[LoggedModelInput] | None = None,
) -> None:
    """Record several inputs; the lists belong together item by item.

    Raises:
        InvalidParameterValue: The lists differ in length.
    """
    datasets = as_list("datasets", datasets)
    models = as_list("models", models, entities.LoggedModelInput)
    count = len(datasets)
    contexts = [None] * count if contexts is None else as_list("contexts", contexts)
    tags_list = [None] * count if tags_list is None else as_list("tags", tags_list)
    if datasets and not count == len(contexts) == len(tags_list):
        raise InvalidParameterValue(
            f"datasets, contexts and tags_list belong together; got {count}, {len(contexts)} and "
            f"{len(tags_list)} of them"
        )
    inputs = [
        _dataset_input(dataset, context, tags)
        for dataset, context, tags in zip(datasets, contexts, tags_list, strict=False)
    ]
    run = run_to_record()
    run.store.log_inputs(run.info.run_id, inputs, models)


def log_outputs(models: Sequence[LoggedModelOutput] | None) -> None:
    """Record logged models as outputs of the active run."""
    made = as_list("models", models, entities.LoggedModelOutput)
    run = run_to_record()
    run.store.log_outputs(run.info.run_id, made)
    run.note_outputs(made)


def flush_async_logging() -> None:
    """Return when all records of the open runs would survive a power cut."""
    for run in list(_process.open.values()):
        run.writer.flush()


def _log_metrics(
    metrics: Mapping[str, Any],
    step: int | None,
    timestamp: int | None,
    run_id: str | None,
    model_id: str | None,
    dataset: Any,
) -> None:
    if not isinstance(metrics, Mapping):
        raise InvalidArgument(f"metrics are given as a mapping; got {brief(metrics)}")
    entity = None if dataset is None else _entity(dataset)
    number = metric_step(next(iter(metrics), ""), step)
    values = {key: metric_value(key, value) for key, value in metrics.items()}
    run = None if run_id is not None and active.opened(run_id) is None else _run(run_id)
    owner = run_id if run is None else run.info.run_id
    model = model_id or _active_model_id()
    linked = [model]
    if model is None and run is not None:
        linked = run.outputs_by_step.get(number) or linked
    points = [
        Metric(
            key,
            value,
            metric_timestamp(key, timestamp),
            number,
            linked[0],
            entity.name if entity is not None else None,
            entity.digest if entity is not None else None,
            owner,
        )
        for key, value in values.items()
    ]
    if run is not None:
        run.writer.log_metrics(points)
        for another in linked[1:]:
            run.writer.link_metrics([replace(point, model_id=another) for point in points])
        store = run.store
    else:
        store = active.store()
        store.log_batch(str(owner), metrics=points)
    if model is not None and (run is None or model not in run.measured):
        if not _is_own(store, str(owner), model):
            store.log_inputs(str(owner), models=[entities.LoggedModelInput(model)])
        if run is not None:
            run.measured.add(model)
    if entity is not None:
        store.log_inputs(str(owner), datasets=[entities.DatasetInput(entity)])


def _is_own(store: Store, run_id: str, model_id: str) -> bool:
    """Whether a run made the model, so that it is no input of that run."""
    if store.get_logged_model(model_id).source_run_id == run_id:
        return True
    outputs = store.get_run(run_id).outputs.model_outputs
    return any(output.model_id == model_id for output in outputs)


def _carried_out(record: Callable[[], Any], synchronous: bool | None) -> RunOperations | None:
    """What ``client.operations.carried_out`` does; a plain call need not load it."""
    if synchronous is None and not settings.flag("ENABLE_ASYNC_LOGGING"):
        record()
        return None
    from tracklet.client.operations import carried_out

    return carried_out(record, synchronous)


def _active_model_id() -> str | None:
    if not _process.linking and settings.option("ACTIVE_MODEL_ID") is None:
        return None
    from tracklet.client.active_model import get_active_model_id

    return get_active_model_id()


def _run(run_id: str | None) -> ActiveRun:
    if run_id is not None:
        run = active.opened(run_id)
        if run is not None:
            return run
    return run_to_record()


def _entity(dataset: Any) -> entities.Dataset:
    made = dataset.to_entity() if hasattr(dataset, "to_entity") else dataset
    if not isinstance(made, entities.Dataset):
        raise InvalidArgument(
            f"{brief(dataset)} of type {type(dataset).__name__} is no dataset; make one of it by "
            "tracklet.data.from_pandas, from_polars or from_numpy"
        )
    return made


def _dataset_input(
    dataset: Any, context: str | None, tags: Mapping[str, Any] | None
) -> DatasetInput:
    input_tags = [entities.InputTag(key, text) for key, text in as_strings(tags).items()]
    if context is not None:
        input_tags.append(entities.InputTag("mlflow.data.context", context))
    return entities.DatasetInput(_entity(dataset), input_tags)
