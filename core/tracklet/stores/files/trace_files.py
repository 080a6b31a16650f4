"""Traces as files: what one trace's folder holds, written and read.

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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final

from tracklet import settings
from tracklet.entities import Assessment, Span, Trace, TraceData, TraceInfo
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist, StorageError
from tracklet.frozen import replace
from tracklet.stores import disk
from tracklet.stores.files import contents, documents, layout

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


def is_trace(folder: str) -> bool:
    """Whether a folder is a trace's."""
    return os.path.exists(f"{folder}/{INFO}")


def trace_dirs(experiment_dir: str) -> list[str]:
    """The folders of all traces of an experiment."""
    home = f"{experiment_dir}/{layout.TRACES}"
    return [f"{home}/{name}" for name in disk.names_in(home) if not name.startswith(".")]


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
        with _readable(path, "is no readable document of a trace", "move the folder away"):
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
        found: list[Assessment] = []
        for _, path in contents.key_files(f"{self.folder}/{ASSESSMENTS}"):
            if not path.endswith(".yaml"):
                continue
            try:
                found.append(read_assessment(path))
            except (StorageError, ResourceDoesNotExist) as error:
                _logger.warning("an assessment is left out: %s", error)
        return sorted(found, key=lambda a: (a.create_time_ms or 0, a.assessment_id or ""))

    @cached_property
    def spans(self) -> list[Span]:
        """The spans; none if their file is not there (yet)."""
        path, data = self._spans_file()
        if data is None:
            return []
        with _readable(path, "holds no readable spans", "remove the trace with delete_traces"):
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
        data = disk.read_if_there(path)
        recorded = self.tags.get(LOCATION_TAG, "") if data is None else ""
        if recorded and settings.path_of(recorded) is not None:
            path = f"{settings.path_of(recorded)}/{SPANS}"
            data = disk.read_if_there(path)
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
    with _readable(path, "holds no readable assessment", "remove it"):
        return Assessment.from_dictionary(document)


@contextmanager
def _readable(path: str, problem: str, way_out: str) -> Iterator[None]:
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
