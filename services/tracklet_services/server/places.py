"""Where artifacts are: what clients are told, and the one way from there to a file.

A client is never told a path of this machine. It gets ``mlflow-artifacts:/<experiment>/<run>/
artifacts``, and what it asks for below that is looked up anew each time: the run on the record,
its own place, the path below it. So a path can lead nowhere but below the artifacts of something
that is on the record, wherever those lie; and the record stays the same folder that local
processes read and write.
"""

from __future__ import annotations

import os
import re
import unicodedata
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias
from urllib.parse import unquote

from tracklet import plugins, settings, validation
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist, brief
from tracklet.record import rules
from tracklet.repositories import repository, validate_artifact_path

if TYPE_CHECKING:
    from tracklet.entities import LoggedModel, ModelVersion, RunInfo, TraceInfo
    from tracklet.record import Store
    from tracklet.repositories import ArtifactRepository

SCHEME: Final = "mlflow-artifacts:/"

_OF_PROMPTS: Final = ("dummy-source", "prompt-template")
"""What MLflow's clients give as the source of a prompt's version, which has none."""

_LONGEST: Final = 2048
_OBJECT_STORES: Final = frozenset({"s3", "gs", "abfs", "abfss"})
_NOT_A_CLIENT_S: Final = frozenset({"file", "http", "https", "mlflow-artifacts"})
_AZURE: Final = re.compile(
    r"[a-z0-9$-]+@[a-z0-9-]+\.(dfs|blob)\.(core\.windows\.net|fabric\.microsoft\.com)"
)
_DEVICE: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
Kind: TypeAlias = Literal["run", "logged model", "trace"]


class Place(NamedTuple):
    """Files of something on the record.

    Attributes:
        kind: What it is.
        key: Its id.
        experiment_id: The experiment that it belongs to.
        uri: Where its artifacts are.
        path: The path below them.
    """

    kind: Kind
    key: str
    experiment_id: str
    uri: str
    path: str

    @property
    def files(self) -> ArtifactRepository:
        """What reads and writes there."""
        return repository(self.uri)


def checked(path: str) -> str:
    """A path that a client gives, decoded once, canonical.

    Raises:
        InvalidParameterValue: On some system, in some encoding or decoded again, it could lead
            out of the folder that it is below, or name what is no file.
    """
    text = path
    for _ in range(4):
        if not _is_harmless(text):
            raise InvalidParameterValue(
                f"{brief(path)} cannot be an artifact path: it is relative, such as "
                "'plots/roc.png', stays below the artifact folder, and is made of names that "
                "files can have on every system"
            )
        decoded = unquote(text)
        if decoded == text:
            break
        text = decoded
    return validate_artifact_path(path)


def _is_harmless(path: str) -> bool:
    if (
        len(path.encode("utf-8", "replace")) > _LONGEST
        or "\\" in path
        or _CONTROL.search(path)
        or "\ufffd" in path
    ):
        return False
    if path.startswith(("/", "~")) or _DRIVE.match(path):
        return False
    flat = unicodedata.normalize("NFKC", path)
    if flat.count("/") != path.count("/") or "\\" in flat:
        return False
    return all(map(_is_name, zip(path.split("/"), flat.split("/"), strict=True)))


def _is_name(part: tuple[str, str]) -> bool:
    given, flat = part
    if given in ("", "."):
        return True
    bare = flat.partition(";")[0].partition("?")[0].partition("#")[0].strip(" ")
    return bool(bare.strip(".")) and not _DEVICE.fullmatch(bare.strip())


