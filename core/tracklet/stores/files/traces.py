"""The file store's traces: folders below ``traces`` of their experiment's folder.

::

    <experiment id>/traces/<trace id>/trace_info.yaml
                                      {tags,request_metadata}/<key>
                                      assessments/<assessment id>.yaml
                                      artifacts/traces.json
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any, Final

from tracklet import names, settings, validation
from tracklet.entities import Assessment, PagedList, Span, Trace, TraceData, TraceInfo
from tracklet.entities.json_text import json_text
from tracklet.errors import (
    InvalidParameterValue,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
    StorageError,
)
from tracklet.frozen import replace
from tracklet.search import TRACES, Key, OrderBy, Page, parse_filter, parse_order_by
from tracklet.search.predicate import matches
from tracklet.stores import disk
from tracklet.stores.files import contents, documents, key_values, layout
from tracklet.stores.files.folder import Folder
from tracklet.stores.trace_store import TraceStore

INFO: Final = "trace_info.yaml"
METADATA: Final = "request_metadata"
ASSESSMENTS: Final = "assessments"
SPANS: Final = "traces.json"
LOCATION_TAG: Final = "mlflow.artifactLocation"
SIZE_METADATA: Final = "mlflow.trace.sizeBytes"
STATISTICS_METADATA: Final = "mlflow.trace.sizeStats"

_logger = logging.getLogger(__name__)
_UNSAFE: Final = re.compile(
    "[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_LINE: Final = re.compile(r'([a-z_]+): (?:(-?\d{1,18})|("(?:[^"\\]|\\[^xU])*"))')
_MALFORMED: Final = (
    InvalidParameterValue,
    AttributeError,
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What reading a document raises that holds something else than it should."""

_ID: Final = re.compile(r"[a-zA-Z0-9][\w-]{0,255}", re.ASCII)
_FIXED_TAGS: Final = frozenset({"mlflow.user", LOCATION_TAG})


