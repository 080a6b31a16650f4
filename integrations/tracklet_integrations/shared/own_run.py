"""A run that belongs to an object, such as a logger or a writer, and not to the user's context."""

from __future__ import annotations

import contextvars
from typing import Any

from tracklet.fluent import active
from tracklet.fluent.active import ActiveRun
from tracklet.fluent.starting import start_run


def own_run(**settings: Any) -> ActiveRun:
    """A new run that is not the active one: it takes no records, and the user may start another.

    It is ended by whoever asked for it, or when the process ends.

    Args:
        **settings: What :func:`tracklet.start_run` takes.
    """
    context = contextvars.Context()
    return active.unshared(context.run(lambda: start_run(**settings)))
