"""Who may do what: nobody what was not granted, on every route."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from tests.services.server.conftest import Client

PASSWORD = "correct horse battery"
RIGHTS = {"stranger": 0, "reader": 1, "logger": 2, "manager": 3}
NEEDED = {"read": 1, "log": 2, "admin": 3}
PROXY = "/api/2.0/mlflow-artifacts/artifacts"


def basic(name: str, password: str = PASSWORD) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


class World:
    """A server with a user of each rank, and something of each kind on its record."""

    def __init__(self, store: Any, folder: Path) -> None:
        from tracklet_services.server import create_app
        from tracklet_services.server.accounts import Accounts
        from tracklet_services.server.hooks import Hooks
        from tracklet_services.server.notifier import Notifier

        self.accounts = Accounts(folder / "users.db")
        notifier = Notifier(Hooks(folder / "hooks.db", "here"), store)
        event = "model_version.created"
        hook = notifier.hooks.create("hook", "https://127.example", [event], status="DISABLED")
        self.hook = hook.webhook_id
        self.first = self.accounts.first_token()
        self.app = create_app(store, accounts=self.accounts, notifier=notifier)
        bearer = Client(self.app, authorization=f"Bearer {self.first}")
        bearer.post("users/create", username="root", password=PASSWORD)
        self.root = Client(self.app, authorization=basic("root"))
        self.experiment, self.run = self.root.run("theirs")
        model = self.root.post("logged-models", experiment_id=self.experiment, name="net")["model"]
        self.model = model["info"]["model_id"]
        self.root.post("registered-models/create", name="m")
        self.root.post("model-versions/create", name="m", source=f"models:/{self.model}")
        self.root.post("registered-models/alias", name="m", alias="best", version="1")
        self.trace = "tr-" + "ab" * 16
        place = {"mlflow_experiment": {"experiment_id": self.experiment}}
        info = {
            "trace_id": self.trace,
            "trace_location": place,
            "request_time": "2024-01-01T00:00:00.000Z",
            "state": "OK",
        }
        self.trace_info = {"trace_info": info}
        started = self.root.raw("POST", "traces", api="3.0", trace=self.trace_info)
        assert started.status_code == 200, started.text
        assessment = {"assessment_name": "good", "feedback": {"value": True}, "source": {}}
        self.assessment = self.root.raw(
            "POST", f"traces/{self.trace}/assessments", api="3.0", assessment=assessment
        ).json()["assessment"]["assessment_id"]
        at = f"{PROXY}/{self.experiment}/{self.run}/artifacts/file.txt"
        assert self.root.http.put(at, content=b"SECRET").status_code == 200
        for name, right in RIGHTS.items():
            self.root.post("users/create", username=name, password=PASSWORD)
            if right:
                permission = ["", "READ", "EDIT", "MANAGE"][right]
                given = {"username": name, "permission": permission}
                on = self.experiment
                self.root.post("experiments/permissions/create", experiment_id=on, **given)
                self.root.post("registered-models/permissions/create", name="m", **given)

    def client(self, name: str) -> Client:
        """A client of a user."""
        return Client(self.app, authorization=basic(name))

    def sample(self, endpoint: Any) -> dict[str, Any]:
        """Values for what a request must have, of what is on the record."""
        values = {
            "experiment_id": self.experiment,
            "experiment_ids": [self.experiment],
            "experiment_name": "theirs",
            "run_id": self.run,
            "run_ids": [self.run],
            "model_id": self.model,
            "trace_id": self.trace,
            "trace_ids": [self.trace],
            "request_ids": [],
            "assessment_id": self.assessment,
            "assessment": {"assessment_name": "good", "feedback": {"value": False}},
            "trace": self.trace_info,
            "name": "m",
            "version": "1",
            "alias": "best",
            "source": f"models:/{self.model}",
            "key": "t",
            "value": "1",
            "timestamp": 1,
            "metric_key": "m",
            "tag_key": "t",
            "status": "READY",
            "stage": "Staging",
            "new_name": "m2",
            "models": [],
            "model_json": "{}",
            "request_id": self.trace,
            "timestamp_ms": 1,
            "prompt_versions": [{"name": "p", "version": "1"}],
            "webhook_id": self.hook,
            "url": "https://receiver.example",
            "events": [{"entity": "MODEL_VERSION", "action": "CREATED"}],
            "resource_type": "experiment",
            "resource_id": self.experiment,
            "permission": "READ",
            "token_id": "0" * 16,
            "username": "stranger",
            "password": PASSWORD,
            "is_admin": False,
            "scope": "read",
            "locations": [{"mlflow_experiment": {"experiment_id": self.experiment}}],
            "artifact_file_path": "file.txt",
            "path": "file.txt",
        }
        wanted = {field.name for field in msgspec.structs.fields(endpoint.request)}
        if endpoint.path == "runs/log-metric":
            wanted -= {"model_id"}
        if endpoint.path == "logged-models":
            wanted |= {"name"}
        if endpoint.path == "model-versions/create":
            wanted |= {"name"}
        if endpoint.path.startswith(("runs/update", "webhooks")):
            wanted -= {"status"}
        if endpoint.path == "traces/{request_id}":
            values["status"] = "OK"
        if endpoint.path.endswith(("list-tokens", "delete-token")):
            wanted -= {"username"}
        return {name: value for name, value in values.items() if name in wanted}

    def ask(self, client: Client, endpoint: Any) -> Any:
        """Ask an endpoint about what is on the record."""
        body = self.sample(endpoint)
        path = endpoint.path.format(**{**body, "tag_key": "t"})
        version = endpoint.versions[-1]
        url = f"/api/{version}/mlflow/{path}"
        if endpoint.method == "GET":
            return client.http.get(url, params=body)
        return client.http.request(endpoint.method, url, json=body)


@pytest.fixture
def store(tracklet_home: Path) -> Any:
    """A record in a folder: rights do not depend on it."""
    from tracklet.stores import open_store

    return open_store(str(tracklet_home / "mlruns"))


@pytest.fixture
def world(store: Any, tracklet_home: Path) -> World:
    """A server that knows its users."""
    return World(store, tracklet_home)


def every_endpoint() -> list[Any]:
    """The protocol's endpoints, and those of users and webhooks."""
    from tracklet_services.server import protocol, users, webhooks

    return [*protocol.ENDPOINTS, *users.ENDPOINTS, *webhooks.ENDPOINTS]


