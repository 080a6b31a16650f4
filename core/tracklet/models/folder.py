"""Writing a model's folder: the flavor's files and what the core adds; whole or not at all."""

from __future__ import annotations

import logging
import os
import platform
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tracklet.errors import InvalidParameterValue, ResourceAlreadyExists, StorageError
from tracklet.frozen import Frozen, field
from tracklet.models import environment, manifest, trust
from tracklet.models.flavor import Flavor, flavor_of
from tracklet.models.flavor import flavor as flavor_named
from tracklet.models.model import FILE_NAME, PYFUNC, Model
from tracklet.models.signature import ModelSignature, infer_signature
from tracklet.types import ColSpec, Schema, TensorSpec
from tracklet.types.datatypes import as_type

CODE: Final = "code"
_PARTIAL: Final = ".tracklet-partial"

_logger = logging.getLogger(__name__)


class Description(Frozen):
    """What the caller says of a model beside the model itself.

    Args:
        signature: A signature; None to infer it from the example; False for none.
        input_example: A sample of the input, or ``(input, params)``.
        conda_env: The environment as a conda dictionary or file.
        pip_requirements: The environment as requirements or a requirements file.
        extra_pip_requirements: Requirements beside those that are inferred.
        code_paths: Files and folders to be importable where the model is loaded.
        metadata: The user's own facts.
        options: The flavor's own options.
        infer_code_paths: Find the user's own modules that the model needs, instead of
            ``code_paths``.
    """

    signature: ModelSignature | bool | None = None
    input_example: Any = None
    conda_env: str | Path | Mapping[str, Any] | None = None
    pip_requirements: str | Path | Sequence[str] | None = None
    extra_pip_requirements: str | Path | Sequence[str] | None = None
    code_paths: Sequence[str | Path] | None = None
    metadata: dict[str, Any] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    infer_code_paths: bool = False


def flavor_to_save(model: Any, asked: str | Flavor | None, described: Description) -> Flavor:
    """The flavor that is asked for, or the one that the model belongs to.

    What cannot be saved is refused here, before anything is created.

    Raises:
        InvalidParameterValue: The flavor does not save such models, an option is unknown, the
            signature is no signature, or a code path is missing.
        ValueError: The environment is said in more than one way.
    """
    if isinstance(asked, Flavor):
        flavor = asked
    else:
        flavor = flavor_of(model) if asked is None else flavor_named(asked)
    unknown = sorted(described.options.keys() - flavor.options())
    if unknown:
        raise InvalidParameterValue(
            f"the flavor {flavor.name!r} has no options {unknown}; it has "
            f"{sorted(flavor.options())}"
        )
    flavor.check(model, described.options)
    signature = described.signature
    if not (signature is None or signature is False or isinstance(signature, ModelSignature)):
        raise InvalidParameterValue(
            f"signature must be a ModelSignature, None to infer it or False for none; got "
            f"{signature!r} of type {type(signature).__name__}"
        )
    environment.check(
        described.conda_env, described.pip_requirements, described.extra_pip_requirements
    )
    if described.infer_code_paths and described.code_paths is not None:
        raise InvalidParameterValue("infer_code_paths finds what code_paths names; give only one")
    for path in described.code_paths or ():
        if not Path(path).exists():
            raise InvalidParameterValue(f"code_paths names {str(path)!r}, where there is nothing")
    return flavor


def write(flavor: Flavor, model: Any, path: Path, about: Model, described: Description) -> None:
    """Fill an empty folder with a model, and ``about`` with what is to be known of it."""
    with trust.saving(path):
        _write(flavor, model, path, about, described)
    manifest.sign(path)


def _write(flavor: Flavor, model: Any, path: Path, about: Model, described: Description) -> None:
    saved = flavor.save(model, path, described.options)
    code_paths = described.code_paths
    if described.infer_code_paths:
        code_paths = environment.local_modules(saved.modules)
    code = _copy_code(code_paths, path)
    about.flavors[flavor.name] = dict(saved.config)
    if flavor.name != PYFUNC:
        about.flavors[flavor.name]["code"] = code
    if saved.pyfunc is not None:
        about.flavors[PYFUNC] = {
            "loader_module": flavor.loader_module,
            **saved.pyfunc,
            **({"code": code} if code or flavor.name == PYFUNC else {}),
            "env": {"conda": environment.CONDA, "virtualenv": environment.PYTHON_ENV},
            "python_version": platform.python_version(),
        }
    elif flavor.name == PYFUNC:
        del about.flavors[PYFUNC]
    about.signature = _signature(flavor, model, path, about, described)
    if described.input_example is not None:
        from tracklet.models import examples

        about.saved_input_example_info = examples.save(described.input_example, path)
    about.metadata = described.metadata if described.metadata is not None else about.metadata
    about.tracklet_version = environment.own_version()
    environment.described(
        lambda: environment.inferred(
            saved.modules | _example_modules(described.input_example), flavor.requirements(model)
        ),
        described.conda_env,
        described.pip_requirements,
        described.extra_pip_requirements,
    ).write(path)
    about.model_size_bytes = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    about.save(path / FILE_NAME)


