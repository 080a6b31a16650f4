"""Loading a model back: the native object, and what is known of it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tracklet.client import TrackletClient
from tracklet.client.registry import model_id_of
from tracklet.errors import (
    BadRequest,
    InvalidParameterValue,
    ResourceDoesNotExist,
    TrackletException,
)
from tracklet.models import code, environment, manifest, uris
from tracklet.models.flavor import Flavor, native_flavors
from tracklet.models.flavor import flavor as flavor_named
from tracklet.models.model import PYFUNC, Model, ModelInfo
from tracklet.models.signature import ModelSignature
from tracklet.models.trust import Trust, refuse_ways_out, what_would_run
from tracklet.models.trust import loading as loading_trusted


def load_model(
    model_uri: str | Path,
    dst_path: str | Path | None = None,
    *,
    flavor: str | Flavor | None = None,
    trust: Trust = None,
) -> Any:
    """The native model, as its framework made it.

    Args:
        model_uri: ``runs:/…``, ``models:/…``, a path or another URI; see
            :mod:`tracklet.models.uris`.
        dst_path: A folder to copy the files into first.
        flavor: The flavor to load, by its name or itself; by default the model's own.
        trust: True for a model of someone else's that is pickled or carries code, if you trust
            the author; a list of types that skops may load; see :mod:`tracklet.models.trust`.

    Raises:
        ResourceDoesNotExist: There is no model there.
        InvalidParameterValue: The model does not have the flavor.
        UntrustedModel: Loading it would run code, and it is neither your own nor trusted.
        TrackletException: The files are corrupt.

    Example:
        >>> from sklearn.linear_model import LinearRegression
        >>> model = LinearRegression().fit([[1.0], [2.0]], [3.0, 5.0])
        >>> with tracklet.start_run() as run:
        ...     info = tracklet.log_model(model, "line")
        >>> tracklet.load_model(f"runs:/{run.info.run_id}/line")
        LinearRegression()
    """
    path = uris.resolve(model_uri, dst_path)
    about = Model.load(path)
    asked = flavor.name if isinstance(flavor, Flavor) else flavor
    name, config = _entry(about, asked, str(model_uri))
    pyfunc = about.flavors.get(PYFUNC) or {}
    entry = pyfunc.get("code") or config.get("code")
    with (
        loading_trusted(path, trust, pyfunc.get("python_version")) as grant,
        code.importable(manifest.member(path, entry) if entry else None),
    ):
        environment.warn_of_differences(path)
        own = about.tracklet_version is not None
        found = {**grant.config(config), "own": own, "path": str(path)}
        chosen = flavor if isinstance(flavor, Flavor) else flavor_named(name)
        return loaded(chosen, path, found)


def loaded(flavor: Flavor, path: Path, config: Mapping[str, Any]) -> Any:
    """What a flavor loads; every way to fail becomes one of ours, with the cause chained.

    Raises:
        TrackletException: The files are missing or corrupt, or a library is not installed.
    """
    try:
        return flavor.load(path, config)
    except (TrackletException, ImportError):
        raise
    except Exception as error:
        raise TrackletException(
            f"the flavor {flavor.name!r} cannot load {path}: {type(error).__name__}: {error}"
        ) from error


def _entry(about: Model, name: str | None, uri: str) -> tuple[str, dict[str, Any]]:
    if not about.flavors:
        raise BadRequest(f"{uri!r} records a model that is kept elsewhere; there are no files")
    if name is None:
        native = native_flavors(about.flavors)
        name = native[0] if native else PYFUNC
    if name not in about.flavors:
        raise InvalidParameterValue(
            f"{uri!r} has no flavor {name!r}; it has {', '.join(about.flavors)}"
        )
    config = about.flavors[name]
    if not isinstance(config, dict):
        raise TrackletException(f"{uri!r} is corrupt: its flavor {name!r} is {config!r}")
    return name, dict(config)


def get_model_info(model_uri: str | Path) -> ModelInfo:
    """What is known of a model, without loading it."""
    about = Model.load(uris.resolve(model_uri))
    logged = None
    if about.model_id is not None:
        # A copy of its folder tells of a model that this record need not have.
        with contextlib.suppress(ResourceDoesNotExist):
            logged = TrackletClient().get_logged_model(about.model_id)
    return about.get_model_info(logged)


def set_signature(model_uri: str | Path, signature: ModelSignature) -> None:
    """Give a model another signature; its files must be on this machine's disk.

    Raises:
        InvalidParameterValue: ``signature`` is none, or the URI names a registered version, whose
            files belong to the version.
    """
    if not isinstance(signature, ModelSignature):
        raise InvalidParameterValue(f"signature must be a ModelSignature; got {signature!r}")
    text = str(model_uri)
    if text.startswith("models:/") and model_id_of(text) is None:
        raise InvalidParameterValue(
            f"{text!r} is a registered version, which does not change; set the signature of the "
            "logged model and register that"
        )
    path = uris.resolve(text)
    about = Model.load(path)
    own = manifest.examine(path).own
    about.signature = signature
    partial = path / ".MLmodel.tracklet-partial"
    about.save(partial)
    partial.replace(path / "MLmodel")
    if own:
        manifest.sign(path)


def trust_model(model_uri: str | Path) -> list[str]:
    """Record that a model's author is trusted: from now on it loads like one of your own.

    Its files must be on this machine's disk. They are signed as they are now; when one changes,
    the trust is gone.

    Returns:
        What loading the model executes, one line each.

    Raises:
        ResourceDoesNotExist: There is no model there.
        TrackletException: Something of it is not in its folder: it holds links, or its ``MLmodel``
            names a path that leads out.
    """
    path = uris.resolve(model_uri)
    refuse_ways_out(path)
    acts = what_would_run(path)
    manifest.sign(path)
    return acts