def test_each_route_is_closed_to_whom_it_is_not_granted(world: World) -> None:
    for endpoint in every_endpoint():
        where = f"{endpoint.method} {endpoint.path}"
        for headers in (
            {},
            {"authorization": basic("reader", "wrong" * 3)},
            {"authorization": "x"},
        ):
            answer = world.ask(Client(world.app, **headers), endpoint)
            assert answer.status_code in (401, 429), where
        assert b"theirs" not in answer.content
        destroys = endpoint.method == "DELETE" or endpoint.path.endswith(("delete", "rename"))
        for name, right in RIGHTS.items():
            if destroys and right >= NEEDED[endpoint.right]:
                continue  # the others are still to be asked about it
            answer = world.ask(world.client(name), endpoint)
            if endpoint.subject in ("new experiment", "new registered", "nothing"):
                assert answer.status_code != 403, (name, where, answer.text)
            elif endpoint.subject == "registry":
                assert answer.status_code == 200
                assert (b'"name":"m"' in answer.content) == (right > 0), (name, where)
            elif endpoint.subject == "accounts":
                own = endpoint.right == "read" and name == "stranger"
                unproved = endpoint.path == "users/update-password" and name == "stranger"
                expected = 401 if unproved else 200 if own else 403
                assert answer.status_code == expected, (name, where)
            elif endpoint.path == "experiments/search":
                assert (b"theirs" in answer.content) == (right > 0), (name, where)
            elif right < NEEDED[endpoint.right]:
                assert answer.status_code == 403, (name, where, answer.text)
            elif "/presigned-" in endpoint.path:
                assert answer.status_code == 400, (name, where, answer.text)  # in no object store
            elif endpoint.method == "GET" or endpoint.right == "read":
                assert answer.status_code == 200, (name, where, answer.text)
            else:
                assert answer.status_code != 403, (name, where, answer.text)


