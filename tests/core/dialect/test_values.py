"""What MLflow's modules hold beside functions and classes: constants, variables, defaults."""

import importlib.metadata
import os
from typing import Any

import pytest

import tracklet
from tracklet.errors import InvalidArgument

pytestmark = pytest.mark.usefixtures("spoken")


def mlflow(module: str) -> Any:
    return importlib.import_module(f"mlflow.{module}")


def test_constants_of_tracklets_are_its_own_and_the_others_mlflows() -> None:
    assert mlflow("utils.validation").MAX_ENTITY_KEY_LENGTH == 250
    assert mlflow("utils.validation").MAX_PARAM_VAL_LENGTH == 6000
    assert mlflow("utils.mlflow_tags").MLFLOW_RUN_NAME == "mlflow.runName"
    assert importlib.metadata.version("mlflow") == mlflow("version").VERSION


def test_an_environment_variable_knows_its_value_its_type_and_its_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    variables = mlflow("environment_variables")
    timeout = variables.MLFLOW_HTTP_REQUEST_TIMEOUT
    monkeypatch.delenv(timeout.name, raising=False)
    assert (timeout.get(), timeout.get_raw(), timeout.is_set()) == (120, None, False)
    timeout.set(7)
    assert (timeout.get(), timeout.get_raw(), timeout.defined) == (7, "7", True)
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "7"
    os.environ[timeout.name] = "long"
    with pytest.raises(ValueError, match="MLFLOW_HTTP_REQUEST_TIMEOUT is 'long', which is no int"):
        timeout.get()
    timeout.unset()
    timeout.unset()
    assert not timeout.defined

    wants = variables.MLFLOW_ENABLE_ASYNC_LOGGING
    monkeypatch.setenv(wants.name, "True")
    assert wants.get() is True
    assert f"{wants}" == wants.name
    ratio = variables.MLFLOW_TRACE_SAMPLING_RATIO
    assert (ratio.get(), ratio.type) == (1.0, float)


def test_what_a_variable_sets_is_what_tracklet_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    variable = mlflow("environment_variables").MLFLOW_EXPERIMENT_NAME
    monkeypatch.delenv(variable.name, raising=False)
    variable.set("by a variable")
    with tracklet.start_run() as run:
        assert tracklet.get_experiment(run.info.experiment_id).name == "by a variable"
    variable.unset()


def test_asynchronous_logging_is_switched_for_the_process() -> None:
    with tracklet.start_run():
        assert tracklet.log_params({"a": 1}, synchronous=None) is None
        mlflow("config").enable_async_logging()
        waiting = tracklet.log_params({"b": 2}, synchronous=None)
        assert isinstance(waiting, mlflow("utils.async_logging.run_operations").RunOperations)
        mlflow("config").enable_async_logging(False)
        assert tracklet.log_params({"c": 3}, synchronous=None) is None


@pytest.mark.parametrize(
    ("module", "flavor", "library"),
    [
        ("sklearn", "sklearn", "scikit-learn"),
        ("lightgbm", "lightgbm", "lightgbm"),
        ("xgboost", "xgboost", "xgboost"),
        ("pyfunc", "python_function", "cloudpickle"),
    ],
)
def test_the_module_of_a_flavor_tells_its_name_and_what_it_needs(
    module: str, flavor: str, library: str
) -> None:
    home = mlflow(module)
    assert flavor == home.FLAVOR_NAME
    (needed,) = home.get_default_pip_requirements()
    assert needed == f"{library}=={importlib.metadata.version(library)}"
    pip = home.get_default_conda_env()["dependencies"][-1]["pip"]
    assert pip == [f"tracklet=={tracklet.__version__}", needed]


def test_an_input_example_and_its_params_are_read_from_the_models_folder() -> None:
    info = tracklet.pyfunc.log_model(
        name="m",
        python_model=lambda model_input, params: model_input,
        input_example=([1], {"t": 2}),
    )
    model = mlflow("models").Model.load(info.model_uri)
    assert model.load_input_example_params(info.model_uri) == {"t": 2}
    assert tracklet.pyfunc.load_model(info.model_uri).input_example == [1]
    assert mlflow("models").Model.from_dict(model.to_dict()).to_json() == model.to_json()


@pytest.mark.parametrize(("key", "fits"), [("train loss:1/a", True), ("loss!", False)])
def test_a_library_can_ask_whether_a_key_is_mlflows(key: str, fits: bool) -> None:
    assert bool(mlflow("utils.validation").validate_param_and_metric_name(key)) is fits


def test_a_model_that_is_asked_knows_of_the_request() -> None:
    """What whoever asks says in a block is there within it, also in the model's own code."""
    from tracklet.models.pyfunc.context import (
        Context,
        get_prediction_context,
        set_prediction_context,
    )

    class Model(tracklet.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return getattr(get_prediction_context(), "request_id", None)

    with set_prediction_context(Context("r1", endpoint="x")) as nothing:
        assert nothing is None
        assert Model().predict(None, [1]) == "r1"
        assert vars(get_prediction_context())["endpoint"] == "x"
    assert Model().predict(None, [1]) is None
    with pytest.raises(InvalidArgument, match="got 'r2'"), set_prediction_context("r2"):  # type: ignore[arg-type]
        pass


def test_kinds_of_sources_are_known_as_they_are_defined() -> None:
    """Registering one checks it and changes nothing."""
    from tracklet.data import sources

    class Shelf(sources.DatasetSource):
        @staticmethod
        def _can_resolve(raw_source):
            return raw_source == "a shelf"

        @classmethod
        def _resolve(cls, raw_source):
            return cls()

    sources.register_dataset_source(Shelf)
    assert sources.get_registered_sources().count(Shelf) == 1
    assert isinstance(sources.source_of("a shelf", [Shelf]), Shelf)
    assert not isinstance(sources.source_of("a shelf", []), Shelf)
    with pytest.raises(InvalidArgument):
        sources.register_dataset_source(Shelf())  # type: ignore[arg-type]
