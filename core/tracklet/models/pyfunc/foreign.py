"""Models whose loader is a module of someone else's: MLflow's protocol for loaders."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tracklet.errors import TrackletException
from tracklet.models import trust
from tracklet.models.pyfunc.python_model import takes_params


def load(loader: str, path: Path, pyfunc: Mapping[str, Any]) -> Any:
    """What a loader's ``_load_pyfunc`` returns.

    Args:
        loader: The loader's import path.
        path: The model's folder.
        pyfunc: The ``python_function`` entry of the ``MLmodel`` file.

    Raises:
        UntrustedModel: The model is neither this user's own nor trusted.
        TrackletException: The loader cannot be imported, or is none.
    """
    trust.permit(f"import the loader {loader}", path / "MLmodel")
    try:
        module = importlib.import_module(loader)
    except ImportError as error:
        raise TrackletException(
            f"the model needs the loader {loader!r}, which cannot be imported ({error}); install "
            "the flavor's plugin, or what the model's requirements.txt lists"
        ) from error
    load_pyfunc = getattr(module, "_load_pyfunc", None)
    if load_pyfunc is None:
        raise TrackletException(f"{loader!r} is no loader: it has no _load_pyfunc")
    data = str(path / pyfunc["data"] if pyfunc.get("data") else path)
    if pyfunc.get("config") is not None:
        return load_pyfunc(data, pyfunc["config"])
    return load_pyfunc(data)


class ForeignPredictor:
    """Asks what a foreign loader returned; not all of them take params."""

    def __init__(self, model: Any, predict_fn: str = "predict") -> None:
        self._predict = getattr(model, predict_fn)
        self._takes_params = takes_params(self._predict)

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """The model's answer."""
        return self._predict(data, params=params) if self._takes_params else self._predict(data)