@disk.reported
class FileTraces(Folder, TraceStore):
    """Traces: folders below ``traces`` of their experiment's folder.

    A trace is staged under a name that no reader looks at and renamed when it is complete. Search
    reads the folders; only the parts that the filter and the order ask for.
    """

    # -- writing -------------------------------------------------------------------------------

    def log_trace(self, info: TraceInfo, spans: Sequence[Span]) -> None:
        _checked(info.trace_id)
        for key in (*info.tags, *info.trace_metadata):
            validation.validate_key("trace tag", key)
        experiment_dir = self._active_experiment_dir(str(info.experiment_id), "log a trace in")
        folder = f"{experiment_dir}/{layout.TRACES}/{info.trace_id}"
        staged = _staging(folder)
        try:
            disk.make_dirs(staged, os.path.dirname(experiment_dir))
            write(staged, folder, info, spans)
            disk.rename(staged, folder)
        except BaseException as error:
            disk.remove_quietly(staged)
            if isinstance(error, OSError) and os.path.isdir(folder):
                raise ResourceAlreadyExists(
                    f"there is a trace with the id {info.trace_id!r} already"
                ) from error
            raise

    def log_spans(self, trace_id: str, spans: Sequence[Span]) -> None:
        folder = self._trace_dir(trace_id)
        content, _ = spans_json(spans)
        path = f"{folder}/{layout.ARTIFACTS}/{SPANS}"
        disk.publish(path, content, folder)

    def set_trace_tag(self, trace_id: str, key: str, value: str) -> None:
        if key in _FIXED_TAGS:
            raise InvalidParameterValue(
                f"the tag {key!r} of a trace says where it comes from and cannot be set; choose "
                "another key"
            )
        data = key_values.encoded("trace tag", key, value)
        folder = self._trace_dir(trace_id)
        key_values.put_tags("trace tag", f"{folder}/{layout.TAGS}", {key: data}, folder)

    def delete_trace_tag(self, trace_id: str, key: str) -> None:
        folder = self._trace_dir(trace_id)
        key_values.remove("trace tag", f"{folder}/{layout.TAGS}", key, f"trace {trace_id}")

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
            folders = [folder for folder in folders if is_trace(folder)]
        else:
            found = contents.readable(_read, trace_dirs(experiment_dir))
            entries = [(entry.bare_info.request_time, entry.folder) for entry in found]
            limit = max_timestamp_millis or 0
            folders = [folder for at, folder in sorted(entries) if at <= limit][:max_traces]
        for folder in folders:
            gone = _staging(folder)
            disk.rename(folder, gone)
            disk.remove_tree(gone)
        return len(folders)

    # -- reading -------------------------------------------------------------------------------

    def get_trace_info(self, trace_id: str) -> TraceInfo:
        return TraceFolder(self._trace_dir(trace_id)).info

    def get_trace(self, trace_id: str) -> Trace:
        return TraceFolder(self._trace_dir(trace_id)).trace()

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

        def read(folder: str) -> TraceFolder | None:
            entry = _read(folder)
            for order in orders:  # now, so that what cannot be read is left out
                next(iter(_values(entry, order.key)), None)
            return entry if matches(tree, partial(_values, entry)) else None

        found: list[TraceFolder] = []
        for experiment_id in dict.fromkeys(experiment_ids):
            validation.validate_experiment_id(experiment_id)
            folders = trace_dirs(f"{self.root}/{experiment_id}")
            found += [entry for entry in contents.readable(read, folders) if entry is not None]
        _sort(found, orders)
        traces: list[Trace] = []
        position = page.offset
        while position < len(found) and len(traces) < max_results:
            entry = found[position]
            traces += contents.readable(lambda _, e=entry: e.trace(include_spans), [entry.folder])
            position += 1
        more = position < len(found)
        return PagedList(traces, page.after(position - page.offset) if more else None)

    def left_out(self) -> Mapping[str, str]:
        """The reasons why files and folders of traces cannot be read, by their paths."""
        with contents.noting() as found:
            for experiment_dir in contents.experiment_dirs(self.root):
                contents.readable(_check, trace_dirs(experiment_dir))
        return found

    # -- assessments ---------------------------------------------------------------------------

    def create_assessment(self, assessment: Assessment) -> Assessment:
        folder = self._trace_dir(str(assessment.trace_id))
        now = names.now()
        created = assessment.with_changes(
            assessment_id=f"a-{os.urandom(16).hex()}",
            create_time_ms=assessment.create_time_ms or now,
            last_update_time_ms=assessment.last_update_time_ms or now,
            valid=True,
        )
        document = assessment_yaml(created)
        if created.overrides is not None:
            earlier = self.get_assessment(str(assessment.trace_id), created.overrides)
            self._put_assessment(folder, earlier.with_changes(valid=False))
        disk.publish(_assessment_file(folder, created.assessment_id), document, folder)
        return created

    def get_assessment(self, trace_id: str, assessment_id: str) -> Assessment:
        return self._assessment(self._trace_dir(trace_id), trace_id, assessment_id)

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
            rationale=earlier.rationale if assessment.rationale is None else assessment.rationale,
            metadata={**(earlier.metadata or {}), **(assessment.metadata or {})} or None,
            last_update_time_ms=names.now(),
        )
        self._put_assessment(folder, updated)
        return updated

    def delete_assessment(self, trace_id: str, assessment_id: str) -> None:
        folder = self._trace_dir(trace_id)
        earlier = self._assessment(folder, trace_id, assessment_id)
        disk.unlink(_assessment_file(folder, assessment_id))
        if earlier.overrides is not None:
            path = _assessment_file(folder, earlier.overrides)
            if os.path.exists(path):
                replaced = read_assessment(path)
                self._put_assessment(folder, replaced.with_changes(valid=True))

    # -- parts ---------------------------------------------------------------------------------

    def _assessment(self, folder: str, trace_id: str, assessment_id: str) -> Assessment:
        path = _assessment_file(folder, assessment_id)
        if not os.path.exists(path):
            raise ResourceDoesNotExist(
                f"trace {trace_id} has no assessment with the id {assessment_id!r}"
            )
        return read_assessment(path)

    def _put_assessment(self, folder: str, assessment: Assessment) -> None:
        path = _assessment_file(folder, assessment.assessment_id)
        disk.publish(path, assessment_yaml(assessment), folder)

    def _trace_dir(self, trace_id: str) -> str:
        """The folder of a trace, wherever it is."""
        tail = f"{layout.TRACES}/{_checked(trace_id)}"
        folder = self._below_experiments(tail, INFO)
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
        return spans_json(entry.spans)[0].decode()
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
            yield spans_json([span])[0].decode()
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


def _read(folder: str) -> TraceFolder:
    """A trace whose document can be read."""
    entry = TraceFolder(folder)
    entry.bare_info  # noqa: B018 - read now
    return entry


def _check(folder: str) -> None:
    """Read a trace but for its spans, of which only the file is opened."""
    TraceFolder(folder).info  # noqa: B018 - read now
    with disk.opened(f"{folder}/{layout.ARTIFACTS}/{SPANS}"):
        pass


