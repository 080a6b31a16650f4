"""Own models load without a word; foreign ones run nothing until their author is trusted."""

from __future__ import annotations

import bz2
import gzip
import importlib.util
import json
import lzma
import marshal
import os
import pickle
import random
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from tracklet import models, pyfunc, state
from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.models import ChangedModel, Model, UntrustedModel, manifest, pickled_names
from tracklet_flavors import sklearn as flavor

pytestmark = pytest.mark.usefixtures("tracklet_home")


class Poison:
    """Its pickle writes a file when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


def line() -> Any:
    return LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])


def saved(folder: Path, **more: Any) -> Path:
    flavor.save_model(line(), folder, **more)
    return folder


def as_foreign(folder: Path) -> Path:
    """The folder as a stranger would hand it over."""
    (folder / manifest.FILE_NAME).unlink(missing_ok=True)
    return folder


def entry(folder: Path, **pyfunc_entry: Any) -> None:
    about = Model.load(folder)
    about.flavors["python_function"] |= pyfunc_entry
    about.save(folder / "MLmodel")


def in_sklearn_pickle(folder: Path, marker: Path) -> None:
    saved(folder)
    (folder / "model.pkl").write_bytes(pickle.dumps(Poison(marker)))


def in_old_protocol(folder: Path, marker: Path) -> None:
    saved(folder)
    (folder / "model.pkl").write_bytes(pickle.dumps(Poison(marker), protocol=0))


def in_python_model(folder: Path, marker: Path) -> None:
    pyfunc.save_model(folder, python_model=lambda model_input: model_input)
    (folder / "python_model.pkl").write_bytes(pickle.dumps(Poison(marker)))


def in_compressed(folder: Path, marker: Path, suffix: str, compress: Any) -> None:
    pyfunc.save_model(folder, python_model=lambda model_input: model_input)
    (folder / "python_model.pkl").unlink()
    (folder / f"python_model.pkl{suffix}").write_bytes(compress(pickle.dumps(Poison(marker))))
    entry(folder, python_model=f"python_model.pkl{suffix}")


def in_code_file(folder: Path, marker: Path) -> None:
    source = folder.parent / "model_code.py"
    source.write_text("import tracklet\ntracklet.models.set_model(lambda model_input: 1)\n")
    pyfunc.save_model(folder, python_model=source)
    with (folder / "model_code.py").open("a") as file:
        file.write(f"import os; os.mkdir({str(marker)!r})\n")


def in_code_path(folder: Path, marker: Path) -> None:
    module = folder.parent / "needed_4711.py"
    module.write_text("")
    saved(folder, code_paths=[module])
    (folder / "code" / "sklearn.py").write_text(f"import os; os.mkdir({str(marker)!r})\n")


def in_loader(folder: Path, marker: Path) -> None:
    module = folder.parent / "needed_4711.py"
    module.write_text("")
    saved(folder, code_paths=[module])
    (folder / "code" / "poisoned_4711.py").write_text(f"import os; os.mkdir({str(marker)!r})\n")
    entry(folder, loader_module="poisoned_4711")


def in_loader_without_code(folder: Path, marker: Path) -> None:
    saved(folder)
    entry(folder, loader_module="antigravity")


PLACES = {
    "sklearn": in_sklearn_pickle,
    "old protocol": in_old_protocol,
    "python model": in_python_model,
    "xz": lambda folder, marker: in_compressed(folder, marker, ".xz", lzma.compress),
    "gz": lambda folder, marker: in_compressed(folder, marker, ".gz", gzip.compress),
    "bz2": lambda folder, marker: in_compressed(folder, marker, ".bz2", bz2.compress),
    "code file": in_code_file,
    "code path": in_code_path,
    "loader": in_loader,
    "loader without code": in_loader_without_code,
}


@pytest.mark.parametrize("place", PLACES)
def test_poison_does_not_run_without_trust(tmp_path: Path, place: str) -> None:
    """From a stranger it is refused, and the error shows it; planted in an own model it is seen."""
    folder, marker = tmp_path / "m", tmp_path / "ran"
    PLACES[place](folder, marker)
    loads: list[Any] = [pyfunc.load_model]
    if not place.startswith("loader"):
        loads.append(models.load_model)
    for load in loads:
        with pytest.raises(ChangedModel, match="not as its manifest says"):
            load(folder)
        as_copy = as_foreign(Path(shutil.copytree(folder, tmp_path / load.__module__)))
        with pytest.raises(UntrustedModel, match="trust=True") as refused:
            load(as_copy)
        assert not marker.exists()
        if "pickle" in place or place in ("xz", "gz", "bz2", "python model"):
            assert ".mkdir" in str(refused.value)
        elif "code" in place:
            assert "code" in str(refused.value)
    assert "antigravity" not in sys.modules


def test_with_trust_it_would_have_run(tmp_path: Path) -> None:
    """The pickles above are poisonous indeed: trusted, they do what they say."""
    in_sklearn_pickle(tmp_path / "m", tmp_path / "ran")
    flavor.load_model(tmp_path / "m", trust=True)
    assert (tmp_path / "ran").is_dir()


def test_own_models_load_silently_wherever_they_are(tmp_path: Path) -> None:
    """Moved, copied, logged and in another process of the same user."""
    path = saved(tmp_path / "a").rename(tmp_path / "b")
    copy = shutil.copytree(path, tmp_path / "c")
    for place in (path, copy):
        assert pyfunc.load_model(place).predict([[3.0]]).round(6).tolist() == [3.0]
    script = "import sys; from tracklet import pyfunc; pyfunc.load_model(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_another_users_model_is_foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their signature is none of ours; our key is made once and readable by us alone."""
    path = saved(tmp_path / "m")
    key = tmp_path / "config" / manifest.KEY_NAME
    assert key.stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv("TRACKLET_CONFIG_DIR", str(tmp_path / "other"))
    with pytest.raises(UntrustedModel, match="not written by you"):
        flavor.load_model(path)
    assert (tmp_path / "other" / manifest.KEY_NAME).read_bytes() != key.read_bytes()
    assert models.trust_model(path)[0].startswith("unpickle model.pkl, which names")
    flavor.load_model(path)


