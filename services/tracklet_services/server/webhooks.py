"""Endpoints of webhooks, which an administrator makes."""

from __future__ import annotations

import http.client
import uuid
from collections.abc import Sequence
from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Struct, field

from tracklet.errors import TrackletException
from tracklet_services.server import events, notifier
from tracklet_services.server.hooks import Hook, Hooks
from tracklet_services.server.notifier import Notifier
from tracklet_services.server.replies import Reply
from tracklet_services.server.requests import Int32
from tracklet_services.server.table import Endpoint, Served


class OneEvent(Struct, kw_only=True):
    """What a webhook is for: an entity, as ``MODEL_VERSION``, and an action, as ``CREATED``."""

    entity: str
    action: str

    def __str__(self) -> str:
        return f"{self.entity}.{self.action}".lower()


class Webhook(Reply, kw_only=True):
    """A webhook; its secret is not shown.

    MLflow's clients know no events of runs, and read no list that has some: these stand apart.
    """

    webhook_id: str
    name: str
    url: str
    events: list[OneEvent] = field(default_factory=list)
    run_events: list[OneEvent] = field(default_factory=list)
    description: str = ""
    status: str
    creation_timestamp: int
    last_updated_timestamp: int


class Webhooks(Reply, kw_only=True):
    """A page of webhooks."""

    webhooks: list[Webhook] = field(default_factory=list)
    next_page_token: str | None = None


class Result(Reply, kw_only=True):
    """What came of a try."""

    success: bool
    response_status: int | None = None
    response_body: str | None = None
    error_message: str | None = None


OneWebhook: TypeAlias = Annotated[Webhook, "webhook"]
Tried: TypeAlias = Annotated[Result, "result"]


def _shown(hook: Hook) -> Webhook:
    every = [OneEvent(entity=one[0], action=one[2]) for one in map(_parted, hook.events)]
    ours = {_parted(event)[0] for event in events.RUN_EVENTS}
    return Webhook(
        webhook_id=hook.webhook_id,
        name=hook.name,
        url=hook.url,
        events=[one for one in every if one.entity not in ours],
        run_events=[one for one in every if one.entity in ours],
        description=hook.description,
        status=hook.status,
        creation_timestamp=hook.created,
        last_updated_timestamp=hook.updated,
    )


def _parted(event: str) -> tuple[str, str, str]:
    return event.upper().partition(".")


def _notifier(at: Served) -> Notifier:
    assert at.notifier is not None
    return at.notifier


def _hooks(at: Served, wanted: Sequence[OneEvent]) -> Hooks:
    """The webhooks, of which one is to be made or changed; what happened before, it is not told."""
    told = _notifier(at)
    if not wanted or "run.lost" in map(str, wanted):
        told.look(quietly=not told.hooks.wanting("run.lost"))
    return told.hooks


def create(
    at: Served,
    name: str,
    url: str,
    events: list[OneEvent],
    description: str = "",
    secret: str = "",
    status: Literal["ACTIVE", "DISABLED"] = "ACTIVE",
) -> OneWebhook:
    """Make a webhook."""
    hook = _hooks(at, events).create(
        name,
        url,
        map(str, events),
        description,
        secret,
        status,
    )
    return _shown(hook)


def get(at: Served, webhook_id: str) -> OneWebhook:
    """A webhook."""
    return _shown(_notifier(at).hooks.get(webhook_id))


def pages(
    at: Served,
    run_events: bool = False,
    max_results: Int32 | None = None,
    page_token: str | None = None,
) -> Webhooks:
    """A page of webhooks."""
    page = _notifier(at).hooks.page(max_results or 100, page_token or None, every=run_events)
    return Webhooks(webhooks=list(map(_shown, page)), next_page_token=page.token)


def update(
    at: Served,
    webhook_id: str,
    name: str | None = None,
    url: str | None = None,
    events: Sequence[OneEvent] = (),
    description: str | None = None,
    secret: str | None = None,
    status: Literal["ACTIVE", "DISABLED"] | None = None,
) -> OneWebhook:
    """Change a webhook."""
    hook = _hooks(at, events).update(
        webhook_id,
        name=name,
        url=url,
        events=tuple(map(str, events)) or None,
        description=description,
        secret=secret,
        status=status,
    )
    return _shown(hook)


def delete(at: Served, webhook_id: str) -> None:
    """Remove a webhook."""
    _notifier(at).hooks.delete(webhook_id)


def attempt(at: Served, webhook_id: str, event: OneEvent | None = None) -> Tried:
    """Send a webhook an example, and say what it answers."""
    hook = _notifier(at).hooks.get(webhook_id)
    tried = events.example(str(event) if event is not None else hook.events[0])
    try:
        answer = notifier.send(hook, notifier.body(tried), str(uuid.uuid4()))
    except (TrackletException, OSError, http.client.HTTPException) as error:
        said = error.message if isinstance(error, TrackletException) else str(error)
        return Result(success=False, error_message=said or type(error).__name__)
    good = answer.status < 300
    return Result(success=good, response_status=answer.status, response_body=answer.text)


_W = "webhooks"
_ID = f"{_W}/{{webhook_id}}"
ENDPOINTS: Final = (
    Endpoint("POST", _W, "admin", "accounts", create),
    Endpoint("GET", _W, "admin", "accounts", pages),
    Endpoint("GET", _ID, "admin", "accounts", get),
    Endpoint("PATCH", _ID, "admin", "accounts", update),
    Endpoint("DELETE", _ID, "admin", "accounts", delete),
    Endpoint("POST", f"{_ID}/test", "admin", "accounts", attempt),
)