def test_artifacts_are_closed_to_whom_they_are_not_granted(world: World) -> None:
    at = f"{world.experiment}/{world.run}/artifacts"
    of = f"{world.experiment}/models/{world.model}/artifacts/f"
    reads = [
        f"{PROXY}?path={at}",
        f"{PROXY}/{at}/file.txt",
        f"{PROXY}/{world.experiment}/traces/{world.trace}/artifacts/traces.json",
        f"/api/2.0/mlflow-artifacts/presigned/{at}/file.txt",
        f"/get-artifact?run_id={world.run}&path=file.txt",
        f"/ajax-api/2.0/mlflow/get-trace-artifact?request_id={world.trace}",
        "/model-versions/get-artifact?name=m&version=1&path=MLmodel",
        f"/api/2.0/mlflow/logged-models/{world.model}/artifacts/files?artifact_file_path=x",
    ]
    for name, right in RIGHTS.items():
        client = world.client(name)
        for path in reads:
            assert (client.http.get(path).status_code == 403) == (right < 1), (name, path)
            assert Client(world.app).http.get(path).status_code == 401
        for path in (f"{PROXY}/{at}/own-{name}", f"{PROXY}/{of}"):
            wrote = client.http.put(path, content=b"x")
            assert wrote.status_code == (200 if right >= 2 else 403), (name, path)
            assert Client(world.app).http.put(path, content=b"x").status_code == 401
        for step in ("create", "complete", "abort"):
            part = f"/api/2.0/mlflow-artifacts/mpu/{step}/{at}/own-{name}"
            sent = client.http.post(part, json={"path": "f", "upload_id": "x"})
            assert sent.status_code == (501 if right >= 2 else 403), (name, part)
        gone = client.http.delete(f"{PROXY}/{at}/own-{name}")
        assert gone.status_code == (200 if right >= 3 else 403), name
        sent = client.http.post(
            "/v1/traces",
            content=b"{}",
            headers={
                "content-type": "application/json",
                "x-mlflow-experiment-id": world.experiment,
            },
        )
        assert (sent.status_code == 403) == (right < 2), (name, sent.text)


def test_no_right_comes_by_naming_something_else(world: World) -> None:
    """A run of one's own does not open another's model, run or file."""
    client = world.client("stranger")
    own, run = client.run("own")
    client.post("registered-models/create", name="own")
    point = {"key": "k", "value": 1, "timestamp": 1, "model_id": world.model}
    at = f"mlflow-artifacts:/{world.experiment}/{world.run}/artifacts/file.txt"
    for verb, body in (
        ("runs/log-batch", {"run_id": run, "metrics": [point]}),
        ("runs/log-metric", {"run_id": run, **point}),
        ("runs/log-inputs", {"run_id": run, "models": [{"model_id": world.model}]}),
        ("runs/outputs", {"run_id": run, "models": [{"model_id": world.model, "step": 0}]}),
        ("logged-models", {"experiment_id": own, "source_run_id": world.run}),
        ("model-versions/create", {"name": "own", "source": at}),
        ("model-versions/create", {"name": "own", "source": f"runs:/{world.run}/file.txt"}),
        ("model-versions/create", {"name": "own", "source": f"models:/{world.model}"}),
        ("model-versions/create", {"name": "own", "source": "models:/m/1"}),
        ("runs/search", {"experiment_ids": [own, world.experiment]}),
        ("traces/link-to-run", {"run_id": run, "trace_ids": [world.trace]}),
    ):
        assert client.raw("POST", verb, **body).status_code == 403, verb
    for verb in ("runs/search", "logged-models/search"):
        assert b"theirs" not in client.raw("POST", verb, experiment_ids=[]).content
        assert world.run.encode() not in client.raw("POST", verb, experiment_ids=[]).content


def test_the_first_token_makes_the_first_user_once(world: World) -> None:
    assert world.accounts.first_token() is None
    bearer = Client(world.app, authorization=f"Bearer {world.first}")
    assert bearer.raw("POST", "users/create", username="x", password=PASSWORD).status_code == 401


def test_a_token_allows_what_it_is_for(world: World) -> None:
    manager = world.client("manager")
    own, _ = manager.run("other")

    def bearer(**asked: Any) -> Client:
        token = manager.post("users/create-token", **asked)["token"]
        return Client(world.app, authorization=f"Bearer {token}")

    reader = bearer(scope="read")
    assert reader.raw("POST", "runs/create", experiment_id=own).status_code == 403
    assert reader.get("experiments/get", experiment_id=own)
    assert reader.raw("POST", "users/create-token", scope="admin").status_code == 403
    only = bearer(scope="admin", experiment_ids=[own])
    assert only.post("runs/create", experiment_id=own)
    theirs = only.raw("POST", "runs/create", experiment_id=world.experiment)
    assert theirs.status_code == 403
    assert only.raw("POST", "users/create-token", scope="admin").status_code == 403


