"""What strangers send: paths, hosts and origins that led into MLflow's server, class by class.

After each nothing outside the root was read, written or removed, and the server answers on.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

PROXY = "/api/2.0/mlflow-artifacts/artifacts"

SEEDS = [
    "..",
    ".",
    "...",
    "....//",
    "~",
    "~root",
    "..;",
    "..;/",
    "a;/..",
    "..?",
    "..#",
    ". .",
    ".. ",
    "..\t",
    "..\x00",
    "a\x00b",
    "a\r\nb",
    "‮..",
    "．．",
    "..／..",
    "․․",
    "..\\..",
    "..\\/",
    "\\\\host\\share",
    "\\\\?\\C:\\x",
    "C:",
    "C:\\Windows",
    "CON",
    "nul.txt",
    "a.txt:ads",
    "/etc",
    "//etc",
    "file:",
    "x" * 256,
    "x" * 5000,
]


def _once(text: str) -> str:
    return quote(text, safe="")


def _overlong(text: str) -> str:
    return text.replace(".", "%c0%ae").replace("/", "%c0%af")


def _wide(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode("utf-16-le", "surrogatepass"))


ENCODINGS: list[Callable[[str], str]] = [
    lambda text: quote(text, safe="/:;~"),
    _once,
    lambda text: _once(_once(text)),
    lambda text: _once(_once(_once(text))),
    lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    lambda text: "".join(f"%25{byte:02x}" for byte in text.encode()),
    _overlong,
    _wide,
]


def corpus(canary: str) -> Iterator[str]:
    """Some thousand paths below a run's artifacts, of which none leads to what lies outside."""
    for seed, encode in itertools.product(SEEDS, ENCODINGS):
        for shape in ("{}", "{}/{}/{}/canary", "a/{}/{}/{}/{}/canary", "a/{}", "{}" + canary):
            yield shape.replace("{}", encode(seed))


def fingerprint(folder: Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def store(tracklet_home: Path) -> Any:
    """A record in a folder: that is where paths may lead out of."""
    from tracklet.stores import open_store

    return open_store(str(tracklet_home / "root" / "mlruns"))


def test_no_path_leads_out(client: Any, store: Any, tracklet_home: Path) -> None:
    experiment, run_id = client.run()
    outside = [tracklet_home / name for name in ("", "root", "root/mlruns-evil")]
    for folder in outside:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "canary").write_bytes(b"CANARY")
    client.http.put(f"{PROXY}/{experiment}/{run_id}/artifacts/own", content=b"own")
    artifacts = Path(store.get_run(run_id).info.artifact_uri)
    run = artifacts.parent

    def around() -> dict[str, bytes]:
        inside = artifacts.relative_to(tracklet_home)
        everything = fingerprint(tracklet_home).items()
        return {name: text for name, text in everything if not name.startswith(str(inside))}

    before = around()
    at = f"{PROXY}/{experiment}/{run_id}/artifacts/"
    asked = 0
    for path in corpus(str(tracklet_home / "canary")):
        answers = [client.http.get(at + path)]
        if asked % 3 == 0:
            answers += [
                client.http.put(at + path, content=b"planted"),
                client.http.delete(at + path),
            ]
        if asked % 5 == 0:
            answers += [
                client.http.get(f"{PROXY}?path={experiment}/{run_id}/artifacts/{path}"),
                client.http.get(f"/get-artifact?run_id={run_id}&path={path}"),
                client.http.get(f"/api/2.0/mlflow/artifacts/list?run_id={run_id}&path={path}"),
                client.http.get(f"/get-artifact?run_id={path}&path=own"),
                client.http.get(f"{PROXY}/{path}/{run_id}/artifacts/own"),
            ]
        asked += len(answers)
        for answer in answers:
            assert answer.status_code in (200, 400, 404), (path, answer.text)
            assert b"CANARY" not in answer.content, path
            assert str(tracklet_home) in path or str(tracklet_home) not in answer.text, path
    assert asked > 3000
    assert around() == before
    assert run.is_dir()
    assert client.http.get("/health").text == "OK"
    for path in artifacts.rglob("*"):
        assert path.resolve().is_relative_to(artifacts)
        assert path.stat().st_mode & 0o022 == 0


HOSTS = [
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "172.16.evil.example",
    "evil.example:5000",
    "[::1].evil.example",
    "192.168.0.1.nip.io",
    "localhost@evil.example",
]
ORIGINS = [
    "http://evil.example",
    "null",
    "http://localhost:5001",
    "http://localhost.evil.example:5000",
    "http://localhost:5000.evil.example",
    "file://",
    "http://localhost:5000@evil.example",
]


def every_route(app: Any) -> list[tuple[str, str]]:
    """All routes that the server has, however they came to be."""
    from starlette.routing import Mount

    from tracklet_services.server.protocol import ENDPOINTS

    found = [
        (one.method, f"/{api}/{version}/mlflow/{one.path}")
        for one in ENDPOINTS
        for version in one.versions
        for api in ("api", "ajax-api")
    ]
    waiting = list(app.routes)
    while waiting:
        route = waiting.pop()
        if isinstance(route, Mount):
            waiting += route.routes
        elif getattr(route, "methods", None):
            found += [(method, route.path) for method in route.methods]
    return found


