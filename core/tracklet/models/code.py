"""Models from code: a Python file that says what the model is, instead of a pickle of it.

The file calls :func:`set_model`; :func:`run_file` executes it and returns what it set.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from tracklet import settings
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist, TrackletException
from tracklet.frozen import Frozen
from tracklet.models import manifest, trust
from tracklet.models.model import load_yaml
from tracklet.state import ProcessState

_NOT_SET: Any = object()
_logger = logging.getLogger(__name__)
_model: ContextVar[Any] = ContextVar("tracklet_model_from_code", default=None)
_config: ContextVar[Any] = ContextVar("tracklet_model_config", default=None)


def set_model(model: Any) -> None:
    """Say which object is the model that this file defines.

    Args:
        model: A :class:`~tracklet.pyfunc.PythonModel`, a function of the model's input, or an
            object with a method ``predict`` or ``invoke``.

    Raises:
        TrackletException: It is none of these.
    """
    if isinstance(model, str) or not (
        callable(model) or hasattr(model, "predict") or hasattr(model, "invoke")
    ):
        raise InvalidParameterValue(
            f"set_model takes a PythonModel or a function; got {model!r} of type "
            f"{type(model).__name__}"
        )
    holder = _model.get()
    if holder is not None:
        holder[0] = model
    theirs = getattr(sys.modules.get("mlflow.models"), "set_model", set_model)
    if theirs is not set_model:  # the file runs under MLflow and says `import tracklet as mlflow`
        theirs(model)


class ModelConfig:
    """The configuration of a model from code.

    While the model is being developed it is ``development_config``; once it is logged or loaded,
    what ``model_config`` said there.

    Args:
        development_config: A dictionary, or the path of a YAML file.

    Raises:
        FileNotFoundError: The path names no file.
        ResourceDoesNotExist: There is no configuration at all.
    """

    def __init__(self, *, development_config: str | Path | Mapping[str, Any] | None = None) -> None:
        logged = _config.get()
        self.config = logged if logged is not None else development_config
        if self.config is None:
            raise ResourceDoesNotExist(
                "there is no model configuration: give development_config, or log the model with "
                "model_config"
            )
        self._values = read_config(self.config)

    def get(self, key: str) -> Any:
        """The value of a key; KeyError if there is none."""
        if key not in self._values:
            raise KeyError(f"the model configuration has no key {key!r}; it has {[*self._values]}")
        return self._values[key]

    def to_dict(self) -> dict[str, Any]:
        """All of it."""
        return dict(self._values)


def read_config(config: str | Path | Mapping[str, Any]) -> dict[str, Any]:
    """A configuration given as a dictionary or as the path of a YAML file."""
    if isinstance(config, Mapping):
        return dict(config)
    path = Path(config)
    if not path.is_file():
        raise FileNotFoundError(f"the model configuration {str(path)!r} is no file")
    content = load_yaml(path.read_text(encoding="utf-8"), path)
    if not isinstance(content, dict):
        raise InvalidParameterValue(f"the model configuration {str(path)!r} holds no mapping")
    return content


def run_file(path: Path, config: Mapping[str, Any] | str | None = None) -> Any:
    """Execute a file and return the model that it sets.

    Args:
        path: The Python file.
        config: What :class:`ModelConfig` answers while the file runs.

    Raises:
        InvalidParameterValue: There is no such file.
        TrackletException: The file fails, or never calls :func:`set_model`.
    """
    if not path.is_file():
        hint = "" if path.suffix else f"; did you mean {path.name + '.py'!r}?"
        raise InvalidParameterValue(f"the model's code {str(path)!r} is no file{hint}")
    trust.permit(f"run {path.name}", path)
    name = f"code_model_{uuid.uuid4().hex}"
    loader = _FromSource(name, str(path)) if path.suffix == ".py" else None
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    if spec is None or spec.loader is None:
        raise InvalidParameterValue(f"the model's code {str(path)!r} is no Python file (.py)")
    module = importlib.util.module_from_spec(spec)
    holder = [_NOT_SET]
    token, config_token = _model.set(holder), _config.set(config)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        sys.modules.pop(name, None)
        raise TrackletException(
            f"the model's code {path} fails with {type(error).__name__}: {error}"
        ) from error
    finally:
        _model.reset(token)
        _config.reset(config_token)
    if holder[0] is _NOT_SET:
        sys.modules.pop(name, None)
        raise TrackletException(
            f"the model's code {path} does not say what the model is: it must call "
            "tracklet.models.set_model(model)"
        )
    return holder[0]


class _FromSource(SourceFileLoader):
    """Reads no bytecode, which could be another's or stale, and writes none beside the file.

    While it runs a file, ``import mlflow`` gives tracklet, if MLflow is not installed.
    """

    def exec_module(self, module: ModuleType) -> None:
        with importlib.import_module("tracklet.dialect").answered():  # a layer above
            super().exec_module(module)

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


class _Sources(Frozen):
    """A path hook that has modules below a folder made from their sources alone.

    Args:
        folder: The folder's absolute path.
    """

    folder: str

    def holds(self, place: str) -> bool:
        """Whether a folder is this one or lies in it."""
        return Path(place).is_relative_to(self.folder)

    def __call__(self, place: str) -> FileFinder:
        if not self.holds(place):
            raise ImportError(f"{place} is not below {self.folder}", path=place)
        return FileFinder(
            place,
            (ExtensionFileLoader, EXTENSION_SUFFIXES),
            (_FromSource, SOURCE_SUFFIXES),
            (SourcelessFileLoader, BYTECODE_SUFFIXES),
        )


class _Claims(ProcessState):
    """Whose code the names of modules mean in this process: a process has one module of a name."""

    def begin(self) -> None:
        self.held: dict[str, tuple[Path, dict[str, str]]] = {}


_claims = _Claims()


def _claim(folder: Path) -> dict[str, dict[str, str]]:
    """Have the names of a model's own modules mean its code; what each of them holds is returned.

    Another model's modules, or the user's, of the same content are shared: whichever was there
    first stays.

    Raises:
        TrackletException: A name means other code already, which would run in this one's place.
    """
    contents = _contents(folder)
    for name, content in contents.items():
        other = _elsewhere(name, content, folder)
        if other is None:
            continue
        problem = (
            f"the model in {folder.parent} has its own module {name!r}, and this process has "
            f"another of that name and other content, from {other}: one of the two runs the "
            "other's code"
        )
        if settings.flag("ALLOW_OTHER_CODE"):
            _logger.warning("%s", problem)
            continue
        _release(contents)
        raise TrackletException(
            f"{problem}. Load the model in a process of its own (`tracklet models predict` and "
            "`tracklet models serve` do), or give the modules different names; "
            "TRACKLET_ALLOW_OTHER_CODE=true takes what is there",
            "RESOURCE_CONFLICT",
        )
    return contents


def _elsewhere(name: str, content: dict[str, str], folder: Path) -> Path | None:
    """From where the process has other content of a module; if it has none, this one is it now."""
    loaded = None if name in _claims.held else _place(name)
    if loaded is not None and not loaded.is_relative_to(folder):
        theirs = {file: _digest(loaded.parent / file) for file in content}
        if theirs != content:
            return loaded
    # In one step, for a model may be loaded in every thread.
    holder, known = _claims.held.setdefault(name, (folder, content))
    return None if known == content else holder / name


def _release(contents: dict[str, dict[str, str]]) -> None:
    """Let the names that a model brought mean what another brings, unless it is imported."""
    for name, content in contents.items():
        _, known = _claims.held.get(name, (None, None))
        if known is content and name not in sys.modules:
            _claims.held.pop(name, None)


def _place(name: str) -> Path | None:
    """The file or folder of a module that is loaded; None if it is not, or has none."""
    module = sys.modules.get(name)
    at = next(iter(getattr(module, "__path__", ())), None) or getattr(module, "__file__", None)
    return None if at is None else Path(at)


def _contents(folder: Path) -> dict[str, dict[str, str]]:
    """The digests of the files of each module or package in a folder, by their relative paths."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted(folder.iterdir()):
        name = path.name.partition(".")[0]
        if not name.isidentifier() or name in sys.stdlib_module_names:
            continue
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        files = [file for file in files if file.parent.name != "__pycache__"]
        if any(file.suffix in manifest.MODULES for file in files):
            digests = {file.relative_to(folder).as_posix(): _digest(file) for file in files}
            found.setdefault(name, {}).update(digests)
    return found


def _digest(file: Path) -> str:
    return manifest.digest(file) if file.is_file() else ""


@contextmanager
def importable(folder: Path | None) -> Iterator[None]:
    """Put a model's ``code`` folder at the front of ``sys.path``, for good if loading succeeds.

    A model imports its modules when it is loaded and may import more when it is asked, so the
    folder stays.
    """
    if folder is None:
        yield
        return
    if not folder.is_dir():
        raise TrackletException(f"the model is corrupt: its code folder {folder} is missing")
    trust.permit(f"import modules from {folder.name}/", folder)
    claimed = _claim(folder)
    entry, hook = str(folder), _Sources(str(folder))
    added = entry not in sys.path
    if added:
        sys.path.insert(0, entry)
    if hook not in sys.path_hooks:
        sys.path_hooks.insert(0, hook)
        for known in filter(hook.holds, [*sys.path_importer_cache]):
            del sys.path_importer_cache[known]
    importlib.invalidate_caches()
    try:
        yield
    except BaseException:
        if added and entry in sys.path:
            sys.path.remove(entry)
        _release(claimed)
        raise
