"""What the record says of the data, and where a model's signature comes from."""

from __future__ import annotations

import copy
import gc
import json
import weakref

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import tracklet
from tracklet import models, pyfunc

pytestmark = pytest.mark.usefixtures("on")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 4))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
FRAME = pd.DataFrame(X, columns=["a", "b", "c", "d"])
PARAMS = {"objective": "binary", "num_threads": 1, "verbosity": -1, "num_leaves": 4}


def train(rounds=5, data=FRAME, label=Y, params=None, **options):
    matrix = lgb.Dataset(data, label=label)
    options.setdefault("valid_sets", [matrix])
    return lgb.train({**PARAMS, **(params or {})}, matrix, rounds, **options)


def test_s11_14_params_metrics_importance_datasets_and_a_model_that_predicts_the_same(record):
    seen = {}
    data = lgb.Dataset(FRAME, label=Y)
    held = lgb.Dataset(FRAME[:50], label=Y[:50], reference=data)
    params = {**PARAMS, "metric": ["binary_logloss", "auc"]}
    booster = lgb.train(
        params,
        data,
        10,
        valid_sets=[data, held],
        valid_names=["train", "held"],
        callbacks=[lgb.record_evaluation(seen)],
    )
    run = record.only()
    assert run.info.status == "FINISHED"
    expected = {key: str(value) for key, value in params.items()}
    expected |= {"num_boost_round": "10", "keep_training_booster": "False"}
    older = {"feature_name", "categorical_feature"} & set(run.data.params)
    assert {k: v for k, v in run.data.params.items() if k not in older} == expected
    assert set(run.data.metrics) == {
        "train-binary_logloss",
        "train-auc",
        "held-binary_logloss",
        "held-auc",
    }
    for name, metrics in seen.items():
        for metric, values in metrics.items():
            assert record.history(run, f"{name}-{metric}") == list(enumerate(values))
    for kind in ("split", "gain"):
        text = record.artifact(run, f"feature_importance_{kind}.json").read_text()
        values = booster.feature_importance(kind).tolist()
        assert json.loads(text) == dict(zip(booster.feature_name(), values, strict=True))
        assert '\n  "a"' in text
        image = record.artifact(run, f"feature_importance_{kind}.png").read_bytes()
        assert image.startswith(b"\x89PNG")
    inputs = {i.dataset.name: i for i in run.inputs.dataset_inputs}
    assert set(inputs) == {"dataset", "train", "held"}
    assert inputs["dataset"].tags[0].value == "train"
    assert inputs["held"].tags[0].value == "eval"
    assert inputs["dataset"].dataset.digest == tracklet.data.from_pandas(FRAME).digest
    model = record.logged(run)
    assert {m.key: m.value for m in model.metrics} == run.data.metrics
    about = models.Model.load(f"runs:/{run.info.run_id}/model")
    assert about.flavors["lightgbm"]["data"] == "model.lgb"
    assert about.signature.inputs.input_names() == ["a", "b", "c", "d"]
    assert about.signature.outputs.inputs[0].type == np.dtype("float64")
    loaded = tracklet.lightgbm.load_model(f"runs:/{run.info.run_id}/model")
    np.testing.assert_array_equal(loaded.predict(X), booster.predict(X))
    view = pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    np.testing.assert_array_equal(view.predict(FRAME), booster.predict(FRAME))


def test_names_of_evaluation_sets_are_lightgbms(record):
    data = lgb.Dataset(X, label=Y)
    held = lgb.Dataset(X[:50], label=Y[:50], reference=data)
    lgb.train(PARAMS, data, 2, valid_sets=[data, held])
    run = record.only()
    assert set(run.data.metrics) == {"training-binary_logloss", "valid_1-binary_logloss"}
    assert {i.dataset.name for i in run.inputs.dataset_inputs} == {"dataset", "training", "valid_1"}


def test_w44_a_single_evaluation_set_need_not_be_a_list(record):
    data = lgb.Dataset(X, label=Y)
    held = lgb.Dataset(X[:50], label=Y[:50], reference=data)
    lgb.train(PARAMS, data, 2, valid_sets=held, valid_names="held")
    run = record.only()
    assert set(run.data.metrics) == {"held-binary_logloss"}
    assert {i.dataset.name for i in run.inputs.dataset_inputs} == {"dataset", "held"}


