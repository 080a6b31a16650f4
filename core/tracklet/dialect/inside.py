"""What libraries outside of MLflow use of its inside.

Most is of flavors that others write: they follow MLflow's own to the line, and so call the same
functions to check arguments, to write a model's environment and to read it back.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tracklet.errors import InvalidParameterValue, ResourceAlreadyExists
from tracklet.models import Model, code, environment, examples, saving, trust, uris
from tracklet.models.environment import Environment
from tracklet.models.manifest import member
from tracklet.models.model import PYFUNC


def add_to_model(
    model: Model,
    loader_module: str,
    data: str | None = None,
    code: str | None = None,
    conda_env: str | Mapping[str, Any] | None = None,
    python_env: str | None = None,
    model_config: str | Mapping[str, Any] | None = None,
    model_code_path: str | None = None,
    **kwargs: Any,
) -> Model:
    """Have a model be loaded as a function, too.

    Args:
        model: The ``MLmodel`` file's content.
        loader_module: The import path of a module with ``_load_pyfunc(path)``.
        data: What of the model's folder it gets; the folder itself by default.
        code: The model's folder of modules.
        conda_env: The file with the conda environment.
        python_env: The file with Python's version and the requirements.
        model_config: The model's configuration, which the loader gets.
        model_code_path: The file that the model was made from.
        **kwargs: Further entries.
    """
    environments = {"conda": conda_env, "virtualenv": python_env}
    entry = {
        "code": code,
        "data": data,
        "env": {name: each for name, each in environments.items() if each},
        "config": model_config,
        "model_code_path": model_code_path,
    }
    entry = {name: value for name, value in entry.items() if value}
    version = platform.python_version()
    return model.add_flavor(
        PYFUNC, loader_module=loader_module, python_version=version, **entry, **kwargs
    )


def prepare_path(path: str | Path) -> None:
    """Make the folder that a model is to be saved in.

    Raises:
        ResourceAlreadyExists: There is something in it.
    """
    Path(path).mkdir(parents=True, exist_ok=True)
    if any(Path(path).iterdir()):
        raise ResourceAlreadyExists(f"{path} is not empty; choose another path or remove it first")


def copy_code(
    code_paths: Iterable[str | Path] | None, path: str | Path, default_subpath: str = saving.CODE
) -> str | None:
    """Copy modules of the user's own into a model's folder; the name of the folder within."""
    return saving.copy_code(code_paths, Path(path), default_subpath)


def save_example(mlflow_model: Model, input_example: Any, path: str | Path) -> None:
    """Write a sample of the input beside a model."""
    mlflow_model.saved_input_example_info = examples.save(input_example, Path(path))


def conda_environment(
    path: str | Path | None = None,
    additional_conda_deps: Iterable[str] | None = None,
    additional_pip_deps: Iterable[str] | None = None,
    additional_conda_channels: Iterable[str] | None = None,
    install_mlflow: bool = True,
) -> dict[str, Any] | None:
    """A conda environment with some packages; it is written instead if a path is given."""
    own = [environment.own_requirement()] if install_mlflow else []
    content = dict(Environment([*own, *(additional_pip_deps or ())]).content())
    content["channels"] = [*content["channels"], *(additional_conda_channels or ())]
    content["dependencies"][1:1] = additional_conda_deps or ()
    if path is None:
        return content
    Path(path).write_text(environment.dump_yaml(content, sort_keys=False), encoding="utf-8")
    return None


def process_conda(conda_env: Any) -> tuple[Mapping[str, Any], list[str], list[str]]:
    """A conda environment's content, its requirements and constraints."""
    return _parts(environment.described(None, conda_env))


def process_requirements(
    default_pip_requirements: Iterable[str] | None,
    pip_requirements: Any = None,
    extra_pip_requirements: Any = None,
) -> tuple[Mapping[str, Any], list[str], list[str]]:
    """The same of requirements: the given ones, or the default ones and further ones."""
    return _parts(
        environment.described(
            lambda: [environment.own_requirement(), *(default_pip_requirements or ())],
            None,
            pip_requirements,
            extra_pip_requirements,
        )
    )


def _parts(made: Environment) -> tuple[Mapping[str, Any], list[str], list[str]]:
    return made.content(), made.lines(), [*made.constraints]


class PythonEnvironment:
    """The Python that runs, and that a model's requirements are to be installed into."""

    @classmethod
    def current(cls) -> PythonEnvironment:
        """This interpreter's."""
        return cls()

    def to_yaml(self, path: str | Path) -> None:
        """Write the file that says so."""
        Path(path).write_text(environment.python_environment(), encoding="utf-8")


def pinned(req_str: str, version: str | None = None, module: str | None = None) -> str:
    """A requirement of a distribution at a version, by default the one that is installed."""
    return environment.pinned(req_str) if version is None else f"{req_str}=={version}"


def write_to(filename: str | Path, data: str) -> None:
    """Write a text file."""
    Path(filename).write_text(data, encoding="utf-8")


def fetch(artifact_uri: str, output_path: str | Path | None = None, **_: Any) -> str:
    """The path of what a URI names, fetched if need be."""
    return str(uris.resolve(artifact_uri, output_path))


def flavor_of(model_path: str | Path, flavor_name: str) -> dict[str, Any]:
    """What a model's ``MLmodel`` file says of a flavor.

    Raises:
        InvalidParameterValue: It does not have the flavor.
    """
    flavors = Model.load(model_path).flavors
    if flavor_name not in flavors:
        raise InvalidParameterValue(
            f"{str(model_path)!r} has no flavor {flavor_name!r}; it has {', '.join(flavors)}"
        )
    return flavors[flavor_name]


def add_code(local_path: str | Path, conf: Mapping[str, Any], code_key: str = "code") -> None:
    """Make a model's own modules importable, if it has any and may run code.

    Raises:
        UntrustedModel: It may not.
    """
    folder, entry = Path(local_path), conf.get(code_key)
    if entry:
        with trust.loading(folder), code.importable(member(folder, entry)):
            pass


class RequestHeaderProvider:
    """What says which headers a request to a server has. Nobody asks it: there is no server."""

    def in_context(self) -> bool:
        """Whether it has any to say."""
        return False

    def request_headers(self) -> dict[str, str]:
        """The headers."""
        return {}


class ErrorCode:
    """Codes of errors are their own names."""

    Name = Value = staticmethod(str)
