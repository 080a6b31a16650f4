"""Pickling Python models so that they load without tracklet, where MLflow is."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from tracklet.errors import TrackletException
from tracklet.models import object_files
from tracklet.models.pyfunc.python_model import unchecked
from tracklet.models.unpickle import mlflow_home


def dump(model: Any, file: Path) -> set[str]:
    """Write a model.

    What the model takes from tracklet (its base class, the module that its code calls) is written
    under MLflow's names for it; our own loader finds them in tracklet again.

    Returns:
        The modules that it refers to.

    Raises:
        TrackletException: Something in the model cannot be pickled.
    """
    try:
        return object_files.pickle_to(file, model, _Pickler)
    except OSError:
        raise
    except Exception as error:
        raise TrackletException(
            f"{type(model).__name__} cannot be pickled ({type(error).__name__}: {error}); keep "
            "what cannot be pickled out of the model's attributes and make it in load_context, or "
            "log the model from code"
        ) from error


class _Reference:
    """A module of MLflow's, which need not be installed here."""

    def __init__(self, name: str) -> None:
        self.name = name


class _Pickler(object_files.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        obj = unchecked(obj) if isinstance(obj, FunctionType) else obj
        if isinstance(obj, _Reference):
            return importlib.import_module, (obj.name,)
        if isinstance(obj, ModuleType):
            home = mlflow_home(obj.__name__)
            if home is not None:
                return importlib.import_module, (home,)
        elif isinstance(obj, type | FunctionType):
            home = mlflow_home(obj.__module__ or "")
            if home is not None:
                name = "_FunctionPythonModel" if obj.__name__ == "FunctionModel" else obj.__name__
                return getattr, (_Reference(home), name)
        return super().reducer_override(obj)
