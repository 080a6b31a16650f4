"""PyTorch's modules both ways: what MLflow saves we load, what we save it loads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tracklet
from tracklet import pyfunc
from tracklet.models import Model
from tracklet.pytorch import load_model, log_model, log_state_dict, save_model

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.interop

MAKE = """
import numpy as np, torch
X = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
def network():
    torch.manual_seed(0)
    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Dropout())
        def forward(self, x):
            return self.inner(x) * 2
    return Scaled()
def ask(model):
    with torch.no_grad():
        return model(torch.from_numpy(X)).tolist()
"""
exec(MAKE)


def test_mlflow_loads_what_we_log(in_mlflow: Callable[..., Any], tracklet_home: Path) -> None:
    """By its own loader and by pyfunc, with a class that nobody can import, and state dicts."""
    model = network()  # type: ignore[name-defined]  # noqa: F821
    with tracklet.start_run() as run:
        info = log_model(model, name="model", input_example=X)  # type: ignore[name-defined]  # noqa: F821
        log_state_dict(model.state_dict(), "state")
    native, view, bias, example = in_mlflow(
        MAKE
        + """
uri, run = arguments
native = mlflow.pytorch.load_model(uri, weights_only=False)
view = mlflow.pyfunc.load_model(uri)
state = mlflow.pytorch.load_state_dict(f"runs:/{run}/state")
example = view.metadata.load_input_example()
answer([ask(native), view.predict(X).tolist(), state["inner.0.bias"].tolist(),
        view.predict(example).tolist()])
""",
        info.model_uri,
        run.info.run_id,
    )
    expected = ask(model.eval())  # type: ignore[name-defined]  # noqa: F821
    assert native == view == example == expected
    assert bias == model.inner[0].bias.tolist()


def test_we_load_what_mlflow_saves(in_mlflow: Callable[..., Any], tracklet_home: Path) -> None:
    """Pickled, scripted and exported, by the loader and pyfunc; the entries are of one form."""
    expected = in_mlflow(
        MAKE
        + """
model = network().eval()
for kind in ("pickle", "script", "pt2"):
    saved = torch.jit.script(model.inner) if kind == "script" else model
    mlflow.pytorch.save_model(saved, f"{arguments[0]}/{kind}", input_example=X,
                              serialization_format="pt2" if kind == "pt2" else "pickle")
answer({"pickle": ask(model), "script": ask(model.inner), "pt2": ask(model)})
""",
        str(tracklet_home),
    )
    for kind, answered in expected.items():
        path = tracklet_home / kind
        assert ask(load_model(path, trust=True)) == answered  # type: ignore[name-defined]  # noqa: F821
        view = pyfunc.load_model(path, trust=True)
        assert view.predict(X).tolist() == answered  # type: ignore[name-defined]  # noqa: F821
    save_model(network(), tracklet_home / "ours")  # type: ignore[name-defined]  # noqa: F821
    ours, theirs = (Model.load(tracklet_home / each).flavors for each in ("ours", "pickle"))
    assert theirs["pytorch"].keys() == ours["pytorch"].keys()
    assert theirs["python_function"].keys() - {"code"} <= ours["python_function"].keys()
