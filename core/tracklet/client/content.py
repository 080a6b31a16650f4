"""Verbs that turn an object into an artifact: text, dictionaries, figures, images, tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tracklet import lazy, validation
from tracklet.client import images
from tracklet.client.artifacts import ArtifactVerbs
from tracklet.client.pages import all_of
from tracklet.entities import Run
from tracklet.errors import ResourceDoesNotExist

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

_PLOTLY_STATIC = (".png", ".jpeg", ".webp", ".svg", ".pdf")
_TABLES_TAG = "mlflow.loggedArtifacts"
_NO_TABLE_NAME = "\"',:[]{}"
_IMAGE_KEY = r"[\w\-. /]+"


class ContentVerbs(ArtifactVerbs):
    """Store objects as artifacts of a run."""

    def log_text(self, run_id: str, text: str, artifact_file: str) -> None:
        """Store text, in UTF-8."""
        with self.artifact_to_write(run_id, artifact_file) as path:
            path.write_bytes(text.encode())

    def log_dict(self, run_id: str, dictionary: Any, artifact_file: str) -> None:
        """Store a dictionary or list: as YAML for ``.yml`` and ``.yaml``, else as JSON.

        In JSON, what JSON cannot hold becomes its text.
        """
        with self.artifact_to_write(run_id, artifact_file) as path:
            if path.suffix in (".yml", ".yaml"):
                import yaml

                text = yaml.safe_dump(
                    dictionary, default_flow_style=False, indent=2, allow_unicode=True
                )
            else:
                import json

                text = json.dumps(dictionary, indent=2, default=str)
            path.write_bytes(text.encode())

    def log_figure(
        self,
        run_id: str,
        figure: Any,
        artifact_file: str,
        *,
        save_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        """Store a matplotlib figure, or a plotly figure as ``.html`` or a static image.

        Raises:
            TypeError: The figure is of another library, or the file type of none of it.
        """
        library = type(figure).__module__.partition(".")[0]
        options = dict(save_kwargs or {})
        with self.artifact_to_write(run_id, artifact_file) as path:
            if library == "matplotlib" or hasattr(figure, "savefig"):
                figure.savefig(path, **options)
            elif library == "plotly" and path.suffix == ".html":
                figure.write_html(
                    path, **{"include_plotlyjs": "cdn", "auto_open": False, **options}
                )
            elif library == "plotly" and path.suffix in _PLOTLY_STATIC:
                figure.write_image(path, **options)
            elif library == "plotly":
                raise TypeError(
                    f"a plotly figure can be stored as .html or {', '.join(_PLOTLY_STATIC)}; got "
                    f"{artifact_file!r}"
                )
            else:
                raise TypeError(
                    f"a figure must come from matplotlib or plotly; got {type(figure)!r}"
                )

    def log_image(
        self,
        run_id: str,
        image: Any,
        artifact_file: str | None = None,
        key: str | None = None,
        step: int | None = None,
        timestamp: int | None = None,
        synchronous: bool | None = None,
    ) -> None:
        """Store an image under a file name, or as one point of a series of images.

        Args:
            run_id: The run.
            image: A PIL image, a ``tracklet.Image``, or an array of shape (h, w), (h, w, 1),
                (h, w, 3) or (h, w, 4): integers from 0 to 255, floats from 0 to 1, or booleans.
            artifact_file: The file's name; or
            key: the series' name, of letters, digits, ``_ - . /`` and spaces.
            step: The point's step in the series; 0 by default.
            timestamp: Milliseconds since the epoch; now by default.
            synchronous: Accepted for compatibility; the image is stored when the call returns.

        Raises:
            TypeError: Not exactly one of ``artifact_file`` and ``key`` is given, or the image is
                of a type that is none of the above.
            ValueError: The key, the array's shape or a value is out of its range.
        """
        images.validate_place(artifact_file, key)
        picture = images.as_pil(image)
        if artifact_file is not None:
            with self.artifact_to_write(run_id, artifact_file) as path:
                picture.save(path)
            return
        if not re.fullmatch(_IMAGE_KEY, str(key)):
            raise ValueError(
                f"{key!r} cannot be an image key: use letters, digits, '_', '-', '.', '/' and "
                "spaces"
            )
        when = validation.metric_timestamp(str(key), timestamp)
        number = validation.metric_step(str(key), step)
        name = str(key).replace("/", "~")
        stem = f"images/{name}+step+{number}+timestamp+{when}+{_unique()}"
        self._store_image(run_id, picture, f"{stem}.png", f"{stem}+compressed.webp")
        self.store.log_batch(run_id, tags={"mlflow.loggedImages": "True"})

    def log_table(self, run_id: str, data: Any, artifact_file: str) -> None:
        """Store a table, or append rows to one of that name.

        Args:
            run_id: The run.
            data: A DataFrame or a dictionary of columns; cells may be images.
            artifact_file: A name that ends in ``.json`` or ``.parquet``.

        Raises:
            ValueError: The name has another ending or one of the characters ``" ' , : [ ] { }``.
        """
        _validate_table_name(artifact_file)
        frame = self._with_images_stored(run_id, _as_frame(data), artifact_file)
        try:
            earlier = _read(self.download_artifacts(run_id, artifact_file))
        except ResourceDoesNotExist:
            earlier = None
        with self.artifact_to_write(run_id, artifact_file) as path:
            _write(_joined(earlier, frame), path)
        self._note_table(run_id, artifact_file)

    def load_table(
        self,
        experiment_id: str,
        artifact_file: str,
        run_ids: Sequence[str] | None = None,
        extra_columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """The rows of a table over several runs.

        Args:
            experiment_id: Where to look for runs that have the table.
            artifact_file: The table's name.
            run_ids: Only these runs; all of the experiment by default.
            extra_columns: Names of run attributes, params, metrics and tags to add as columns.

        Raises:
            ResourceDoesNotExist: No run has such a table.
        """
        frames = []
        for run in self._runs_with_table(experiment_id, artifact_file, run_ids):
            frame = _read(self.download_artifacts(run.info.run_id, artifact_file))
            data = run.data
            facts = {**dict(run.info), **data.tags, **data.params, **data.metrics}
            for column in extra_columns or ():
                frame[column] = facts.get(column)
            frames.append(frame)
        if not frames:
            raise ResourceDoesNotExist(
                f"no run of experiment {experiment_id!r}"
                + (f" among {list(run_ids)}" if run_ids else "")
                + f" has a table {artifact_file!r}"
            )
        return _joined(*frames)

    def _runs_with_table(
        self, experiment_id: str, artifact_file: str, run_ids: Sequence[str] | None
    ) -> Iterable[Run]:
        if run_ids:
            candidates: Iterable[Run] = [self.store.get_run(run_id) for run_id in run_ids]
        else:
            candidates = all_of(
                lambda size, token: self.store.search_runs(
                    [experiment_id],
                    "tags.`mlflow.loggedArtifacts` IS NOT NULL",
                    max_results=size,
                    order_by=["start_time ASC"],
                    page_token=token,
                ),
                1000,
            )
        for run in candidates:
            noted = _tables_noted(run)
            if any(entry.get("path") == artifact_file for entry in noted):
                yield run

    def _with_images_stored(
        self, run_id: str, frame: pd.DataFrame, artifact_file: str
    ) -> pd.DataFrame:
        """The frame with image cells replaced by pointers to files, which are written."""

        def stored(cell: Any) -> Any:
            if not images.is_image(cell):
                return cell
            stem = f"table_images/{artifact_file.rpartition('.')[0]}/{_unique()}"
            place, preview = f"{stem}.png", f"{stem}-compressed.webp"
            self._store_image(run_id, images.as_pil(cell), place, preview)
            return {"type": "image", "filepath": place, "compressed_filepath": preview}

        for column in frame.columns:
            if frame[column].dtype == object:
                frame[column] = frame[column].map(stored)
        return frame

    def _store_image(self, run_id: str, picture: Any, place: str, preview: str) -> None:
        with self.artifact_to_write(run_id, place) as path:
            picture.save(path)
        with self.artifact_to_write(run_id, preview) as path:
            images.compressed(picture).save(path)

    def _note_table(self, run_id: str, artifact_file: str) -> None:
        import json

        noted = _tables_noted(self.store.get_run(run_id))
        entry = {"path": artifact_file, "type": "table"}
        if entry not in noted:
            self.store.log_batch(run_id, tags={_TABLES_TAG: json.dumps([*noted, entry])})


def _tables_noted(run: Run) -> list[dict[str, Any]]:
    """The tables of a run, by its tag."""
    import json

    return json.loads(run.data.tags.get(_TABLES_TAG, "[]"))


def _unique() -> str:
    import uuid  # only images need it

    return str(uuid.uuid4())


def _validate_table_name(artifact_file: str) -> None:
    """Check the name of a table.

    Raises:
        ValueError: It does not end in ``.json`` or ``.parquet``, or has a character that the tag
            that lists tables could not carry.
    """
    if not artifact_file.endswith((".json", ".parquet")):
        raise ValueError(f"a table's name ends in .json or .parquet; got {artifact_file!r}")
    if any(character in _NO_TABLE_NAME for character in artifact_file):
        raise ValueError(
            f"{artifact_file!r} cannot name a table: it has one of the characters "
            f"{' '.join(_NO_TABLE_NAME)}"
        )


def _as_frame(data: Any) -> pd.DataFrame:
    """A DataFrame of a DataFrame, a dictionary of columns, or one of single values.

    Raises:
        TypeError: The data is neither.
    """
    pandas = _pandas()
    if isinstance(data, pandas.DataFrame):
        return data.copy()
    if isinstance(data, dict):
        try:
            return pandas.DataFrame(data)
        except ValueError:  # single values, which pandas takes only with an index
            return pandas.DataFrame([data])
    raise TypeError(f"a table is a DataFrame or a dictionary of columns; got {type(data)!r}")


def _joined(*frames: pd.DataFrame | None) -> pd.DataFrame:
    """The rows of all frames, with the union of their columns."""
    pandas = _pandas()
    present = [frame for frame in frames if frame is not None and len(frame.columns)]
    return pandas.concat(present, ignore_index=True) if present else pandas.DataFrame()


def _read(path: str) -> pd.DataFrame:
    """A table from its file."""
    pandas = _pandas()
    if path.endswith(".parquet"):
        return pandas.read_parquet(path)
    import json

    with open(path, "rb") as file:
        document = json.load(file)
    return pandas.DataFrame(document["data"], columns=document["columns"])


def _write(frame: pd.DataFrame, path: Path) -> None:
    """A table to its file."""
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_json(path, orient="split", index=False, date_format="iso")


def _pandas() -> Any:
    return lazy.imported("pandas", "pandas", purpose="a table", extra="pandas")
