"""Stores that keep less, or that are asked otherwise, than pages need."""

from __future__ import annotations

from pathlib import Path

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
