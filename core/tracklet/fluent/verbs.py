"""The client's verbs as functions, on the record that the settings name when they are called."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from tracklet.client import TrackletClient

P = ParamSpec("P")
R = TypeVar("R")


def verb(method: Callable[Concatenate[TrackletClient, P], R]) -> Callable[P, R]:
    """A function of the same name, signature and documentation as a method of the client."""

    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return method(TrackletClient(), *args, **kwargs)

    # A function in its own right, to `inspect` and to `pickle`.
    function: Any = call
    signature = inspect.signature(method)
    function.__signature__ = signature.replace(parameters=[*signature.parameters.values()][1:])
    function.__module__, function.__qualname__ = __name__, method.__name__
    del function.__wrapped__
    return call


get_run = verb(TrackletClient.get_run)
get_parent_run = verb(TrackletClient.get_parent_run)
delete_run = verb(TrackletClient.delete_run)
restore_run = verb(TrackletClient.restore_run)

get_experiment = verb(TrackletClient.get_experiment)
get_experiment_by_name = verb(TrackletClient.get_experiment_by_name)
delete_experiment = verb(TrackletClient.delete_experiment)
restore_experiment = verb(TrackletClient.restore_experiment)

get_logged_model = verb(TrackletClient.get_logged_model)
finalize_logged_model = verb(TrackletClient.finalize_logged_model)
delete_logged_model = verb(TrackletClient.delete_logged_model)
set_logged_model_tags = verb(TrackletClient.set_logged_model_tags)
delete_logged_model_tag = verb(TrackletClient.delete_logged_model_tag)

set_model_version_tag = verb(TrackletClient.set_model_version_tag)

get_assessment = verb(TrackletClient.get_assessment)
update_assessment = verb(TrackletClient.update_assessment)
delete_assessment = verb(TrackletClient.delete_assessment)
