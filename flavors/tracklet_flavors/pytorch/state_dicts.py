"""State dictionaries as artifacts, by MLflow's names: no model, only what it learned.

Beside a pickled module stands its state as safetensors, where that library is installed: whoever
wants no more than the numbers reads them without running anything.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import tracklet
from tracklet.errors import MissingDependency
from tracklet.lazy import imported
from tracklet.models import trust as trusting
from tracklet.models import unpickle, uris
from tracklet.models.manifest import member

FILE_NAME: Final = "state_dict.pth"
TENSORS: Final = "data/model.safetensors"
"""In a model's folder."""


def save_tensors(model: Any, path: Path) -> None:
    """Write the state of a module into a model's folder, if it consists of dense tensors."""
    with suppress(MissingDependency):
        safetensors = imported("safetensors.torch", "safetensors", purpose="saving a state")
        try:
            safetensors.save_model(model, path / TENSORS)
        except Exception:  # noqa: BLE001 (states of other kinds, of which the pickle alone has all)
            (path / TENSORS).unlink(missing_ok=True)


def _load_tensors(file: Path, map_location: Any = "cpu") -> dict[str, Any]:
    safetensors = imported("safetensors", "safetensors", purpose="reading what a module learned")
    with safetensors.safe_open(file, "pt", device=str(map_location or "cpu")) as opened:
        names = opened.keys()
        state = {name: opened.get_tensor(name) for name in names}
        shared = opened.metadata() or {}
    return {**state, **{name: state[same] for name, same in shared.items() if same in state}}


def save_state_dict(state_dict: dict[str, Any], path: str | Path, **kwargs: Any) -> None:
    """Write a state dictionary, or a dictionary with several, into a folder.

    Args:
        state_dict: The dictionary.
        path: The folder; it may exist. The file is called ``state_dict.pth``.
        **kwargs: Further arguments of ``torch.save``.

    Raises:
        TypeError: It is no dictionary but, for instance, the model itself.
    """
    if not isinstance(state_dict, dict):
        raise TypeError(
            f"state_dict must be a dictionary, such as model.state_dict() gives; got a "
            f"{type(state_dict).__module__}.{type(state_dict).__qualname__}. A whole model is "
            "saved by save_model"
        )
    import torch

    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(state_dict, folder / FILE_NAME, **kwargs)


def log_state_dict(state_dict: dict[str, Any], artifact_path: str, **kwargs: Any) -> None:
    """Record a state dictionary as an artifact of the active run.

    Args:
        state_dict: As in :func:`save_state_dict`.
        artifact_path: The folder among the run's artifacts.
        **kwargs: Further arguments of ``torch.save``.

    Raises:
        TypeError: It is no dictionary.
    """
    with tempfile.TemporaryDirectory(prefix="tracklet-state-") as folder:
        save_state_dict(state_dict, folder, **kwargs)
        tracklet.log_artifacts(folder, artifact_path)


def load_state_dict(
    state_dict_uri: str | Path, *, trust: trusting.Trust = None, **kwargs: Any
) -> Any:
    """A state dictionary that was saved or logged, or that of a module that was.

    Args:
        state_dict_uri: The folder, as a path, ``runs:/…`` or another URI. Of a module's folder it
            is read from ``data/model.safetensors``, for which nobody's trust is asked.
        trust: True for a file of someone else's that holds more than tensors and plain values,
            with ``weights_only=False``, if you trust the author.
        **kwargs: Further arguments of torch's own loader, such as ``map_location``.

    Raises:
        ResourceDoesNotExist: There is nothing there.
        UntrustedModel: ``weights_only=False`` would run what the file says, and its author is not
            trusted.
        TrackletException: The file is missing or corrupt.
    """
    folder = uris.resolve(state_dict_uri)
    if not (folder / FILE_NAME).is_file() and (folder / TENSORS).is_file():
        return _load_tensors(folder / TENSORS, kwargs.get("map_location"))
    with trusting.loading(folder, trust):
        return unpickle.load_torch(member(folder, FILE_NAME), **{"weights_only": True, **kwargs})
