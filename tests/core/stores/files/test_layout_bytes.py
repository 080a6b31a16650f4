"""What the store writes is MLflow's layout, to the byte."""

from __future__ import annotations

import os
import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tracklet.entities import Dataset, DatasetInput, InputTag, LoggedModelOutput, Metric
from tracklet.stores.files import FileStore, documents, layout


def files_below(folder):
    """Relative path → content of all files."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def root(tmp_path):
    return tmp_path / "mlruns"


@pytest.fixture
def store(root):
    return FileStore(root)


def test_a_run_is_these_files(store, root):
    """Metrics are lines, params and tags are raw text, the document is sorted YAML."""
    run = store.create_run("0", user_id="ada", start_time=7, run_name="n")
    run_id = run.info.run_id
    store.log_batch(
        run_id,
        [
            Metric("loss", 0.1, 5, -3),
            Metric("loss", float("nan"), 6, 2),
            Metric("loss", float("inf"), 6, 2),
            Metric("loss", float("-inf"), 6, 2),
            Metric("a/b", 1e-300, 6, 2, None, "iris set", "abc"),
        ],
        {"p/q": "x\r\ny"},
        {"t": ""},
    )
    store.update_run(run_id, status="FINISHED", end_time=9)
    run_dir = root / "0" / run_id
    found = files_below(run_dir)
    found.pop(".tracklet/lock")
    assert found == {
        "meta.yaml": (
            f"artifact_uri: {run_dir}/artifacts\n"
            "end_time: 9\n"
            "entry_point_name: ''\n"
            "experiment_id: '0'\n"
            "lifecycle_stage: active\n"
            f"run_id: {run_id}\n"
            "run_name: n\n"
            "source_name: ''\n"
            "source_type: 4\n"
            "source_version: ''\n"
            "start_time: 7\n"
            "status: 3\n"
            "tags: []\n"
            "user_id: ada\n"
        ).encode(),
        "metrics/loss": b"5 0.1 -3\n6 nan 2\n6 inf 2\n6 -inf 2\n",
        "metrics/a/b": b"6 1e-300 2 iris set abc\n",
        "params/p/q": b"x\r\ny",
        "tags/t": b"",
        "tags/mlflow.runName": b"n",
    }
    assert (run_dir / "artifacts").is_dir()


def test_a_model_metric_names_its_run(store, root):
    """The model's file has the run id after the step, then the dataset."""
    run_id = store.create_run("0").info.run_id
    model = store.create_logged_model("0", "tree")
    store.log_batch(
        run_id,
        [
            Metric("acc", 0.5, 5, 1, model.model_id),
            Metric("acc", 0.6, 5, 1, model.model_id, "iris", "abc"),
        ],
    )
    assert (root / "0" / run_id / "metrics/acc").read_bytes() == b"5 0.5 1\n5 0.6 1 iris abc\n"
    lines = (root / "0/models" / model.model_id / "metrics/acc").read_bytes()
    assert lines == f"5 0.5 1 {run_id}\n5 0.6 1 {run_id} iris abc\n".encode()


def test_links_are_these_documents(store, root):
    """Inputs, datasets and outputs as MLflow names and writes them, and when they were linked."""
    run_id = store.create_run("0").info.run_id
    dataset = Dataset("dataset", "a5df5eea", "code", "{}", None, None)
    used = DatasetInput(dataset, [InputTag("mlflow.data.context", "train")])
    store.log_inputs(run_id, [used])
    store.log_outputs(run_id, [LoggedModelOutput("m-" + "a" * 32, 4)])
    # MLflow's own name for the folder of this dataset
    dataset_id = "29ab99a8fcb166b0db6587261cc6ac63"
    assert (root / "0/datasets" / dataset_id / "meta.yaml").read_text() == (
        "digest: a5df5eea\nname: dataset\nprofile: null\nschema: null\nsource: '{}'\n"
        "source_type: code\n"
    )

    def of_mlflow(link):
        text = (link / "meta.yaml").read_text()
        assert re.search(r"^linked_ns: \d{19}$", text, re.MULTILINE)
        return re.sub(r"linked_ns: .*\n", "", text)

    (link,) = (root / "0" / run_id / "inputs").iterdir()
    assert of_mlflow(link) == (
        f"destination_id: {dataset_id}\ndestination_type: RUN\nsource_id: {dataset_id}\n"
        "source_type: DATASET\ntags:\n  mlflow.data.context: train\n"
    )
    assert of_mlflow(root / "0" / run_id / "outputs" / ("m-" + "a" * 32)) == (
        f"destination_id: m-{'a' * 32}\ndestination_type: MODEL_OUTPUT\n"
        f"source_id: m-{'a' * 32}\nsource_type: RUN_OUTPUT\nstep: 4\ntags: {{}}\n"
    )