def test_the_environment_may_say_whom_to_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything, or what lies in certain folders; the call decides against it."""
    path = as_foreign(saved(tmp_path / "shared" / "m"))
    for value in ("true", "1", f"/nowhere{os.pathsep}{tmp_path / 'shared'}"):
        monkeypatch.setenv("TRACKLET_TRUST", value)
        flavor.load_model(path)
        with pytest.raises(UntrustedModel):
            flavor.load_model(path, trust=False)
    for value in ("false", "0", "", str(tmp_path / "share")):
        monkeypatch.setenv("TRACKLET_TRUST", value)
        with pytest.raises(UntrustedModel):
            flavor.load_model(path)


def test_a_projects_configuration_cannot_grant_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pyproject.toml may come with the foreign files."""
    (tmp_path / "pyproject.toml").write_text("[tool.tracklet]\ntrust = true\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UntrustedModel):
        flavor.load_model(as_foreign(saved(tmp_path / "m")))


def test_a_projects_configuration_cannot_bring_its_own_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that came with foreign files, and a key that others may read, sign nothing."""
    path = saved(tmp_path / "m")
    (tmp_path / "config").rename(tmp_path / "theirs")
    monkeypatch.delenv("TRACKLET_CONFIG_DIR")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    (tmp_path / "pyproject.toml").write_text('[tool.tracklet]\nconfig-dir = "theirs"\n')
    monkeypatch.chdir(tmp_path)
    state.forget("tracklet.models.manifest")
    with pytest.raises(UntrustedModel):
        flavor.load_model(path)
    (tmp_path / "theirs" / manifest.KEY_NAME).chmod(0o644)
    monkeypatch.setenv("TRACKLET_CONFIG_DIR", str(tmp_path / "theirs"))
    with pytest.raises(UntrustedModel):
        flavor.load_model(path)
    (tmp_path / "theirs" / manifest.KEY_NAME).chmod(0o600)
    state.forget("tracklet.models.manifest")
    flavor.load_model(path)


def test_pickles_can_be_forbidden_altogether(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``MLFLOW_ALLOW_PICKLE_DESERIALIZATION=false`` holds for own and trusted models too."""
    path = saved(tmp_path / "m")
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    with pytest.raises(UntrustedModel, match="forbids"):
        flavor.load_model(path, trust=True)
    flavor.load_model(saved(tmp_path / "s", serialization_format="skops"))


def test_skops_loads_always_with_the_callers_types(tmp_path: Path) -> None:
    """The list in a stranger's folder counts for nothing; that of an own model is the user's."""
    tree = DecisionTreeClassifier().fit([[0.0], [1.0]], [0, 1])
    kind = "sklearn.tree._tree.Tree"
    path = tmp_path / "tree"
    flavor.save_model(tree, path, serialization_format="skops", skops_trusted_types=[kind])
    assert flavor.load_model(path).predict([[1.0]]).tolist() == [1]
    as_foreign(path)
    for load in (flavor.load_model, pyfunc.load_model, models.load_model):
        with pytest.raises(TrackletException, match="skops"):
            load(path)
        assert load(path, trust=[kind]).predict([[1.0]]).tolist() == [1]
    flavor.save_model(LogisticRegression(), tmp_path / "plain", serialization_format="skops")
    flavor.load_model(as_foreign(tmp_path / "plain"))


def test_a_list_of_types_is_no_trust_in_pickles(tmp_path: Path) -> None:
    """What skops may load says nothing about code."""
    path = as_foreign(saved(tmp_path / "m"))
    with pytest.raises(UntrustedModel):
        flavor.load_model(path, trust=["builtins.object"])
    with pytest.raises(InvalidParameterValue, match="trust"):
        flavor.load_model(path, trust="yes")


def test_files_that_run_nothing_may_be_edited(tmp_path: Path) -> None:
    """Requirements and examples are people's to change; a new signature keeps the own mark."""
    path = saved(tmp_path / "m", input_example=np.array([[1.0]]))
    (path / "requirements.txt").write_text("scikit-learn\n")
    (path / "input_example.json").write_text("[[2.0]]")
    (path / "README.md").write_text("mine")
    models.set_signature(path, models.infer_signature(np.array([[1.0]]), np.array([1.0])))
    assert pyfunc.load_model(path).predict(np.array([[3.0]])).round(6).tolist() == [3.0]


def plant_bytecode(place: Path, source: str) -> None:
    """Bytecode that Python takes without a look at the source beside it."""
    place.parent.mkdir(exist_ok=True)
    header = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)
    place.write_bytes(header + marshal.dumps(compile(source, "x", "exec")))