def test_w44_a_dataset_is_recorded_on_its_second_use_too(record):
    data = lgb.Dataset(FRAME, label=Y)  # free_raw_data: LightGBM itself forgets the frame
    lgb.train(PARAMS, data, 2)
    lgb.train(PARAMS, data, 3)
    digest = tracklet.data.from_pandas(FRAME).digest
    for run in record.runs():
        assert [i.dataset.digest for i in run.inputs.dataset_inputs] == [digest]
        assert models.Model.load(f"runs:/{run.info.run_id}/model").signature is not None


@pytest.mark.parametrize("source", ["frame", "array", "sparse", "categories"])
def test_signature_and_example_come_from_what_the_dataset_was_made_of(record, source):
    tracklet.lightgbm.autolog(log_input_examples=True)
    data = {
        "frame": FRAME,
        "array": X,
        "sparse": scipy.sparse.csr_matrix(X),
        "categories": FRAME.assign(k=pd.Categorical(np.where(X[:, 2] > 0, "yes", "no"))),
    }[source]
    lgb.train(PARAMS, lgb.Dataset(data, label=Y), 2)
    run = record.only()
    about = models.Model.load(f"runs:/{run.info.run_id}/model")
    assert about.signature.outputs is not None
    example = about.load_input_example(f"runs:/{run.info.run_id}/model")
    if source == "frame":
        pd.testing.assert_frame_equal(example, FRAME[:5])
    assert len(pyfunc.load_model(f"runs:/{run.info.run_id}/model").predict(example)) == 5


def test_the_training_data_is_not_kept_alive():
    frame = FRAME.copy()
    data = lgb.Dataset(frame, label=Y)
    gone, dataset = weakref.ref(frame), weakref.ref(data)
    lgb.train(PARAMS, data, 2, valid_sets=[data])
    del frame, data
    gc.collect()
    assert gone() is None
    assert dataset() is None


def what_is_known(run):
    """The dataset's digest, whether there is a signature, and what is said of the datasets."""
    (digest,) = [i.dataset.digest for i in run.inputs.dataset_inputs] or [None]
    about = models.Model.load(f"runs:/{run.info.run_id}/model")
    return digest, about.signature is not None, run.data.tags.get("tracklet.dataset")


def test_a_dataset_made_before_enabling_is_known_for_as_long_as_it_has_its_data(record):
    tracklet.lightgbm.autolog(disable=True)
    early, freed = lgb.Dataset(FRAME, label=Y), lgb.Dataset(FRAME, label=Y).construct()
    tracklet.lightgbm.autolog()
    lgb.Dataset(None)
    for data in (early, freed):
        lgb.train(PARAMS, data, 2)
    unseen, seen = sorted(map(what_is_known, record.runs()), key=lambda each: each[1])
    assert seen == (tracklet.data.from_pandas(FRAME).digest, True, None)
    said = "dataset is left out: it was made before autologging was on"
    assert unseen == (None, False, said)


def test_copies_and_subsets_of_a_dataset_are_known(record):
    """Optuna's tuner trains on a copy per trial, and on subsets."""
    data = lgb.Dataset(FRAME, label=Y)
    digest = tracklet.data.from_pandas(FRAME).digest
    lgb.train(PARAMS, copy.copy(data), 2)
    assert what_is_known(record.only()) == (digest, True, None)
    for subset in (copy.copy(data.subset(list(range(99)))), data.construct().subset([*range(99)])):
        lgb.train(PARAMS, subset, 2)
    partly = [run for run in record.runs() if "tracklet.dataset" in run.data.tags]
    said = "dataset is the data of which it is a part"
    assert list(map(what_is_known, partly)) == [(digest, True, said)] * 2


def test_what_is_not_known_of_a_dataset_is_said(record, tmp_path):
    class Rows(lgb.Sequence):
        def __getitem__(self, index):
            return X[index]

        def __len__(self):
            return len(X)

    lgb.Dataset(X, label=Y).save_binary(tmp_path / "data.bin")
    for data in (lgb.Dataset(str(tmp_path / "data.bin")), lgb.Dataset(Rows(), label=Y)):
        lgb.train(PARAMS, data, 2)
    said = {run.data.tags["tracklet.dataset"].partition(": ")[2] for run in record.runs()}
    assert "it was read from a file" in said
    assert any(each.startswith("nothing is known of a") for each in said)
    for run in record.runs():
        assert "tracklet.faults" not in run.data.tags