def test_the_id_of_a_dataset_link_is_mlflows():
    """Folder names observed in a tree that MLflow wrote."""
    dataset_id = layout.dataset_id("dataset", "a5df5eea")
    assert dataset_id == "29ab99a8fcb166b0db6587261cc6ac63"
    run_id = "35527980721d44c0b84fabf30c9a7187"
    assert layout.input_id(dataset_id, run_id) == "e9c5694548a02ef72216e08f847a26a5"


def test_every_folder_is_one_that_mlflow_knows(store, root):
    """No folder of ours lies where MLflow looks for experiments or runs."""
    store.create_experiment("e", tags={"a": "b"})
    run_id = store.create_run("0").info.run_id
    store.open_run(run_id).close()
    gone = store.create_experiment("gone")
    store.delete_experiment(gone)
    store.create_logged_model("0", "m")
    store.create_registered_model("r", {"k": "v"})
    store.create_model_version("r", "/x")
    store.set_registered_model_alias("r", "a", 1)
    experiment = re.compile(r"0|\d{18}")
    for entry in os.scandir(root):
        known = entry.name in (".trash", "models") or experiment.fullmatch(entry.name)
        assert known or not entry.is_dir(), entry.name
    for entry in os.scandir(root / "0"):
        known = entry.name in ("tags", "models", "datasets", run_id)
        assert known or not entry.is_dir(), entry.name
    assert not list(root.rglob("*.tmp"))


TEXTS = st.text(max_size=70) | st.sampled_from(
    ["yes", "null", "0b" + "1" * 30, "1e5", "0o7", "012", "a: b", "a #b", "-", "~", "1_000"]
)
VALUES = (
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | TEXTS
    | st.builds(list)
    | st.builds(dict)
    | st.from_regex(r"[0-9a-f]{32}", fullmatch=True)
    | st.from_regex(r"[a-zA-Z0-9/._-]{1,90}", fullmatch=True)
    | st.from_regex(r"[a-z0-9' ._-]{1,90}", fullmatch=True)
)


KEYS = st.from_regex(r"[a-z_]{1,12}|[A-Za-z0-9_.-]{1,6}", fullmatch=True)
NESTED = st.recursive(
    VALUES | st.booleans(), lambda inner: st.dictionaries(KEYS, inner, max_size=4), max_leaves=8
)


@given(st.dictionaries(KEYS, NESTED, max_size=6))
def test_documents_are_what_the_yaml_library_writes(mapping):
    """The quick way gives the library's bytes, and every way gives the values back."""
    expected = yaml.safe_dump(mapping, default_flow_style=False, allow_unicode=True)
    quick = documents.dump_lines(mapping)
    assert quick is None or quick == expected
    if mapping:
        written = documents.dumps(mapping)
        assert documents.loads(written, "x") == mapping
        assert yaml.safe_load(written) == mapping
    quoted = documents.dump_lines(mapping, quoting=True)
    assert quoted is None or yaml.safe_load(quoted) == mapping


@given(st.text(alphabet="ab01x:' -#\n[]{}.enulltrue~_&*!|>%@`\"\r\t", max_size=40))
def test_documents_are_read_as_the_yaml_library_reads_them(text):
    """Whatever the quick reader accepts, it reads as YAML."""
    quick = documents._load_lines("k: " + text + "\n")
    if quick is not None:
        assert quick == yaml.safe_load("k: " + text + "\n")
