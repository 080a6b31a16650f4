"""The ``MLmodel`` file: written, read, old and broken ones."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from tracklet import models
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist, TrackletException
from tracklet.models import Model, ModelSignature, infer_signature

OLD = {
    "1.0": """
artifact_path: model
flavors:
  python_function:
    data: model.pkl
    env: conda.yaml
    loader_module: mlflow.sklearn
    python_version: 3.6.8
  sklearn:
    pickled_model: model.pkl
    sklearn_version: 0.20.3
    serialization_format: cloudpickle
run_id: 0123456789abcdef0123456789abcdef
utc_time_created: '2019-08-01 12:00:00.123456'
""",
    "2.9": """
artifact_path: model
flavors:
  python_function:
    env:
      conda: conda.yaml
      virtualenv: python_env.yaml
    loader_module: mlflow.sklearn
    model_path: model.pkl
    predict_fn: predict
    python_version: 3.10.4
mlflow_version: 2.9.2
model_size_bytes: 100
model_uuid: 7d6f1bd3d5f14c4ab2d9f2b1b5a5a5a5
run_id: 0123456789abcdef0123456789abcdef
saved_input_example_info:
  artifact_path: input_example.json
  pandas_orient: split
  type: dataframe
signature:
  inputs: '[{"name": "a", "type": "double"}]'
  outputs: '[{"type": "long"}]'
some_future_key: [1, 2]
utc_time_created: '2023-12-01 12:00:00.123456'
""",
}


@pytest.mark.parametrize("version", OLD)
def test_files_of_old_mlflows_are_read_and_nothing_is_lost(tmp_path: Path, version: str) -> None:
    """Every key that was there is there again when the file is written anew."""
    (tmp_path / "MLmodel").write_text(OLD[version])
    about = Model.load(tmp_path)
    assert about.flavors["python_function"]["loader_module"] == "mlflow.sklearn"
    assert about.run_id == "0123456789abcdef0123456789abcdef"
    before, after = yaml.safe_load(OLD[version]), yaml.safe_load(about.to_yaml())
    assert {k: v for k, v in after.items() if k in before and k != "signature"} == {
        k: v for k, v in before.items() if k != "signature"
    }
    if version == "2.9":
        assert about.signature is not None
        assert about.signature.params is None
        assert after["some_future_key"] == [1, 2]


def test_a_written_file_reads_back_the_same(tmp_path: Path) -> None:
    """Signature, metadata and flavors survive."""
    signature = infer_signature({"a": [1]}, [1.0], {"t": "x"})
    about = Model(signature=signature, metadata={"a": [1, {"b": "ü"}]})
    about.add_flavor("toy", data="x.bin")
    about.save(tmp_path / "MLmodel")
    again = Model.load(tmp_path / "MLmodel")
    assert again.to_dict() == about.to_dict()
    assert again.signature == signature


BOMB = "a: &a [x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 8)}]\n"
    for before, name in pairwise("abcdefghijkl")
)


@pytest.mark.parametrize(
    "text",
    [
        *("flavors: [", "- 1", "", "flavors: 3", "signature: {inputs: '['}\nflavors: {}"),
        *("flavors: {x: !!python/name:os.abort }", f"{BOMB}flavors: {{sklearn: {{data: *l}}}}"),
    ],
)
def test_a_corrupt_file_is_an_error_of_ours(tmp_path: Path, text: str) -> None:
    """No YAML, no mapping, no flavors, an alias bomb: never a bare error of the parser."""
    (tmp_path / "MLmodel").write_text(text)
    with pytest.raises(TrackletException):
        Model.load(tmp_path)


def test_a_missing_file_names_the_place(tmp_path: Path) -> None:
    """The error shows which file is not there."""
    with pytest.raises(ResourceDoesNotExist, match="MLmodel"):
        Model.load(tmp_path)
    with pytest.raises(ResourceDoesNotExist, match="nothing"):
        Model.load(tmp_path / "absent")


def test_a_signature_can_be_replaced(tmp_path: Path) -> None:
    """``set_signature`` changes the file and nothing else; other things are refused."""
    Model(metadata={"k": 1}).add_flavor("toy").save(tmp_path / "MLmodel")
    signature = infer_signature([1.0], ["a"])
    models.set_signature(str(tmp_path), signature)
    about = Model.load(tmp_path)
    assert about.signature == signature
    assert about.metadata == {"k": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["MLmodel"]
    with pytest.raises(InvalidParameterValue, match="ModelSignature"):
        models.set_signature(str(tmp_path), {"inputs": None})  # type: ignore[arg-type]
    with pytest.raises(InvalidParameterValue, match="registered version"):
        models.set_signature("models:/name/1", signature)


def test_a_signature_needs_a_part() -> None:
    """All None is a ValueError, another type a TypeError."""
    with pytest.raises(ValueError, match="all are None"):
        ModelSignature()
    with pytest.raises(ValueError, match="all are None"):
        infer_signature()
    with pytest.raises(TypeError, match="inputs must be a Schema"):
        ModelSignature(inputs=[1])  # type: ignore[arg-type]
