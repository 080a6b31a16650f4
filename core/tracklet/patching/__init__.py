"""Watching functions of other libraries without changing what they do.

An advice is a generator with exactly one ``yield``: what stands before it runs before the
original, what stands after it sees the original's outcome. So an advice cannot forget the
original, call it twice, replace its result or touch its exception::

    def watch_train(call: Call) -> Generator[None, Outcome, None]:
        started = perf_counter()
        outcome = yield
        note(outcome, perf_counter() - started)


    patch = Patch("toy.training", "train", watch_train)
    patch.apply()
    ...
    patch.revert()  # the very same object is back

This package knows nothing of runs. It imports only :mod:`tracklet.errors` and wrapt.
"""

from __future__ import annotations

from tracklet.patching.call import Advice, Call, Outcome, PatchError
from tracklet.patching.faults import checkpoint, injected, on_fault, report, strict_when
from tracklet.patching.import_hooks import ImportHook, when_imported
from tracklet.patching.kept_state import keep_context, keep_state
from tracklet.patching.patch import Patch, existing_classes
from tracklet.patching.suppression import is_suppressed, suppressed, watch_in_this_process
from tracklet.patching.weave import AdviceError, delivered

__all__ = [
    "Advice",
    "AdviceError",
    "Call",
    "ImportHook",
    "Outcome",
    "Patch",
    "PatchError",
    "checkpoint",
    "delivered",
    "existing_classes",
    "injected",
    "is_suppressed",
    "keep_context",
    "keep_state",
    "on_fault",
    "report",
    "strict_when",
    "suppressed",
    "watch_in_this_process",
    "when_imported",
]
