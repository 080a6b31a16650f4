"""A flavor as people write them outside of MLflow: a model is a number, which is added."""

import os

import yaml
from mlflow import pyfunc  # type: ignore[import-not-found]
from mlflow.exceptions import MlflowException  # type: ignore[import-not-found]
from mlflow.models import Model  # type: ignore[import-not-found]
from mlflow.models.model import MLMODEL_FILE_NAME  # type: ignore[import-not-found]
from mlflow.models.utils import _save_example  # type: ignore[import-not-found]
from mlflow.protos.databricks_pb2 import (  # type: ignore[import-not-found]
    INVALID_PARAMETER_VALUE,
    ErrorCode,
)
from mlflow.tracking.artifact_utils import (  # type: ignore[import-not-found]
    _download_artifact_from_uri,
)
from mlflow.utils import environment as env  # type: ignore[import-not-found]
from mlflow.utils import model_utils  # type: ignore[import-not-found]
from mlflow.utils.file_utils import write_to  # type: ignore[import-not-found]
from mlflow.utils.requirements_utils import (  # type: ignore[import-not-found]
    _get_pinned_requirement,
)


def save_model(
    number,
    path,
    conda_env=None,
    code_paths=None,
    mlflow_model=None,
    signature=None,
    input_example=None,
    pip_requirements=None,
    extra_pip_requirements=None,
):
    env._validate_env_arguments(conda_env, pip_requirements, extra_pip_requirements)
    if not isinstance(number, float):
        raise MlflowException("no number", error_code=ErrorCode.Name(INVALID_PARAMETER_VALUE))
    model_utils._validate_and_prepare_target_save_path(path)
    code = model_utils._validate_and_copy_code_paths(code_paths, path)
    model = Model() if mlflow_model is None else mlflow_model
    model.signature = signature
    if input_example is not None:
        _save_example(model, input_example, path)
    write_to(os.path.join(path, "number.txt"), str(number))
    files = {"conda_env": env._CONDA_ENV_FILE_NAME, "python_env": env._PYTHON_ENV_FILE_NAME}
    pyfunc.add_to_model(model, loader_module=__name__, data="number.txt", code=code, **files)
    model.add_flavor("numbers", file="number.txt", code=code)
    model.save(os.path.join(path, MLMODEL_FILE_NAME))
    if conda_env is None:
        default = None if pip_requirements else [_get_pinned_requirement("click")]
        conda_env, requirements, constraints = env._process_pip_requirements(
            default, pip_requirements, extra_pip_requirements
        )
    else:
        conda_env, requirements, constraints = env._process_conda_env(conda_env)
    with open(os.path.join(path, env._CONDA_ENV_FILE_NAME), "w") as file:
        yaml.safe_dump(conda_env, file)
    if constraints:
        write_to(os.path.join(path, env._CONSTRAINTS_FILE_NAME), "\n".join(constraints))
    write_to(os.path.join(path, env._REQUIREMENTS_FILE_NAME), "\n".join(requirements))
    env._PythonEnv.current().to_yaml(os.path.join(path, env._PYTHON_ENV_FILE_NAME))


def log_model(number, artifact_path=None, **kwargs):
    import sys

    return Model.log(artifact_path, flavor=sys.modules[__name__], number=number, **kwargs)


def load_model(model_uri):
    path = _download_artifact_from_uri(artifact_uri=model_uri)
    conf = model_utils._get_flavor_configuration(model_path=path, flavor_name="numbers")
    model_utils._add_code_from_conf_to_system_path(path, conf)
    with open(os.path.join(path, conf["file"])) as file:
        return float(file.read())


def _load_pyfunc(path):
    with open(path) as file:
        return Adder(float(file.read()))


class Adder:
    def __init__(self, number):
        self.number = number

    def predict(self, data):
        return data + self.number
