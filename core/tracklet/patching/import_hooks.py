"""Being told when a module is imported, without importing it and without leaving a trace.

One finder stands in ``sys.meta_path`` while anyone waits, and only then. It asks the other finders
for the module's spec and has the loader's ``exec_module`` tell us when the module is complete; the
module, its spec and its loader stay the very objects that they would have been.
"""

from __future__ import annotations

import importlib.machinery
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Any

from tracklet.patching import faults
from tracklet.patching.kept_state import captured, put_back
from tracklet.patching.suppression import suppressed
from tracklet.state import lock

ImportCallback = Callable[[ModuleType], None]


class ImportHook:
    """A callback that waits for a module; ``cancel`` ends that."""

    __slots__ = ("callback", "label", "module")

    def __init__(self, module: str, callback: ImportCallback, label: str) -> None:
        self.module = module
        self.callback = callback
        self.label = label

    def cancel(self) -> None:
        """Be told no more. Idempotent."""
        with _lock:
            waiting = _waiting.get(self.module, [])
            if self in waiting:
                waiting.remove(self)
            if not waiting:
                _waiting.pop(self.module, None)
            if not _waiting and _finder in sys.meta_path:
                sys.meta_path.remove(_finder)


_lock = lock()
_waiting: dict[str, list[ImportHook]] = {}


def when_imported(module: str, callback: ImportCallback, label: str = "") -> ImportHook:
    """Call back with the module as soon as it was imported; at once if it was already.

    What the callback raises is contained. It is called again when the module is reloaded, and in
    the thread that imports.

    Args:
        module: The dotted name of the module. It is never imported by this.
        callback: Called with the module.
        label: On whose behalf, for messages.
    """
    hook = ImportHook(module, callback, label)
    with _lock:
        _waiting.setdefault(module, []).append(hook)
        if _finder not in sys.meta_path:
            sys.meta_path.insert(0, _finder)
    present = sys.modules.get(module)
    if present is not None and not _in_progress(present):
        _fire(hook, present)
    return hook


def _in_progress(module: ModuleType) -> bool:
    """Whether a module's code is being run at this moment, under our eyes."""
    spec = getattr(module, "__spec__", None)
    return "exec_module" in getattr(getattr(spec, "loader", None), "__dict__", {})


def _fire(hook: ImportHook, module: ModuleType) -> None:
    states = captured()
    try:
        with suppressed():
            faults.checkpoint(f"import of {module.__name__}")
            hook.callback(module)
    except Exception as error:  # noqa: BLE001 (the user's import must not fail because of us)
        faults.report(error, f"the import of {hook.module}", hook.label)
    except BaseException as interrupt:
        put_back(states, interrupt)
        raise


class _Finder(MetaPathFinder):
    """Finds nothing itself: it lets the others find, and listens to the loading."""

    def __init__(self) -> None:
        self._state = threading.local()

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec that the other finders give, with a loader that tells us when it is done."""
        if fullname not in _waiting:
            return None
        with self._searching(fullname) as first:
            if not first:
                return None
            for finder in tuple(sys.meta_path):
                search = getattr(finder, "find_spec", None)
                if finder is self or search is None:
                    continue
                spec = search(fullname, path, target)
                if spec is not None:
                    _listen(fullname, spec.loader)
                    return spec
        return None

    @contextmanager
    def _searching(self, fullname: str) -> Iterator[bool]:
        # Some finders ask all finders in turn, which would bring the question back to us.
        names: set[str] = self._state.__dict__.setdefault("names", set())
        first = fullname not in names
        names.add(fullname)
        try:
            yield first
        finally:
            if first:
                names.discard(fullname)


def _listen(fullname: str, loader: Any) -> None:
    """Have this loader tell us when it has run the module; leaves nothing on it afterwards."""
    run = getattr(loader, "exec_module", None)
    if run is None or isinstance(loader, type) or "exec_module" in vars(loader):
        return

    def exec_module(module: ModuleType) -> None:
        if module.__name__ != fullname:
            run(module)
            return
        try:
            run(module)
        finally:
            vars(loader).pop("exec_module", None)
        for hook in tuple(_waiting.get(fullname, ())):
            _fire(hook, module)

    try:
        loader.exec_module = exec_module
    except AttributeError as error:
        faults.logger.debug("the import of %s cannot be observed: %s", fullname, error)


_finder = _Finder()
