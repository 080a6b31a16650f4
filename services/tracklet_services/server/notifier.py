"""Tells webhooks what happened, in threads of its own: no request waits for one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import logging
import queue
import threading
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from tracklet.entities import ViewType
from tracklet.errors import TrackletException
from tracklet.liveness import END_REASON_TAG, LOST
from tracklet_services.server import events, outbound
from tracklet_services.server.events import Event
from tracklet_services.server.hooks import Hook, Hooks
from tracklet_services.server.table import Endpoint

if TYPE_CHECKING:
    from tracklet.record import Store

THREADS: Final = 4
WAITING: Final = 10_000
"""How many deliveries may wait; more are dropped, and the log says so."""

_PAUSES: Final = (1.0, 5.0)
_LONGEST_PAUSE: Final = 30.0
_SECONDS: Final = 10.0
_AGAIN: Final = (408, 429, 500, 502, 503, 504)
_EACH: Final = 30.0
_logger = logging.getLogger(__name__)


class Notifier:
    """Tells webhooks what happened.

    Args:
        hooks: The webhooks.
        store: The record that they are of.
    """

    def __init__(self, hooks: Hooks, store: Store) -> None:
        self.hooks = hooks
        self._store = store
        self._queue: queue.Queue[tuple[Hook, Event]] = queue.Queue(WAITING)
        self._lock = threading.Lock()
        self._started = 0
        self._lost: set[str] = set()
        self._over = threading.Event()

    def happened(self, endpoint: Endpoint, asked: Any, reply: Any) -> None:
        """Tell of what a request did. An error of this is logged, and not the request's."""
        try:
            for event in events.of(endpoint, asked, reply, self._is_prompt):
                self.tell(event)
        except Exception:  # what was asked is done, whoever is told of it
            _logger.exception("webhooks are not told of %s", endpoint.path)

    def tell(self, event: Event) -> None:
        """Have an event delivered to who wants it, once if it happens once."""
        wanting = self.hooks.wanting(event.name)
        if not wanting or not (event.once is None or self.hooks.is_first(event.once)):
            return
        for hook in wanting:
            try:
                self._queue.put_nowait((hook, event))
            except queue.Full:
                _logger.error("too many deliveries wait: %s is not told of %s", hook.name, event)
                continue
            with self._lock:
                start = self._started < THREADS
                self._started += start
            if start:
                threading.Thread(target=self._work, daemon=True, name="tracklet-webhooks").start()

    def wait(self) -> None:
        """Until all that was told is delivered, or given up."""
        self._queue.join()

    def _work(self) -> None:
        while True:
            hook, event = self._queue.get()
            try:
                self._deliver(hook, event)
            except Exception:  # the thread lives on
                _logger.exception("the webhook %s is not told of %s", hook.name, event.name)
            finally:
                self._queue.task_done()

    def _deliver(self, hook: Hook, event: Event) -> None:
        delivery, content = str(uuid.uuid4()), body(event)
        problem, pauses = "", iter((*_PAUSES, None))
        for pause in pauses:
            asked = None
            try:
                answer = send(hook, content, delivery)
                if answer.status not in _AGAIN:
                    if answer.status >= 300:
                        _logger.warning("the webhook %s answers %d", hook.name, answer.status)
                    return
                problem, asked = f"it answers {answer.status}", answer.retry_after
            except (OSError, http.client.HTTPException) as error:
                problem = repr(error)
            except TrackletException as error:
                problem = error.message
                break
            if pause is not None:
                wanted = float(asked) if asked is not None and asked.isdecimal() else pause
                self._over.wait(min(max(wanted, pause), _LONGEST_PAUSE))
        _logger.warning("the webhook %s is not told of %s: %s", hook.name, event.name, problem)

    def _is_prompt(self, name: str) -> bool:
        try:
            tags = self._store.get_registered_model(name).tags
        except TrackletException:
            return False
        return tags.get(events.PROMPT_TAG) == "true"

    # -- runs that were lost -------------------------------------------------------------------

    def watch(self) -> None:
        """From now on, look for runs that were lost, as nobody says of them that they are."""

        def look() -> None:
            while not self._over.wait(_EACH):
                try:
                    if self.hooks.wanting("run.lost"):
                        self.look()
                except Exception:  # the next time may do better
                    _logger.exception("runs that were lost are not looked for")

        threading.Thread(target=look, daemon=True, name="tracklet-lost-runs").start()

    def look(self, *, quietly: bool = False) -> None:
        """Tell of the runs that were lost since the last time.

        Args:
            quietly: Tell nobody: they were lost before anybody wanted to know.
        """
        every = [one.experiment_id for one in self._experiments()]
        token = None
        while every:
            lost = f"tags.`{END_REASON_TAG}` = '{LOST}'"
            page = self._store.search_runs(every, lost, ViewType.ALL, 1000, (), token)
            for run in page:
                info = run.info
                once = f"{info.run_id} lost {info.end_time}"
                if once in self._lost:
                    continue
                self._lost.add(once)
                names = ("run_id", "run_name", "experiment_id", "status", "end_time")
                if quietly:
                    self.hooks.is_first(once)
                else:
                    self.tell(Event("run.lost", {of: getattr(info, of) for of in names}, once))
            token = page.token
            if token is None:
                return

    def _experiments(self) -> list[Any]:
        found, token = [], None
        while True:
            page = self._store.search_experiments(ViewType.ALL, 1000, None, (), token)
            found += page
            token = page.token
            if token is None:
                return found


def body(event: Event) -> bytes:
    """What is sent of an event."""
    entity, _, action = event.name.partition(".")
    now = datetime.now(UTC).isoformat()
    told = {"entity": entity, "action": action, "timestamp": now, "data": event.data}
    return json.dumps(told).encode()


def send(hook: Hook, content: bytes, delivery: str) -> outbound.Answered:
    """Send a body once, signed as MLflow signs.

    Raises:
        InvalidParameterValue: The URL may not be asked, or what it stands for.
        OSError, http.client.HTTPException: There is no answer.
    """
    now = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "tracklet",
        "X-MLflow-Delivery-Id": delivery,
        "X-MLflow-Timestamp": now,
    }
    if hook.secret:
        signed = b".".join((delivery.encode(), now.encode(), content))
        digest = hmac.digest(hook.secret.encode(), signed, hashlib.sha256)
        headers["X-MLflow-Signature"] = f"v1,{base64.b64encode(digest).decode()}"
    return outbound.post(hook.url, content, headers, _SECONDS)