def test_planted_bytecode_and_modules_do_not_run(tmp_path: Path) -> None:
    """Python would take bytecode beside the sources for theirs; own or trusted, none is used."""
    module = tmp_path / "doubling_4712.py"
    module.write_text("def twice(data):\n    return [2 * one for one in data]\n")
    code = "from doubling_4712 import twice\nimport tracklet\ntracklet.models.set_model(twice)\n"
    (tmp_path / "model_code.py").write_text(code)
    script = f"""
import sys; sys.path.insert(0, {str(tmp_path)!r})
from tracklet import pyfunc
pyfunc.save_model({str(tmp_path / "m")!r}, python_model={str(tmp_path / "model_code.py")!r},
                  code_paths=[{str(module)!r}], pip_requirements=[])
"""
    subprocess.run([sys.executable, "-B", "-c", script], check=True)
    module.unlink()
    load = """
import sys
from tracklet import pyfunc
print(pyfunc.load_model(sys.argv[1]).predict([2]))
"""
    command = [sys.executable, "-c", load, str(tmp_path / "m")]
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    code, marker = tmp_path / "m" / "code", tmp_path / "ran"
    name = Path(importlib.util.cache_from_source("doubling_4712.py")).name
    kept = code / "__pycache__" / name
    plant_bytecode(kept, f"import os; os.mkdir({str(marker)!r})\ntwice = list")
    for foreign in (False, True):
        if foreign:
            as_foreign(tmp_path / "m")
            plant_bytecode(kept, f"import os; os.mkdir({str(marker)!r})\ntwice = list")
        more = {"TRACKLET_TRUST": "true"} if foreign else {}
        done = subprocess.run(command, capture_output=True, text=True, env=env | more)
        assert done.stdout.strip() == "[4]", done.stderr
        assert not marker.exists()
    assert not (tmp_path / "m" / "__pycache__").exists()


