"""The flavor of scikit-learn: the contract, the formats and MLflow's arguments."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.utils.validation import check_is_fitted

import tracklet
from tracklet import models, pyfunc
from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.models import examples
from tracklet.testing import FlavorContract, Training
from tracklet_flavors import sklearn as flavor
from tracklet_flavors.sklearn import SklearnFlavor

IRIS = load_iris(as_frame=True)
X: pd.DataFrame = IRIS.data
Y: pd.Series = IRIS.target


def fitted() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)


def unfitted() -> dict[str, tuple[Any, Any, Any]]:
    """Estimators with the data and the labels to fit them on, in every form that they take."""
    values = np.ascontiguousarray(X.to_numpy())
    words = [f"{'good' if n % 3 else 'bad'} word{n % 7}" for n in range(40)]
    verdicts = np.array([n % 3 > 0 for n in range(40)])
    records = [{"n": n % 3, **({"city": f"c{n % 5}"} if n % 4 else {})} for n in range(40)]
    tokens = [word.split() for word in words]
    texts = lambda: make_pipeline(TfidfVectorizer(), LogisticRegression())  # noqa: E731
    by_column = make_pipeline(
        ColumnTransformer([("t", TfidfVectorizer(), "text")]), LogisticRegression()
    )
    return {
        "frame": (fitted(), X, Y),
        "array": (LogisticRegression(max_iter=500), values, Y),
        "sparse": (LogisticRegression(max_iter=500), scipy.sparse.csr_matrix(values), Y),
        "lists": (LogisticRegression(max_iter=500), values.tolist(), Y),
        "texts": (texts(), words, verdicts),
        "tuple of texts": (texts(), tuple(words), verdicts),
        "array of texts": (texts(), np.array(words, dtype=object), verdicts),
        "series": (texts(), pd.Series(words, index=range(3, 43)), verdicts),
        "named series": (texts(), pd.Series(words, name="text"), verdicts),
        "search": (
            GridSearchCV(texts(), {"logisticregression__C": [0.1, 1.0]}, cv=2),
            pd.Series(words, name="text"),
            verdicts,
        ),
        "column of texts": (by_column, pd.DataFrame({"text": words}), verdicts),
        "cleaned": (
            make_pipeline(FunctionTransformer(_lowered), *(s for _, s in texts().steps)),
            pd.Series(words),
            verdicts,
        ),
        "records": (make_pipeline(DictVectorizer(), LogisticRegression()), records, verdicts),
        "tokens": (
            make_pipeline(CountVectorizer(analyzer=_same), LogisticRegression()),
            tokens,
            verdicts,
        ),
    }


class TestSklearnFlavor(FlavorContract):
    flavor = SklearnFlavor

    def make_model(self) -> Any:
        return fitted()

    def make_input(self) -> Any:
        return X.iloc[:5]

    def trainings(self) -> dict[str, Training]:
        return {
            name: Training(model.fit(data, labels), data, model.predict(data))
            for name, (model, data, labels) in unfitted().items()
        }


def _lowered(texts: pd.Series) -> pd.Series:
    return texts.str.lower()


def _same(words: Any) -> Any:
    return words


class TestSkops(FlavorContract):
    flavor = SklearnFlavor
    options: ClassVar = {"serialization_format": "skops"}

    def make_model(self) -> Any:
        return fitted()

    def make_input(self) -> Any:
        return X.iloc[:5]


class TestPickle(FlavorContract):
    flavor = SklearnFlavor
    options: ClassVar = {"serialization_format": "pickle"}

    def make_model(self) -> Any:
        return LinearRegression().fit(X.to_numpy(), Y)

    def make_input(self) -> Any:
        # In rows, as it comes back from JSON: products of columns may differ in their last bit.
        return np.ascontiguousarray(X.to_numpy()[:5])


@pytest.mark.parametrize("kind", ["cloudpickle", "pickle", "skops"])
def test_every_format_restores_all_fitted_arrays(tmp_path: Path, kind: str) -> None:
    """The loaded forest is the saved forest, to the bit."""
    model = RandomForestClassifier(5, random_state=0).fit(X, Y)
    trusted = ["sklearn.tree._tree.Tree"] if kind == "skops" else None
    flavor.save_model(model, tmp_path / "m", serialization_format=kind, skops_trusted_types=trusted)
    loaded = flavor.load_model(tmp_path / "m")
    check_is_fitted(loaded)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert models.Model.load(tmp_path / "m").flavors["sklearn"]["serialization_format"] == kind


def test_what_skops_would_not_load_is_not_saved(tmp_path: Path) -> None:
    """The error comes when saving, and names the types to trust."""
    model = RandomForestClassifier(2, random_state=0).fit(X, Y)
    with pytest.raises(InvalidParameterValue, match=r"sklearn\.tree\._tree\.Tree"):
        flavor.save_model(model, tmp_path / "m", serialization_format="skops")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_format_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    """The error lists the formats."""
    with pytest.raises(InvalidParameterValue, match="cloudpickle, pickle, skops"):
        flavor.save_model(fitted(), tmp_path / "m", serialization_format="joblib")
    assert list(tmp_path.iterdir()) == []


def test_the_method_that_the_view_calls_can_be_chosen(tmp_path: Path) -> None:
    """``pyfunc_predict_fn`` makes the pyfunc view give probabilities."""
    model = fitted()
    flavor.save_model(model, tmp_path / "m", pyfunc_predict_fn="predict_proba")
    np.testing.assert_array_equal(
        pyfunc.load_model(tmp_path / "m").predict(X), model.predict_proba(X)
    )


def test_an_autologged_model_answers_its_training_data(tracklet_home: Path) -> None:
    """Whatever was fitted, in Python and by JSON; a few rows are all that its signature is from."""
    tracklet.sklearn.autolog(log_plots=False)
    for name, (model, data, labels) in unfitted().items():
        model.fit(data, labels)
        logged = tracklet.last_logged_model()
        assert logged is not None
        expected = model.predict(data).tolist()
        assert pyfunc.load_model(logged.model_uri).predict(data).tolist() == expected, name
        given = [*data] if isinstance(data, tuple) else data
        body = json.dumps(examples.serving_body(given))
        answered = models.validate_serving_input(logged.model_uri, body)
        assert answered.tolist() == expected, name


def test_a_mistyped_method_is_refused_before_anything_is_recorded(tracklet_home: Path) -> None:
    """Neither a model without a pyfunc view nor a failed one is left."""
    with pytest.raises(InvalidParameterValue, match="predict_prob'"):
        flavor.log_model(fitted(), name="m", pyfunc_predict_fn="predict_prob")
    assert tracklet.last_logged_model() is None


def test_a_transformer_has_no_pyfunc_view_but_loads(tmp_path: Path) -> None:
    """What cannot predict is saved all the same; asking for the view says so."""
    flavor.save_model(StandardScaler().fit(X), tmp_path / "m")
    assert isinstance(flavor.load_model(tmp_path / "m"), StandardScaler)
    with pytest.raises(InvalidParameterValue, match="no pyfunc view"):
        pyfunc.load_model(tmp_path / "m")


def test_params_become_keyword_arguments_of_predict(tmp_path: Path) -> None:
    """A signature's params reach the estimator, with their defaults."""
    from sklearn.gaussian_process import GaussianProcessRegressor

    model = GaussianProcessRegressor(alpha=0.1).fit(X, Y)
    signature = models.infer_signature(X, model.predict(X), {"return_std": False})
    flavor.save_model(model, tmp_path / "m", signature=signature)
    loaded = pyfunc.load_model(tmp_path / "m")
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    _, deviation = loaded.predict(X, params={"return_std": True})
    assert deviation.shape == (len(X),)


