"""Tables as artifacts: JSON in pandas' split form, or Parquet."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracklet.client import images
from tracklet.errors import MissingDependency

if TYPE_CHECKING:
    import pandas as pd

_FORBIDDEN = "\"',:[]{}"


def validate_name(artifact_file: str) -> None:
    """Check the name of a table.

    Raises:
        ValueError: It does not end in ``.json`` or ``.parquet``, or has a character that the tag
            that lists tables could not carry.
    """
    if not artifact_file.endswith((".json", ".parquet")):
        raise ValueError(f"a table's name ends in .json or .parquet; got {artifact_file!r}")
    if any(character in _FORBIDDEN for character in artifact_file):
        raise ValueError(
            f"{artifact_file!r} cannot name a table: it has one of the characters "
            f"{' '.join(_FORBIDDEN)}"
        )


def as_frame(data: Any) -> pd.DataFrame:
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


def with_images_stored(
    frame: pd.DataFrame,
    artifact_file: str,
    to_write: Callable[[str], AbstractContextManager[Path]],
) -> pd.DataFrame:
    """The frame with image cells replaced by pointers to files, which are written."""

    def stored(cell: Any) -> Any:
        if not images.is_image(cell):
            return cell
        picture = images.as_pil(cell)
        stem = f"table_images/{artifact_file.rpartition('.')[0]}/{uuid.uuid4()}"
        with to_write(f"{stem}.png") as path:
            picture.save(path)
        with to_write(f"{stem}-compressed.webp") as path:
            images.compressed(picture).save(path)
        return {
            "type": "image",
            "filepath": f"{stem}.png",
            "compressed_filepath": f"{stem}-compressed.webp",
        }

    for column in frame.columns:
        if frame[column].dtype == object:
            frame[column] = frame[column].map(stored)
    return frame


def joined(*frames: pd.DataFrame | None) -> pd.DataFrame:
    """The rows of all frames, with the union of their columns."""
    pandas = _pandas()
    present = [frame for frame in frames if frame is not None and len(frame.columns)]
    return pandas.concat(present, ignore_index=True) if present else pandas.DataFrame()


def read(path: Path) -> pd.DataFrame:
    """A table from its file."""
    pandas = _pandas()
    if path.suffix == ".parquet":
        return pandas.read_parquet(path)
    document = json.loads(path.read_bytes())
    return pandas.DataFrame(document["data"], columns=document["columns"])


def write(frame: pd.DataFrame, path: Path) -> None:
    """A table to its file."""
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_json(path, orient="split", index=False, date_format="iso")


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise MissingDependency("pandas", purpose="a table", extra="pandas") from error
    return pandas
