"""Who sees what where the server knows its users: nobody what was not granted, on every route."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette")
pytest.importorskip("msgspec")

from starlette.testclient import TestClient

import tracklet
from tracklet.entities import LoggedModelOutput
from tracklet.entities.trace import TraceInfo, TraceLocation, TraceState

PASSWORD = "correct horse battery"


class Team:
    """A server with an administrator, a reader, a writer and a stranger, and two experiments."""

    def __init__(self, root: Path) -> None:
        from tracklet_services.server.accounts import Accounts
        from tracklet_services.server.app import create_app
        from tracklet_services.ui.app import routes
        from tracklet_services.ui.place import Place

        self.place = Place(str(root / "mlruns"))
        client = self.place.client
        self.experiment = client.create_experiment("theirs")
        self.other = client.create_experiment("others")
        self.run = client.create_run(self.experiment).info.run_id
        client.log_metric(self.run, "m", 1.0)
        client.log_text(self.run, "secret", "file.txt")
        hidden = client.create_run(self.other, run_name="hidden").info.run_id
        model = client.create_logged_model(self.experiment, "net", hidden)
        self.model = model.model_id
        path = root / "MLmodel"
        path.write_text("flavors: {}\n")
        client.log_model_artifact(self.model, str(path))
        for name in ("m", "unseen"):
            client.create_registered_model(name)
            client.create_model_version(name, f"models:/{self.model}", hidden)
        self.trace = "tr-" + "ab" * 16
        place = TraceLocation.from_experiment_id(self.experiment)
        client.store.traces.put_trace(TraceInfo(self.trace, place, 1, TraceState.OK))
        self.accounts = Accounts(root / "users.db")
        first = self.accounts.by_token(str(self.accounts.first_token()))
        self.accounts.create_user("root", PASSWORD, first)
        rules = self.accounts.by_password("root", PASSWORD, "")
        for name, permission in (("stranger", None), ("reader", "READ"), ("writer", "EDIT")):
            self.accounts.create_user(name, PASSWORD, rules)
            if permission is not None:
                self.accounts.grant(name, "experiment", self.experiment, permission)
                self.accounts.grant(name, "registered", "m", permission)
        pages = routes(self.place)
        store = client.store
        self.app = create_app(store, routes=pages, accounts=self.accounts, knows_rights=True)

    def client(self, name: str) -> TestClient:
        """A client of a user."""
        made = TestClient(self.app, base_url="http://localhost:5000")
        made.auth = (name, PASSWORD)
        return made

    def addresses(self) -> dict[str, str]:
        """A request for each route that is about something, by its path."""
        run, model, experiment = self.run, self.model, self.experiment
        return {
            "keys": f"keys?experiments={experiment}",
            "table": f"table?experiments={experiment}",
            "series": f"series?run={run}&key=m",
            "points": f"points?run={run}&key=m",
            "run/{run_id}": f"run/{run}",
            "models": f"models?experiments={experiment}",
            "model/{model_id}": f"model/{model}",
            "extremes": f"extremes?run={run}&key=m",
            "registered": "registered?name=m",
            "registered/metrics": "registered/metrics?name=m",
            "version": "version?name=m&version=1",
            "traces": f"traces?experiments={experiment}",
            "trace/{trace_id}": f"trace/{self.trace}",
            "lineage": f"lineage?of=model:{model}",
            "tree": f"tree?run={run}",
            "describe": f"describe?run={run}&path=file.txt",
            "mlmodel": f"mlmodel?model={model}&path=MLmodel",
            "parquet": f"parquet?run={run}&path=file.txt",
            "log": f"log?run={run}",
            "code": f"code?run={run}",
            "/files/{kind:str}/{owner:str}/{path:path}": f"/files/runs/{run}/file.txt",
        }


@pytest.fixture
def team(tmp_path: Path) -> Any:
    made = Team(tmp_path)
    yield made
    made.place.close()


UNGUARDED = {"place", "experiments", "registry", "events", "doctor", "trace/{trace_id}/span"}
"""Those that are about nothing, or are asked below."""


def test_every_route_asks_for_the_right_to_read(team: Team) -> None:
    from tracklet_services.ui import api

    paths = {route.path.removeprefix("/api/ui/v1/") for route in api.routes(team.place)}  # type: ignore[attr-defined]
    asked = team.addresses()
    assert paths == set(asked) | UNGUARDED
    for address in asked.values():
        at = address if address.startswith("/") else f"/api/ui/v1/{address}"
        given = team.client("reader").get(at).status_code
        assert given == 200 or (address.startswith("parquet") and given == 400), at
        refused = team.client("stranger").get(at)
        assert refused.status_code == 403, at
        assert "who manages it can grant it" in refused.json()["message"]
    span = f"/api/ui/v1/trace/{team.trace}/span?span=1"
    assert team.client("stranger").get(span).status_code == 403
    events = f"/api/ui/v1/events?experiments={team.experiment}"
    assert team.client("stranger").get(events).status_code == 403


def test_lists_hold_what_may_be_read(team: Team) -> None:
    def seen(name: str, path: str, key: str) -> list[str]:
        found = team.client(name).get(f"/api/ui/v1/{path}").json()[key]
        return sorted(one["name"] for one in found)

    assert seen("reader", "experiments", "experiments") == ["theirs"]
    assert seen("reader", "registry", "models") == ["m"]
    assert seen("reader", "models", "models") == ["net"]
    assert len(team.client("reader").get("/api/ui/v1/traces").json()["traces"]) == 1
    for path, key in (("experiments", "experiments"), ("registry", "models"), ("models", "models")):
        assert seen("stranger", path, key) == []
    assert team.client("stranger").get("/api/ui/v1/traces").json()["traces"] == []
    assert seen("root", "registry", "models") == ["m", "unseen"]


def test_what_a_page_mentions_is_told_to_those_who_may_read_it(team: Team) -> None:
    model = team.client("reader").get(f"/api/ui/v1/model/{team.model}").json()
    assert [one["name"] for one in model["versions"]] == ["m"]
    assert model["run"]["name"] is None
    graph = team.client("reader").get(f"/api/ui/v1/lineage?of=model:{team.model}").json()
    assert {node["name"] for node in graph["nodes"]} == {"net", "m 1"}
    whole = team.client("root").get(f"/api/ui/v1/lineage?of=model:{team.model}").json()
    assert {node["name"] for node in whole["nodes"]} == {"net", "m 1", "unseen 1", "hidden"}


def test_a_run_tells_nothing_of_those_that_its_tags_and_outputs_name(team: Team) -> None:
    client = team.place.client
    parent = client.create_run(team.other, run_name="hidden parent").info.run_id
    hidden = client.create_logged_model(team.other, "hidden-net", parent).model_id
    run = client.create_run(team.experiment, tags={"mlflow.parentRunId": parent}).info.run_id
    client.log_outputs(run, [LoggedModelOutput(hidden, 0), LoggedModelOutput(team.model, 0)])

    def page(name: str) -> Any:
        return team.client(name).get(f"/api/ui/v1/run/{run}").json()

    assert page("reader")["parent"] == [parent, None, None, None]
    assert [one["name"] for one in page("reader")["models"]] == ["net"]
    assert page("root")["parent"] == [parent, "hidden parent", "RUNNING", team.other]
    assert [one["name"] for one in page("root")["models"]] == ["hidden-net", "net"]


def test_pages_say_what_may_be_done(team: Team) -> None:
    def may(name: str, path: str) -> Any:
        return team.client(name).get(f"/api/ui/v1/{path}").json().get("may")

    for path in (f"run/{team.run}", "registered?name=m", f"trace/{team.trace}"):
        assert may("reader", path) == "read"
        assert may("writer", path) == "log"
        assert may("root", path) is None


def test_the_doctor_is_for_administrators(team: Team) -> None:
    assert team.client("root").get("/api/ui/v1/doctor").json()["healthy"] is True
    refused = team.client("reader").get("/api/ui/v1/doctor")
    assert refused.status_code == 403
    assert "administrators" in refused.json()["message"]


def test_nobody_is_let_in_without_a_name(team: Team) -> None:
    nobody = TestClient(team.app, base_url="http://localhost:5000")
    page = team.client("reader").get("/").text
    script = re.findall(r'src="(static/[^"]+)"', page)[0]
    for path in ("/", f"/{script}", "/api/ui/v1/place", "/api/ui/v1/registry"):
        answer = nobody.get(path)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic")
    assert tracklet.TrackletClient(str(team.place.uri)).get_run(team.run)
