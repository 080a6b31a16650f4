"""Asking a model as a client of its server would."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tracklet.errors import InvalidParameterValue
from tracklet.models import examples, pyfunc
from tracklet.models.trust import Trust
from tracklet_services import scoring

_MEDIA: Final = {"json": scoring.JSON, "csv": scoring.CSV, "parquet": scoring.PARQUET}


def convert_input_example_to_serving_input(input_example: Any) -> str | None:
    """The body of a scoring request for an input example; None for none."""
    if input_example is None:
        return None
    return json.dumps(examples.serving_body(input_example), ensure_ascii=False, indent=2)


def validate_serving_input(
    model_uri: str | Path, serving_input: str | Mapping[str, Any], *, trust: Trust = None
) -> Any:
    """What a model answers to the body of a scoring request.

    Args:
        serving_input: The JSON body, as text or as a dictionary.
        trust: As in :func:`tracklet.pyfunc.load_model`.

    Raises:
        TrackletException: The body is malformed, or does not fit the model's signature.
    """
    body = serving_input if isinstance(serving_input, str) else json.dumps(serving_input)
    return ask(model_uri, body, "json", trust)[0]


def predict(
    model_uri: str | Path,
    input_data: Any = None,
    input_path: str | Path | None = None,
    content_type: str = "json",
    output_path: str | Path | None = None,
    env_manager: str = "local",
    *,
    trust: Trust = None,
) -> Any:
    """Ask a model about data as its server would be asked, in this process.

    Args:
        input_data: The data: what could be an input example, or a request's body as text.
        input_path: A file with the body, instead of ``input_data``.
        content_type: What the file or text is: ``"json"``, ``"csv"`` or ``"parquet"``.
        output_path: Where to write the answer as JSON.
        env_manager: Only ``"local"``: environments are for a container to make.
        trust: As in :func:`tracklet.pyfunc.load_model`.

    Returns:
        What the model answered.

    Raises:
        InvalidParameterValue: An argument is wrong, or both or none of data and file are given.
    """
    if env_manager != "local":
        raise InvalidParameterValue(
            f"env_manager={env_manager!r}: models are asked in this process's own environment, "
            "'local'; install the model's requirements.txt into one of its own and ask there"
        )
    if content_type not in _MEDIA:
        raise InvalidParameterValue(
            f"content_type must be one of {', '.join(_MEDIA)}; got {content_type!r}"
        )
    if (input_data is None) == (input_path is None):
        raise InvalidParameterValue("give either input_data or input_path")
    if input_path is not None:
        body: bytes | str = Path(input_path).read_bytes()
    elif isinstance(input_data, str | bytes):
        body = input_data
    else:
        body, content_type = json.dumps(examples.serving_body(input_data)), "json"
    answer, whole = ask(model_uri, body, content_type, trust)
    if output_path is not None:
        write(Path(output_path), scoring.answer_body(answer, whole=whole))
    return answer


def ask(model_uri: str | Path, body: bytes | str, kind: str, trust: Trust) -> tuple[Any, bool]:
    """What a model answers to a body, and whether the body was taken as it was."""
    model = pyfunc.load_model(model_uri, trust=trust)
    payload = scoring.parse(
        body,
        _MEDIA[kind],
        model.input_schema,
        hinted=model.hinted,
        records=model.takes_records,
    )
    return model.predict(payload.data, payload.params), payload.whole


def write(path: Path, answer: bytes) -> None:
    """Write an answer's body; nobody sees half of it."""
    partial = path.with_name(f".{path.name}.tracklet-partial")
    partial.write_bytes(answer)
    partial.replace(path)