class Places:
    """The artifacts of one record.

    Args:
        store: The record.
        destination: The place in an object store where artifacts of new experiments go, through
            the server: clients need no credentials, and are not told of it.
    """

    def __init__(self, store: Store, destination: str | None = None) -> None:
        self._store = store
        self.destination = None if destination is None else destination.rstrip("/")

    def new_location(self, given: str | None) -> str | None:
        """Where the artifacts of a new experiment go, if the record is to be told.

        Raises:
            InvalidParameterValue: A client may not name this place.
        """
        if not given:
            made = self.destination
            return None if made is None else rules.below(made, f"experiment-{os.urandom(8).hex()}")
        check_remote(given, "an experiment's artifact_location")
        if self._is_passed_on(given):
            raise InvalidParameterValue(
                f"{brief(given)} cannot be an experiment's artifact_location: what is there goes "
                "through this server, which chooses a place of its own; leave it out"
            )
        return given

    def _is_passed_on(self, uri: str) -> bool:
        """Whether clients are to find files at a place through the server alone."""
        if settings.path_of(uri) is not None:
            return True
        return self.destination is not None and _below(uri, self.destination) is not None

    # -- what clients are told -----------------------------------------------------------------

    def shown(self, uri: str | None, path: str) -> str:
        """Where a client finds artifacts: through this server what it alone is to reach."""
        if uri is not None and not self._is_passed_on(uri):
            return uri
        return SCHEME + path

    def shown_source(self, source: str | None, run_id: str | None, model_id: str | None) -> str:
        """The source of a model version; of one that goes through here, what the record says."""
        if source is None or source in _OF_PROMPTS or not self._is_passed_on(source):
            return source or ""
        if model_id is not None:
            return f"models:/{model_id}"
        below = None
        if run_id is not None:
            try:
                info = self.run(run_id)
            except (ResourceDoesNotExist, InvalidParameterValue):
                return ""
            below = _below(source, info.artifact_uri)
            if below is not None:
                return f"{SCHEME}{info.experiment_id}/{run_id}/artifacts{below}"
        return ""

    def kept_source(self, source: str, run_id: str | None) -> str:
        """The source of a new version as the record keeps it.

        What is on this machine's disk is named by its own place, so that local processes find
        it too; nothing on it can be named that is no artifact of a run or model.

        Raises:
            InvalidParameterValue: It names nothing that a client may name.
        """
        if source in _OF_PROMPTS:
            return source
        if source.startswith(SCHEME):
            place = self.find(source.removeprefix(SCHEME))
            if place.kind == "run" and place.key != run_id:
                return f"runs:/{place.key}/{place.path}".rstrip("/")
            if place.kind == "logged model" and not place.path:
                return f"models:/{place.key}"
            if place.kind != "run":
                raise InvalidParameterValue(
                    f"{brief(source)} cannot be a model's source: it is a folder of a run or a "
                    "whole logged model, such as models:/m-…"
                )
            return rules.below(place.uri, place.path) if place.path else place.uri
        scheme = source.partition(":")[0]
        if scheme in ("runs", "models") and source.startswith(f"{scheme}:/"):
            checked(source.removeprefix(f"{scheme}:/").lstrip("/"))
            return source
        path = settings.path_of(source)
        if path is not None and run_id is not None and os.path.isabs(path):
            below = _below(source, self.run(run_id).artifact_uri)
            if below is not None:
                checked(below.lstrip("/"))
                return source
        check_remote(source, "a model's source")
        return source

    def download_uri(self, source: str, run_id: str | None, model_id: str | None) -> str:
        """Where a client finds the files of a version."""
        shown = self.shown_source(source, run_id, model_id)
        kind, _, rest = shown.partition(":/")
        rest = rest.strip("/")
        if kind == "models" and rest.startswith("m-") and "/" not in rest:
            model = self.model(rest)
            path = f"{model.experiment_id}/models/{rest}/artifacts"
            return self.shown(model.artifact_location, path)
        if kind == "runs":
            run, _, below = rest.partition("/")
            info = self.run(run)
            place = self.shown(info.artifact_uri, f"{info.experiment_id}/{run}/artifacts")
            return rules.below(place, below) if below else place
        return shown

    # -- where things are ----------------------------------------------------------------------

    def find(self, path: str) -> Place:
        """What a path of the proxy's names.

        Raises:
            InvalidParameterValue: It could lead elsewhere.
            ResourceDoesNotExist: It is below no artifacts of anything on the record.
        """
        parts = checked(path).split("/")
        below = "/".join(parts[4:])
        if len(parts) >= 4 and parts[1] == "models" and parts[3] == "artifacts":
            model = self.model(parts[2])
            place = Place(
                "logged model", parts[2], model.experiment_id, model.artifact_location, below
            )
        elif len(parts) >= 4 and parts[1] == "traces" and parts[3] == "artifacts":
            place = self.of_trace(parts[2], below)
        elif len(parts) >= 3 and parts[2] == "artifacts":
            place = self.of_run(parts[1], "/".join(parts[3:]))
        else:
            raise _nowhere(path)
        if place.experiment_id != parts[0]:
            raise _nowhere(path)
        return place

    def of_run(self, run_id: str, path: str) -> Place:
        """A path below a run's artifacts."""
        info = self.run(run_id)
        return Place("run", run_id, info.experiment_id, info.artifact_uri or "", checked(path))

    def of_model(self, model_id: str, path: str) -> Place:
        """A path below a logged model's files."""
        model = self.model(model_id)
        place = model.artifact_location
        return Place("logged model", model_id, model.experiment_id, place, checked(path))

    def of_trace(self, trace_id: str, path: str) -> Place:
        """A file of a trace."""
        experiment_id = self.trace(trace_id).experiment_id
        return Place("trace", trace_id, str(experiment_id), "", checked(path))

    def of_version(self, version: ModelVersion, path: str) -> Place:
        """A path below the files of a model version; looked up now, whatever was checked then."""
        source = version.storage_location or version.source or ""
        below = "/".join(filter(None, (self._told(version, source).removeprefix(SCHEME), path)))
        return self.find(below)

    def _told(self, version: ModelVersion, source: str) -> str:
        told = self.download_uri(source, version.run_id, version.model_id)
        if not told.startswith(SCHEME):
            raise InvalidParameterValue(f"the files of {version.name!r} are not kept here")
        return told

    def run(self, run_id: str) -> RunInfo:
        """What a run is, without what it has."""
        return self._info("run", validation.validate_run_id(run_id))

    def model(self, model_id: str) -> LoggedModel:
        """What a logged model is, without what it has."""
        return self._info("logged model", validation.validate_model_id(model_id))

    def trace(self, trace_id: str) -> TraceInfo:
        """What a trace is."""
        return self._store.traces.get_trace_info(trace_id)

    def _info(self, kind: Kind, key: str) -> Any:
        with self._store.backend.reading() as at:
            entry = at.find(kind, key)
            if entry is None:
                raise rules.missing(kind, key, "this record")
            return entry.info