def _checked(given: object, what: str = "trace", prefix: str = "tr-") -> str:
    if not isinstance(given, str) or not _ID.fullmatch(given):
        raise InvalidParameterValue(
            f"{given!r} is not a valid {what} id: it is text such as {prefix!r} and 32 "
            "hexadecimal digits"
        )
    return given


def _assessment_file(folder: str, assessment_id: object) -> str:
    name = _checked(assessment_id, "assessment", "a-")
    return f"{folder}/{ASSESSMENTS}/{name}.yaml"


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


# -- one trace's folder --------------------------------------------------------------------------


def is_trace(folder: str) -> bool:
    """Whether a folder is a trace's."""
    return os.path.exists(f"{folder}/{INFO}")


def trace_dirs(experiment_dir: str) -> list[str]:
    """The folders of all traces of an experiment."""
    found = contents.folders(f"{experiment_dir}/{layout.TRACES}")
    return [folder for folder in found if not os.path.basename(folder).startswith(".")]


# -- writing -----------------------------------------------------------------------------------


def write(folder: str, final: str, info: TraceInfo, spans: Sequence[Span]) -> None:
    """Write a trace into a new folder that no reader looks at.

    Args:
        folder: The folder, which is there and empty.
        final: Where it will be when it is renamed.
        info: The trace.
        spans: Its spans.
    """
    content, sizes = spans_json(spans)
    artifacts = f"{final}/{layout.ARTIFACTS}"
    metadata = {**info.trace_metadata, **_sizes(len(content), sizes)}
    parts = (
        (layout.TAGS, {**info.tags, LOCATION_TAG: artifacts}),
        (METADATA, metadata),
    )
    for part, values in parts:
        home = f"{folder}/{part}"
        disk.mkdir(home)
        for key, text in values.items():
            path = f"{home}/{key}"
            if "/" in key:
                disk.make_dirs(os.path.dirname(path), folder)
            disk.write_new(path, text.encode("utf-8", "replace"))
    disk.mkdir(f"{folder}/{layout.ARTIFACTS}")
    disk.write_new(f"{folder}/{layout.ARTIFACTS}/{SPANS}", content)
    disk.write_new(f"{folder}/{INFO}", info_yaml(info))


def spans_json(spans: Sequence[Span]) -> tuple[bytes, list[int]]:
    """The document of a trace's spans, and the size of each in bytes."""
    texts = [_encoded(span.to_dict()) for span in spans]
    return b'{"spans": [' + b", ".join(texts) + b"]}", [len(text) for text in texts]


def info_yaml(info: TraceInfo) -> bytes:
    """The document of a trace, which is YAML of which each text is quoted."""
    lines = [
        f"{key}: {value if isinstance(value, int) else _quoted(value)}\n"
        for key, value in sorted(info.to_dict().items())
        if isinstance(value, int | str)
    ]
    place = (
        "trace_location:\n  mlflow_experiment:\n"
        f"    experiment_id: {_quoted(info.experiment_id or '')}\n"
        f'  type: "{info.trace_location.type}"\n'
    )
    return ("".join(lines) + place).encode()


def _encoded(document: Any) -> bytes:
    try:
        return json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # a lone surrogate, which only an escape can carry
        return json.dumps(document).encode()


def _quoted(text: str) -> str:
    """The text as a double-quoted scalar of YAML; JSON's escapes are YAML's too."""
    return _UNSAFE.sub(_escape, json.dumps(text, ensure_ascii=False))


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xD800 <= code <= 0xDFFF:
        return "\\uFFFD"
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}"


def _sizes(total: int, sizes: list[int]) -> dict[str, str]:
    ordered = sorted(sizes)
    statistics: dict[str, int] = {"total_size_bytes": total, "num_spans": len(sizes)}
    if ordered:
        statistics["max"] = ordered[-1]
        for percent in (25, 50, 75):
            statistics[f"p{percent}"] = _quantile(ordered, percent / 100)
    return {SIZE_METADATA: str(total), STATISTICS_METADATA: json.dumps(statistics)}


def _quantile(ordered: list[int], fraction: float) -> int:
    place = (len(ordered) - 1) * fraction
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return int(ordered[low] + (ordered[high] - ordered[low]) * (place - low))


# -- reading -----------------------------------------------------------------------------------