def test_a_lambda_in_a_pipeline_survives(tmp_path: Path) -> None:
    """cloudpickle keeps what pickle cannot; with pickle the error says what failed."""
    model = make_pipeline(FunctionTransformer(lambda frame: frame * 2), LinearRegression())
    model.fit(X, Y)
    flavor.save_model(model, tmp_path / "m")
    np.testing.assert_array_equal(flavor.load_model(tmp_path / "m").predict(X), model.predict(X))
    with pytest.raises(TrackletException, match="cannot be saved with pickle"):
        flavor.save_model(model, tmp_path / "p", serialization_format="pickle")
    assert not (tmp_path / "p").exists()


def test_requirements_name_what_the_model_uses_and_nothing_else(tmp_path: Path) -> None:
    """Modules that the process imported without the model's doing are no requirements."""
    import matplotlib  # noqa: F401 - imported, but not by the model

    flavor.save_model(fitted(), tmp_path / "m")
    names = [line.partition("==")[0] for line in _requirements(tmp_path / "m")]
    assert names == ["tracklet", "cloudpickle", "numpy", "scikit-learn"]
    flavor.save_model(fitted(), tmp_path / "n", input_example=X[:1])
    assert "pandas" in {line.partition("==")[0] for line in _requirements(tmp_path / "n")}


def test_the_environment_can_be_given(tmp_path: Path) -> None:
    """``pip_requirements`` replaces, ``extra_pip_requirements`` adds, ``conda_env`` is taken."""
    flavor.save_model(fitted(), tmp_path / "a", pip_requirements=["scikit-learn>=1.3"])
    assert _requirements(tmp_path / "a")[1:] == ["scikit-learn>=1.3"]
    flavor.save_model(fitted(), tmp_path / "b", extra_pip_requirements=["numpy<3", "left-pad"])
    assert {"numpy<3", "left-pad"} <= set(_requirements(tmp_path / "b"))
    assert not any(line.startswith("numpy==") for line in _requirements(tmp_path / "b"))
    conda = {"dependencies": ["python=3.11", {"pip": ["scikit-learn"]}], "name": "mine"}
    flavor.save_model(fitted(), tmp_path / "c", conda_env=conda)
    assert _requirements(tmp_path / "c") == ["scikit-learn"]
    assert "name: mine" in (tmp_path / "c" / "conda.yaml").read_text()
    with pytest.raises(ValueError, match="conda_env"):
        flavor.save_model(fitted(), tmp_path / "d", conda_env=conda, pip_requirements=["x"])
    with pytest.raises(InvalidParameterValue, match="no pip requirement"):
        flavor.save_model(fitted(), tmp_path / "d", pip_requirements=["not a requirement!"])
    assert not (tmp_path / "d").exists()


