"""The one place that unpickles.

Everything that turns a model's bytes into objects by running what they say goes through here, and
asks :mod:`tracklet.models.trust` first. Globals of ``mlflow.*`` are found in tracklet where MLflow
is not installed, or where tracklet wrote the pickle.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import io
import pickle
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import IO, Any, Final

from tracklet import lazy, settings
from tracklet.errors import TrackletException
from tracklet.models import trust
from tracklet.models.pickled_names import COMPRESSED

# By name: the dialect is a layer above.
HOMES: Final[dict[str, str]] = importlib.import_module("tracklet.dialect.table").HOMES
"""MLflow's modules, by whose names pickles find classes, and ours."""


# What brings back a function that was pickled by value: cloudpickle's, older and newer, and dill's.
_CODE_MAKERS: Final = frozenset(
    (
        "_create_code",
        "_create_function",
        "_fill_function",
        "_function_setstate",
        "_make_function",
        "_make_skel_func",
    )
)


# Their unpicklers are the standard library's.
_LIKE_OURS: Final = frozenset(("", "cloudpickle", "mlflow.pytorch.pickle_module", "pickle"))


def load(source: Path | IO[bytes] | bytes, *, own: bool = False) -> Any:
    """The object that a pickle holds.

    Args:
        source: The file, which may be compressed, its bytes, or an open binary stream.
        own: Whether tracklet wrote it, so that ``mlflow.*`` names mean tracklet's classes even
            where MLflow is installed.

    Raises:
        UntrustedModel: The model that is being loaded, or whose folder the file is in, is neither
            this user's own nor trusted.
        TrackletException: The bytes are corrupt, or name what is not installed.
    """
    _ask(source)
    if isinstance(source, Path):
        opener = COMPRESSED.get(source.suffix)
        try:
            with source.open("rb") if opener is None else opener.open(source, "rb") as stream:
                return _load(stream, str(source), own)
        except FileNotFoundError:
            raise TrackletException(f"the model is corrupt: {source} is missing") from None
    if isinstance(source, bytes):
        return _load(io.BytesIO(source), "the pickle", own)
    return _load(source, str(getattr(source, "name", "the pickle")), own)


def _ask(source: Path | IO[bytes] | bytes) -> None:
    file = source if isinstance(source, Path) else None
    name = getattr(source, "name", None)
    _check_allowed(name or "the model")
    if file is not None and not file.is_file():
        return  # it will say so
    trust.permit(f"unpickle {name or 'bytes'}", file)


def _check_allowed(name: str) -> None:
    if not settings.flag("ALLOW_PICKLE_DESERIALIZATION", True):
        raise trust.UntrustedModel(
            f"{name} is a pickle, and MLFLOW_ALLOW_PICKLE_DESERIALIZATION=false "
            "forbids to load any; save the model in a format without code, such as skops"
        )


def load_torch(file: Path, *, own: bool = False, weights_only: bool = False, **options: Any) -> Any:
    """What ``torch.save`` wrote.

    Args:
        own: As in :func:`load`.
        weights_only: Accept tensors and plain values only, which torch reads without running
            anything, so that nobody's trust is asked for.
        **options: Further arguments of torch's own loader. A ``pickle_module`` among them, or
            its name, unpickles instead of ours.

    Raises:
        UntrustedModel: As in :func:`load`.
        TrackletException: The file is missing or corrupt, or names what is not installed.
    """
    torch = lazy.imported("torch", "PyTorch", purpose="loading a model of it", extra="pytorch")
    _check_allowed(str(file))
    if not weights_only:
        _ask(file)
        unpickler = _unpickler(str(file), own)
        ours = SimpleNamespace(
            __name__=__name__,
            Unpickler=unpickler,
            load=lambda stream, **given: unpickler(stream, **given).load(),
        )
        options["pickle_module"] = _pickle_module(options.get("pickle_module"), file) or ours
    if not file.is_file():
        raise TrackletException(f"the model is corrupt: {file} is missing")
    return _explained(str(file), lambda: torch.load(file, weights_only=weights_only, **options))


