"""Webhooks: who is told of what, how it is signed, and where no request is ever sent."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.server
import ipaddress
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tracklet.errors import InvalidParameterValue

RUN_EVENTS = ["FINISHED", "FAILED", "KILLED", "LOST", "NAN"]


class Receiver:
    """A server that keeps what it is sent, and answers these statuses in turn, then 200."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["content-length"]))
                outer.got.append(({k.lower(): v for k, v in self.headers.items()}, content))
                status, headers = outer.answers.pop(0) if outer.answers else (200, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"thanks")

            def log_message(self, *of: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://localhost:{self.port}/hook?a=b"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def told(self) -> list[dict[str, Any]]:
        """The bodies."""
        return [json.loads(content) for _, content in self.got]


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A receiver on this machine, which the server is allowed to reach."""
    monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOWED_SCHEMES", "http,https")
    monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS", "true")
    monkeypatch.setattr("tracklet_services.server.notifier._PAUSES", (0.0, 0.0))
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def notifier(store: Any, tracklet_home: Path) -> Any:
    """Who tells the webhooks of the record."""
    from tracklet_services.server.hooks import Hooks
    from tracklet_services.server.notifier import Notifier

    return Notifier(Hooks(tracklet_home / "hooks.db", "here"), store)


@pytest.fixture
def client(serve: Callable[..., Any], notifier: Any) -> Any:
    """A client of a server with webhooks."""
    return serve(notifier=notifier)


def made(client: Any, url: str, *events: str, **more: Any) -> str:
    """A webhook for events, by its id."""
    wanted = [dict(zip(("entity", "action"), event.split("."), strict=True)) for event in events]
    answer = client.post("webhooks", name="hook", url=url, events=wanted, **more)
    return answer["webhook"]["webhook_id"]


def test_a_webhook_is_made_changed_found_and_removed(client: Any) -> None:
    """Its secret is never shown; the events of runs stand apart, as MLflow knows none."""
    url = "https://receiver.example/x"
    first = made(client, url, "MODEL_VERSION.CREATED", "RUN.FINISHED", secret="s3cret")
    for number in range(2):
        made(client, f"{url}{number}", "PROMPT_TAG.SET")
    shown = client.get(f"webhooks/{first}")["webhook"]
    assert "s3cret" not in json.dumps(shown)
    assert shown["events"] == [{"entity": "MODEL_VERSION", "action": "CREATED"}]
    assert shown["run_events"] == [{"entity": "RUN", "action": "FINISHED"}]
    assert (shown["status"], shown["url"], shown["name"]) == ("ACTIVE", url, "hook")
    page = client.get("webhooks", max_results=2)
    rest = client.get("webhooks", max_results=2, page_token=page["next_page_token"])
    assert len(page["webhooks"]) == 2
    assert len(rest["webhooks"]) == 1
    assert "next_page_token" not in rest
    runs = made(client, url, "RUN.LOST")  # a list for MLflow's clients has none of these
    every = client.get("webhooks", run_events=True)["webhooks"]
    assert [one["webhook_id"] for one in every][-1] == runs
    assert len(client.get("webhooks")["webhooks"]) == 3
    changed = client.raw("PATCH", f"webhooks/{first}", description="d", status="DISABLED").json()
    assert changed["webhook"]["description"] == "d"
    assert changed["webhook"]["events"] == shown["events"]
    assert client.raw("DELETE", f"webhooks/{first}").status_code == 200
    assert client.raw("DELETE", f"webhooks/{first}").status_code == 404
    assert client.http.get(f"/api/2.0/mlflow/webhooks/{first}").status_code == 404


@pytest.mark.parametrize(
    "url",
    [
        "http://receiver.example/",
        "file:///etc/passwd",
        "https://",
        "https://user:word@receiver.example/",
        "https://receiver.example/#x",
        "https://receiver.example/a b",
        "https://localhost/",
        "https://intranet/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://0177.0.0.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://169.254.169.254/latest/meta-data/",
        "https://10.1.2.3/",
        "https://100.64.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1]/",
        "https://[2002:7f00:1::]/",
        "https://[64:ff9b::7f00:1]/",
        "https://receiver.example:99999/",
        "https://receiver.example/\u00fc",
        "https://r\u00e9ceiver.example/",
        "https://" + "a" * 3000 + ".example/",
    ],
)
def test_a_url_that_leads_inside_is_refused(client: Any, url: str) -> None:
    events = [{"entity": "PROMPT", "action": "CREATED"}]
    answer = client.raw("POST", "webhooks", name="hook", url=url, events=events)
    assert answer.status_code == 400
    assert client.get("webhooks", run_events=True) == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "No"},
        {"name": ""},
        {"name": "a" * 64},
        {"events": []},
        {"events": [{"entity": "RUN", "action": "CREATED"}]},
        {"status": "ASLEEP"},
    ],
)
def test_what_is_no_webhook_is_refused(client: Any, wrong: dict[str, Any]) -> None:
    good = {"name": "a", "url": "https://a.example", "events": [{"entity": "RUN", "action": "NAN"}]}
    assert client.raw("POST", "webhooks", **{**good, **wrong}).status_code == 400
    assert client.get("webhooks", run_events=True) == {}


def test_what_happens_to_models_is_told_and_signed(
    client: Any, notifier: Any, receiver: Receiver
) -> None:
    from tracklet_services.server.events import FIELDS

    made(client, receiver.url, *(event.upper() for event in FIELDS), secret="s3cret")
    client.post("registered-models/create", name="m", tags=[{"key": "a", "value": "b"}])
    client.post("registered-models/set-tag", name="m", key="k", value="v")
    client.post("model-versions/create", name="m", source="models:/x", description="d")
    client.post("model-versions/set-tag", name="m", version="1", key="k", value="v")
    client.raw("DELETE", "model-versions/delete-tag", name="m", version="1", key="k")
    client.post("registered-models/alias", name="m", alias="best", version="1")
    client.raw("DELETE", "registered-models/alias", name="m", alias="best")
    client.raw("POST", "registered-models/create", name="m")  # refused, so not told
    notifier.wait()
    told = {f"{one['entity']}.{one['action']}": one["data"] for one in receiver.told}
    assert len(receiver.told) == len(told)
    assert told == {
        "registered_model.created": {"name": "m", "tags": {"a": "b"}, "description": None},
        "model_version.created": {
            "name": "m",
            "version": "1",
            "source": "models:/x",
            "run_id": None,
            "tags": {},
            "description": "d",
        },
        "model_version_tag.set": {"name": "m", "version": "1", "key": "k", "value": "v"},
        "model_version_tag.deleted": {"name": "m", "version": "1", "key": "k"},
        "model_version_alias.created": {"name": "m", "alias": "best", "version": "1"},
        "model_version_alias.deleted": {"name": "m", "alias": "best"},
    }
    for headers, content in receiver.got:
        signed = f"{headers['x-mlflow-delivery-id']}.{headers['x-mlflow-timestamp']}.".encode()
        digest = hmac.new(b"s3cret", signed + content, hashlib.sha256).digest()
        assert headers["x-mlflow-signature"] == f"v1,{base64.b64encode(digest).decode()}"
        assert headers["host"] == f"localhost:{receiver.port}"


def test_what_happens_to_prompts_is_told_as_such(
    client: Any, notifier: Any, receiver: Receiver
) -> None:
    from tracklet_services.server.events import FIELDS

    made(client, receiver.url, *(event.upper() for event in FIELDS))
    marks = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    client.post("registered-models/create", name="p", tags=marks)
    text = {"key": "mlflow.prompt.text", "value": "Hello {{name}}"}
    client.post("model-versions/create", name="p", source="dummy-source", tags=[*marks, text])
    client.post("registered-models/set-tag", name="p", key="k", value="v")
    client.raw("DELETE", "registered-models/delete-tag", name="p", key="k")
    client.post("registered-models/alias", name="p", alias="best", version="1")
    notifier.wait()
    told = [f"{one['entity']}.{one['action']}" for one in receiver.told]
    assert sorted(told) == [
        "prompt.created",
        "prompt_alias.created",
        "prompt_tag.deleted",
        "prompt_tag.set",
        "prompt_version.created",
    ]
    (version,) = [one for one in receiver.told if one["entity"] == "prompt_version"]
    assert version["data"]["template"] == "Hello {{name}}"
    assert version["data"]["tags"] == {}


def test_how_runs_end_and_their_first_nan_are_told_once(
    client: Any, notifier: Any, receiver: Receiver
) -> None:
    made(client, receiver.url, *(f"RUN.{action}" for action in RUN_EVENTS))
    _, run_id = client.run()
    nan = {"key": "loss", "value": "NaN", "timestamp": 1, "step": 3}
    client.post("runs/log-metric", run_id=run_id, key="loss", value=1.0, timestamp=1)
    for _ in range(2):
        client.post("runs/log-batch", run_id=run_id, metrics=[nan, {**nan, "step": 4}])
        client.post("runs/log-metric", run_id=run_id, **nan)
        client.post("runs/update", run_id=run_id, status="FAILED", end_time=5)
    notifier.wait()
    told = sorted((f"{one['entity']}.{one['action']}", one["data"]) for one in receiver.told)
    assert [name for name, _ in told] == ["run.failed", "run.nan"]
    assert told[0][1]["run_id"] == run_id
    assert told[0][1]["status"] == "FAILED"
    assert told[1][1] == {"run_id": run_id, "key": "loss", "step": 3, "timestamp": 1}


def test_runs_that_are_lost_are_found_and_told_once(
    client: Any, store: Any, notifier: Any, receiver: Receiver
) -> None:
    lost = {"tracklet.end_reason": "lost"}
    experiment, before = client.run()
    store.log_batch(before, tags=lost)
    store.update_run(before, "KILLED", 2)
    made(client, receiver.url, "RUN.LOST")
    run_id = store.create_run(experiment, tags=lost).info.run_id
    store.update_run(run_id, "KILLED", 2)
    for _ in range(2):
        notifier.look()
    notifier.wait()
    assert [one["data"]["run_id"] for one in receiver.told] == [run_id]


def test_a_webhook_that_is_changed_keeps_no_other_from_being_told(
    client: Any, store: Any, notifier: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what is known is not asked of the file again, however often one looks."""
    lost = {"tracklet.end_reason": "lost"}
    experiment, _ = client.run()
    hook = made(client, receiver.url, "RUN.LOST")
    run_id = store.create_run(experiment, tags=lost).info.run_id
    store.update_run(run_id, "KILLED", 2)
    client.raw("PATCH", f"webhooks/{hook}", description="d")
    made(client, f"{receiver.url}&of=another", "RUN.LOST")
    notifier.wait()
    assert [one["data"]["run_id"] for one in receiver.told] == [run_id]
    monkeypatch.setattr(notifier, "hooks", None)
    notifier.look()


def test_a_delivery_is_tried_again_a_few_times_as_the_same(
    client: Any, notifier: Any, receiver: Receiver
) -> None:
    """A redirection is not followed, and a refusal is one."""
    made(client, receiver.url, "REGISTERED_MODEL.CREATED")
    receiver.answers = [(503, {"Retry-After": "0"}), (500, {})]
    client.post("registered-models/create", name="a")
    notifier.wait()
    assert len({headers["x-mlflow-delivery-id"] for headers, _ in receiver.got}) == 1
    assert len(receiver.got) == 3
    receiver.answers = [(500, {})] * 9
    client.post("registered-models/create", name="b")
    notifier.wait()
    assert len(receiver.got) == 6
    receiver.answers = [(302, {"Location": receiver.url}), (404, {})]
    client.post("registered-models/create", name="c")
    client.post("registered-models/create", name="d")
    notifier.wait()
    assert len(receiver.got) == 8


def test_a_webhook_that_sleeps_or_is_not_asked_for_gets_nothing(
    client: Any, notifier: Any, receiver: Receiver
) -> None:
    made(client, receiver.url, "REGISTERED_MODEL.CREATED", status="DISABLED")
    made(client, receiver.url, "PROMPT.CREATED")
    client.post("registered-models/create", name="a")
    notifier.wait()
    assert receiver.got == []


def test_a_webhook_can_be_tried(client: Any, receiver: Receiver) -> None:
    """The answer is shown; none is no error of the server's."""
    from tracklet_services.server.events import FIELDS, RUN_EVENTS

    hook = made(client, receiver.url, "MODEL_VERSION.CREATED", secret="s")
    tried = client.raw("POST", f"webhooks/{hook}/test").json()["result"]
    assert tried == {"success": True, "response_status": 200, "response_body": "thanks"}
    for event in (*FIELDS, *RUN_EVENTS):
        entity, action = event.upper().split(".")
        asked = {"entity": entity, "action": action}
        assert client.raw("POST", f"webhooks/{hook}/test", event=asked).json()["result"]["success"]
        assert receiver.told[-1]["entity"] == entity.lower()
    receiver.answers = [(404, {})]
    assert client.raw("POST", f"webhooks/{hook}/test").json()["result"]["response_status"] == 404
    nobody = made(client, "http://localhost:1/", "MODEL_VERSION.CREATED")
    tried = client.raw("POST", f"webhooks/{nobody}/test").json()["result"]
    assert "error_message" in tried
    assert "success" not in tried or not tried["success"]


@pytest.mark.parametrize("host", ["a" * 70, "a."])
def test_a_host_that_can_have_no_address_is_the_webhook_s_fault(client: Any, host: str) -> None:
    hook = made(client, f"https://{host}.example/", "RUN.NAN")
    answer = client.raw("POST", f"webhooks/{hook}/test")
    assert answer.status_code == 200
    assert "names a public host" in answer.json()["result"]["error_message"]


def test_what_is_connected_to_is_what_was_looked_at(
    client: Any, notifier: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name is resolved once; one of several addresses that is not public is enough to refuse."""
    resolved: list[str] = []
    connected: list[Any] = []
    means = [["93.184.216.34"], ["127.0.0.1"], ["93.184.216.34", "10.0.0.1"]]

    def look_up(host: str, port: int, *of: Any, **more: Any) -> list[Any]:
        resolved.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in means.pop(0)]

    def connect(address: Any, *of: Any, **more: Any) -> Any:
        connected.append(address)
        raise ConnectionRefusedError("nobody is there")

    hook = made(client, "https://rebinding.example/", "RUN.NAN")
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(socket, "create_connection", connect)
    results = [client.raw("POST", f"webhooks/{hook}/test").json()["result"] for _ in range(3)]
    assert resolved == ["rebinding.example"] * 3
    assert connected == [("93.184.216.34", 443)]
    assert ["public" in one["error_message"] for one in results] == [False, True, True]


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("192.168.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::", False),
        ("fd00::1", False),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False),
        ("2002:808:808::", True),
        ("64:ff9b::808:808", True),
        ("64:ff9b::a9fe:a9fe", False),
    ],
)
def test_an_address_is_public_if_all_that_it_means_is(address: str, public: bool) -> None:
    from tracklet_services.server.outbound import is_public

    assert is_public(ipaddress.ip_address(address)) is public


def test_webhooks_of_one_record_are_not_another_s(tracklet_home: Path) -> None:
    """They share a file that its owner alone reads."""
    from tracklet_services.server.hooks import Hooks

    path = tracklet_home / "hooks.db"
    here, there = Hooks(path, "here"), Hooks(path, "there")
    hook = here.create("a", "https://a.example", ["run.nan"])
    assert there.wanting("run.nan") == []
    assert [one.webhook_id for one in here.wanting("run.nan")] == [hook.webhook_id]
    assert here.is_first("x")
    assert there.is_first("x")
    assert not here.is_first("x")
    assert path.stat().st_mode & 0o77 == 0
    with pytest.raises(InvalidParameterValue):
        here.update(hook.webhook_id, url="http://a.example")
    assert here.get(hook.webhook_id).url == "https://a.example"