def test_each_route_answers_to_its_own_pages_and_hosts_only(client: Any) -> None:
    routes = every_route(client.http.app._app)
    assert len(routes) > 150
    for method, path in routes:
        for host in HOSTS[:2]:
            answer = client.http.request(method, path, headers={"host": host})
            assert answer.status_code == 403, (method, path, host)
        for origin in ORIGINS[:2]:
            answer = client.http.request(method, path, headers={"origin": origin})
            assert answer.status_code == 403, (method, path, origin)
            assert "access-control-allow-origin" not in answer.headers
        for site in ("cross-site", "same-site"):
            answer = client.http.request(method, path, headers={"sec-fetch-site": site})
            assert answer.status_code == 403, (method, path, site)
    for headers in (*({"host": host} for host in HOSTS), *({"origin": one} for one in ORIGINS)):
        assert client.http.get("/health", headers=headers).status_code == 403, headers
    own = {"origin": "http://localhost:5000", "sec-fetch-site": "same-origin"}
    assert client.http.get("/health", headers=own).status_code == 200
    followed = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client.http.get("/health", headers=followed).status_code == 200
    assert client.http.post("/health", headers=followed).status_code == 403


def test_every_answer_is_safe_to_show(client: Any) -> None:
    experiment, run_id = client.run()
    at = f"{PROXY}/{experiment}/{run_id}/artifacts/page.html"
    client.http.put(at, content=b"<script>alert(1)</script>")
    for answer in (client.http.get(at), client.http.get("/nowhere"), client.http.get("/health")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert client.http.get(at).headers["content-disposition"].startswith("attachment")


def test_origins_that_are_allowed_may_ask(serve: Any) -> None:
    from tracklet_services.server import Policy

    client = serve(Policy(origins=["https://team.example"], hosts=["tracking.example"]))
    headers = {"origin": "https://team.example", "host": "tracking.example"}
    answer = client.http.get("/health", headers=headers)
    assert answer.headers["access-control-allow-origin"] == "https://team.example"
    assert client.http.request("OPTIONS", "/health", headers=headers).status_code == 204
    assert "access-control-allow-origin" not in client.http.get("/health").headers


def test_the_server_asks_nobody_and_imports_nothing_of_a_client_s(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket
    import sys

    experiment, run_id = client.run()
    asked: list[Any] = []
    monkeypatch.setattr(socket.socket, "connect", lambda self, address: asked.append(address))
    loaded = set(sys.modules)
    at = f"{PROXY}/{experiment}/{run_id}/artifacts"
    client.http.put(
        f"{at}/model/MLmodel", content=b"flavors: {python_function: {loader_module: evil}}"
    )
    client.http.put(f"{at}/model/evil.py", content=b"raise SystemExit")
    client.post("registered-models/create", name="m")
    source = f"mlflow-artifacts:/{experiment}/{run_id}/artifacts/model"
    client.post("model-versions/create", name="m", source=source, run_id=run_id)
    for uri in ("http://127.0.0.1:1/x", "s3://127.0.0.1/x", "https://evil.example/x"):
        client.raw("POST", "model-versions/create", name="m", source=uri)
        client.raw("POST", "experiments/create", name=uri, artifact_location=uri)
    got = client.http.get("/model-versions/get-artifact?name=m&version=1&path=evil.py")
    assert got.content == b"raise SystemExit"
    assert not asked
    assert not {name for name in sys.modules if "evil" in name} - loaded


def test_a_body_that_never_ends_or_is_too_long_is_not_read(serve: Any) -> None:
    """An announced length is refused before a byte is read, another one when it is too long."""
    from tracklet_services.server import Policy

    client = serve(Policy(body_bytes=1000))
    verb, kind = "/api/2.0/mlflow/runs/log-batch", {"content-type": "application/json"}

    def read() -> Iterator[bytes]:
        raise AssertionError("it is read")
        yield b""

    announced = client.http.post(verb, content=read(), headers={**kind, "content-length": "1001"})
    assert announced.status_code == 413
    sent = itertools.repeat(b" " * 300)
    assert client.http.post(verb, content=sent, headers=kind).status_code == 413
    assert client.http.get("/health").text == "OK"


def test_what_the_server_makes_nobody_else_writes_to(tracklet_home: Path) -> None:
    """Whatever the umask of who starts it: what others write there, the server believes."""
    import os

    from tests.services.server.conftest import Client

    from tracklet.stores import open_store
    from tracklet_services.server import create_app
    from tracklet_services.server.accounts import Accounts
    from tracklet_services.server.hooks import Hooks
    from tracklet_services.server.notifier import Notifier

    before = os.umask(0)
    try:
        kept = open_store(str(tracklet_home / "made" / "mlruns"))
        notifier = Notifier(Hooks(tracklet_home / "made" / "own" / "hooks.db", "here"), kept)
        accounts = Accounts(tracklet_home / "made" / "own" / "users.db")
        first = accounts.first_token()
        app = create_app(kept, accounts=accounts, notifier=notifier)
        bearer = Client(app, authorization=f"Bearer {first}")
        bearer.post("users/create", username="root", password="a long password")
    finally:
        os.umask(before)
    private = [*(tracklet_home / "made" / "own").rglob("*"), tracklet_home / "made" / "own"]
    assert len(private) >= 3
    assert not [path for path in private if path.stat().st_mode & 0o77]


def test_no_part_of_tracklet_gives_a_command_to_a_shell() -> None:
    """Arguments go to programs as lists, so that no name that a client chose is a command."""
    import ast

    import tracklet
    import tracklet_services

    shells = {"system", "popen", "getoutput", "getstatusoutput", "create_subprocess_shell"}
    found = []
    for package in (tracklet, tracklet_services):
        for path in Path(str(package.__file__)).parent.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.keyword) and node.arg == "shell":
                    found.append((path, node.value.lineno))
                if isinstance(node, ast.Attribute) and node.attr in shells:
                    found.append((path, node.lineno))
    mine = [(path, line) for path, line in found if "platform.system" not in _line(path, line)]
    assert mine == []


def _line(path: Path, number: int) -> str:
    return path.read_text().splitlines()[number - 1]
