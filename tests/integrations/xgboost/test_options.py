"""What is recorded can be chosen."""

from __future__ import annotations

import inspect

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb

import tracklet
from tracklet import models
from tracklet.errors import InvalidParameterValue

pytestmark = pytest.mark.usefixtures("on")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 4))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
THREE = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
FRAME = pd.DataFrame(X, columns=["a", "b", "c", "d"])
PARAMS = {"objective": "binary:logistic", "max_depth": 2, "nthread": 1}


def train(rounds=5, data=FRAME, label=Y, **options):
    matrix = xgb.DMatrix(data, label=label)
    options.setdefault("evals", [(matrix, "train")])
    return xgb.train(
        {**PARAMS, **options.pop("params", {})}, matrix, rounds, verbose_eval=False, **options
    )


def test_what_is_not_wanted_is_not_recorded(record):
    tracklet.xgboost.autolog(log_models=False, log_datasets=False, importance_types=[])
    train()
    run = record.only()
    assert list(run.outputs.model_outputs) == []
    assert list(run.inputs.dataset_inputs) == []
    assert tracklet.artifacts.list_artifacts(run_id=run.info.run_id) == []


def test_s11_14_registered_name_format_and_tags(record):
    tracklet.xgboost.autolog(
        registered_model_name="mine", model_format="json", extra_tags={"team": "blue"}
    )
    train()
    run = record.only()
    assert run.data.tags["team"] == "blue"
    assert models.Model.load("models:/mine/1").flavors["xgboost"]["data"] == "model.json"


def test_wrong_options_are_refused_and_what_was_configured_stays(record):
    for wrong in (
        {"model_format": "pickle"},
        {"importance_types": ["beauty"]},
        {"importance_types": "gain"},
        {"checkpoint_save_freq": 0},
        {"checkpoint_mode": "best"},
        {"checkpoint_keep_last": -1},
    ):
        with pytest.raises(InvalidParameterValue, match=next(iter(wrong))):
            tracklet.xgboost.autolog(**wrong)
    train()
    assert record.only()


def test_the_options_are_mlflows_in_its_order():
    names = list(inspect.signature(tracklet.xgboost.autolog).parameters)
    assert names[:12] == [
        "importance_types",
        "log_input_examples",
        "log_model_signatures",
        "log_models",
        "log_datasets",
        "disable",
        "exclusive",
        "disable_for_unsupported_versions",
        "silent",
        "registered_model_name",
        "model_format",
        "extra_tags",
    ]


@pytest.mark.filterwarnings("ignore")  # XGBoost warns of the format that it is about to drop
@pytest.mark.parametrize("model_format", ["ubj", "json"])
def test_s11_14_the_models_file_keys_and_signature(record, model_format):
    tracklet.xgboost.autolog(model_format=model_format)
    params = {"objective": "multi:softprob", "num_class": 3}
    booster = train(label=THREE, params=params)
    about = models.Model.load(f"runs:/{record.only().info.run_id}/model")
    assert about.flavors["xgboost"] == {
        "data": f"model.{model_format}",
        "model_class": "xgboost.core.Booster",
        "model_format": model_format,
        "xgb_version": xgb.__version__,
        "code": None,
    }
    assert about.flavors["python_function"]["loader_module"] == "mlflow.xgboost"
    assert {each.type.name for each in about.signature.inputs.inputs} == {"double"}
    (output,) = about.signature.outputs.inputs
    assert (output.type, output.shape) == (np.dtype("float32"), (-1, 3))
    loaded = tracklet.xgboost.load_model(f"runs:/{record.only().info.run_id}/model")
    assert loaded.get_dump() == booster.get_dump()


def test_what_is_not_covered_is_declined_with_a_reason():
    tracklet.xgboost.autolog(log_models=False)
    (entry,) = [each for each in tracklet.autolog.plan() if each.name == "xgboost"]
    for what in ("xgboost.spark", "Booster.update by itself", "models"):
        assert entry.omits[what]
