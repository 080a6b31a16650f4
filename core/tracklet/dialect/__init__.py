"""MLflow's dialect: ``import mlflow``, answered by tracklet.

Off until :func:`as_mlflow` is called, or ``tracklet run`` starts a program. Then the folder
``found`` stands first on the import path, of this process and by ``PYTHONPATH`` of those that it
starts. What lies in it is found as ``mlflow``: a package without code of its own, whose modules and
names :mod:`tracklet.dialect.table` leads to tracklet's. A real mlflow that is installed stays where
it is, unseen and untouched.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from tracklet.errors import InvalidState
from tracklet.state import ProcessState, lock

__all__ = ["VERSION", "as_mlflow"]

VERSION: Final = "3.17.0"
"""The version of MLflow whose dialect is spoken."""

_FOLDER: Final = os.path.dirname(os.path.abspath(__file__))
FOUND: Final = os.path.join(_FOLDER, "found")
AUTOLOGGING: Final = os.path.join(_FOLDER, "autologging")


def as_mlflow(on: bool = True) -> None:
    """Answer ``import mlflow`` and ``import mlflow.<module>`` in this process and its children.

    A program, notebook or library that was written for MLflow then records with tracklet, without
    a changed line. ``importlib.util.find_spec("mlflow")`` and ``importlib.metadata.version`` answer
    too. Children are those of the same interpreter, however they are started.

    Args:
        on: False takes it back: ``mlflow`` is again what is installed by that name, if anything.

    Raises:
        InvalidState: The real mlflow is imported already.

    Example:
        >>> import tracklet
        >>> tracklet.as_mlflow()
        >>> import mlflow
        >>> mlflow.set_tracking_uri is tracklet.set_tracking_uri
        True
        >>> tracklet.as_mlflow(False)
    """
    _state.forget()
    if on:
        real = sys.modules.get("mlflow")
        if real is not None:
            raise InvalidState(
                f"mlflow is imported already, from {getattr(real, '__file__', None)}; call "
                "tracklet.as_mlflow() before the first `import mlflow`, or start the program by "
                "`tracklet run`"
            )
        sys.path.insert(0, FOUND)
        os.environ["PYTHONPATH"] = with_folders([FOUND], os.environ.get("PYTHONPATH"))


@contextmanager
def answered() -> Iterator[None]:
    """Answer ``import mlflow`` for a while and in this process alone, unless something does.

    What was imported meanwhile stays good for those that have it.
    """
    me = object()
    with _lock:
        if _state.asking or not _is_answered():
            if not _state.asking:
                sys.path.insert(0, FOUND)
            _state.asking.add(me)
    try:
        yield
    finally:
        with _lock:
            if me in _state.asking:
                _state.asking.remove(me)
                if not _state.asking:
                    _state.forget()


def _is_answered() -> bool:
    from importlib.util import find_spec

    return "mlflow" in sys.modules or find_spec("mlflow") is not None


def with_folders(folders: Iterable[str], path: str | None) -> str:
    """A ``PYTHONPATH`` that begins with some folders."""
    return os.pathsep.join([*folders, *([path] if path else [])])


def without(folder: str, path: str) -> str:
    """A ``PYTHONPATH`` without a folder."""
    return os.pathsep.join(each for each in path.split(os.pathsep) if each != folder)


class _State(ProcessState):
    """The import path and the modules that were answered: they are the interpreter's own."""

    def begin(self) -> None:
        # Those for whom it is answered for a while.
        self.asking: set[object] = set()

    def forget(self) -> None:
        sys.path[:] = [each for each in sys.path if each != FOUND]
        if path := os.environ.get("PYTHONPATH"):
            os.environ["PYTHONPATH"] = without(FOUND, path)
            if not os.environ["PYTHONPATH"]:
                del os.environ["PYTHONPATH"]
        package = sys.modules.get("mlflow")
        if str(getattr(package, "__file__", "")).startswith(FOUND + os.sep):
            from tracklet.dialect import modules

            modules.forget()


_state = _State()
_lock = lock()