class TraceFolder:
    """A trace's folder, of which each part is read when it is first asked for."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    @cached_property
    def bare_info(self) -> TraceInfo:
        """The document alone: no tags, metadata and assessments."""
        path = f"{self.folder}/{INFO}"
        data = disk.read_if_there(path)
        if data is None:
            raise ResourceDoesNotExist(f"there is no trace in {self.folder!r}: it has no {INFO}")
        document = _fast_info(data) or documents.loads(data, path)
        with _reported(path, "is no readable document of a trace", "move the folder away"):
            return TraceInfo.from_dict(document)

    @cached_property
    def tags(self) -> dict[str, str]:
        """The tags, with the present place of the artifacts."""
        tags = {**self.bare_info.tags, **contents.read_texts(f"{self.folder}/{layout.TAGS}")}
        here = f"{self.folder}/{layout.ARTIFACTS}"
        recorded = tags.get(LOCATION_TAG)
        if recorded is None or (settings.path_of(recorded) is not None and os.path.exists(here)):
            tags[LOCATION_TAG] = here
        return tags

    @cached_property
    def metadata(self) -> dict[str, str]:
        """The metadata."""
        kept = contents.read_texts(f"{self.folder}/{METADATA}")
        return {**self.bare_info.trace_metadata, **kept}

    @cached_property
    def assessments(self) -> list[Assessment]:
        """The assessments, the oldest first; what cannot be read is left out with a warning."""
        paths = [path for _, path in contents.key_files(f"{self.folder}/{ASSESSMENTS}")]
        found = contents.readable(read_assessment, [p for p in paths if p.endswith(".yaml")])
        return sorted(found, key=lambda a: (a.create_time_ms or 0, a.assessment_id or ""))

    @cached_property
    def spans(self) -> list[Span]:
        """The spans; none if their file is not there (yet)."""
        path, data = self._spans_file()
        if data is None:
            return []
        with _reported(path, "holds no readable spans", "remove the trace with delete_traces"):
            return TraceData.from_dict(json.loads(data)).spans

    @property
    def info(self) -> TraceInfo:
        """The whole info."""
        parts = {"trace_metadata": self.metadata, "tags": self.tags}
        return replace(self.bare_info, **parts, assessments=self.assessments)

    def trace(self, include_spans: bool = True) -> Trace:
        """The trace."""
        return Trace(self.info, TraceData(list(self.spans) if include_spans else []))

    def _spans_file(self) -> tuple[str, bytes | None]:
        path = f"{self.folder}/{layout.ARTIFACTS}/{SPANS}"
        data = disk.read_if_there(path, most=None)
        recorded = self.tags.get(LOCATION_TAG, "") if data is None else ""
        if recorded and settings.path_of(recorded) is not None:
            path = f"{settings.path_of(recorded)}/{SPANS}"
            data = disk.read_if_there(path, most=None)
        elif recorded:
            from tracklet.repositories import repository  # rare: MLflow put them elsewhere

            fetched = repository(recorded).fetch(SPANS)
            path, data = str(fetched), fetched.read_bytes()
        return path, data


def read_assessment(path: str) -> Assessment:
    """The assessment of a document."""
    data = disk.read_if_there(path)
    if data is None:
        raise ResourceDoesNotExist(f"there is no assessment at {path!r}")
    document = documents.loads(data, path)
    with _reported(path, "holds no readable assessment", "remove it"):
        return Assessment.from_dictionary(document)


@contextmanager
def _reported(path: str, problem: str, way_out: str) -> Iterator[None]:
    try:
        yield
    except _MALFORMED as error:
        raise StorageError(
            f"{path!r} {problem} ({error}); restore it from a copy, or {way_out}"
        ) from error


def assessment_yaml(assessment: Assessment) -> bytes:
    """The document of an assessment."""
    return documents.dumps(assessment.to_dictionary())


def _fast_info(data: bytes) -> Mapping[str, Any] | None:
    """What :func:`info_yaml` wrote, without a YAML library; None of any other document."""
    head, marker, tail = data.decode("utf-8", "replace").partition("\ntrace_location:\n")
    if not marker:
        return None
    document: dict[str, Any] = {}
    for line in head.split("\n"):
        match = _LINE.fullmatch(line)
        if match is None:
            return None
        try:
            document[match[1]] = int(match[2]) if match[2] else json.loads(match[3])
        except ValueError:
            return None
    place = tail.split('"')
    if len(place) != 5 or place[0] != "  mlflow_experiment:\n    experiment_id: ":
        return None
    document["experiment_id"] = place[1]
    return document
