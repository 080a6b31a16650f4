"""Saving a model as a folder, and logging it to the record."""

from __future__ import annotations

import logging
import os
import platform
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tracklet.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus
from tracklet.errors import (
    InvalidParameterValue,
    ResourceAlreadyExists,
    StorageError,
    TrackletException,
)
from tracklet.fluent import active, records
from tracklet.fluent.models import EXTERNAL_TAG, initialize_logged_model
from tracklet.frozen import Frozen, field, replace
from tracklet.models import categories, environment, manifest, trust
from tracklet.models.flavor import Flavor, flavor_of
from tracklet.models.flavor import flavor as flavor_named
from tracklet.models.model import FILE_NAME, PYFUNC, Model, ModelInfo
from tracklet.models.signature import ModelSignature, infer_signature
from tracklet.patching import suppressed
from tracklet.record import Store
from tracklet.repositories import repository
from tracklet.types import ColSpec, Schema, TensorSpec
from tracklet.types.datatypes import as_type
from tracklet.validation import (
    as_strings,
    validate_logged_model_name,
    validate_registered_model_name,
)

CODE: Final = "code"
_PARTIAL: Final = ".tracklet-partial"

_logger = logging.getLogger(__name__)


def save_model(
    model: Any,
    path: str | Path,
    *,
    flavor: str | Flavor | None = None,
    mlflow_model: Model | None = None,
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    conda_env: str | Path | Mapping[str, Any] | None = None,
    pip_requirements: str | Path | Sequence[str] | None = None,
    extra_pip_requirements: str | Path | Sequence[str] | None = None,
    code_paths: Sequence[str | Path] | None = None,
    infer_code_paths: bool = False,
    metadata: dict[str, Any] | None = None,
    **options: Any,
) -> None:
    """Save a model as a folder; no run is involved.

    Args:
        model: The native model.
        path: The folder; it must not exist, or be empty.
        flavor: The flavor's name; by default the one that the model's type belongs to.
        mlflow_model: An ``MLmodel`` to complete instead of a new one.
        signature: What the model takes and gives; by default inferred from ``input_example``,
            with False none.
        input_example: A sample of the input, or ``(input, params)``.
        conda_env: The environment as a conda dictionary or file, instead of an inferred one.
        pip_requirements: The environment as requirements or a requirements file.
        extra_pip_requirements: Requirements beside the inferred ones.
        code_paths: Files and folders to be importable where the model is loaded.
        infer_code_paths: Find the modules of your own that the model needs, instead.
        metadata: Facts of your own for the ``MLmodel`` file.
        **options: The flavor's own options.

    Raises:
        ResourceAlreadyExists: There is something at ``path``.
        InvalidParameterValue: No flavor knows the model, or an argument is wrong. Nothing is
            written then.
    """
    given = conda_env, pip_requirements, extra_pip_requirements, code_paths, metadata, options
    described = Description(signature, input_example, *given, infer_code_paths)
    chosen = flavor_to_save(model, flavor, described)
    with appearing(Path(path)) as partial:
        write(chosen, model, partial, mlflow_model or Model(), described)


