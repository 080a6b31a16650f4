"""Verbs that turn an object into an artifact: text, dictionaries, figures, images, tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tracklet import lazy, validation
from tracklet.client import images
from tracklet.client.artifacts import ArtifactVerbs
from tracklet.entities import Run
from tracklet.errors import InvalidArgument, InvalidParameterValue, ResourceDoesNotExist
from tracklet.record.query import all_of
from tracklet.repositories import validate_artifact_path
from tracklet.validation import as_list, shown

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

_PLOTLY_STATIC = (".png", ".jpeg", ".webp", ".svg", ".pdf")
_BREAKS = frozenset("\x85\u2028\u2029\ufeff")
_TABLES_TAG = "mlflow.loggedArtifacts"
_NO_TABLE_NAME = "\"',:[]{}"
_IMAGE_KEY = r"[\w\-. /]+"


class ContentVerbs(ArtifactVerbs):
    """Store objects as artifacts of a run."""

    def log_text(self, run_id: str, text: str, artifact_file: str) -> None:
        """Store text, in UTF-8.

        Raises:
            InvalidArgument: It is no text, or none that UTF-8 can hold.
        """
        content = _encoded(text)
        with self.artifact_to_write(run_id, artifact_file) as path:
            path.write_bytes(content)

    def log_dict(self, run_id: str, dictionary: Any, artifact_file: str) -> None:
        """Store a dictionary or list: as YAML for ``.yml`` and ``.yaml``, else as JSON.

        In JSON, what JSON cannot hold becomes its text.

        Raises:
            InvalidArgument: There is something in it that the format cannot hold.
        """
        with self.artifact_to_write(run_id, artifact_file) as path:
            try:
                if path.suffix in (".yml", ".yaml"):
                    import yaml

                    shape: Any = {"default_flow_style": False, "indent": 2}
                    text = yaml.safe_dump(dictionary, allow_unicode=True, **shape)
                    if _BREAKS.intersection(text):  # escaped, or they are read as other breaks
                        text = yaml.safe_dump(dictionary, **shape)
                else:
                    import json

                    text = json.dumps(dictionary, indent=2, default=str)
            except Exception as error:
                raise InvalidArgument(
                    f"{artifact_file!r} cannot hold {shown(dictionary)}: {error}"
                ) from error
            path.write_bytes(_encoded(text))

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
            InvalidArgument: The figure is of another library, or the file type of none of it.
        """
        library = type(figure).__module__.partition(".")[0]
        if not isinstance(save_kwargs, Mapping | None):
            raise InvalidArgument(f"save_kwargs are a mapping; got {shown(save_kwargs)}")
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
                raise InvalidArgument(
                    f"a plotly figure can be stored as .html or {', '.join(_PLOTLY_STATIC)}; got "
                    f"{artifact_file!r}"
                )
            else:
                raise InvalidArgument(
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
            image: A PIL image, a ``tracklet.Image``, or an array of shape (h, w), (h, w, 1),
                (h, w, 3) or (h, w, 4): integers from 0 to 255, floats from 0 to 1, or booleans.
            artifact_file: The file's name; or
            key: the series' name, of letters, digits, ``_ - . /`` and spaces.
            step: The point's step in the series; 0 by default.
            timestamp: Milliseconds since the epoch; now by default.
            synchronous: Accepted for compatibility; the image is stored when the call returns.

        Raises:
            InvalidArgument: Not exactly one of ``artifact_file`` and ``key`` is given, a file with
                a step, or an image, key or value that is none of the above.
        """
        images.validate_place(artifact_file, key, step, timestamp)
        picture = images.as_pil(image)
        if artifact_file is not None:
            with self.artifact_to_write(run_id, artifact_file) as path:
                images.save(picture, path)
            return
        if not re.fullmatch(_IMAGE_KEY, str(key)):
            raise InvalidArgument(
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
            data: A DataFrame or a dictionary of columns; the cells of a column may be images. In
                JSON, what JSON cannot hold becomes its text, and a time that of ISO 8601.
            artifact_file: A name that ends in ``.json`` or ``.parquet``.

        Raises:
            InvalidArgument: The name has another ending or one of the characters
                ``" ' , : [ ] { }``; the data is no table, has two columns of a name or one of
                both images and others; or the file cannot hold it.
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
            extra_columns: What of each run to add as columns: ``run_id`` and other attributes,
                ``params.depth``, ``metrics.loss``, ``tags.team``. Where a run has no such param,
                metric or tag, the cells are empty; beside a column of its own name, one gets ``_``.

        Raises:
            ResourceDoesNotExist: No run has such a table.
            InvalidParameterValue: No run has what an extra column names.
        """
        if isinstance(extra_columns, str):
            extra_columns = [extra_columns]
        wanted = as_list("extra_columns", extra_columns, str)
        frames = []
        known: set[str] = set()
        for run in self._runs_with_table(experiment_id, artifact_file, run_ids):
            frame = _read(self.download_artifacts(run.info.run_id, artifact_file))
            facts = _columns_of(run)
            known.update(facts)
            for column in wanted:
                frame[f"{column}_" if column in frame else column] = facts.get(column)
            frames.append(frame)
        unknown = [column for column in wanted if column not in known]
        if frames and unknown:
            raise InvalidParameterValue(
                f"no run with the table {artifact_file!r} has {unknown[0]!r}; choose from "
                f"{', '.join(sorted(known))}"
            )
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
            ids = as_list("run_ids", run_ids)
            candidates: Iterable[Run] = [self.store.get_run(run_id) for run_id in ids]
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

        found = {column: frame[column].map(images.is_image) for column in frame.columns}
        for column, are_images in found.items():
            if any(are_images) and not all(are_images | frame[column].isna()):
                raise InvalidArgument(
                    f"the column {column!r} mixes images and other cells; give each its own column"
                )
        for column, are_images in found.items():
            if any(are_images):
                frame[column] = frame[column].map(stored)
        return frame

    def _store_image(self, run_id: str, picture: Any, place: str, preview: str) -> None:
        with self.artifact_to_write(run_id, place) as path:
            images.save(picture, path)
        with self.artifact_to_write(run_id, preview) as path:
            images.save(images.compressed(picture), path)

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


def _columns_of(run: Run) -> dict[str, Any]:
    """What of a run can become a column, by the names that ``search_runs`` has for it."""
    groups = {"params": run.data.params, "metrics": run.data.metrics, "tags": run.data.tags}
    found = {
        f"{kind}.{key}": value for kind, group in groups.items() for key, value in group.items()
    }
    return {**dict(run.info), **found}


def _encoded(text: object) -> bytes:
    if not isinstance(text, str):
        raise InvalidArgument(f"a text is stored, such as 'notes'; got {shown(text)}")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgument(f"{shown(text)} cannot be stored in UTF-8: {error.reason}") from error


def _unique() -> str:
    import uuid  # only images need it

    return str(uuid.uuid4())


def _validate_table_name(artifact_file: str) -> None:
    """Check the name of a table.

    Raises:
        InvalidArgument: It does not end in ``.json`` or ``.parquet``, or has a character that the
            tag that lists tables could not carry.
    """
    if not validate_artifact_path(artifact_file).endswith((".json", ".parquet")):
        raise InvalidArgument(f"a table's name ends in .json or .parquet; got {artifact_file!r}")
    if any(character in _NO_TABLE_NAME for character in artifact_file):
        raise InvalidArgument(
            f"{artifact_file!r} cannot name a table: it has one of the characters "
            f"{' '.join(_NO_TABLE_NAME)}"
        )


def _as_frame(data: Any) -> pd.DataFrame:
    """A DataFrame of a DataFrame, a dictionary of columns, or one of single values.

    Raises:
        InvalidArgument: The data is none of it, or has two columns of one name.
    """
    pandas = _pandas()
    if isinstance(data, pandas.DataFrame):
        frame = data.copy()
    elif isinstance(data, dict):
        try:
            frame = pandas.DataFrame(data)
        except ValueError as error:  # single values, which pandas takes only with an index
            if any(isinstance(column, list | tuple) for column in data.values()):
                raise InvalidArgument(f"these columns are no table: {error}") from error
            frame = pandas.DataFrame([data])
    else:
        raise InvalidArgument(
            f"a table is a DataFrame or a dictionary of columns; got {shown(data)}"
        )
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise InvalidArgument(f"a table has one column of each name; got {twice!r} twice")
    return frame


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
    names = [tuple(name) if isinstance(name, list) else name for name in document["columns"]]
    return pandas.DataFrame(document["data"], columns=pandas.Index(names))


def _write(frame: pd.DataFrame, path: Path) -> None:
    """A table to its file; in JSON as pandas' ``split``, but with every digit of a number.

    Raises:
        InvalidArgument: The file cannot hold it.
    """
    try:
        if path.suffix == ".parquet":
            frame.to_parquet(path, index=False)
            return
        import json

        cells = frame.astype(object)
        document = cells.where(frame.notna(), None).to_dict("split", index=False)
        path.write_bytes(_encoded(json.dumps(document, default=_in_json, separators=(",", ":"))))
    except InvalidArgument:
        raise
    except Exception as error:
        raise InvalidArgument(f"{path.name!r} cannot hold this table: {error}") from error


def _in_json(cell: Any) -> Any:
    """What JSON holds of a cell that is no text, number, list or dictionary."""
    for form in ("isoformat", "tolist"):
        if hasattr(cell, form):
            return getattr(cell, form)()
    return str(cell)


def _pandas() -> Any:
    return lazy.imported("pandas", "pandas", purpose="a table", extra="pandas")
