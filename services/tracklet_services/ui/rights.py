"""What the caller of a page may see and do: everything, but where the server knows its users."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal, TypeAlias

from starlette.requests import Request

from tracklet.errors import TrackletException
from tracklet_services.ui.place import Place
from tracklet_services.web.guard import CALLER

Right: TypeAlias = Literal["read", "log", "admin"]
_RIGHTS: Final[tuple[Right, ...]] = ("read", "log", "admin")


class Denied(TrackletException):
    """Who asks may not see this."""

    code = "PERMISSION_DENIED"


def may(request: Request, kind: str, key: str | None, right: Right = "read") -> bool:
    """Whether who asks has a right to an experiment or a registered model."""
    accounts, caller = _known(request)
    if accounts is None:
        return True
    return caller is not None and key is not None and accounts.may(caller, right, kind, key)


def is_user(request: Request) -> bool:
    """Whether who asks is a user without rights to everything."""
    accounts, caller = _known(request)
    return accounts is not None and not (caller is not None and caller.rules)


def name(request: Request) -> str | None:
    """Who asks, where the server knows its users."""
    caller = _known(request)[1]
    return None if caller is None else caller.name


def _known(request: Request) -> tuple[Any, Any]:
    served = getattr(request.app.state, "served", None)
    return None if served is None else served.accounts, request.scope.get(CALLER)


def check(place: Place, request: Request) -> None:
    """Refuse who may not read what a request is about.

    Raises:
        Denied: Who asks may not.
    """
    if not is_user(request):
        return
    for kind, key in _subjects(place, request):
        if not may(request, kind, key):
            raise Denied("you have no right to this here; who manages it can grant it")


def best(place: Place, request: Request) -> Right | None:
    """The most that may be done to all that a request is about; None if it is about nothing."""
    subjects = list(_subjects(place, request)) if is_user(request) else []
    found = [most(request, kind, key) for kind, key in subjects]
    return next((right for right in _RIGHTS if right in found), None)


def most(request: Request, kind: str, key: str | None) -> Right | None:
    """The most that who asks may do to something; None for nothing, or where nobody is asked."""
    if not is_user(request):
        return None
    return next((right for right in reversed(_RIGHTS) if may(request, kind, key, right)), None)


def _subjects(place: Place, request: Request) -> Iterator[tuple[str, str | None]]:
    """The experiments and registered models that a request is about, by what it names."""
    asked, path = request.query_params, request.path_params
    store = place.client.store
    runs, models = asked.getlist("run"), asked.getlist("model")
    runs += [path[name] for name in ("run_id",) if name in path]
    models += [path[name] for name in ("model_id",) if name in path]
    if path.get("kind") == "models":
        models.append(path["owner"])
    elif "owner" in path:
        runs.append(path["owner"])
    kind, _, key = asked.get("of", "").partition(":")
    if kind == "run":
        runs.append(key)
    elif kind == "model":
        models.append(key)
    elif kind == "version":
        yield "registered", key.rpartition("/")[0]
    for id_ in filter(None, asked.get("experiments", "").split(",")):
        yield "experiment", id_
    for run_id in filter(None, runs):
        yield "experiment", store.get_run(run_id).info.experiment_id
    for model_id in filter(None, models):
        yield "experiment", store.get_logged_model(model_id).experiment_id
    if "trace_id" in path:
        yield "experiment", store.traces.get_trace_info(path["trace_id"]).experiment_id
    if asked.get("name"):
        yield "registered", asked["name"]