def _copy_code(code_paths: Sequence[str | Path] | None, path: Path) -> str | None:
    if not code_paths:
        return None
    target = path / CODE
    target.mkdir()
    for given in map(Path, code_paths):
        source = given.resolve()
        if source.is_dir():
            shutil.copytree(
                source, target / source.name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
            )
        else:
            shutil.copyfile(source, target / source.name)
    return CODE


def _example_modules(example: Any) -> set[str]:
    """A model that takes frames needs the library of the frames where it is loaded."""
    if example is None:
        return set()
    from tracklet.models import examples

    data, _ = examples.split_params(example)
    top = type(data).__module__.partition(".")[0]
    return {top} if top in ("pandas", "polars", "numpy", "scipy") else set()


def _signature(
    flavor: Flavor, model: Any, path: Path, about: Model, described: Description
) -> ModelSignature | None:
    own = flavor.own_signature(model)
    if own is not None:
        return _completed(own, described)
    if described.signature is False:
        return None
    if isinstance(described.signature, ModelSignature):
        return described.signature
    if about.signature is not None:
        return about.signature
    if described.input_example is None or PYFUNC not in about.flavors:
        return None
    from tracklet.models import examples
    from tracklet.models.pyfunc import enforcement

    data, params = examples.split_params(described.input_example)
    try:
        config = {**about.flavors[PYFUNC], "own": True, "path": str(path)}
        predictor = flavor.sample_predictor(model, config)
        inputs = infer_signature(data).inputs
        # As when the model is loaded: what it sees is the data in the form of its signature.
        seen = data if inputs is None else enforcement.enforce(data, inputs)
        output = predictor.predict(seen, params)
        signature = infer_signature(data, output, params)
    except Exception as error:  # noqa: BLE001 - the model is good without a signature
        _logger.warning(
            "no signature could be inferred from the input example (%s: %s); give one with "
            "signature=infer_signature(...)",
            type(error).__name__,
            error,
        )
        return None
    signature.type_hint_from_example = flavor.signature_from_example(model)
    return _as_columns(signature)


def _completed(own: ModelSignature, described: Description) -> ModelSignature:
    """The model's own signature, with the params of the given one or of the example."""
    given = described.signature if isinstance(described.signature, ModelSignature) else None
    if given is not None:
        if given.inputs not in (None, own.inputs):
            _logger.warning(
                "the given signature takes %r; the model's type hints, which hold, say %r",
                given.inputs,
                own.inputs,
            )
        own.params = given.params
        return own
    from tracklet.models import examples

    _, params = examples.split_params(described.input_example)
    if params:
        own.params = infer_signature(params=params).params
    return own


def _as_columns(signature: ModelSignature) -> ModelSignature:
    """For a model that takes columns, an answer of one dimension is a column, not a tensor."""
    inputs, outputs = signature.inputs, signature.outputs
    if inputs is None or outputs is None or inputs.is_tensor_spec():
        return signature
    spec = outputs.inputs[0]
    if not isinstance(spec, TensorSpec) or len(outputs) > 1 or spec.shape != (-1,):
        return signature
    column = _COLUMNS.get(spec.type.name)
    if column is not None:
        signature.outputs = Schema([ColSpec(as_type(column))])
    return signature


_COLUMNS: Final = {
    "bool": "boolean",
    "bytes": "binary",
    "float32": "float",
    "float64": "double",
    "int16": "integer",
    "int32": "integer",
    "int64": "long",
    "int8": "integer",
    "object": "string",
    "str": "string",
    "uint8": "integer",
}


@contextmanager
def appearing(target: Path) -> Iterator[Path]:
    """A private folder that becomes ``target`` when the block ends well, and vanishes if not.

    Raises:
        ResourceAlreadyExists: There is something at ``target``, other than an empty folder.
        StorageError: The disk refused.
    """
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise ResourceAlreadyExists(
            f"{target} exists and is not empty; choose another path or remove it first"
        )
    partial = target.parent / f".{target.name}.{secrets.token_hex(8)}{_PARTIAL}"
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise StorageError(f"{partial} cannot be created: {error.strerror or error}") from error
    try:
        yield partial
        if os.name == "nt" and target.is_dir():
            target.rmdir()
        partial.replace(target)
    except OSError as error:
        raise StorageError(f"{target} cannot be written: {error.strerror or error}") from error
    finally:
        if partial.exists():
            shutil.rmtree(partial, ignore_errors=True)
