"""The file store's traces: folders below ``traces`` of their experiment's folder."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from tracklet import validation
from tracklet.entities import Assessment, PagedList, Span, Trace, TraceInfo
from tracklet.entities.json_text import json_text
from tracklet.errors import (
    InvalidParameterValue,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
    StorageError,
)
from tracklet.search import TRACES, Key, OrderBy, Page, parse_filter, parse_order_by
from tracklet.search.predicate import matches
from tracklet.stores import disk
from tracklet.stores.files import key_values, layout, trace_files
from tracklet.stores.files.folder import Folder, now_ms
from tracklet.stores.files.trace_files import TraceFolder
from tracklet.stores.trace_store import TraceStore

_ID: Final = re.compile(r"[a-zA-Z0-9][\w-]{0,255}", re.ASCII)
_FIXED_TAGS: Final = frozenset({"mlflow.user", trace_files.LOCATION_TAG})
_logger = logging.getLogger(__name__)


class FileTraces(Folder, TraceStore):
    """Traces: folders below ``traces`` of their experiment's folder.

    A trace is staged under a name that no reader looks at and renamed when it is complete. Search
    reads the folders; only the parts that the filter and the order ask for.
    """

    # -- writing -------------------------------------------------------------------------------

    @disk.reported("log a trace")
    def log_trace(self, info: TraceInfo, spans: Sequence[Span]) -> None:
        _checked(info.trace_id)
        for key in (*info.tags, *info.trace_metadata):
            validation.validate_key("trace tag", key)
        experiment_dir = self._active_experiment_dir(str(info.experiment_id), "log a trace in")
        folder = f"{experiment_dir}/{layout.TRACES}/{info.trace_id}"
        staged = _staging(folder)
        try:
            disk.make_dirs(staged, os.path.dirname(experiment_dir))
            trace_files.write(staged, folder, info, spans)
            disk.rename(staged, folder)
        except BaseException as error:
            disk.remove_quietly(staged)
            if isinstance(error, OSError) and os.path.isdir(folder):
                raise ResourceAlreadyExists(
                    f"there is a trace with the id {info.trace_id!r} already"
                ) from error
            raise

    @disk.reported("log spans")
    def log_spans(self, trace_id: str, spans: Sequence[Span]) -> None:
        folder = self._trace_dir(trace_id)
        content, _ = trace_files.spans_json(spans)
        path = f"{folder}/{layout.ARTIFACTS}/{trace_files.SPANS}"
        disk.publish(path, content, folder)

    @disk.reported("set a tag of a trace")
    def set_trace_tag(self, trace_id: str, key: str, value: str) -> None:
        if key in _FIXED_TAGS:
            raise InvalidParameterValue(
                f"the tag {key!r} of a trace says where it comes from and cannot be set; choose "
                "another key"
            )
        data = key_values.encoded("trace tag", key, value)
        folder = self._trace_dir(trace_id)
        key_values.put_tags("trace tag", f"{folder}/{layout.TAGS}", {key: data}, folder)

    @disk.reported("delete a tag of a trace")
    def delete_trace_tag(self, trace_id: str, key: str) -> None:
        folder = self._trace_dir(trace_id)
        key_values.remove("trace tag", f"{folder}/{layout.TAGS}", key, f"trace {trace_id}")

    @disk.reported("delete traces")
    def delete_traces(
        self,
        experiment_id: str,
        max_timestamp_millis: int | None = None,
        max_traces: int | None = None,
        trace_ids: Sequence[str] | None = None,
    ) -> int:
        _check_deletion(max_timestamp_millis, max_traces, trace_ids)
        experiment_dir = self._experiment_dir(experiment_id)
        if trace_ids is not None:
            home = f"{experiment_dir}/{layout.TRACES}"
            folders = [f"{home}/{_checked(trace_id)}" for trace_id in dict.fromkeys(trace_ids)]
            folders = [folder for folder in folders if trace_files.is_trace(folder)]
        else:
            entries = [
                (entry.bare_info.request_time, entry.folder)
                for entry in _readable(trace_files.trace_dirs(experiment_dir))
            ]
            limit = max_timestamp_millis or 0
            folders = [folder for at, folder in sorted(entries) if at <= limit][:max_traces]
        for folder in folders:
            gone = _staging(folder)
            disk.rename(folder, gone)
            disk.remove_tree(gone)
        return len(folders)

    # -- reading -------------------------------------------------------------------------------

    @disk.reported("read a trace")
    def get_trace_info(self, trace_id: str) -> TraceInfo:
        return TraceFolder(self._trace_dir(trace_id)).info

    @disk.reported("read a trace")
    def get_trace(self, trace_id: str) -> Trace:
        return TraceFolder(self._trace_dir(trace_id)).trace()

    @disk.reported("search traces")
    def search_traces(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None = None,
        max_results: int = 100,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
        include_spans: bool = True,
    ) -> PagedList[Trace]:
        if isinstance(experiment_ids, str):
            raise InvalidParameterValue(
                f"experiment_ids is a list of ids, such as [{experiment_ids!r}]; got a text"
            )
        validation.validate_max_results(max_results)
        tree = parse_filter(filter_string, TRACES)
        orders = parse_order_by(order_by, TRACES)
        page = Page.decode(page_token)
        found: list[TraceFolder] = []
        for experiment_id in dict.fromkeys(experiment_ids):
            validation.validate_experiment_id(experiment_id)
            folders = trace_files.trace_dirs(f"{self.root}/{experiment_id}")
            found += [e for e in _readable(folders) if matches(tree, partial(_values, e))]
        _sort(found, orders)
        traces: list[Trace] = []
        position = page.offset
        while position < len(found) and len(traces) < max_results:
            try:
                traces.append(found[position].trace(include_spans))
            except (StorageError, ResourceDoesNotExist) as error:
                _logger.warning("a trace is left out: %s", error)
            position += 1
        more = position < len(found)
        return PagedList(traces, page.after(position - page.offset) if more else None)

    # -- assessments ---------------------------------------------------------------------------

    @disk.reported("keep an assessment")
    def create_assessment(self, assessment: Assessment) -> Assessment:
        folder = self._trace_dir(str(assessment.trace_id))
        now = now_ms()
        created = assessment.with_changes(
            assessment_id=f"a-{os.urandom(16).hex()}",
            create_time_ms=assessment.create_time_ms or now,
            last_update_time_ms=assessment.last_update_time_ms or now,
            valid=True,
        )
        document = trace_files.assessment_yaml(created)
        if created.overrides is not None:
            earlier = self.get_assessment(str(assessment.trace_id), created.overrides)
            self._put_assessment(folder, earlier.with_changes(valid=False))
        disk.publish(_assessment_file(folder, created.assessment_id), document, folder)
        return created

    @disk.reported("read an assessment")
    def get_assessment(self, trace_id: str, assessment_id: str) -> Assessment:
        return self._assessment(self._trace_dir(trace_id), trace_id, assessment_id)

    @disk.reported("change an assessment")
    def update_assessment(
        self, trace_id: str, assessment_id: str, assessment: Assessment
    ) -> Assessment:
        folder = self._trace_dir(trace_id)
        earlier = self._assessment(folder, trace_id, assessment_id)
        if type(earlier) is not type(assessment):
            raise InvalidParameterValue(
                f"assessment {assessment_id} is {type(earlier).__name__.lower()} and cannot "
                f"become {type(assessment).__name__.lower()}; log a new one instead"
            )
        updated = earlier.with_changes(
            name=assessment.name,
            value=assessment.value,
            error=assessment.error,
            rationale=assessment.rationale or earlier.rationale,
            metadata=assessment.metadata or earlier.metadata,
            source=assessment.source or earlier.source,
            last_update_time_ms=now_ms(),
        )
        self._put_assessment(folder, updated)
        return updated

    @disk.reported("delete an assessment")
    def delete_assessment(self, trace_id: str, assessment_id: str) -> None:
        folder = self._trace_dir(trace_id)
        earlier = self._assessment(folder, trace_id, assessment_id)
        disk.unlink(_assessment_file(folder, assessment_id))
        if earlier.overrides is not None:
            path = _assessment_file(folder, earlier.overrides)
            if os.path.exists(path):
                replaced = trace_files.read_assessment(path)
                self._put_assessment(folder, replaced.with_changes(valid=True))

    # -- parts ---------------------------------------------------------------------------------

    def _assessment(self, folder: str, trace_id: str, assessment_id: str) -> Assessment:
        path = _assessment_file(folder, assessment_id)
        if not os.path.exists(path):
            raise ResourceDoesNotExist(
                f"trace {trace_id} has no assessment with the id {assessment_id!r}"
            )
        return trace_files.read_assessment(path)

    def _put_assessment(self, folder: str, assessment: Assessment) -> None:
        path = _assessment_file(folder, assessment.assessment_id)
        disk.publish(path, trace_files.assessment_yaml(assessment), folder)

    def _trace_dir(self, trace_id: str) -> str:
        """The folder of a trace, wherever it is."""
        tail = f"{layout.TRACES}/{_checked(trace_id)}"
        folder = self._below_experiments(tail, trace_files.INFO)
        if folder is None:
            raise ResourceDoesNotExist(
                f"there is no trace with the id {trace_id!r} in {self.root}; search_traces lists "
                "those that are there"
            )
        return folder


def _values(entry: TraceFolder, key: Key) -> Iterable[Any]:
    """The values that a trace has for a filter's key."""
    if key.kind == "tag":
        return (entry.tags.get(key.name),)
    if key.kind == "metadata":
        return (entry.metadata.get(key.name),)
    if key.kind == "span":
        return _span_values(entry.spans, key.name)
    if key.kind in ("feedback", "expectation"):
        return (
            _spelled(assessment.value)
            for assessment in entry.assessments
            if assessment.name == key.name
            and type(assessment).__name__.lower() == key.kind
            and assessment.valid is not False
        )
    return (_attribute(entry, key.name),)