def test_a_flipped_byte_anywhere_is_refused_or_harmless(tmp_path: Path) -> None:
    """In every byte of every file of a small model: the same answer, or an error of ours."""
    path = saved(tmp_path / "m", input_example=np.array([[3.0]]))
    files = [file for file in sorted(path.iterdir()) if file.is_file()]
    assert {"MLmodel", "model.pkl", manifest.FILE_NAME} <= {file.name for file in files}
    refused = 0
    for file in files:
        content = file.read_bytes()
        for position in range(len(content)):
            damaged = bytearray(content)
            damaged[position] ^= 1 << (position % 8)
            file.write_bytes(bytes(damaged))
            try:
                answer = pyfunc.load_model(path).predict(np.array([[3.0]]))
            except TrackletException:
                refused += 1
            else:
                assert answer.round(6).tolist() == [3.0], (file.name, position)
        file.write_bytes(content)
    assert refused
    pyfunc.load_model(path)


def with_code(tmp_path: Path) -> Path:
    module = tmp_path / "needed_4713.py"
    module.write_text("")
    return saved(tmp_path / "m", code_paths=[module])


@pytest.mark.parametrize(
    "name", ["model.pkl", "code/helper", "code/__pycache__", "code/needed_4713.py", "notes"]
)
def test_nothing_is_loaded_over_a_link(tmp_path: Path, name: str) -> None:
    """What a link leads to can be swapped after the look at it: whoever is trusted, it is refused,
    and cannot be made one's own; the model's folder itself may be a link."""
    path, place = with_code(tmp_path), tmp_path / "elsewhere"
    (tmp_path / "link").symlink_to(path)
    flavor.load_model(tmp_path / "link")
    target = path / name
    if target.exists():
        target.rename(place)
    else:
        place.mkdir()
        (place / "planted.py").write_text("")
    target.symlink_to(place)
    for _ in range(2):
        for load in (models.load_model, pyfunc.load_model):
            for trust in (None, True):
                with pytest.raises(ChangedModel, match=f"{name} is a link"):
                    load(path, trust=trust)
        with pytest.raises(ChangedModel, match=f"{name} is a link"):
            models.trust_model(path)
        as_foreign(path)


def of_xgboost(folder: Path) -> None:
    import xgboost

    matrix = xgboost.DMatrix(np.array([[0.0], [1.0]]), np.array([0.0, 1.0]))
    models.save_model(xgboost.train({}, matrix, 1), folder)


def of_lightgbm(folder: Path) -> None:
    import lightgbm

    dataset = lightgbm.Dataset(np.zeros((2, 1)), np.array([0.0, 1.0]))
    models.save_model(lightgbm.train({"verbosity": -1}, dataset, 1), folder)


def of_function(folder: Path) -> None:
    kept = folder.parent / "kept.txt"
    kept.write_text("")
    pyfunc.save_model(
        folder, python_model=lambda model_input: model_input, artifacts={"kept": str(kept)}
    )


def of_code_file(folder: Path) -> None:
    source = folder.parent / "model_code.py"
    source.write_text("import tracklet\ntracklet.models.set_model(lambda model_input: 1)\n")
    pyfunc.save_model(folder, python_model=source)


PATHS = [
    (saved, "sklearn", "pickled_model"),
    (saved, "sklearn", "code"),
    (of_xgboost, "xgboost", "data"),
    (of_lightgbm, "lightgbm", "data"),
    (of_function, "python_function", "python_model"),
    (of_function, "python_function", "artifacts"),
    (of_code_file, "python_function", "code"),
]


@pytest.mark.parametrize(("save", "entry", "key"), PATHS)
def test_no_path_of_a_model_leads_out_of_its_folder(
    tmp_path: Path, save: Any, entry: str, key: str
) -> None:
    """Such a file is in no list of what would run, and can be swapped when the model is trusted:
    it is refused to everyone, and the model cannot be made one's own."""
    path = tmp_path / "m"
    save(path)
    about = Model.load(path)
    named = about.flavors[entry].get(key)
    inside = named["kept"]["path"] if isinstance(named, dict) else named
    outside = tmp_path / "outside.pkl"
    if inside is None:
        outside.mkdir()
    else:
        shutil.copyfile(path / inside, outside)
    for leads_out in ("../outside.pkl", str(outside), "artifacts/../../outside.pkl", "..\\m", "."):
        value = {"kept": {"path": leads_out}} if key == "artifacts" else leads_out
        about.flavors[entry][key] = value
        about.save(path / "MLmodel")
        for trust in (None, True):
            with pytest.raises(TrackletException):
                models.load_model(path, trust=trust)
        with pytest.raises(TrackletException, match="names"):
            models.trust_model(path)


