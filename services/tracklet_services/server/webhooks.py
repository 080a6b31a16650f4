"""Endpoints of webhooks, which an administrator makes."""

from __future__ import annotations

import http.client
import uuid
from typing import Final, Literal

from msgspec import field

from tracklet.errors import TrackletException
from tracklet_services.server import events, notifier
from tracklet_services.server.hooks import Hook, Hooks
from tracklet_services.server.notifier import Notifier
from tracklet_services.server.replies import Nothing, Reply
from tracklet_services.server.requests import Int32, Request
from tracklet_services.server.table import Endpoint, Served


class OneEvent(Request, kw_only=True):
    """What a webhook is for: an entity, as ``MODEL_VERSION``, and an action, as ``CREATED``."""

    entity: str
    action: str

    def __str__(self) -> str:
        return f"{self.entity}.{self.action}".lower()


class NewWebhook(Request, kw_only=True):
    """A new webhook."""

    name: str
    url: str
    events: list[OneEvent]
    description: str = ""
    secret: str = ""
    status: Literal["ACTIVE", "DISABLED"] = "ACTIVE"


class OfWebhook(Request, kw_only=True):
    """What names a webhook."""

    webhook_id: str


class ChangedWebhook(OfWebhook, kw_only=True):
    """What is given is changed."""

    name: str | None = None
    url: str | None = None
    events: list[OneEvent] = field(default_factory=list)
    description: str | None = None
    secret: str | None = None
    status: Literal["ACTIVE", "DISABLED"] | None = None


class TriedWebhook(OfWebhook, kw_only=True):
    """The event that a webhook is tried with; its first one, unless it is said."""

    event: OneEvent | None = None


class ListWebhooks(Request, kw_only=True):
    """A page of webhooks.

    Those for events of runs alone, which MLflow's clients cannot read, if ``run_events`` is true.
    """

    run_events: bool = False
    max_results: Int32 | None = None
    page_token: str | None = None


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


class OneWebhook(Reply, kw_only=True):
    """A webhook."""

    webhook: Webhook


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


class Tried(Reply, kw_only=True):
    """What came of a try."""

    result: Result


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


def _hooks(at: Served, wanted: list[OneEvent]) -> Hooks:
    """The webhooks, of which one is to be made or changed; what happened before, it is not told."""
    told = _notifier(at)
    if not wanted or "run.lost" in map(str, wanted):
        told.look(quietly=not told.hooks.wanting("run.lost"))
    return told.hooks


def create(at: Served, asked: NewWebhook) -> OneWebhook:
    """Make a webhook."""
    hook = _hooks(at, asked.events).create(
        asked.name,
        asked.url,
        map(str, asked.events),
        asked.description,
        asked.secret,
        asked.status,
    )
    return OneWebhook(webhook=_shown(hook))


def get(at: Served, asked: OfWebhook) -> OneWebhook:
    """A webhook."""
    return OneWebhook(webhook=_shown(_notifier(at).hooks.get(asked.webhook_id)))


def pages(at: Served, asked: ListWebhooks) -> Webhooks:
    """A page of webhooks."""
    page = _notifier(at).hooks.page(
        asked.max_results or 100, asked.page_token or None, every=asked.run_events
    )
    return Webhooks(webhooks=list(map(_shown, page)), next_page_token=page.token)


def update(at: Served, asked: ChangedWebhook) -> OneWebhook:
    """Change a webhook."""
    hook = _hooks(at, asked.events).update(
        asked.webhook_id,
        name=asked.name,
        url=asked.url,
        events=tuple(map(str, asked.events)) or None,
        description=asked.description,
        secret=asked.secret,
        status=asked.status,
    )
    return OneWebhook(webhook=_shown(hook))


def delete(at: Served, asked: OfWebhook) -> Nothing:
    """Remove a webhook."""
    _notifier(at).hooks.delete(asked.webhook_id)
    return Nothing()


def attempt(at: Served, asked: TriedWebhook) -> Tried:
    """Send a webhook an example, and say what it answers."""
    hook = _notifier(at).hooks.get(asked.webhook_id)
    event = events.example(str(asked.event) if asked.event is not None else hook.events[0])
    try:
        answer = notifier.send(hook, notifier.body(event), str(uuid.uuid4()))
    except (TrackletException, OSError, http.client.HTTPException) as error:
        said = error.message if isinstance(error, TrackletException) else str(error)
        return Tried(result=Result(success=False, error_message=said or type(error).__name__))
    good = answer.status < 300
    return Tried(
        result=Result(success=good, response_status=answer.status, response_body=answer.text)
    )


_W = "webhooks"
_ID = f"{_W}/{{webhook_id}}"
ENDPOINTS: Final = (
    Endpoint("POST", _W, "admin", "accounts", NewWebhook, create, OneWebhook),
    Endpoint("GET", _W, "admin", "accounts", ListWebhooks, pages, Webhooks),
    Endpoint("GET", _ID, "admin", "accounts", OfWebhook, get, OneWebhook),
    Endpoint("PATCH", _ID, "admin", "accounts", ChangedWebhook, update, OneWebhook),
    Endpoint("DELETE", _ID, "admin", "accounts", OfWebhook, delete, Nothing),
    Endpoint("POST", f"{_ID}/test", "admin", "accounts", TriedWebhook, attempt, Tried),
)
