"""The ``MLmodel`` file: what a folder with a model says of itself."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Final

import yaml

from tracklet.entities import LoggedModel
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist, TrackletException
from tracklet.models.manifest import member
from tracklet.models.signature import ModelSignature
from tracklet.stores import disk
from tracklet.stores.files.documents import dump_lines, plain_yaml
from tracklet.types import ParamSchema, Schema

FILE_NAME: Final = "MLmodel"
PYFUNC: Final = "python_function"

_PATHS: Final = ("code", "data", "model_data", "model_path", "pickled_model", "python_model")
"""Keys under which flavors, MLflow's too, name files of the model."""

# The C library's, where it is installed.
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def dump_yaml(data: Any, *, sort_keys: bool = True) -> str:
    """The text of data in block style, as models' files have it."""
    text = dump_lines(data, quoting=True) if sort_keys and isinstance(data, dict) else None
    return text or yaml.dump(
        data, Dumper=_Dumper, sort_keys=sort_keys, default_flow_style=False, allow_unicode=True
    )


def load_yaml(text: str, source: Path | str) -> Any:
    """The data of a text of the user's own; plain values only, no objects.

    Raises:
        TrackletException: The text is no YAML; the message names ``source``.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise TrackletException(f"{source} is corrupt: it is no YAML ({error})") from error


class Model:
    """The content of an ``MLmodel`` file.

    Files of MLflow 1.x to 3.x are read; keys that are not known are kept in ``extra`` and written
    back as they were.

    Args:
        artifact_path: Where the model is kept: a URI for a logged model.
        run_id: The run that made it.
        utc_time_created: ``YYYY-MM-DD HH:MM:SS.ffffff`` in UTC; now by default.
        flavors: Flavor name → its configuration.
        signature: What the model takes and gives.
        saved_input_example_info: What the files of the input example are.
        model_uuid: The model's own id; made up by default.
        metadata: The user's own facts, JSON-like.
        model_id: The id of the logged model.
    """

    def __init__(
        self,
        artifact_path: str | None = None,
        run_id: str | None = None,
        utc_time_created: str | None = None,
        flavors: Mapping[str, dict[str, Any]] | None = None,
        signature: ModelSignature | None = None,
        saved_input_example_info: dict[str, Any] | None = None,
        model_uuid: str | None = None,
        mlflow_version: str | None = None,
        metadata: dict[str, Any] | None = None,
        model_size_bytes: int | None = None,
        model_id: str | None = None,
        tracklet_version: str | None = None,
        prompts: list[str] | None = None,
        **extra: Any,
    ) -> None:
        self.artifact_path = artifact_path
        self.run_id = run_id
        self.utc_time_created = str(utc_time_created or _now())
        self.flavors: dict[str, dict[str, Any]] = dict(flavors or {})
        self.signature = signature
        self.saved_input_example_info = saved_input_example_info
        self.model_uuid = model_uuid or model_id or uuid.uuid4().hex
        self.mlflow_version = mlflow_version
        self.metadata = metadata
        self.model_size_bytes = model_size_bytes
        self.model_id = model_id
        self.tracklet_version = tracklet_version
        self.prompts = prompts
        self.extra = extra

    def paths(self) -> Iterator[str]:
        """The paths of the model's own files that are named here."""
        entries = [entry for entry in self.flavors.values() if isinstance(entry, Mapping)]
        for entry in entries:
            yield from (str(entry[key]) for key in _PATHS if entry.get(key))
            for several in (entry.get("artifacts"), entry.get("extra_files")):
                files = several.values() if isinstance(several, Mapping) else several
                if isinstance(files, Iterable):
                    yield from (str(f.get("path")) for f in files if isinstance(f, Mapping))
        if isinstance(self.saved_input_example_info, Mapping):
            yield str(self.saved_input_example_info.get("artifact_path"))

    def add_flavor(self, name: str, **params: Any) -> Model:
        """Add or replace a flavor's configuration."""
        self.flavors[name] = params
        return self

    def get_input_schema(self) -> Schema | None:
        """What the model takes."""
        return self.signature.inputs if self.signature else None

    def get_output_schema(self) -> Schema | None:
        """What the model gives."""
        return self.signature.outputs if self.signature else None

    def get_params_schema(self) -> ParamSchema | None:
        """Which parameters the model understands."""
        return self.signature.params if self.signature else None

    def load_input_example(self, path: str | Path | None = None) -> Any:
        """The input example from the model's folder; None if there is none.

        Args:
            path: The model's folder; by default the place where the model was logged.
        """
        return self._example(path)[0]

    def load_input_example_params(self, path: str | Path | None = None) -> dict[str, Any] | None:
        """The params of the input example; None if there are none. ``path`` is as above."""
        return self._example(path)[1]

    def _example(self, path: str | Path | None) -> tuple[Any, dict[str, Any] | None]:
        if self.saved_input_example_info is None:
            return None, None
        from tracklet.models import examples, uris

        place = path if path is not None else self._location()
        folder = uris.resolve(str(place))
        example, params = examples.load(folder, self.saved_input_example_info)
        inputs = None if self.signature is None else self.signature.inputs
        return (example if inputs is None else examples.typed(example, inputs)), params

    @property
    def env_vars(self) -> list[str] | None:
        """The names of environment variables that the model was made with, if it tells."""
        return self.extra.get("env_vars")

    def _location(self) -> str:
        if self.model_id:
            return f"models:/{self.model_id}"
        if self.run_id and self.artifact_path:
            return f"runs:/{self.run_id}/{self.artifact_path}"
        raise InvalidParameterValue("say in which folder the model is; it was not logged")

    def get_model_info(self, logged_model: LoggedModel | None = None) -> ModelInfo:
        """The facts that ``log_model`` returns."""
        return ModelInfo(self, logged_model)

    def to_dict(self) -> dict[str, Any]:
        """The file's content, in the order in which it is written."""
        data: dict[str, Any] = {
            **self.extra,
            "flavors": self.flavors,
            "model_id": self.model_id,
            "model_uuid": self.model_uuid,
            "prompts": self.prompts,
            "utc_time_created": self.utc_time_created,
        }
        for key in (
            "artifact_path",
            "metadata",
            "mlflow_version",
            "model_size_bytes",
            "run_id",
            "saved_input_example_info",
            "tracklet_version",
        ):
            value = getattr(self, key)
            if value is not None:
                data[key] = value
        if self.signature is not None:
            data["signature"] = self.signature.to_dict()
            data["is_signature_from_type_hint"] = self.signature.from_type_hint
            data["type_hint_from_example"] = self.signature.type_hint_from_example
        return dict(sorted(data.items()))

    def to_yaml(self, stream: IO[str] | None = None) -> str:
        """The file's text; it is also written to a stream, if one is given."""
        text = dump_yaml(self.to_dict())
        if stream is not None:
            stream.write(text)
        return text

    def to_json(self) -> str:
        """The file's content as JSON text."""
        return json.dumps(self.to_dict())

    def __str__(self) -> str:
        return self.to_yaml()

    def save(self, path: str | Path) -> None:
        """Write the file."""
        Path(path).write_text(self.to_yaml(), encoding="utf-8")

    @classmethod
    def log(
        cls,
        artifact_path: str | None,
        flavor: Any,
        registered_model_name: str | None = None,
        await_registration_for: int | None = 300,
        metadata: dict[str, Any] | None = None,
        run_id: str | None = None,
        name: str | None = None,
        model_type: str | None = None,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
        step: int = 0,
        model_id: str | None = None,
        **kwargs: Any,
    ) -> ModelInfo:
        """Log a model by a flavor of MLflow's kind; see :func:`tracklet.models.log_model`.

        Args:
            artifact_path: An older word for ``name``.
            flavor: A module or object with ``save_model(path, mlflow_model, ...)``.
            **kwargs: What ``save_model`` gets besides, the model among it.
        """
        saving = import_module("tracklet.models.saving")  # which is made of this module

        def fill(path: Path, about: Model) -> None:
            about.metadata = metadata
            saving.write_foreign(flavor.save_model, path, about, kwargs)

        chosen = saving.chosen_name(name, artifact_path)
        model = registered_model_name, model_id, params, tags, model_type, step
        return saving.logged(fill, chosen, run_id, *model)

    @classmethod
    def load(cls, path: str | Path) -> Model:
        """Read the file.

        Args:
            path: The file, the model's folder, or any model URI.

        Raises:
            ResourceDoesNotExist: There is no such file.
            TrackletException: It is no ``MLmodel`` file.
        """
        from tracklet.models import uris

        place = uris.resolve(str(path))
        file = member(place, FILE_NAME) if place.is_dir() else place
        if not file.is_file():
            raise ResourceDoesNotExist(f"{str(path)!r} holds no model: there is no file {file}")
        try:  # as a document of the record: it may be a stranger's
            data = plain_yaml(disk.read_bytes(str(file)).decode())
        except (OSError, TypeError, ValueError) as error:
            raise TrackletException(f"{file} is corrupt: it is no plain YAML ({error})") from error
        if not isinstance(data, dict) or not isinstance(data.get("flavors", {}), dict):
            raise TrackletException(f"{file} is corrupt: it is no mapping with 'flavors'")
        return cls.from_dict(data)

    @classmethod
    def from_dict(cls, model_dict: Mapping[str, Any]) -> Model:
        """Read the file's content; the key names of old versions are understood."""
        fields = dict(model_dict)
        signature = fields.pop("signature", None)
        from_hint = bool(fields.pop("is_signature_from_type_hint", False))
        from_example = bool(fields.pop("type_hint_from_example", False))
        if isinstance(signature, Mapping):
            signature = ModelSignature.from_dict(signature)
            signature.from_type_hint = from_hint
            signature.type_hint_from_example = from_example
        model = cls(signature=signature, **{str(key): value for key, value in fields.items()})
        if "model_uuid" not in fields:
            model.model_uuid = model.model_id or ""
        return model


