"""Checkpoints that a script saves itself: which files, of which step, and which is the best."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.integrations.pytorch.conftest import X, loader, network
from torch import nn

import tracklet


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(save: Any, rates: Any = (0.1, 0.1, 0.1)) -> nn.Module:
    model = network()
    for rate in rates:
        optimizer = locals().get("optimizer") or torch.optim.SGD(model.parameters(), lr=rate)
        optimizer.param_groups[0]["lr"] = rate
        for x, y in loader():
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        save(model, optimizer)
    return model


def saved(record: Any, run: Any) -> dict[str, Any]:
    return json.loads(record.artifact(run, "checkpoints.json").read_text())


@pytest.mark.usefixtures("watched")
def test_what_is_saved_is_on_the_record(record: Any, folder: Path) -> None:
    """By path, step, epoch, size and hash; what was overwritten has no hash, and best is best."""
    sizes: list[int] = []

    def save(model: Any, optimizer: Any) -> None:
        torch.save(model.state_dict(), f"model_{len(sizes)}.pt")
        torch.save({"optimizer": optimizer.state_dict()}, Path("last.pt"))
        torch.save(model, io.BytesIO())
        sizes.append(os.path.getsize(f"model_{len(sizes)}.pt"))

    with tracklet.start_run():
        train(save, rates=(0.1, 0.1, 3.0))
    run = record.only()
    found = saved(record, run)
    models = [each for each in found["checkpoints"] if "model_" in each["path"]]
    assert [(each["step"], each["epoch"]) for each in models] == [(4, 1), (8, 2), (12, 3)]
    assert [each["size"] for each in models] == sizes
    assert [each["path"] for each in models] == [str(folder / f"model_{n}.pt") for n in range(3)]
    for each in models:
        assert each["sha256"] == hashlib.sha256(Path(each["path"]).read_bytes()).hexdigest()
    lasts = [each for each in found["checkpoints"] if each["path"].endswith("last.pt")]
    assert lasts[-1]["sha256"] == hashlib.sha256(Path("last.pt").read_bytes()).hexdigest()
    assert all(each["by"] == "torch.save" for each in found["checkpoints"])
    assert found["newest"]["path"] == str(folder / "last.pt")
    losses = dict(record.history(run, "train_loss"))
    assert min(losses, key=losses.get) == 8  # type: ignore[arg-type]
    assert (found["best"]["step"], found["best_by"]) == (8, "train_loss")
    assert found["best"]["path"] == str(folder / "model_1.pt")  # the other was written over
    assert run.data.tags["tracklet.checkpoint.newest"] == str(folder / "last.pt")
    assert run.data.tags["tracklet.checkpoint.best"] == found["best"]["path"]
    named = json.loads(run.data.tags["tracklet.checkpoint.saved"])
    assert [each[:3] for each in named[-2:]] == [
        [str(folder / "model_2.pt"), 12, 3],
        [str(folder / "last.pt"), 12, 3],
    ]
    assert not list(tracklet.MlflowClient().list_artifacts(run.info.run_id, "checkpoints"))


def test_they_are_kept_where_that_is_wanted(tracklet_home: Path, record: Any, folder: Path) -> None:
    """The newest contents of each path, at the path that it has below the current folder."""
    tracklet.pytorch.autolog(log_checkpoints=True)
    try:
        (folder / "out").mkdir()
        with tracklet.start_run():
            train(lambda model, _: torch.save(model.state_dict(), "out/model.pt"))
    finally:
        tracklet.pytorch.autolog(disable=True)
    run = record.only()
    kept = record.artifact(run, "checkpoints/out/model.pt")
    assert kept.read_bytes() == (folder / "out/model.pt").read_bytes()
    assert saved(record, run)["newest"]["artifact"] == "checkpoints/out/model.pt"


@pytest.mark.usefixtures("watched")
def test_whoever_writes_the_files(record: Any, folder: Path) -> None:
    """Open files, fsspec's, safetensors and distributed checkpoints; folders are one checkpoint."""
    fsspec = pytest.importorskip("fsspec")
    safetensors = pytest.importorskip("safetensors.torch")
    distributed = pytest.importorskip("torch.distributed.checkpoint")

    def save(model: Any, optimizer: Any) -> None:
        state = model.state_dict()
        step = len(list(folder.glob("whole_*")))
        with open("opened.pt", "wb") as file:
            torch.save(state, file)
        with fsspec.open(f"memory://bucket/{step}.pt", "wb") as file:
            torch.save(state, file)
        Path(f"whole_{step}").mkdir()
        safetensors.save_model(model, f"whole_{step}/model.safetensors")
        torch.save(optimizer.state_dict(), f"whole_{step}/optimizer.bin")
        with pytest.warns(UserWarning, match="single process"):
            distributed.save(state, checkpoint_id=f"parts/{step}")

    with tracklet.start_run():
        train(save, rates=(0.1, 0.1))
    found = saved(record, record.only())["checkpoints"]
    paths = {(os.path.relpath(each["path"], folder), each["step"]) for each in found}
    local = {path for path in paths if "memory" not in path[0]}
    assert local == {
        ("opened.pt", 4),
        ("opened.pt", 8),
        ("whole_0", 4),
        ("whole_1", 8),
        ("parts/0", 4),
        ("parts/1", 8),
    }
    assert [each["path"] for each in found if "://" in each["path"]] == [
        "memory:///bucket/0.pt",
        "memory:///bucket/1.pt",
    ]
    whole = next(each for each in found if each["path"].endswith("whole_1"))
    assert {Path(each["path"]).name for each in whole["files"]} == {
        "model.safetensors",
        "optimizer.bin",
    }
    assert whole["size"] == sum(each.stat().st_size for each in (folder / "whole_1").iterdir())
    opened = [each for each in found if each["path"].endswith("opened.pt")][-1]
    assert opened["sha256"] == hashlib.sha256((folder / "opened.pt").read_bytes()).hexdigest()
    parts = next(each for each in found if each["path"].endswith("parts/1"))
    assert (parts["size"] > 0, parts["sha256"]) == (True, None)


@pytest.mark.usefixtures("in_run")
def test_saving_is_as_it_was(folder: Path) -> None:
    """The same bytes, errors and pickles; and our own models are no checkpoints of the script."""
    model = train(lambda *_: None, rates=(0.1,))
    assert pickle.loads(pickle.dumps(torch.save)) is torch.save is torch.serialization.save
    with pytest.raises(TypeError, match="required positional argument"):
        torch.save(model)  # type: ignore[call-arg]
    with pytest.raises((RuntimeError, OSError)):
        torch.save(model.state_dict(), "nowhere/model.pt")
    tracklet.pytorch.log_model(model, name="model")
    tracklet.pytorch.log_state_dict(model.state_dict(), "state")
    torch.save(X, "watched.pt")
    run = tracklet.active_run()
    assert run is not None
    tags = tracklet.get_run(run.info.run_id).data.tags
    named = [Path(each[0]).name for each in json.loads(tags["tracklet.checkpoint.saved"])]
    assert named == ["model.pt", "watched.pt"]
    tracklet.pytorch.autolog(disable=True)
    Path("bare").mkdir()
    torch.save(X, "bare/watched.pt")
    assert Path("bare/watched.pt").read_bytes() == Path("watched.pt").read_bytes()
