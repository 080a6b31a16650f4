"""What the groups of verbs share: the backend behind them, and how an entity is found in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from types import FunctionType
from typing import Any, Final, ParamSpec, TypeVar

from tracklet import validation
from tracklet.record import rules
from tracklet.record.backend import Backend, Entry, Kind, Session

P = ParamSpec("P")
T = TypeVar("T")

_CHECKS: Final[Mapping[str, Callable[[Any], object]]] = {
    "experiment": validation.validate_experiment_id,
    "run": validation.validate_run_id,
    "logged model": validation.validate_model_id,
    "registered model": rules.registered_model_name,
}


def reported(verbs: type[T]) -> type[T]:
    """Have all verbs of a class turn a backend's OSError into a StorageError of what was tried."""
    for name, verb in list(vars(verbs).items()):
        if isinstance(verb, FunctionType) and not name.startswith("_"):
            setattr(verbs, name, _reporting(verb))
    return verbs


def _reporting(verb: Callable[P, T]) -> Callable[P, T]:
    @wraps(verb)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return verb(*args, **kwargs)
        except OSError as error:
            store: Any = args[0]
            raise store.backend.failure(verb.__name__.replace("_", " "), error) from error

    return call


class Verbs:
    """Base of the groups of verbs.

    Args:
        backend: Where the record is kept.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    def _found(self, at: Session, kind: Kind, key: Any, *, lock: bool = False) -> Entry:
        """The entity of that id, deleted or not."""
        _CHECKS[kind](key)
        entry = at.find(kind, key, lock=lock)
        if entry is None:
            raise rules.missing(kind, key, self.backend.where)
        return entry

    def _active(
        self, at: Session, kind: Kind, key: Any, action: str = "change", *, lock: bool = False
    ) -> Entry:
        """The entity of that id, which is not deleted."""
        entry = self._found(at, kind, key, lock=lock)
        if entry.is_deleted:
            raise rules.in_trash(action, entry)
        return entry

    def _purge(self, kind: Kind, key: str) -> None:
        with self.backend.writing() as at:
            entry = self._found(at, kind, key, lock=True)
            if not entry.is_deleted:
                raise rules.not_in_trash(entry)
            at.remove(entry)
