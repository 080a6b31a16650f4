"""Stores that keep less, or that are asked otherwise, than pages need."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette")
pytest.importorskip("msgspec")

from starlette.testclient import TestClient

import tracklet
from tracklet.record.query import Searches


class WithoutSearch(Searches):
    """A store of somebody else's that has none of the searches."""


@pytest.mark.parametrize("page", ["registry", "models?experiments=0"])
def test_a_page_says_that_the_store_keeps_nothing_of_its_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    from tracklet_services.server import personal
    from tracklet_services.ui.place import Place

    place = Place(str(tmp_path / "mlruns"))
    client = TestClient(personal.create_app(place, token=None), base_url="http://localhost:5000")
    bare = property(lambda self: WithoutSearch())
    monkeypatch.setattr(tracklet.TrackletClient, "store", bare)
    monkeypatch.setattr(tracklet.TrackletClient, "registry", bare)
    answer = client.get(f"/api/ui/v1/{page}")
    assert answer.status_code == 501
    assert "keeps nothing of this kind" in answer.json()["message"]
    place.close()


@pytest.fixture
def _small_blocks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from tracklet.reading import blocks

    monkeypatch.setattr(blocks, "_ROWS", 4)
    monkeypatch.setattr(blocks, "_PAGE", 12)
    monkeypatch.setattr(blocks, "_ROWS_KEPT_FROM", 1)
    monkeypatch.setenv("TRACKLET_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URI of a database."""
    pytest.importorskip("sqlalchemy")
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/runs.db"
    return request.getfixturevalue("store_database")


def check(uri: str, run_id: str) -> list[Any]:
    """Look whether the blocks of a run's metric are of what its history has; that is answered."""
    from tracklet_services.ui.place import Place
    from tracklet_services.ui.series import Curve

    place = Place(uri)
    curve = Curve(place, run_id, "m")
    found = list(zip(*curve.read(curve.rows), strict=True))
    history = place.client.get_metric_history(run_id, "m")
    assert repr(found) == repr([(p.timestamp, p.value, p.step) for p in history])
    assert curve.count == len(history)
    if curve.rows:
        middle = curve.rows[1:-1]
        times, _, _ = curve.read(middle)
        assert len(times) == sum(row.points for row in middle)
        assert max(row.step_max for row in curve.rows) == max(p.step for p in history)
    place.close()
    return history


@pytest.mark.usefixtures("_small_blocks")
def test_blocks_of_a_database_hold_what_it_holds_as_it_grows(database: str) -> None:
    client = tracklet.TrackletClient(database)
    run_id = client.create_run(client.create_experiment("e")).info.run_id
    assert check(database, run_id) == []
    step = 0
    for size in (1, 3, 1, 40, 0, 7, 12):
        for _ in range(size):
            value = [0.5, float("nan"), float("-inf"), -0.0][step % 4]
            client.log_metric(run_id, "m", value, step=-step, timestamp=step)
            client.log_metric(run_id, "beside", 1.0, step=step)
            step += 1
        assert len(check(database, run_id)) == step


@pytest.mark.usefixtures("_small_blocks")
def test_a_point_that_is_seen_after_later_ones_is_in_the_blocks(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    client = tracklet.TrackletClient(f"sqlite:///{tmp_path}/runs.db")
    run_id = client.create_run(client.create_experiment("e")).info.run_id
    for step in range(30):
        client.log_metric(run_id, "m", float(step), step=step)
    db = sqlite3.connect(tmp_path / "runs.db")
    row = db.execute("SELECT * FROM metrics WHERE step = 10").fetchone()
    with db:
        db.execute("DELETE FROM metrics WHERE step = 10")
    assert len(check(client.tracking_uri, run_id)) == 29
    with db:
        db.execute(f"INSERT INTO metrics VALUES ({', '.join('?' * len(row))})", row)
    db.close()
    assert len(check(client.tracking_uri, run_id)) == 30


@pytest.fixture(params=["folder", "sqlite"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A record in files, and one in a database: the place, and what asks its pages."""
    from tracklet_services.server import personal
    from tracklet_services.ui.place import Place

    if request.param == "sqlite":
        pytest.importorskip("sqlalchemy")
    where = f"{tmp_path}/mlruns" if request.param == "folder" else f"sqlite:///{tmp_path}/r.db"
    place = Place(where)
    app = personal.create_app(place, token=None)
    yield place, TestClient(app, base_url="http://localhost:5000").get
    place.close()


@pytest.mark.usefixtures("_small_blocks")
def test_the_best_points_are_told_of_all_points_not_only_of_the_last(kept: Any) -> None:
    place, ask = kept
    client = place.client
    run_id = client.create_run(client.create_experiment("e")).info.run_id
    nan, inf = float("nan"), float("inf")
    for step, value in enumerate([3.0, nan, -2.0, 9.5, inf, -2.0, 9.5, *[1.0] * 200]):
        client.log_metric(run_id, "m", value, step=10 * step)
    client.log_metric(run_id, "odd", nan, step=1)
    asked = {"run": run_id, "key": ["m", "odd", "none"]}
    found = ask("/api/ui/v1/extremes", params=asked).json()["extremes"]
    assert found == [
        [run_id, "m", 207, 2, -2.0, 20, 9.5, 30],
        [run_id, "odd", 1, 1, None, None, None, None],
        [run_id, "none", 0, 0, None, None, None, None],
    ]
    many = {"run": [run_id] * 501, "key": "m"}
    assert ask("/api/ui/v1/extremes", params=many).status_code == 400


def test_metrics_of_a_registered_model_are_told_over_its_versions(kept: Any) -> None:
    place, ask = kept
    client = place.client
    experiment = client.create_experiment("e")
    client.create_registered_model("net")
    for auc in (0.7, float("nan"), 0.9):
        run_id = client.create_run(experiment).info.run_id
        client.log_metric(run_id, "auc", 0.1, step=0)
        client.log_metric(run_id, "auc", auc, step=1)
        client.create_model_version("net", f"runs:/{run_id}/model", run_id)
    model = client.create_logged_model(experiment, "m", run_id)
    client.log_metric(run_id, "val", 0.5, step=2, model_id=model.model_id)
    client.create_model_version("net", f"models:/{model.model_id}", run_id)
    found = ask("/api/ui/v1/registered/metrics", params={"name": "net"}).json()
    assert found["of"] == found["shown"] == 4
    values = {key: [[v, value] for v, value, *_ in points] for key, points in found["metrics"]}
    assert values["auc"] == [["1", 0.7], ["2", "NaN"], ["3", 0.9]]
    assert ["4", 0.5] in values["val"]


def test_a_new_trace_is_a_change(kept: Any) -> None:
    from tracklet.entities.trace import TraceInfo, TraceLocation, TraceState
    from tracklet_services.ui.events import _signs

    place, _ = kept
    experiment = place.client.create_experiment("e")
    for ids in ([], [experiment]):
        before = _signs(place, ids)
        assert _signs(place, ids) == before
        where = TraceLocation.from_experiment_id(experiment)
        info = TraceInfo(f"tr-{len(ids):032x}", where, 1, TraceState.OK)
        place.client.store.traces.put_trace(info)
        assert _signs(place, ids) != before