class ModelInfo:
    """What ``log_model`` says of the model that it logged; MLflow's attribute names."""

    def __init__(self, model: Model, logged_model: LoggedModel | None = None) -> None:
        self._model = model
        self._logged_model = logged_model
        self.artifact_path = model.artifact_path
        self.flavors = model.flavors
        # Libraries read these two as MLflow keeps them, too.
        self.model_uuid = self._model_uuid = model.model_uuid
        self.run_id = self._run_id = model.run_id
        self.saved_input_example_info = model.saved_input_example_info
        self.signature = model.signature
        self.utc_time_created = model.utc_time_created
        self.mlflow_version = model.mlflow_version
        self.tracklet_version = model.tracklet_version
        self.metadata = model.metadata
        self.prompts = model.prompts
        self.env_vars = model.env_vars
        self.model_id = model.model_id
        self.registered_model_version: int | None = None

    @property
    def model_uri(self) -> str:
        """The URI that loads the model."""
        return self._model._location() if self.model_id or self.run_id else ""

    @property
    def signature_dict(self) -> dict[str, Any] | None:
        """The signature as it is in the ``MLmodel`` file."""
        return self.signature.to_dict() if self.signature else None

    @property
    def name(self) -> str | None:
        """The logged model's name."""
        return self._logged_model.name if self._logged_model else None

    @property
    def params(self) -> dict[str, str] | None:
        """The logged model's params."""
        return self._logged_model.params if self._logged_model else None

    @property
    def tags(self) -> dict[str, str] | None:
        """The logged model's tags."""
        return self._logged_model.tags if self._logged_model else None

    @property
    def metrics(self) -> list[Any] | None:
        """The logged model's metrics."""
        return self._logged_model.metrics if self._logged_model else None

    @property
    def creation_timestamp(self) -> int | None:
        """When the model was logged, in ms."""
        return self._logged_model.creation_timestamp if self._logged_model else None

    def __repr__(self) -> str:
        return (
            f"<ModelInfo: name={self.name!r}, model_uri={self.model_uri!r}, run_id={self.run_id!r},"
            f" flavors={sorted(self.flavors)}>"
        )


def _now() -> str:
    return dt.datetime.now(dt.UTC).replace(tzinfo=None).isoformat(" ", timespec="microseconds")