def _attribute(entry: TraceFolder, name: str) -> Any:
    if name == "text":
        return trace_files.spans_json(entry.spans)[0].decode()
    if name == "name":
        return entry.tags.get("mlflow.traceName")
    if name == "run_id":
        return entry.metadata.get("mlflow.sourceRun")
    info = entry.bare_info
    if name == "end_time_ms":
        duration = info.execution_duration
        return None if duration is None else info.request_time + duration
    return {
        "request_id": info.trace_id,
        "client_request_id": info.client_request_id,
        "status": str(info.state),
        "timestamp_ms": info.request_time,
        "execution_time_ms": info.execution_duration,
    }[name]


def _span_values(spans: Sequence[Span], name: str) -> Iterator[Any]:
    for span in spans:
        if name == "name":
            yield span.name
        elif name == "type":
            yield span.span_type
        elif name == "status":
            yield str(span.status.status_code)
        elif name == "content":
            yield trace_files.spans_json([span])[0].decode()
        elif name.startswith("attributes."):
            value = span.get_attribute(name.removeprefix("attributes.").strip('`"'))
            if value is not None:
                yield _spelled(value)
        else:
            raise InvalidParameterValue(
                f"a span has no {name!r} to filter by; choose from name, type, status, content "
                "and attributes.<key>"
            )


