"""Where things are in a store's folder; paths only, nothing here touches the disk.

The tree is MLflow's file layout::

    <root>/<experiment id>/meta.yaml                     experiment (deleted ones: .trash/<id>/)
    <root>/<experiment id>/tags/<key>
    <root>/<experiment id>/<run id>/meta.yaml            run
    <root>/<experiment id>/<run id>/{metrics,params,tags}/<key>
    <root>/<experiment id>/<run id>/{inputs,outputs}/<id>/meta.yaml
    <root>/<experiment id>/datasets/<id>/meta.yaml
    <root>/<experiment id>/models/<model id>/{meta.yaml,metrics,params,tags,artifacts}
    <root>/models/<name>/{meta.yaml,tags,aliases,version-<n>/{meta.yaml,tags}}

What is ours alone stays where MLflow does not look: plain files whose names start with
``.tracklet`` in the root and in the folders of experiments and registered models, and a folder
``.tracklet`` in each run (leases, staged documents).
"""

from __future__ import annotations

import os
from typing import Final

META: Final = "meta.yaml"
TRASH: Final = ".trash"
METRICS: Final = "metrics"
PARAMS: Final = "params"
TAGS: Final = "tags"
ARTIFACTS: Final = "artifacts"
INPUTS: Final = "inputs"
OUTPUTS: Final = "outputs"
DATASETS: Final = "datasets"
MODELS: Final = "models"
TRACES: Final = "traces"
ALIASES: Final = "aliases"
VERSION_PREFIX: Final = "version-"
PRIVATE: Final = ".tracklet"
LEASE_PREFIX: Final = "lease-"

DEFAULT_EXPERIMENT_ID: Final = "0"
DEFAULT_EXPERIMENT_NAME: Final = "Default"

NOT_EXPERIMENTS: Final = frozenset({TRASH, MODELS})
"""Folders of the root that hold something else than an experiment."""

NOT_RUNS: Final = frozenset({TAGS, DATASETS, MODELS, TRACES})
"""Folders of an experiment that hold something else than a run."""

Path = str | os.PathLike[str]


def trash(root: str) -> str:
    """The folder of deleted experiments."""
    return f"{root}/{TRASH}"


def lock_file(root: str) -> str:
    """The file whose lock orders creation and renaming of experiments and registered models."""
    return f"{root}/.tracklet.lock"


def changes_file(root: str) -> str:
    """The log that tells the index what changed; :func:`.folder.announce` writes it."""
    return f"{root}/.tracklet.changes"


def registry(root: str) -> str:
    """The folder of registered models."""
    return f"{root}/{MODELS}"


def registered_model(root: str, name: str) -> str:
    """The folder of a registered model."""
    return f"{root}/{MODELS}/{name}"


def version(model_dir: str, number: int) -> str:
    """The folder of a version of a registered model."""
    return f"{model_dir}/{VERSION_PREFIX}{number}"


def version_number(digits: str) -> int | None:
    """The number of a version; None if the text is none."""
    return int(digits) if digits.isdecimal() and len(digits) < 10 else None


def meta(entity_dir: str) -> str:
    """The document that makes a folder an entity."""
    return f"{entity_dir}/{META}"


def logged_model(experiment_dir: str, model_id: str) -> str:
    """The folder of a logged model."""
    return f"{experiment_dir}/{MODELS}/{model_id}"


def private(run_dir: str) -> str:
    """The folder of a run that is ours alone."""
    return f"{run_dir}/{PRIVATE}"


def run_lock(run_dir: str) -> str:
    """The file whose lock orders changes of a run's ``meta.yaml``."""
    return f"{run_dir}/{PRIVATE}/lock"


def dataset_id(name: str, digest: str) -> str:
    """The name of a dataset's folder."""
    return _md5(name, digest)


def input_id(source_id: str, run_id: str) -> str:
    """The name of the folder that links a dataset or a logged model to the run that uses it."""
    return _md5(source_id, run_id)


def _md5(*parts: str) -> str:
    import hashlib  # for inputs only; a run without any need not load it

    digest = hashlib.md5(usedforsecurity=False)
    for part in parts:
        digest.update(part.encode())
    return digest.hexdigest()