def test_passwords_are_neither_short_nor_guessed_nor_kept(
    world: World, tracklet_home: Path
) -> None:
    root = world.root
    for password in ("", "short", "x" * 11):
        made = root.raw("POST", "users/create", username="weak", password=password)
        assert made.status_code == 400
    kept = b"".join(path.read_bytes() for path in tracklet_home.glob("users.db*"))
    assert PASSWORD.encode() not in kept
    assert str(world.first).encode() not in kept
    guesses = [
        Client(world.app, authorization=basic("reader", f"guess {number}")).raw("POST", "x")
        for number in range(11)
    ]
    assert [guess.status_code for guess in guesses] == [401] * 10 + [429]
    assert guesses[0].headers["www-authenticate"] == 'Basic realm="mlflow"'


def test_wrong_passwords_are_counted_however_they_come(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    from tracklet_services.server import accounts

    waiting = Barrier(16)

    def stretched(password: str, salt: bytes) -> bytes:
        waiting.wait(60)
        return b""

    def guess(name: str, client: str = "10.0.0.1") -> str:
        try:
            world.accounts.by_password(name, "wrong", client)
        except (accounts.Unauthenticated, accounts.TooMany) as error:
            return type(error).__name__
        return "let in"

    monkeypatch.setattr(accounts, "_stretched", stretched)
    with ThreadPoolExecutor(16) as pool:  # all are under way before one is known to be wrong
        answers = list(pool.map(guess, ["reader"] * 16))
    assert sorted(answers) == ["TooMany"] * 6 + ["Unauthenticated"] * 10
    monkeypatch.setattr(accounts, "_stretched", lambda password, salt: b"")
    answers = [guess(f"name {number}") for number in range(100)]
    assert set(answers[:84]) == {"Unauthenticated"}
    assert answers[-1] == "TooMany"
    assert guess("name 1", "10.0.0.2") == "Unauthenticated"


def test_an_administrator_s_token_for_some_experiments_is_for_no_more(world: World) -> None:
    for experiments in ([world.experiment], []):
        made = world.root.post("users/create-token", scope="admin", experiment_ids=experiments)
        client = Client(world.app, authorization=f"Bearer {made['token']}")
        asked: list[tuple[str, str, dict[str, Any]]] = [
            ("POST", "users/create", {"username": "new", "password": PASSWORD}),
            ("PATCH", "users/update-admin", {"username": "reader", "is_admin": True}),
            ("DELETE", "users/delete", {"username": "reader"}),
            ("POST", "experiments/create", {"name": "new"}),
            ("POST", "registered-models/create", {"name": "new"}),
            ("POST", "users/create-token", {"scope": "admin"}),
        ]
        for method, verb, body in asked:
            assert client.raw(method, verb, **body).status_code == 403, (verb, experiments)
        assert client.http.get("/a/page").status_code == 403
    assert world.root.http.get("/a/page").status_code == 404


def test_who_a_user_is_now_counts_in_every_process(
    world: World, store: Any, tracklet_home: Path
) -> None:
    from tracklet_services.server import create_app
    from tracklet_services.server.accounts import Accounts

    other = create_app(store, accounts=Accounts(tracklet_home / "users.db"))
    new = "another correct horse"

    def asked(password: str = PASSWORD) -> list[int]:
        return [
            Client(app, authorization=basic("manager", password)).http.get("/a/page").status_code
            for app in (world.app, other)
        ]

    assert asked() == [403, 403]
    rank = {"username": "manager", "is_admin": True}
    assert world.root.raw("PATCH", "users/update-admin", **rank).status_code == 200
    assert asked() == [404, 404]
    login = {"username": "manager", "password": new}
    assert world.root.raw("PATCH", "users/update-password", **login).status_code == 200
    assert (asked(), asked(new)) == ([401, 401], [404, 404])
    assert world.root.raw("DELETE", "users/delete", username="manager").status_code == 200
    assert asked(new) == [401, 401]


@pytest.mark.parametrize("credentials", ["é", "=", "/w==", "x" * 5])
def test_credentials_that_are_none_are_a_401(world: World, credentials: str) -> None:
    client = Client(world.app, authorization=f"Basic {credentials}")
    assert client.raw("POST", "runs/search").status_code == 401


def test_tokens_are_listed_and_voided_by_whose_they_are(world: World, tracklet_home: Path) -> None:
    """Also on the server's machine, by the command."""
    from click.testing import CliRunner

    from tracklet_services.cli.users import users

    reader = world.client("reader")
    token = reader.post("users/create-token", scope="read", experiment_ids=["7"])["token"]
    other = reader.post("users/create-token", scope="log")["token"]
    listed = reader.get("users/list-tokens")["tokens"]
    assert [(one["scope"], one["experiment_ids"]) for one in listed] == [
        ("read", ["7"]),
        ("log", None),
    ]
    assert token not in str(listed)
    first = listed[0]["token_id"]
    logger = world.client("logger")
    for asked in ({"token_id": first}, {"token_id": first, "username": "reader"}):
        assert logger.raw("DELETE", "users/delete-token", **asked).status_code in (403, 404)
    weak = Client(world.app, authorization=f"Bearer {other}")
    assert weak.raw("DELETE", "users/delete-token", token_id=first).status_code == 403
    assert world.root.get("users/list-tokens", username="reader")["tokens"] == listed
    held = Client(world.app, authorization=f"Bearer {token}")
    assert held.get("users/current")["user"]["username"] == "reader"
    assert reader.raw("DELETE", "users/delete-token", token_id=first).status_code == 200
    assert held.http.get("/api/2.0/mlflow/users/current").status_code == 401

    def told(*arguments: str) -> str:
        file = str(tracklet_home / "users.db")
        done = CliRunner().invoke(users, [*arguments, "--auth-file", file])
        assert done.exit_code == 0, done.output
        return done.output

    assert "root (administrator)" in told("list")
    assert first not in told("tokens", "reader")
    last = listed[1]["token_id"]
    assert f"{last}  log  all experiments" in told("tokens", "reader")
    told("revoke-token", "reader", last)
    assert weak.http.get("/api/2.0/mlflow/users/current").status_code == 401


def test_users_change_their_own_password_if_they_know_it(world: World) -> None:
    reader, new = world.client("reader"), "another good one"
    asked = {"username": "reader", "password": new}
    assert reader.raw("PATCH", "users/update-password", **asked).status_code == 401
    wrong = {**asked, "current_password": "wrong" * 3}
    assert reader.raw("PATCH", "users/update-password", **wrong).status_code == 401
    others = {**asked, "username": "logger", "current_password": PASSWORD}
    assert reader.raw("PATCH", "users/update-password", **others).status_code == 403
    right = {**asked, "current_password": PASSWORD}
    assert reader.raw("PATCH", "users/update-password", **right).status_code == 200
    assert reader.http.get("/api/2.0/mlflow/users/current").status_code == 401


def test_permissions_are_granted_by_mlflow_s_one_way_for_all(world: World) -> None:
    """Who manages something grants it; each sees what is granted to them."""
    theirs = {"resource_type": "experiment", "resource_id": world.experiment}
    manager, stranger = world.client("manager"), world.client("stranger")
    asked = {"username": "stranger", **theirs}

    def permission() -> Any:
        query = urlencode(asked)
        return manager.http.get(f"/api/3.0/mlflow/users/permissions/get?{query}").json()

    assert permission() == {"allowed": False, "permission": "NO_PERMISSIONS"}
    granting = {**asked, "permission": "EDIT"}
    refused = stranger.raw("POST", "users/permissions/grant", api="3.0", **granting)
    assert refused.status_code == 403
    granted = manager.raw("POST", "users/permissions/grant", api="3.0", **granting)
    assert granted.status_code == 200
    assert permission() == {"allowed": True, "permission": "EDIT"}
    own = stranger.http.get("/api/3.0/mlflow/users/current/permissions").json()
    assert own["permissions"] == [
        {
            "resource_type": "experiment",
            "resource_pattern": world.experiment,
            "permission": "EDIT",
            "workspace": "default",
        }
    ]
    assert manager.raw("POST", "users/permissions/revoke", api="3.0", **asked).status_code == 200
    assert permission()["permission"] == "NO_PERMISSIONS"
    names = [one["username"] for one in world.root.get("users/list")["users"]]
    assert {"root", "stranger", "manager"} <= set(names)
