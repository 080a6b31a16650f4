"""Traces that are kept: by id, and by what is asked for."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from tracklet import lazy
from tracklet.client import TrackletClient
from tracklet.entities import Trace, TraceData
from tracklet.entities.trace import COLUMNS
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist
from tracklet.fluent import experiments
from tracklet.record.query import all_of
from tracklet.tracing import live
from tracklet.validation import as_list

if TYPE_CHECKING:
    import pandas as pd

_logger = logging.getLogger("tracklet.tracing")


def get_trace(trace_id: str, silent: bool = False, flush: bool = False) -> Trace | None:
    """The trace of that id; None, with a warning, if there is none.

    Args:
        trace_id: ``tr-`` and 32 hexadecimal digits.
        silent: Leave out the warning.
        flush: Accepted for compatibility: a trace is kept when its root has ended.
    """
    going_on = live.in_progress(trace_id)
    if going_on is not None and going_on.spans:
        return Trace(going_on.info(going_on.spans[0]), TraceData(going_on.present()))
    try:
        return TrackletClient().get_trace(trace_id)
    except ResourceDoesNotExist as error:
        if not silent:
            _logger.warning("%s", error)
        return None


@overload
def search_traces(
    experiment_ids: Sequence[str] | None = None,
    filter_string: str | None = None,
    max_results: int | None = None,
    order_by: Sequence[str] | None = None,
    extract_fields: Sequence[str] | None = None,
    run_id: str | None = None,
    *,
    return_type: Literal["list"],
    model_id: str | None = None,
    include_spans: bool = True,
    locations: Sequence[str] | None = None,
    flush: bool = False,
) -> list[Trace]: ...


@overload
def search_traces(
    experiment_ids: Sequence[str] | None = None,
    filter_string: str | None = None,
    max_results: int | None = None,
    order_by: Sequence[str] | None = None,
    extract_fields: Sequence[str] | None = None,
    run_id: str | None = None,
    return_type: str | None = None,
    model_id: str | None = None,
    include_spans: bool = True,
    locations: Sequence[str] | None = None,
    flush: bool = False,
) -> Any: ...


def search_traces(
    experiment_ids: Sequence[str] | None = None,
    filter_string: str | None = None,
    max_results: int | None = None,
    order_by: Sequence[str] | None = None,
    extract_fields: Sequence[str] | None = None,
    run_id: str | None = None,
    return_type: str | None = None,
    model_id: str | None = None,
    include_spans: bool = True,
    locations: Sequence[str] | None = None,
    flush: bool = False,
) -> Any:
    """Find traces, for example by ``status = 'ERROR' AND tags.team = 'growth'``.

    Args:
        experiment_ids: Where to search; by default the run's experiment, or else the active one.
        filter_string: Comparisons of ``name``, ``status``, ``timestamp_ms``,
            ``execution_time_ms``, ``run_id``, ``tags.*``, ``metadata.*``, ``span.name``,
            ``span.type``, ``span.attributes.*``, ``feedback.*``, ``trace.text`` and the like.
        max_results: At most so many; all by default.
        order_by: Such as ``["execution_time DESC"]``; by default the latest first.
        extract_fields: Columns beside the usual ones, such as ``"search.inputs.query"``: the
            field of the first span of that name, in backticks if it has dots in it.
        run_id: Only traces of this run.
        return_type: ``"pandas"`` or ``"list"``; by default pandas if it is installed.
        model_id: Only traces of this logged model.
        include_spans: Whether the traces have their spans.
        locations: The same as ``experiment_ids``.
        flush: Accepted for compatibility.

    Returns:
        A list of :class:`Trace`, or a DataFrame with a row for each: trace_id, trace (as JSON),
        client_request_id, state, request_time (ms), execution_duration (ms), request, response,
        trace_metadata, tags, spans, assessments.

    Raises:
        InvalidParameterValue: The filter, the order or the return type is malformed.
        ResourceDoesNotExist: There is no such run.
    """
    if return_type is None:
        return_type = "pandas" if importlib.util.find_spec("pandas") else "list"
    if return_type not in ("pandas", "list"):
        raise InvalidParameterValue(f"return_type is 'pandas' or 'list'; got {return_type!r}")
    if extract_fields and return_type == "list":
        raise InvalidParameterValue("extract_fields adds columns, so it needs return_type='pandas'")
    fields = as_list("extract_fields", extract_fields, str)
    client = TrackletClient()
    ids = experiment_ids if experiment_ids is not None else locations
    if ids is None and run_id is not None:
        ids = [client.get_run(run_id).info.experiment_id]
    elif ids is None:
        ids = [experiments.experiment_for_new_run()]
    found = list(
        all_of(
            lambda size, token: client.search_traces(
                ids, filter_string, size, order_by, token, run_id, include_spans, model_id
            ),
            1000,
            max_results,
        )
    )
    return found if return_type == "list" else _frame(found, fields)


def flush_trace_async_logging(terminate: bool = False) -> None:
    """Return when all traces are kept, which they are: a root's end returns when they are."""


def _frame(traces: Sequence[Trace], fields: Sequence[str]) -> pd.DataFrame:
    purpose = "a DataFrame of traces (return_type='list' does without)"
    pandas = lazy.imported("pandas", "pandas", purpose=purpose, extra="pandas")
    frame = pandas.DataFrame([t.to_pandas_dataframe_row() for t in traces], columns=list(COLUMNS))
    for field in fields:
        column = pandas.Series([_extracted(t, field) for t in traces], dtype=object)
        frame[field.replace("`", "")] = column
    return frame


def _extracted(trace: Trace, field: str) -> Any:
    for part in ("inputs", "outputs"):
        name, marker, path = f"{field}.".partition(f".{part}.")
        if not marker:
            continue
        for span in trace.search_spans(name=name.strip("`")):
            value = getattr(span, part)
            for key in filter(None, [path.rstrip(".").strip("`")]):
                value = value.get(key) if isinstance(value, dict) else None
            return value
        return None
    raise InvalidParameterValue(
        f"{field!r} is no field of a span: write '<span>.inputs', '<span>.outputs' or "
        "'<span>.inputs.<key>'"
    )