def check_remote(uri: str, what: str) -> None:
    """Refuse a place that a client names, unless it is a plain one in a store known here.

    Raises:
        InvalidParameterValue: It is a path, has a user, a query or a fragment, or is of a scheme
            that no repository is registered for.
    """
    scheme, separator, rest = uri.partition("://")
    path = rest.partition("/")[2] if scheme in ("abfs", "abfss") else rest
    known = _OBJECT_STORES | set(plugins.entry_points("artifacts")) - _NOT_A_CLIENT_S
    if not separator or scheme not in known:
        problem = f"has one of the schemes {', '.join(sorted(known))}"
    elif scheme in ("abfs", "abfss") and _AZURE.fullmatch(rest.partition("/")[0]) is None:
        problem = "is as abfss://container@account.dfs.core.windows.net/folder"
    elif any(mark in path for mark in "?#;@") or not rest.partition("/")[0]:
        problem = "names a bucket or host, and has no user, query or fragment"
    else:
        checked(rest.partition("/")[2])
        return
    raise InvalidParameterValue(
        f"{brief(uri)} cannot be {what} here: one that a client names {problem}; what lies on the "
        "server is named by a URI of the scheme runs, models or mlflow-artifacts"
    )


def _below(source: str, root: str | None) -> str | None:
    """The rest of a place below a root, with its slash; None if it is not below."""
    if not root:
        return None
    path, above = settings.path_of(source), settings.path_of(root)
    if path is None and above is None:
        path, above = _plain(source), _plain(root)
        return path.removeprefix(above) if f"{path}/".startswith(f"{above}/") else None
    if path is None or not above:
        return None
    path, above = os.path.normpath(path), os.path.normpath(above)
    if path == above:
        return ""
    return path.removeprefix(above) if path.startswith(above + "/") else None


def _plain(uri: str) -> str:
    """A URI without what makes two of one place."""
    scheme, separator, rest = uri.partition("://")
    return scheme.lower() + separator + "/".join(filter(None, rest.split("/")))


def _nowhere(path: str) -> ResourceDoesNotExist:
    return ResourceDoesNotExist(
        f"there is no artifact at {brief(path)}: a path here is <experiment>/<run>/artifacts/…, "
        "<experiment>/models/<model>/artifacts/… or <experiment>/traces/<trace>/artifacts/…"
    )