def log_model(
    model: Any,
    name: str | None = None,
    *,
    flavor: str | Flavor | None = None,
    run_id: str | None = None,
    artifact_path: str | None = None,
    registered_model_name: str | None = None,
    await_registration_for: int | None = 300,
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    conda_env: str | Path | Mapping[str, Any] | None = None,
    pip_requirements: str | Path | Sequence[str] | None = None,
    extra_pip_requirements: str | Path | Sequence[str] | None = None,
    code_paths: Sequence[str | Path] | None = None,
    infer_code_paths: bool = False,
    metadata: dict[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
    model_id: str | None = None,
    **options: Any,
) -> ModelInfo:
    """Log a model: its files, its signature, its environment, its link to the run.

    It can be loaded by ``models:/<model id>`` and, if there is a run, ``runs:/<run id>/<name>``.

    Args:
        model: The native model.
        name: The logged model's name; ``"model"`` by default.
        flavor: The flavor's name; by default the one that the model's type belongs to.
        run_id: The run that made it; the active run by default, and none if there is none.
        artifact_path: An older word for ``name``.
        registered_model_name: Register the model under this name as well.
        await_registration_for: Accepted for compatibility; a version is ready at once.
        signature: As in :func:`save_model`; so are ``input_example``, ``conda_env``,
            ``pip_requirements``, ``extra_pip_requirements``, ``code_paths`` and ``metadata``.
        input_example: See ``signature``.
        conda_env: See ``signature``.
        pip_requirements: See ``signature``.
        extra_pip_requirements: See ``signature``.
        code_paths: See ``signature``.
        infer_code_paths: See ``signature``.
        metadata: See ``signature``.
        params: Params of the logged model, beside those of the run.
        tags: Tags of the logged model.
        model_type: A word of your own.
        step: The step at which the run produced the model.
        model_id: A PENDING logged model to fill, instead of a new one.
        **options: The flavor's own options.

    Returns:
        Where the model is and what is known of it.

    Raises:
        InvalidParameterValue: No flavor knows the model, or an argument is wrong; nothing is
            created then.

    Example:
        >>> from sklearn.linear_model import LinearRegression
        >>> model = LinearRegression().fit([[1.0], [2.0]], [3.0, 5.0])
        >>> with tracklet.start_run():
        ...     info = tracklet.log_model(model, "line")
        >>> tracklet.load_model(info.model_uri).predict([[3.0]]).round(6).tolist()
        [7.0]
    """
    given = conda_env, pip_requirements, extra_pip_requirements, code_paths, metadata, options
    described = Description(signature, input_example, *given, infer_code_paths)
    logged_name = chosen_name(name, artifact_path)
    chosen = flavor_to_save(model, flavor, described)
    config = _config_params(described.options.get("model_config"))
    info = logged(
        lambda path, about: write(chosen, model, path, about, described),
        logged_name,
        run_id,
        registered_model_name,
        model_id,
        params,
        tags,
        model_type,
        step,
    )
    if config and info.run_id is not None:
        _log_config(info.run_id, config)
    return info


def logged(
    fill: Callable[[Path, Model], None],
    name: str,
    run_id: str | None = None,
    registered_model_name: str | None = None,
    model_id: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
) -> ModelInfo:
    """Log a model whose files a function writes; the arguments are those of :func:`log_model`.

    Args:
        fill: Gets an empty folder and what the ``MLmodel`` file is to say of where it is logged.
        name: The logged model's name.
    """
    if registered_model_name is not None:
        validate_registered_model_name(registered_model_name)
    store = active.store()
    run = active.to_record() if run_id is None else active.opened(run_id)
    run_id = run.info.run_id if run is not None else run_id
    experiment_id = run.info.experiment_id if run is not None else None
    record = _logged_model(
        store,
        name,
        run_id,
        experiment_id,
        model_id,
        params,
        tags,
        model_type,
    )
    try:
        if run_id is not None:
            _link(store, run_id, record.model_id, step)
        about = Model(
            artifact_path=record.artifact_location,
            run_id=run_id,
            model_uuid=record.model_id,
            model_id=record.model_id,
        )
        _write_files(fill, about, record.artifact_location)
        if EXTERNAL_TAG in record.tags:  # its files are here now
            store.delete_logged_model_tag(record.model_id, EXTERNAL_TAG)
        record = store.finalize_logged_model(record.model_id, LoggedModelStatus.READY)
    except BaseException:
        _give_up(store, record.model_id)
        raise
    info = about.get_model_info(record)
    if registered_model_name is not None:
        from tracklet.models import uris

        version = uris.register_model(info.model_uri, registered_model_name)
        info.registered_model_version = version.version
    return info


def _config_params(config: Any) -> dict[str, Any]:
    """A model's configuration as params: keys of mappings in mappings are joined by ``/``."""
    if config is None:
        return {}
    from tracklet.models.code import read_config

    flat: dict[str, Any] = {}
    waiting: list[tuple[str, Any]] = [("", read_config(config))]
    while waiting:
        prefix, value = waiting.pop(0)
        if isinstance(value, Mapping):
            waiting += ((f"{prefix}/{key}".lstrip("/"), each) for key, each in value.items())
        else:
            flat[prefix] = value
    return flat


def _log_config(run_id: str, params: dict[str, Any]) -> None:
    """Record a model's configuration with the run, beside what the run says already."""
    try:
        records.log_params(params, run_id=run_id)
    except TrackletException as error:
        _logger.warning("the model's configuration is not among the run's params: %s", error)


def chosen_name(name: str | None, artifact_path: str | None) -> str:
    """The name that a model is logged by, said by one of the two words for it, or by none."""
    if name is not None and artifact_path is not None:
        raise InvalidParameterValue(
            f"name={name!r} and artifact_path={artifact_path!r} say the same; give only name"
        )
    return validate_logged_model_name(name or artifact_path or "model")


def _logged_model(
    store: Store,
    name: str,
    run_id: str | None,
    experiment_id: str | None,
    model_id: str | None,
    params: Mapping[str, Any] | None,
    tags: Mapping[str, Any] | None,
    model_type: str | None,
) -> LoggedModel:
    if model_id is not None:
        logged = store.get_logged_model(model_id)
        if params:
            store.log_logged_model_params(model_id, as_strings(params))
        if tags:
            store.set_logged_model_tags(model_id, as_strings(tags))
        return logged
    inherited = store.get_params(run_id) if run_id is not None else {}
    return initialize_logged_model(
        name, run_id, tags, {**inherited, **(params or {})}, model_type, experiment_id
    )


def _link(store: Store, run_id: str, model_id: str, step: int) -> None:
    """Record that the run produced the model, and give it the run's metrics of that step."""
    output = LoggedModelOutput(model_id, step)
    store.log_outputs(run_id, [output])
    run = active.opened(run_id)
    if run is not None:
        run.note_outputs([output])
    points = [
        replace(point, model_id=model_id, run_id=run_id)
        for point in store.last_points(run_id)
        if point.step == step and point.model_id != model_id
    ]
    if not points:
        return
    writer = store.open_run(run_id, live=False) if run is None else run.writer
    try:
        writer.link_metrics(points)
    finally:
        if run is None:
            writer.close()


def _write_files(fill: Callable[[Path, Model], None], about: Model, location: str) -> None:
    target = repository(location)
    local = target.local_path("")
    if local is not None and not (local.is_dir() and any(local.iterdir())):
        with appearing(local) as partial:
            fill(partial, about)
        return
    scratch = Path(tempfile.mkdtemp(prefix="tracklet-model-"))
    try:
        fill(scratch, about)
        target.put_tree(scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _give_up(store: Store, model_id: str) -> None:
    try:
        store.finalize_logged_model(model_id, LoggedModelStatus.FAILED)
    except Exception as error:  # noqa: BLE001 - the first failure is the one to report
        _logger.warning("logged model %s could not be marked FAILED: %s", model_id, error)


# -- a model's folder: the flavor's files and what the core adds; whole or not at all ------------


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
            signature is no signature, the input example does not fit it, or a code path is missing.
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
    if isinstance(signature, ModelSignature) and described.input_example is not None:
        _check_example(described.input_example, signature)
    environment.check(
        described.conda_env, described.pip_requirements, described.extra_pip_requirements
    )
    if described.infer_code_paths and described.code_paths is not None:
        raise InvalidParameterValue("infer_code_paths finds what code_paths names; give only one")
    for path in described.code_paths or ():
        if not Path(path).exists():
            raise InvalidParameterValue(f"code_paths names {str(path)!r}, where there is nothing")
    return flavor


def _check_example(example: Any, signature: ModelSignature) -> None:
    from tracklet.models import examples
    from tracklet.models.pyfunc import enforcement

    data, params = examples.split_params(example)
    try:
        if signature.inputs is not None:
            enforcement.enforce(data, signature.inputs)
        if signature.params is not None:
            enforcement.enforce_params(params, signature.params)
    except InvalidParameterValue as error:
        raise InvalidParameterValue(
            f"the input example does not fit the signature: {error.message}. Infer the signature "
            "from such data, or leave one of the two out"
        ) from None


def write(flavor: Flavor, model: Any, path: Path, about: Model, described: Description) -> None:
    """Fill an empty folder with a model, and ``about`` with what is to be known of it."""
    with trust.saving(path):
        _write(flavor, model, path, about, described)
        complete(path, about)
    manifest.sign(path)


def write_foreign(
    save: Callable[..., Any], path: Path, about: Model, arguments: Mapping[str, Any]
) -> None:
    """Fill an empty folder by the ``save_model`` of a flavor of MLflow's kind."""
    path.rmdir()  # it makes the folder, and may refuse one that is there
    with trust.saving(path):
        save(path=str(path), mlflow_model=about, **arguments)
        complete(path, about)
    manifest.sign(path)


def _write(flavor: Flavor, model: Any, path: Path, about: Model, described: Description) -> None:
    with suppressed():  # what it calls of the framework's is not the user's
        saved = flavor.save(model, path, described.options)
    needs = environment.needs(saved.modules, described.code_paths or ())
    inferred = sorted(needs.own.values()) if described.infer_code_paths else None
    code = copy_code(described.code_paths if inferred is None else inferred, path)
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
    if about.signature is not None:
        categories.save(about.signature.categories, path)
    # MLflow's own Python models get frames; others are asked with what they were trained on.
    if about.signature is not None and about.signature.form and flavor.name != PYFUNC:
        about.flavors.get(PYFUNC, {})["input_form"] = about.signature.form
    if described.input_example is not None:
        about.saved_input_example_info = _save_example(described.input_example, path)
    about.metadata = described.metadata if described.metadata is not None else about.metadata
    environment.described(
        lambda: environment.inferred(
            needs.modules.difference({} if inferred is None else needs.own)
            | _example_modules(described.input_example),
            flavor.requirements(model),
        ),
        described.conda_env,
        described.pip_requirements,
        described.extra_pip_requirements,
    ).write(path)


def complete(path: Path, about: Model) -> None:
    """Write the ``MLmodel`` file, when all others are there."""
    about.tracklet_version = environment.own_version()
    sizes = (os.lstat(f"{path}/{name}").st_size for name in manifest.files(path))
    about.model_size_bytes = sum(sizes)
    about.save(path / FILE_NAME)


def _save_example(example: Any, path: Path) -> dict[str, Any] | None:
    from tracklet.models import examples

    try:
        return examples.save(example, path)
    except (TrackletException, ValueError, TypeError) as error:
        _logger.warning("the model is saved without its input example: %s", error)
        return None


def copy_code(
    code_paths: Iterable[str | Path] | None, path: Path, subpath: str = CODE
) -> str | None:
    """Copy files and folders into a folder of a model's; its name, or None if there are none."""
    if not code_paths:
        return None
    target = path / subpath
    target.mkdir()
    for given in map(Path, code_paths):
        source = given.resolve()
        if source.is_dir():
            shutil.copytree(
                source, target / source.name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
            )
        else:
            shutil.copyfile(source, target / source.name)
    return subpath


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