def test_a_model_from_code_does_not_run_a_file_elsewhere(tmp_path: Path) -> None:
    """The place that its ``MLmodel`` records is one of the machine that wrote it."""
    of_code_file(tmp_path / "m")
    (tmp_path / "model_code.py").write_text(f"import os; os.mkdir({str(tmp_path / 'ran')!r})")
    assert pyfunc.load_model(tmp_path / "m").predict([1]) == 1
    about = Model.load(tmp_path / "m")
    for recorded in ("../..", "", "..\\.."):
        about.flavors["python_function"]["model_code_path"] = recorded
        about.save(tmp_path / "m" / "MLmodel")
        with pytest.raises(TrackletException):
            pyfunc.load_model(tmp_path / "m", trust=True)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["later.bin", "code"])
def test_what_was_not_there_when_a_model_was_trusted_does_not_run(
    tmp_path: Path, name: str
) -> None:
    """An author may name a file that comes later: the trust was in what was seen."""
    path = as_foreign(saved(tmp_path / "m"))
    about = Model.load(path)
    about.flavors["sklearn"]["code" if name == "code" else "pickled_model"] = name
    about.save(path / "MLmodel")
    models.trust_model(path)
    if name == "code":
        (path / name).mkdir()
        (path / name / "sklearn.py").write_text(f"import os; os.mkdir({str(tmp_path / 'ran')!r})")
    else:
        (path / name).write_bytes(pickle.dumps(Poison(tmp_path / "ran"), protocol=0))
    with pytest.raises(ChangedModel, match=name):
        models.load_model(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["os.abort", "xgboost.tracker.RabitTracker", "antigravity.fly"])
def test_a_class_that_a_stranger_names_is_not_imported(tmp_path: Path, name: str) -> None:
    """A format without code stays one: only the framework's models need no trust."""
    of_xgboost(tmp_path / "m")
    path = as_foreign(tmp_path / "m")
    models.load_model(path)
    about = Model.load(path)
    about.flavors["xgboost"]["model_class"] = name
    about.save(path / "MLmodel")
    for load in (models.load_model, pyfunc.load_model):
        with pytest.raises(UntrustedModel, match=f"import {name}"):
            load(path)
    assert "antigravity" not in sys.modules
    assert models.trust_model(path) == [f"import {name}"]


def damaged(content: bytes) -> Iterator[bytes]:
    """A native file spoiled in ways of which some kill the process that reads it."""
    for number in (b"num_leaves=-5", b"num_leaves=1000000", b"tree_sizes=99999999"):
        yield re.sub(number.partition(b"=")[0] + rb"=[-\d]+", number, content, count=1)
    dice = random.Random(1)
    for _ in range(3):
        spoiled = bytearray(content)
        for _ in range(8):
            spoiled[dice.randrange(len(spoiled))] = dice.randrange(256)
        yield bytes(spoiled)