def _spelled(value: Any) -> str:
    """A value as filters write it: texts as they are, all else as JSON, ``true`` for example."""
    return value if isinstance(value, str) else json_text(value)


def _sort(found: list[TraceFolder], orders: Sequence[OrderBy]) -> None:
    found.sort(key=lambda e: (-e.bare_info.request_time, e.bare_info.trace_id))
    for order in reversed(orders):
        keyed: list[tuple[Any, TraceFolder]] = [
            (next(iter(_values(entry, order.key)), None), entry) for entry in found
        ]
        there = [pair for pair in keyed if pair[0] is not None]
        there.sort(key=lambda pair: pair[0], reverse=not order.ascending)
        missing = [entry for value, entry in keyed if value is None]
        found[:] = [entry for _, entry in there] + missing


def _readable(folders: Iterable[str]) -> Iterator[TraceFolder]:
    """The traces whose documents can be read; damaged ones are warned of and left out."""
    for folder in folders:
        entry = TraceFolder(folder)
        try:
            entry.bare_info  # noqa: B018 - read now
        except ResourceDoesNotExist:
            continue
        except StorageError as error:
            _logger.warning("a trace is left out: %s", error)
            continue
        yield entry


def _checked(given: object, what: str = "trace", prefix: str = "tr-") -> str:
    if not isinstance(given, str) or not _ID.fullmatch(given):
        raise InvalidParameterValue(
            f"{given!r} is not a valid {what} id: it is text such as {prefix!r} and 32 "
            "hexadecimal digits"
        )
    return given


def _assessment_file(folder: str, assessment_id: object) -> str:
    name = _checked(assessment_id, "assessment", "a-")
    return f"{folder}/{trace_files.ASSESSMENTS}/{name}.yaml"


def _check_deletion(
    max_timestamp_millis: int | None, max_traces: int | None, trace_ids: Sequence[str] | None
) -> None:
    if (max_timestamp_millis is None) == (trace_ids is None):
        raise InvalidParameterValue(
            "give delete_traces exactly one of max_timestamp_millis and trace_ids; got "
            f"max_timestamp_millis={max_timestamp_millis!r}, trace_ids={trace_ids!r}"
        )
    if max_traces is not None and (trace_ids is not None or max_traces < 1):
        raise InvalidParameterValue(
            f"max_traces goes with max_timestamp_millis and is at least 1; got {max_traces!r}"
        )


def _staging(folder: str) -> str:
    home = os.path.dirname(folder)
    return f"{home}/.tracklet-{os.getpid()}-{os.urandom(6).hex()}.tmp"
