"""Artifacts of the active run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tracklet.client import TrackletClient, images
from tracklet.fluent import experiments
from tracklet.fluent.starting import run_to_record
from tracklet.record.rules import below
from tracklet.repositories import validate_artifact_path

if TYPE_CHECKING:
    import pandas as pd


def log_artifact(
    local_path: str | Path, artifact_path: str | None = None, run_id: str | None = None
) -> None:
    """Store a file, or a folder under its own name, in the folder ``artifact_path``.

    Example:
        >>> from pathlib import Path
        >>> notes = Path("notes.txt")
        >>> length = notes.write_text("as planned")
        >>> with tracklet.start_run() as run:
        ...     tracklet.log_artifact(notes, "reports")
        >>> tracklet.artifacts.load_text(f"runs:/{run.info.run_id}/reports/notes.txt")
        'as planned'
    """
    TrackletClient().log_artifact(_id(run_id), local_path, artifact_path)


def log_artifacts(
    local_dir: str | Path, artifact_path: str | None = None, run_id: str | None = None
) -> None:
    """Store a folder's contents in the folder ``artifact_path``."""
    TrackletClient().log_artifacts(_id(run_id), local_dir, artifact_path)


def log_text(text: str, artifact_file: str, run_id: str | None = None) -> None:
    """Store text, in UTF-8."""
    TrackletClient().log_text(_id(run_id), text, artifact_file)


def log_dict(dictionary: Any, artifact_file: str, run_id: str | None = None) -> None:
    """Store a dictionary or list: as YAML for ``.yml`` and ``.yaml``, else as JSON.

    Example:
        >>> with tracklet.start_run() as run:
        ...     tracklet.log_dict({"depth": 3}, "config.json")
        >>> tracklet.artifacts.load_dict(f"runs:/{run.info.run_id}/config.json")
        {'depth': 3}
    """
    TrackletClient().log_dict(_id(run_id), dictionary, artifact_file)


def log_stream(stream: IO[bytes], artifact_file: str, run_id: str | None = None) -> None:
    """Store what a binary stream holds from where it stands."""
    TrackletClient().log_stream(_id(run_id), stream, artifact_file)


def log_figure(
    figure: Any, artifact_file: str, *, save_kwargs: Mapping[str, Any] | None = None
) -> None:
    """Store a matplotlib figure, or a plotly figure as ``.html`` or a static image.

    Example:
        >>> from matplotlib.figure import Figure
        >>> figure = Figure()
        >>> lines = figure.subplots().plot([0.9, 0.5, 0.4])
        >>> with tracklet.start_run() as run:
        ...     tracklet.log_figure(figure, "plots/loss.png")
        >>> tracklet.artifacts.load_image(f"runs:/{run.info.run_id}/plots/loss.png").mode
        'RGBA'
    """
    TrackletClient().log_figure(_id(None), figure, artifact_file, save_kwargs=save_kwargs)


def log_image(
    image: Any,
    artifact_file: str | None = None,
    key: str | None = None,
    step: int | None = None,
    timestamp: int | None = None,
    synchronous: bool | None = False,
) -> None:
    """Store an image under a file name, or as a point of the series ``key``.

    See :meth:`TrackletClient.log_image` for what is an image.
    """
    images.validate_place(artifact_file, key, step, timestamp)  # before a run is started for it
    TrackletClient().log_image(_id(None), image, artifact_file, key, step, timestamp, synchronous)


def log_table(data: Any, artifact_file: str, run_id: str | None = None) -> None:
    """Store a table as ``.json`` or ``.parquet``, or append rows to one of that name.

    Example:
        >>> with tracklet.start_run():
        ...     tracklet.log_table({"question": ["2 + 2"], "answer": ["4"]}, "answers.json")
        ...     tracklet.log_table({"question": ["3 + 3"], "answer": ["6"]}, "answers.json")
        >>> tracklet.load_table("answers.json")["answer"].tolist()
        ['4', '6']
    """
    TrackletClient().log_table(_id(run_id), data, artifact_file)


def load_table(
    artifact_file: str,
    run_ids: Sequence[str] | None = None,
    extra_columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """The rows of a table over the given runs, or all runs of the active experiment."""
    experiment = experiments.experiment_for_new_run()
    return TrackletClient().load_table(experiment, artifact_file, run_ids, extra_columns)


def get_artifact_uri(artifact_path: str | None = None) -> str:
    """The URI of the active run's artifacts, or of one of them, which need not be there."""
    root = run_to_record().info.artifact_uri or ""
    tail = validate_artifact_path(artifact_path)
    if root.startswith("file:"):
        from urllib.parse import quote

        tail = quote(tail)
    return below(root, tail) if tail else root


def _id(run_id: str | None) -> str:
    return run_id or run_to_record().info.run_id
