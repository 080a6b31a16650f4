"""The active model: the logged model that a context's metrics belong to unless they name one."""

from __future__ import annotations

from contextvars import ContextVar

from tracklet import settings
from tracklet.state import ProcessState

_active: ContextVar[str | None] = ContextVar("tracklet_active_model", default=None)


asked_model: ContextVar[str | None] = ContextVar("tracklet_asked_model", default=None)
"""The loaded model that answers in this context; traces that begin there are its."""


class _Models(ProcessState):
    """The configured active models that :func:`clear_active_model` turned off."""

    def begin(self) -> None:
        self.cleared: set[str] = set()

    def forget(self) -> None:
        self.begin()
        _active.set(None)


_models = _Models()


def get_active_model_id() -> str | None:
    """The id of the active model: this context's, or the option ``ACTIVE_MODEL_ID``."""
    model_id = _active.get()
    if model_id is not None:
        return model_id
    configured = settings.option("ACTIVE_MODEL_ID")
    return None if configured in _models.cleared else configured


def activate(model_id: str | None) -> str | None:
    """Make a model the active one of this context; answers with the one that was."""
    earlier = _active.get()
    _active.set(model_id)
    return earlier


def clear_active_model() -> None:
    """From now on no model is active, not even a configured one."""
    _active.set(None)
    configured = settings.option("ACTIVE_MODEL_ID")
    if configured is not None:
        _models.cleared.add(configured)
