"""The webhooks of a record, in a file of the server's own: their secrets are on no record."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

from tracklet import names
from tracklet.entities import PagedList
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist, brief
from tracklet.search import Page
from tracklet_services.server import events, outbound
from tracklet_services.server.private import PrivateFile

MOST: Final = 1000
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?")
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS webhooks (
    id TEXT PRIMARY KEY, record TEXT NOT NULL, name TEXT NOT NULL, url TEXT NOT NULL,
    events TEXT NOT NULL, description TEXT NOT NULL, secret TEXT NOT NULL, status TEXT NOT NULL,
    created INTEGER NOT NULL, updated INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS happened (
    record TEXT NOT NULL, what TEXT NOT NULL, PRIMARY KEY (record, what)) WITHOUT ROWID;
"""
_FIELDS: Final = "id, name, url, events, description, secret, status, created, updated"


class Hook(NamedTuple):
    """A webhook.

    Attributes:
        webhook_id: Its id.
        name: What it is called.
        url: Where it is sent.
        events: What for, as ``model_version.created``.
        description: What people say of it.
        secret: What deliveries are signed with; empty, they are not.
        status: ACTIVE, or DISABLED.
        created: When it was made, and
        updated: changed, in milliseconds since 1970.
    """

    webhook_id: str
    name: str
    url: str
    events: tuple[str, ...]
    description: str
    secret: str
    status: str
    created: int
    updated: int


class Hooks:
    """The webhooks of a record.

    Args:
        path: The SQLite file, readable by its owner alone; it may hold those of other records.
        record: The record's URI.
    """

    def __init__(self, path: Path, record: str) -> None:
        self._file = PrivateFile(path, _TABLES)
        self._record = record

    def create(
        self,
        name: str,
        url: str,
        wanted: Iterable[str],
        description: str = "",
        secret: str = "",
        status: str = "ACTIVE",
    ) -> Hook:
        """Make one.

        Raises:
            InvalidParameterValue: The name, the URL or an event is none.
        """
        now = names.now()
        hook = _checked(
            Hook(uuid.uuid4().hex, name, url, tuple(wanted), description, secret, status, now, now)
        )
        with self._file.at() as at:
            at.execute("BEGIN IMMEDIATE")
            of = "SELECT COUNT(*) FROM webhooks WHERE record = ?"
            if at.execute(of, (self._record,)).fetchone()[0] >= MOST:
                raise InvalidParameterValue(f"a record has at most {MOST} webhooks")
            values = (hook.webhook_id, self._record, *_row(hook)[1:])
            at.execute(f"INSERT INTO webhooks VALUES ({', '.join('?' * len(values))})", values)
        return hook

    def get(self, webhook_id: str) -> Hook:
        """The webhook of an id.

        Raises:
            ResourceDoesNotExist: There is none.
        """
        for hook in self._all("AND id = ?", webhook_id):
            return hook
        raise ResourceDoesNotExist(f"there is no webhook {brief(webhook_id)}")

    def page(self, size: int, token: str | None, *, every: bool = True) -> PagedList[Hook]:
        """A page of them, in the order in which they were made; if not every, of MLflow's."""
        if not 1 <= size <= MOST:
            raise InvalidParameterValue(f"max_results is 1 to {MOST}; got {size}")
        page = Page.decode(token, every=every)
        hooks = self._all("ORDER BY created, id")
        of = [hook for hook in hooks if every or not events.FIELDS.keys().isdisjoint(hook.events)]
        more = page.after(size) if len(of) > page.offset + size else None
        return PagedList(of[page.offset : page.offset + size], more)

    def update(self, webhook_id: str, **changes: Any) -> Hook:
        """Change what is given."""
        given = {name: value for name, value in changes.items() if value is not None}
        hook = _checked(self.get(webhook_id)._replace(**given, updated=names.now()))
        with self._file.at() as at:
            columns = ", ".join(f"{column} = ?" for column in _FIELDS.split(", ")[1:])
            of = f"UPDATE webhooks SET {columns} WHERE record = ? AND id = ?"
            at.execute(of, (*_row(hook)[1:], self._record, webhook_id))
        return hook

    def delete(self, webhook_id: str) -> None:
        """Remove one."""
        with self._file.at() as at:
            of = "DELETE FROM webhooks WHERE record = ? AND id = ?"
            gone = at.execute(of, (self._record, webhook_id)).rowcount
        if not gone:
            raise ResourceDoesNotExist(f"there is no webhook {brief(webhook_id)}")

    def wanting(self, event: str) -> list[Hook]:
        """The active webhooks for an event."""
        active = self._all("AND status = 'ACTIVE' ORDER BY created, id")
        return [hook for hook in active if event in hook.events]

    def is_first(self, what: str) -> bool:
        """Whether nobody, in any process, has said before that this happened."""
        with self._file.at() as at:
            of = "INSERT OR IGNORE INTO happened VALUES (?, ?)"
            return bool(at.execute(of, (self._record, what)).rowcount)

    def _all(self, which: str, *values: Any) -> list[Hook]:
        with self._file.at() as at:
            of = f"SELECT {_FIELDS} FROM webhooks WHERE record = ? {which}"
            rows = at.execute(of, (self._record, *values)).fetchall()
        return [Hook._make((*row[:3], tuple(row[3].split()), *row[4:])) for row in rows]


def _row(hook: Hook) -> tuple[Any, ...]:
    return (*hook[:3], " ".join(hook.events), *hook[4:])


def _checked(hook: Hook) -> Hook:
    if not _NAME.fullmatch(hook.name):
        raise InvalidParameterValue(
            f"{brief(hook.name)} is no webhook's name: that is 1 to 63 lower-case letters, digits, "
            "dots, dashes and underscores, with a letter or digit at each end"
        )
    outbound.checked(hook.url)
    known = (*events.FIELDS, *events.RUN_EVENTS)
    wrong = [event for event in hook.events if event not in known]
    if wrong or not hook.events:
        raise InvalidParameterValue(
            f"a webhook is for some of the events {', '.join(known)}; got "
            f"{brief(', '.join(wrong)) if wrong else 'none'}"
        )
    return hook._replace(events=tuple(dict.fromkeys(hook.events)))
