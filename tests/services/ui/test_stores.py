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
