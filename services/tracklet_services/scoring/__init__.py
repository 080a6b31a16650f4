"""The scoring protocol without the server: what a request's body holds, and an answer's."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tracklet import lazy
from tracklet.errors import BadRequest, InvalidParameterValue, TrackletException, brief
from tracklet.models import examples
from tracklet.types import Schema
from tracklet_services.scoring import casting

__all__ = [
    "Payload",
    "Unanswerable",
    "UnsupportedMediaType",
    "answer_body",
    "parse",
    "read_json",
]

JSON: Final = "application/json"
CSV: Final = "text/csv"
PARQUET: Final = "application/vnd.apache.parquet"

_NO_CSV: Final = "the body is no CSV with a line of names"
_FORMS: Final = ("dataframe_split", "dataframe_records", "instances", "inputs")


class UnsupportedMediaType(TrackletException):
    """The body is of a kind that scoring does not read."""

    code = "BAD_REQUEST"


class Unanswerable(TrackletException):
    """What the model gave cannot be said in JSON."""


@dataclass(frozen=True, slots=True)
class Payload:
    """One request.

    Args:
        data: What the model's ``predict`` gets.
        params: Its params; None if the body had none.
        whole: Whether the body was taken as it was; the answer then is given as it is, too.
    """

    data: Any
    params: Any = None
    whole: bool = False


def parse(
    body: bytes | str,
    content_type: str | None,
    schema: Schema | None,
    *,
    hinted: bool = False,
    records: bool = False,
) -> Payload:
    """The data and params of a request.

    Args:
        body: The request's body.
        content_type: ``application/json``, ``text/csv`` or ``application/vnd.apache.parquet``.
        schema: The model's inputs, to whose types the data is brought.
        hinted: Whether the model's type hints decide about its data instead.
        records: Whether the model takes a list of dictionaries as it is.

    Raises:
        UnsupportedMediaType: The content type is another.
        BadRequest: The body is malformed, or a value cannot be of its column's type.
        InvalidParameterValue: A model with type hints needs its data in ``inputs``.
    """
    kind = _media_type(content_type)
    if kind == JSON:
        return _of_document(read_json(body), schema, hinted, records)
    if hinted:
        raise InvalidParameterValue(
            "the model's type hints need a JSON body with the data in 'inputs'"
        )
    raw = body.encode() if isinstance(body, str) else body
    made = _csv(raw, schema) if kind == CSV else _parquet(raw)
    return Payload(casting.columns_of(made, schema))


def _media_type(content_type: str | None) -> str:
    kind, *parameters = [part.strip().lower() for part in (content_type or "").split(";")]
    if kind not in (JSON, CSV, PARQUET):
        raise UnsupportedMediaType(
            f"the content type must be {JSON}, {CSV} or {PARQUET}; got {brief(kind or 'none')}"
        )
    for parameter in filter(None, parameters):
        name, _, value = parameter.partition("=")
        if name.strip() != "charset":
            raise UnsupportedMediaType(f"the content type has an unknown parameter {brief(name)}")
        if value.strip().strip('"') not in ("utf-8", "utf8"):
            raise UnsupportedMediaType("the body must be UTF-8")
    return kind


def read_json(body: bytes | str) -> Any:
    """The document in a body.

    Raises:
        BadRequest: It is no JSON, is nested too deeply, or holds a number that is too long.
    """
    try:
        return json.loads(body)
    except RecursionError:
        raise BadRequest("the body is nested too deeply") from None
    except ValueError as error:  # also UnicodeDecodeError
        raise BadRequest(f"the body is no JSON: {error}") from None


def _of_document(document: Any, schema: Schema | None, hinted: bool, records: bool) -> Payload:
    if not isinstance(document, Mapping):
        raise BadRequest(
            f"the body must be an object with one of {', '.join(_FORMS)}; got {_words(document)}"
        )
    forms = [name for name in _FORMS if name in document]
    params = document.get("params")
    if not forms and examples.WHOLE_BODIES & document.keys():
        return Payload(dict(document), None, whole=True)
    if hinted:
        if "inputs" not in document:
            raise InvalidParameterValue(
                "the model's type hints need the data in 'inputs'; got the keys "
                f"{brief(sorted(document))}"
            )
        return Payload(casting.texts(document["inputs"], schema), params)
    if len(forms) != 1:
        raise BadRequest(
            f"the body must have exactly one of {', '.join(_FORMS)}; got "
            f"{' and '.join(forms) or brief(sorted(document))}"
        )
    data = document[forms[0]]
    if records and isinstance(data, list):
        return Payload(data, params)
    if forms[0] == "dataframe_split":
        return Payload(_split(data, schema), params)
    if forms[0] == "dataframe_records":
        return Payload(casting.records(data, schema), params)
    if forms[0] == "instances":
        data = _by_column(data)
    return Payload(casting.inputs(data, schema), params)


def _split(data: Any, schema: Schema | None) -> Any:
    if not isinstance(data, Mapping) or not isinstance(data.get("data"), list):
        raise BadRequest(
            "dataframe_split must be an object with 'data', a list of rows, and 'columns'; got "
            f"{_words(data)}"
        )
    names, index = data.get("columns"), data.get("index")
    if not (names is None or isinstance(names, list)) or not (
        index is None or isinstance(index, list)
    ):
        raise BadRequest("'columns' and 'index' of dataframe_split must be lists")
    if index and isinstance(index[0], list):
        import pandas as pd

        with casting.refusing("the index is no list of labels"):
            index = pd.MultiIndex.from_tuples(_labels(index, "index"))
    return casting.frame(_labels(names or [], "columns"), data["data"], index, schema)


def _labels(given: list[Any], where: str) -> list[Any]:
    """The labels of an axis; those of several levels are lists in JSON."""
    if len({len(label) for label in given if isinstance(label, list)}) > 1:
        raise BadRequest(f"the lists among the {where} must have the same length")
    return [tuple(label) if isinstance(label, list) else label for label in given]


def _by_column(data: Any) -> Any:
    """``instances`` as ``inputs``: one list per name out of one object per row."""
    if not isinstance(data, list) or not data or not isinstance(data[0], Mapping):
        return data
    names = data[0].keys()
    if not all(isinstance(row, Mapping) and row.keys() == names for row in data):
        raise BadRequest("every object of instances must have the same keys")
    return {name: [row[name] for row in data] for name in names}


def _csv(body: bytes, schema: Schema | None) -> Any:
    if schema is not None and schema.is_tensor_spec():
        raise BadRequest("the model takes arrays, which CSV cannot hold; send JSON")
    import pandas as pd

    names, text = _line_of_names(body)
    # pandas makes equal names different, and looks at all those before for each.
    casting.check_names(names, schema, repeated=False)
    rows = text.count("\n")
    casting.check_density(rows, len(names), rows + text.count(","))
    texts, wanted = {}, None
    if schema is not None and schema.has_input_names():
        texts = {spec.name: str for spec in schema if spec.type in _TEXTS}
        known = set(schema.input_names())
        if len(names) > len(known):  # pandas takes long for each column, also for what is not asked
            wanted = [at for at, name in enumerate(names) if name in known]
    try:
        return pd.read_csv(io.StringIO(text), dtype=texts, usecols=wanted)
    except (ValueError, TypeError, OverflowError) as error:  # pandas' parser errors are such
        raise BadRequest(f"{_NO_CSV}: {casting.said(error)}") from None


def _line_of_names(body: bytes) -> tuple[list[str], str]:
    """The names that a CSV begins with, and all of it as text."""
    try:
        text = body.decode("utf-8-sig")
        return next(filter(None, csv.reader(io.StringIO(text))), []), text
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadRequest(f"{_NO_CSV}: {casting.said(error)}") from None


_TEXTS: Final = tuple(casting.DataType[name] for name in ("string", "binary", "datetime"))


def _parquet(body: bytes) -> Any:
    parquet = lazy.imported("pyarrow.parquet", "pyarrow", purpose="a body in Parquet")
    try:
        file = parquet.ParquetFile(io.BytesIO(body))
        _check_unpacked(file.metadata, len(body))
        return file.read().to_pandas()
    except BadRequest:
        raise
    except Exception as error:
        raise BadRequest("the body is no Parquet file") from error


def _check_unpacked(about: Any, length: int) -> None:
    """Refuse a file that says a lot in few bytes, as repeated values and packed ones do."""
    groups = [about.row_group(at) for at in range(about.num_row_groups)]
    chunks = [group.column(at) for group in groups for at in range(group.num_columns)]
    values = sum(chunk.num_values for chunk in chunks)
    unpacked = sum(chunk.total_uncompressed_size for chunk in chunks)
    if values > max(casting.ROOM, 8 * length) or unpacked > max(16 << 20, 32 * length):
        raise BadRequest(
            f"{length} bytes of Parquet hold {values} values of {unpacked} bytes, which is more "
            "than a body of that length may; send fewer rows at a time"
        )


def _words(data: Any) -> str:
    names = {
        dict: "an object",
        list: "a list",
        str: "a text",
        bool: "a boolean",
        type(None): "null",
    }
    return names.get(type(data), "a number")


def answer_body(predictions: Any, *, whole: bool = False) -> bytes:
    """The body of an answer.

    Frames and series become one object per row, arrays nested lists; what JSON has no number for
    (NaN, infinities) becomes null.

    Args:
        predictions: What the model gave.
        whole: Leave out the object with the key ``predictions`` around it.

    Raises:
        Unanswerable: JSON has no way to say it.
    """
    try:
        shown = _shown(predictions)
        document = shown if whole else {"predictions": shown}
        try:
            text = json.dumps(document, allow_nan=False, ensure_ascii=False, default=_leaf)
        except (ValueError, TypeError):
            document = _finite(examples.plain(document))
            text = json.dumps(document, allow_nan=False, ensure_ascii=False)
    except (TrackletException, ValueError, TypeError, RecursionError) as error:
        kind = type(predictions).__name__
        raise Unanswerable(f"the model gave what JSON cannot hold, in its {kind}") from error
    return text.encode("utf-8", errors="backslashreplace")  # half of a pair, as JSON writes it


def _shown(data: Any) -> Any:
    if hasattr(data, "iloc"):
        if not hasattr(data, "columns"):
            data = data.to_frame()
        names = [str(name) for name in data.columns]
        values = [data.iloc[:, position].tolist() for position in range(len(names))]
        return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]
    if hasattr(data, "tolist") and getattr(getattr(data, "dtype", None), "kind", "O") in "biuf":
        return data.tolist()
    if isinstance(data, Mapping):
        return {str(key): _shown(item) for key, item in data.items()}
    if isinstance(data, list | tuple):
        return [_shown(item) for item in data]
    return data


def _leaf(value: Any) -> Any:
    if hasattr(value, "toarray"):
        return value.toarray().tolist()
    if hasattr(value, "to_dicts"):  # polars
        return value.to_dicts()
    return examples.plain(value)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value