def _pickle_module(given: Any, file: Path) -> Any:
    """What unpickles in our place; None if it would do the same."""
    if not isinstance(given, str):
        return given
    if given in _LIKE_OURS:
        return None
    trust.permit(f"import the pickle module {given}", file)
    try:
        return importlib.import_module(given)
    except (ImportError, ValueError) as error:
        raise TrackletException(
            f"{file} was pickled by {given!r}, which cannot be imported ({error}); install it, "
            "or give another pickle_module"
        ) from error


def _load(stream: IO[bytes], name: str, own: bool) -> Any:
    return _explained(name, _unpickler(name, own)(stream).load)


def _explained(name: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except ModuleNotFoundError as error:
        raise TrackletException(
            f"{name} needs the module {error.name!r}, which is not installed here. If the model's "
            "requirements.txt lists it, install that; a module of its author's own is listed "
            "nowhere: it must be importable here, or be saved with the model by code_paths=[...] "
            "or infer_code_paths=True"
        ) from error
    except TrackletException:
        raise
    except Exception as error:
        # A damaged pickle fails in any way whatever: with UnpicklingError, EOFError, KeyError…
        raise TrackletException(
            f"{name} cannot be unpickled: it is corrupt, or was written under other versions of "
            f"its libraries than are installed ({type(error).__name__}: {error})"
        ) from error


def _unpickler(name: str, own: bool) -> type[_Unpickler]:
    facts = {"mapped": own or not mlflow_installed(), "source": name}
    return type("Unpickler", (_Unpickler,), facts)


class _Unpickler(pickle.Unpickler):
    mapped = False
    source = ""

    def find_class(self, module: str, name: str) -> Any:
        if name in _CODE_MAKERS and ("cloudpickle" in module or "dill" in module):
            _refuse_code_of_another_python(self.source)
        if self.mapped:
            # The second is what cloudpickle calls to bring a module back.
            if (module == "importlib" and name == "import_module") or (
                name == "subimport" and module.startswith("cloudpickle")
            ):
                return _import_module
            if module == "mlflow" or module.startswith("mlflow."):
                return functools.reduce(getattr, name.split("."), _import_module(module))
        return super().find_class(module, name)


def _refuse_code_of_another_python(source: str) -> None:
    """A function that was pickled by value is compiled code: another Python dies of it.

    Raises:
        TrackletException: The model was saved under another minor version of Python.
    """
    wrote, here = trust.python_of_model(), platform.python_version()
    if wrote is None or wrote.split(".")[:2] == here.split(".")[:2]:
        return
    if not settings.flag("ALLOW_OTHER_PYTHON"):
        raise TrackletException(
            f"{source} holds functions as they were compiled by Python {wrote}; this is Python "
            f"{here}, which may be killed by them. Load the model under Python {wrote}; or save "
            "it there from code (python_model='model.py'), or with its functions in a module "
            "(code_paths), and it loads everywhere; or set TRACKLET_ALLOW_OTHER_PYTHON=true to "
            "try it as it is"
        )


def _import_module(name: str, package: str | None = None) -> ModuleType:
    if name == "mlflow" or name.startswith("mlflow."):
        if name not in HOMES:
            raise ModuleNotFoundError(f"tracklet has nothing in place of {name}", name=name)
        name = HOMES[name]
    return importlib.import_module(name, package)


def mlflow_installed() -> bool:
    """Whether ``import mlflow`` is answered, by MLflow or as its dialect; it is not imported."""
    return "mlflow" in sys.modules or importlib.util.find_spec("mlflow") is not None


def mlflow_home(module: str) -> str | None:
    """MLflow's name of one of our modules, for pickles that MLflow alone shall load."""
    return next((theirs for theirs, ours in HOMES.items() if ours == module), None)
