"""Each request's rights: who asks is found before anything else, and what it is about is asked."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, Final

from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist
from tracklet_services.server import replies
from tracklet_services.server.accounts import Accounts, Caller, Denied, Unauthenticated
from tracklet_services.server.places import SCHEME
from tracklet_services.server.protocol import refuse
from tracklet_services.server.table import KINDS, Endpoint, Right, Served
from tracklet_services.web.guard import CALLER, App, Receive, Scope, Send
from tracklet_services.web.workers import Workers

_MOST: Final = 3
_OPEN: Final = ("/health", "/version")
_OWN: Final = (
    "/api/2.0/",
    "/api/3.0/",
    "/ajax-api/2.0/",
    "/ajax-api/3.0/",
    "/v1/traces",
    "/get-artifact",
    "/model-versions/get-artifact",
    "/openapi.json",
)
_LISTS: Final = {
    replies.Experiments: ("experiments", "experiment", "experiment_id"),
    replies.Registered: ("registered_models", "registered", "name"),
    replies.Versions: ("model_versions", "registered", "name"),
}
"""What lists show to those only who may read it: where it is, its kind, and what names it."""


class Authority:
    """Decides what callers may do; without one everybody may do everything.

    Args:
        accounts: The users.
        served: What it is about.
    """

    def __init__(self, accounts: Accounts, served: Served) -> None:
        self.accounts = accounts
        self._served = served

    # -- the protocol --------------------------------------------------------------------------

    def check(self, caller: Caller | None, endpoint: Endpoint, asked: Any) -> Caller:
        """The caller, who has a right to a request.

        Raises:
            Denied: The caller has none.
        """
        if caller is None:
            raise _denied()
        if endpoint.subject == "accounts":
            own = getattr(asked, "username", None) == caller.name and (
                endpoint.right == "read"
                or (endpoint.path == "users/update-password" and caller.scope == _MOST)
            )
            first = caller.is_first and endpoint.path == "users/create"
            if not (first or own or caller.rules):
                raise _denied()
            return caller
        if caller.is_first:
            raise Denied("this token makes the first user, by users/create, and does nothing else")
        needed = {"read": 1, "log": 2, "admin": 3}[endpoint.right]
        if caller.scope < needed:
            raise _denied()
        is_new = endpoint.subject in ("new experiment", "new registered")
        if is_new and caller.experiments is not None:
            raise _denied()
        for right, kind, key in self._subjects(endpoint, asked):
            self.require(caller, right, kind, key)
        return caller

    def require(self, caller: Caller | None, right: Right, kind: str, key: str) -> None:
        """Refuse what the caller may not do to an experiment or a registered model."""
        if caller is None or not self.accounts.may(caller, right, kind, key):
            raise _denied()

    def _subjects(self, endpoint: Endpoint, asked: Any) -> Iterator[tuple[Right, str, str]]:
        """What a request is about, and what it needs there."""
        right, of = endpoint.right, endpoint.subject
        if of == "experiment":
            yield right, "experiment", self._experiment(asked)
        elif of == "experiments":
            ids = list(getattr(asked, "experiment_ids", ()))
            for place in getattr(asked, "locations", ()):
                if place.mlflow_experiment is not None:
                    ids.append(place.mlflow_experiment.experiment_id)
            for key in ids:
                yield right, "experiment", key
        elif of in ("run", "runs"):
            ids = [asked.run_id] if of == "run" else [*asked.run_id, *asked.run_ids]
            for run_id in ids:
                yield right, "experiment", self._of_run(run_id)
        elif of == "model":
            yield right, "experiment", self._of_model(asked.model_id)
        elif of == "files":
            run_id, model_id = asked.run_id, asked.model_id
            found = self._of_run(run_id) if run_id else self._of_model(model_id)
            yield right, "experiment", found
        elif of in ("trace", "traces"):
            ids = [asked.trace_id] if of == "trace" else asked.trace_ids
            for trace_id in ids:
                yield right, "experiment", self._of_trace(trace_id)
        elif of == "registered":
            yield right, "registered", asked.name
        elif of == "resource":
            yield right, KINDS[asked.resource_type], asked.resource_id
        if endpoint.path == "runs/log-metric" and asked.model_id:
            yield "log", "experiment", self._of_model(asked.model_id)
        yield from self._mentioned(asked)

    def _mentioned(self, asked: Any) -> Iterator[tuple[Right, str, str]]:
        """What a request names beside what it is about."""
        for point in getattr(asked, "metrics", ()):
            if point.model_id:
                yield "log", "experiment", self._of_model(point.model_id)
        if getattr(asked, "models", ()):
            for model in asked.models:
                yield "read", "experiment", self._of_model(model.model_id)
        if getattr(asked, "trace_ids", ()) and getattr(asked, "run_id", None):
            for trace_id in asked.trace_ids:
                yield "log", "experiment", self._of_trace(trace_id)
        if getattr(asked, "source_run_id", None):
            yield "read", "experiment", self._of_run(asked.source_run_id)
        source = getattr(asked, "source", None)
        if isinstance(source, str):
            if asked.run_id:
                yield "read", "experiment", self._of_run(asked.run_id)
            if asked.model_id:
                yield "read", "experiment", self._of_model(asked.model_id)
            yield from self._of_source(source)

    def _of_source(self, source: str) -> Iterator[tuple[Right, str, str]]:
        scheme, _, rest = source.partition(":/")
        first, _, below = rest.strip("/").partition("/")
        if scheme == "runs":
            yield "read", "experiment", self._of_run(first)
        elif scheme == "models" and first.startswith("m-") and not below:
            yield "read", "experiment", self._of_model(first)
        elif scheme == "models":
            yield "read", "registered", first.partition("@")[0]
        elif source.startswith(SCHEME):
            place = self._served.places.find(source.removeprefix(SCHEME))
            yield "read", "experiment", place.experiment_id

    def _experiment(self, asked: Any) -> str:
        name = getattr(asked, "experiment_name", None)
        if name is not None:
            found = self._served.store.get_experiment_by_name(name)
            if found is None:
                raise ResourceDoesNotExist(f"there is no experiment named {name!r}")
            return found.experiment_id
        trace = getattr(asked, "trace", None)
        if trace is not None:
            place = trace.trace_info.trace_location.mlflow_experiment
            if place is None:
                raise InvalidParameterValue("a trace belongs to an experiment")
            return place.experiment_id
        return asked.experiment_id

    def _of_run(self, run_id: str) -> str:
        return self._served.places.run(run_id).experiment_id

    def _of_model(self, model_id: str) -> str:
        return self._served.places.model(model_id).experiment_id

    def _of_trace(self, trace_id: str) -> str:
        return str(self._served.places.trace(trace_id).experiment_id)

    def after(self, caller: Caller, endpoint: Endpoint, asked: Any, reply: Any) -> Any:
        """What a caller may see of a reply; who made something may do everything with it."""
        if endpoint.subject == "new experiment":
            self.accounts.grant(caller.name, "experiment", reply.experiment_id, "MANAGE")
        elif endpoint.subject == "new registered":
            self.accounts.grant(caller.name, "registered", asked.name, "MANAGE")
        elif endpoint.path == "registered-models/rename":
            self.accounts.renamed("registered", asked.name, asked.new_name)
        elif endpoint.path == "registered-models/delete":
            self.accounts.revoke("registered", asked.name)
        elif type(reply) in _LISTS:
            items, kind, key = _LISTS[type(reply)]
            every, may = getattr(reply, items), self.accounts.may
            shown = [one for one in every if may(caller, "read", kind, getattr(one, key))]
            setattr(reply, items, shown)
        return reply


def _denied() -> Denied:
    return Denied("you have no right to this here; who manages it can grant it")


class Identified:
    """An application whose callers are known.

    Further routes are for administrators, unless they know of rights.

    Args:
        app: The application.
        accounts: The users.
        workers: Who looks them up.
        prefix: What stands before every path.
        knows_rights: Whether further routes ask for rights themselves.
    """

    def __init__(
        self,
        app: App,
        accounts: Accounts,
        workers: Workers,
        prefix: str,
        knows_rights: bool = False,
    ) -> None:
        self._app = app
        self._accounts = accounts
        self._workers = workers
        self._prefix = prefix
        self._knows_rights = knows_rights

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Find out who asks, then pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"].removeprefix(self._prefix)
        if path in _OPEN:
            await self._app(scope, receive, send)
            return
        try:
            given = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
            client = (scope.get("client") or ("",))[0]
            caller = await self._workers.run(lambda: self._caller(given, client))
            known = self._knows_rights and not caller.is_first
            if not (known or path.startswith(_OWN) or caller.rules):
                raise _denied()
        except Exception as error:  # noqa: BLE001 - whatever goes wrong, the request goes no further
            await refuse(error, send)
            return
        scope[CALLER] = caller
        await self._app(scope, receive, send)

    def _caller(self, given: str, client: str) -> Caller:
        kind, _, credentials = given.partition(" ")
        if kind.lower() == "bearer":
            return self._accounts.by_token(credentials.strip())
        if kind.lower() == "basic":
            try:
                name, colon, password = (
                    base64.b64decode(credentials, validate=True).decode().partition(":")
                )
            except ValueError:  # no base64, or no text in it
                name = colon = password = ""
            if colon:
                return self._accounts.by_password(name, password, client)
        raise Unauthenticated("say who you are, by a user name and a password or by a token")