def test_requirement_files_with_constraints_are_followed(tmp_path: Path) -> None:
    """``-r`` and ``-c`` lines of a given file end up in the model's own files."""
    (tmp_path / "base.txt").write_text("scikit-learn  # the model\n")
    (tmp_path / "bounds.txt").write_text("numpy<3\n")
    (tmp_path / "all.txt").write_text("-r base.txt\n-c bounds.txt\n")
    flavor.save_model(fitted(), tmp_path / "m", pip_requirements=str(tmp_path / "all.txt"))
    assert _requirements(tmp_path / "m")[1:] == ["scikit-learn", "-c constraints.txt"]
    assert (tmp_path / "m" / "constraints.txt").read_text() == "numpy<3"


def test_code_paths_make_the_users_module_importable(tmp_path: Path) -> None:
    """A model that needs a module of the user's own loads where only the folder is."""
    (tmp_path / "src").mkdir()
    module = tmp_path / "src" / "doubling_4711.py"
    module.write_text("def twice(array):\n    return array * 2\n")
    script = f"""
import sys
sys.path.insert(0, {str(tmp_path / "src")!r})
from doubling_4711 import twice
from sklearn.preprocessing import FunctionTransformer
from sklearn.pipeline import make_pipeline
from sklearn.linear_model import LinearRegression
from tracklet_flavors.sklearn import save_model
model = make_pipeline(FunctionTransformer(twice, validate=True), LinearRegression())
model.fit([[1.0], [2.0]], [1, 2])
save_model(model, {str(tmp_path / "m")!r}, code_paths=[{str(module)!r}])
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    module.unlink()
    load = f"""
from tracklet import pyfunc
print(pyfunc.load_model({str(tmp_path / "m")!r}).predict([[3.0]]).round(6).tolist())
"""
    done = subprocess.run([sys.executable, "-c", load], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[3.0]"
    with pytest.raises(InvalidParameterValue, match="code_paths"):
        flavor.save_model(fitted(), tmp_path / "n", code_paths=["/no/such/file.py"])


def test_mlflows_arguments_work_as_written(tracklet_home: Path) -> None:
    """``sk_model`` and ``artifact_path`` as in scripts written for MLflow."""
    model = fitted()
    with tracklet.start_run() as run:
        info = flavor.log_model(
            sk_model=model,
            artifact_path="sk_model",
            signature=models.infer_signature(X, model.predict(X)),
            input_example=X[:2],
            registered_model_name="iris",
        )
    assert info.run_id == run.info.run_id
    assert info.name == "sk_model"
    assert info.registered_model_version == 1
    for uri in (f"runs:/{info.run_id}/sk_model", info.model_uri, "models:/iris/1"):
        np.testing.assert_array_equal(pyfunc.load_model(uri).predict(X), model.predict(X))
    with pytest.raises(InvalidParameterValue, match="say the same"):
        flavor.log_model(model, "a", name="b")


def test_a_frame_with_text_columns_round_trips(tmp_path: Path) -> None:
    """Signature, example and checked data agree for mixed columns."""
    frame = pd.DataFrame({"city": ["a", "b", "a", "b"], "size": [1.0, 2.0, 3.0, 4.0]})
    encoder = ColumnTransformer([("city", OneHotEncoder(), ["city"])], remainder="passthrough")
    model = make_pipeline(encoder, LinearRegression()).fit(frame, [1, 2, 3, 4])
    flavor.save_model(model, tmp_path / "m", input_example=frame)
    loaded = pyfunc.load_model(tmp_path / "m")
    np.testing.assert_allclose(loaded.predict(frame[["size", "city"]]), model.predict(frame))
    with pytest.raises(InvalidParameterValue, match="lacks the columns"):
        loaded.predict(frame[["size"]])


def test_saving_is_cheap(tmp_path: Path) -> None:
    """Once the process is warm, a small model with signature and example costs ten thousand calls.

    That were 20 ms of CPU; counted, since how long they take is another thing on a busy machine.
    """
    model = fitted()
    signature = models.infer_signature(X, model.predict(X))
    calls: list[str] = []
    for attempt in range(2):
        calls.clear()
        sys.setprofile(lambda frame, event, arg: calls.append(event))
        try:
            flavor.save_model(
                model, tmp_path / str(attempt), signature=signature, input_example=X[:2]
            )
        finally:
            sys.setprofile(None)
    assert sum(event in ("call", "c_call") for event in calls) <= 10_000


def _requirements(path: Path) -> list[str]:
    return (path / "requirements.txt").read_text().splitlines()
