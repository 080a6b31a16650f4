"""The file store's traces: folders below ``traces`` of their experiment's folder.

::

    <experiment id>/traces/<trace id>/trace_info.yaml
                                      {tags,request_metadata}/<key>
                                      assessments/<assessment id>.yaml
                                      artifacts/traces.json
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from tracklet import settings
from tracklet.entities import Assessment, Span, TraceInfo
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist, StorageError
from tracklet.record.backend import TraceEntry
from tracklet.record.traces import LOCATION_TAG, spans_of
from tracklet.stores import disk
from tracklet.stores.files import contents, documents, layout

INFO: Final = "trace_info.yaml"
METADATA: Final = "request_metadata"
ASSESSMENTS: Final = "assessments"
SPANS: Final = "traces.json"

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


def trace_dirs(experiment_dir: str) -> list[str]:
    """The folders of all traces of an experiment."""
    found = contents.folders(f"{experiment_dir}/{layout.TRACES}")
    return [folder for folder in found if not os.path.basename(folder).startswith(".")]


# -- writing -----------------------------------------------------------------------------------


def write(folder: str, final: str, info: TraceInfo, spans: bytes) -> None:
    """Write a trace into a new folder that no reader looks at.

    Args:
        folder: The folder, which is there and empty.
        final: Where it will be when it is renamed.
        info: The trace.
        spans: The document of its spans.
    """
    artifacts = f"{final}/{layout.ARTIFACTS}"
    parts = (
        (layout.TAGS, {**info.tags, LOCATION_TAG: artifacts}),
        (METADATA, info.trace_metadata),
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
    disk.write_new(spans_file(folder), spans)
    disk.write_new(f"{folder}/{INFO}", info_yaml(info))


def staging(folder: str) -> str:
    """A place beside a trace's folder that no reader looks at."""
    home = os.path.dirname(folder)
    return f"{home}/.tracklet-{os.getpid()}-{os.urandom(6).hex()}.tmp"


def spans_file(folder: str) -> str:
    """The file of a trace's spans, unless MLflow put it elsewhere."""
    return f"{folder}/{layout.ARTIFACTS}/{SPANS}"


def assessment_file(folder: str, assessment_id: object) -> str:
    """The document of an assessment."""
    return f"{folder}/{ASSESSMENTS}/{assessment_id}.yaml"


def check(folder: str) -> None:
    """Read a trace but for its spans, of which only the file is opened."""
    entry = TraceFolder(folder)
    for _ in (entry.info, entry.tags, entry.metadata, entry.assessments):
        pass
    with disk.opened(spans_file(folder)):
        pass


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


def _quoted(text: str) -> str:
    """The text as a double-quoted scalar of YAML; JSON's escapes are YAML's too."""
    return _UNSAFE.sub(_escape, json.dumps(text, ensure_ascii=False))


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xD800 <= code <= 0xDFFF:
        return "\\uFFFD"
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}"


# -- reading -----------------------------------------------------------------------------------


class TraceFolder(TraceEntry):
    """A trace's folder."""

    def __init__(self, folder: str) -> None:
        super().__init__(os.path.basename(folder))
        self.folder = folder

    def read(self, part: str) -> Any:
        """What lies in the folder of a part."""
        return getattr(self, f"_read_{part}")()

    def _read_info(self) -> TraceInfo:
        """What the document says: no tags, metadata and assessments."""
        path = f"{self.folder}/{INFO}"
        data = disk.read_if_there(path)
        if data is None:
            raise ResourceDoesNotExist(f"there is no trace in {self.folder!r}: it has no {INFO}")
        document = _fast_info(data) or documents.loads(data, path)
        with _reported(path, "is no readable document of a trace", "move the folder away"):
            info = TraceInfo.from_dict(document)
        claims = {"trace_id": info.trace_id, "experiment_id": info.experiment_id}
        contents.check_own(self.folder, "trace", claims)
        return info

    def _read_tags(self) -> dict[str, str]:
        """The tags, with the present place of the artifacts."""
        tags = {**self.info.tags, **contents.read_texts(f"{self.folder}/{layout.TAGS}")}
        here = f"{self.folder}/{layout.ARTIFACTS}"
        recorded = tags.get(LOCATION_TAG)
        if recorded is None or (settings.path_of(recorded) is not None and os.path.exists(here)):
            tags[LOCATION_TAG] = here
        return tags

    def _read_metadata(self) -> dict[str, str]:
        """The metadata."""
        kept = contents.read_texts(f"{self.folder}/{METADATA}")
        return {**self.info.trace_metadata, **kept}

    def _read_assessments(self) -> list[Assessment]:
        """The assessments; what cannot be read is left out with a warning."""
        paths = [path for _, path in contents.key_files(f"{self.folder}/{ASSESSMENTS}")]
        return contents.readable(read_assessment, [p for p in paths if p.endswith(".yaml")])

    def assessment(self, assessment_id: str) -> Assessment | None:
        """The assessment of that id, if there is one."""
        path = assessment_file(self.folder, assessment_id)
        return read_assessment(path) if os.path.exists(path) else None

    def _read_spans(self) -> list[Span]:
        """The spans; none if their file is not there (yet)."""
        path, data = self._spans_file()
        if data is None:
            return []
        with _reported(path, "holds no readable spans", "remove the trace with delete_traces"):
            return spans_of(data)

    def _spans_file(self) -> tuple[str, bytes | None]:
        path = spans_file(self.folder)
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