@pytest.mark.parametrize(("save", "name"), [(of_xgboost, "model.ubj"), (of_lightgbm, "model.lgb")])
def test_a_strangers_native_file_kills_no_process(
    tmp_path: Path, save: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is parsed by another process first; an own or trusted one needs none."""
    path = tmp_path / "m"
    save(path)
    called = tmp_path / "python"
    called.write_text(f'#!/bin/sh\ntouch {tmp_path}/called\nexec {sys.executable} "$@"\n')
    called.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(called))
    models.load_model(path)
    as_foreign(path)
    models.load_model(path, trust=True)
    assert not (tmp_path / "called").exists()
    models.load_model(path)
    pyfunc.load_model(path)
    assert (tmp_path / "called").exists()
    refused = 0
    for content in damaged((path / name).read_bytes()):
        (path / name).write_bytes(content)
        try:
            models.load_model(path)
        except TrackletException:
            refused += 1
    assert refused


def test_a_booster_in_a_strangers_skops_file_kills_no_process(tmp_path: Path) -> None:
    """What native code parses may be anywhere in such a file, so it is loaded apart whole."""
    from lightgbm import LGBMRegressor

    rows = np.arange(8.0).reshape(4, 2)
    model: Any = LGBMRegressor(n_estimators=2, min_child_samples=1, verbose=-1)
    model.fit(rows, rows[:, 0])
    path = tmp_path / "m"
    models.save_model(model, path, serialization_format="skops")
    as_foreign(path)
    assert models.load_model(path).predict(rows).tolist() == model.predict(rows).tolist()
    (file,) = path.glob("*.skops")
    with zipfile.ZipFile(file) as whole:
        members = {name: whole.read(name) for name in whole.namelist()}
    for spoiled in (b"num_leaves=-5", b"num_leaves=1000000"):
        with zipfile.ZipFile(file, "w") as changed:
            for name, content in members.items():
                changed.writestr(name, re.sub(rb"num_leaves=\d+", spoiled, content))
        with pytest.raises(TrackletException):
            models.load_model(path)


def test_functions_of_another_python_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compiled code of another minor version kills the interpreter; what is only named loads."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    pyfunc.save_model(tmp_path / "f", python_model=lambda model_input: model_input)
    doubling = FunctionTransformer(lambda data: data * 2)
    flavor.save_model(make_pipeline(doubling, line()), tmp_path / "p")
    flavor.save_model(make_pipeline(FunctionTransformer(np.abs), line()), tmp_path / "n")
    for name in "fpn":
        about = Model.load(tmp_path / name)
        about.flavors["python_function"]["python_version"] = "3.9.1"
        about.save(tmp_path / name / "MLmodel")
        models.trust_model(tmp_path / name)
    models.load_model(tmp_path / "n")
    for name in "fp":
        for load in (models.load_model, pyfunc.load_model):
            with pytest.raises(TrackletException, match=r"Python 3\.9\.1") as refused:
                load(tmp_path / name)
            assert "TRACKLET_ALLOW_OTHER_PYTHON" in str(refused.value)
    monkeypatch.setenv("TRACKLET_ALLOW_OTHER_PYTHON", "true")
    assert pyfunc.load_model(tmp_path / "f").predict([1]) == [1]


def test_manifests_of_strangers_lead_nowhere(tmp_path: Path) -> None:
    """Paths outside the folder, devices and rubbish in a manifest are a refusal, not a hang."""
    path = saved(tmp_path / "m")
    outside = {"../../../../dev/zero": "0", "/dev/zero": "0"}
    documents: list[Any] = [{"files": outside, "signature": "é"}, {"files": []}, [], 3]
    for document in [*documents, {"files": {"MLmodel": 1}, "signature": None}]:
        (path / manifest.FILE_NAME).write_text(json.dumps(document))
        with pytest.raises(TrackletException):
            flavor.load_model(path)
    (path / manifest.FILE_NAME).write_text("[" * 100_000)
    with pytest.raises(ChangedModel):
        flavor.load_model(path)


def test_without_a_place_for_the_key_models_are_own_to_their_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A read-only home is no obstacle: one warning, and what this process wrote loads in it."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TRACKLET_CONFIG_DIR", str(tmp_path / "file" / "config"))
    path = saved(tmp_path / "m")
    flavor.load_model(path)
    assert caplog.text.count("TRACKLET_CONFIG_DIR") == 1


def test_the_names_in_a_pickle_are_read_without_running_it(tmp_path: Path) -> None:
    """In all protocols, also of damaged ones."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        data = pickle.dumps([Poison(tmp_path / "ran"), Poison(tmp_path / "ran")], protocol)
        (tmp_path / "x.pkl").write_bytes(data)
        names = pickled_names.of_file(tmp_path / "x.pkl")
        assert [name.partition(".")[2] for name in names] == ["mkdir"]
        (tmp_path / "x.pkl").write_bytes(data[:-4])
        assert pickled_names.of_file(tmp_path / "x.pkl")
    assert not (tmp_path / "ran").exists()
