"""The limits of keys, values and names, what counts as a value, and the errors that explain both.

The limits are MLflow's, so that what we accept its stores and servers accept too; where tracklet
is deliberately wider (any Unicode key that the file layout can carry, values of nearly any length)
the function says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from tracklet import lazy, names
from tracklet.entities import ViewType
from tracklet.errors import InvalidArgument, InvalidParameterValue

if TYPE_CHECKING:
    from tracklet.entities import DatasetInput, Metric

MAX_KEY_LENGTH: Final = 250
MAX_EXPERIMENT_NAME_LENGTH: Final = 500
MAX_EXPERIMENT_TAG_LENGTH: Final = 20_000
MAX_REGISTRY_TAG_LENGTH: Final = 100_000
MAX_DATASET_NAME_LENGTH: Final = 500
MAX_DATASET_DIGEST_LENGTH: Final = 36
MAX_DATASET_SOURCE_TYPE_LENGTH: Final = 36
MAX_INPUT_TAG_KEY_LENGTH: Final = 255
MAX_INPUT_TAG_LENGTH: Final = 500
MAX_ARTIFACT_LOCATION_LENGTH: Final = 2048
MAX_PATH_COMPONENT_BYTES: Final = 255
MAX_TEXT_LENGTH: Final = 16 << 20

MIN_INTEGER: Final = -(2**63)
MAX_INTEGER: Final = 2**63 - 1
"""What the databases hold; each step and time is checked when it is written and when it is read."""
MAX_TIME: Final = 253_402_300_799_999
"""The last millisecond of the year 9999, the last that calendars show."""

_MLFLOW_KEY = re.compile(r"[/\w.\- :]*")
_warned_keys: set[str] = set()
_logger = lazy.logger(__name__)

_RUN_OR_MODEL_ID = r"[a-zA-Z0-9][\w-]{0,255}"
_EXPERIMENT_ID = r"[a-zA-Z0-9][\w-]{0,63}"
_ALIAS = r"[\w-]{1,255}"
_VERSION_ALIAS = r"[vV]\d+"

STAGES: Final = ("None", "Staging", "Production", "Archived")


def validate_key(kind: str, key: object) -> str:
    """Check the key of a metric, param or tag.

    Wider than MLflow's grammar (word characters, ``-``, ``.``, space, ``:``, ``/``): any text is
    fine that can be a relative path in canonical form, since that is how files carry it. A key
    that MLflow would refuse to read is warned of, once.

    Args:
        kind: What the key is of, for the message: ``"metric"``, ``"param"``, ``"tag"``.

    Raises:
        InvalidParameterValue: It is None, too long, or no canonical relative path.
        InvalidArgument: It is no text.
    """
    if type(key) is str and len(key) <= MAX_KEY_LENGTH and _is_common(key):
        return key
    if key is None:
        raise InvalidParameterValue(f"a {kind} needs a key; got None")
    if not isinstance(key, str):
        raise InvalidArgument(
            f"a {kind} key is text; got {shown(key)} of type {type(key).__name__}"
        )
    problem = _key_problem(key)
    if problem:
        raise InvalidParameterValue(
            f"{key!r} cannot be a {kind} key: it {problem}. A key is a relative path in canonical "
            f"form, such as 'loss' or 'train/loss', of at most {MAX_KEY_LENGTH} characters"
        )
    if not is_mlflow_key(key) and key not in _warned_keys:
        _warned_keys.add(key)
        _logger.warning(
            "the %s key %r is kept, but MLflow cannot read a run that has it: it reads only "
            "letters, digits, '_', '-', '.', ' ', ':' and '/'",
            kind,
            key,
        )
    return key


@lru_cache(4096)
def _is_common(key: str) -> bool:
    """Whether nothing is wrong with a key; the same ones come with every training."""
    return _key_problem(key) is None and is_mlflow_key(key)


def is_mlflow_key(name: str) -> bool:
    """Whether MLflow reads what has this key: of metrics and params the characters are few."""
    return _MLFLOW_KEY.fullmatch(name) is not None


def _key_problem(key: str) -> str | None:
    if not key:
        return "is empty"
    if len(key) > MAX_KEY_LENGTH:
        return f"has {len(key)} characters"
    if key.startswith("/"):
        return "starts with '/'"
    if not key.isprintable() and any(ord(c) < 32 or ord(c) == 127 for c in key):
        return "contains a control character"
    for part in key.split("/"):
        if part == "":
            return "has an empty path component"
        if part in (".", ".."):
            return f"has the path component {part!r}"
        try:
            size = len(part.encode())
        except UnicodeEncodeError:
            return "contains a lone surrogate, which no file name can carry"
        if size > MAX_PATH_COMPONENT_BYTES:
            return f"has a path component of {size} bytes (a file name carries 255)"
    return None


def metric_numbers(
    key: str, value: object, step: object, timestamp: object
) -> tuple[float, int, int]:
    """Value, step and timestamp of a point, checked, as a float and two ints.

    Raises:
        InvalidParameterValue: The value is no number or too large, the step no 64-bit integer, or
            the timestamp no non-negative one.
    """
    validate_key("metric", key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidParameterValue(
            f"the value of metric {key!r} must be a number; got {value!r} of type "
            f"{type(value).__name__}"
        )
    try:
        number = float(value)
    except OverflowError:
        raise InvalidParameterValue(
            f"the value of metric {key!r} must fit a double; got {shown(value)}"
        ) from None
    return number, int(validate_step(key, step)), int(validate_timestamp(key, timestamp))


def validate_metric_dataset(metric: Metric) -> None:
    """Check that a line of a metric's file can name the dataset of a point."""
    for what, text in (("name", metric.dataset_name), ("digest", metric.dataset_digest)):
        if text is not None and (
            not text or not text.isprintable() or (what == "digest" and " " in text)
        ):
            raise InvalidParameterValue(
                f"the dataset {what} {text!r} of metric {metric.key!r} cannot be stored: it must "
                "be printable text on one line, and a digest has no spaces"
            )


def is_whole(value: object, least: int, most: int) -> TypeGuard[int]:
    """Whether a value is a whole number in a range; a truth value is none."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def validate_step(key: str, step: object) -> int:
    """Check a step: any 64-bit signed integer."""
    if not is_whole(step, MIN_INTEGER, MAX_INTEGER):
        raise InvalidParameterValue(
            f"the step of metric {key!r} must be an integer from -2**63 to 2**63-1; got "
            f"{shown(step)}"
        )
    return step


def validate_timestamp(key: str, timestamp: object) -> int:
    """Check a timestamp: integer milliseconds since the epoch, from 0 to 2**63-1."""
    if not is_whole(timestamp, 0, MAX_INTEGER):
        raise InvalidParameterValue(
            f"the timestamp of metric {key!r} must be non-negative integer milliseconds since "
            f"the epoch, below 2**63; got {shown(timestamp)}"
        )
    return timestamp


def metric_value(key: str, value: Any) -> float:
    """The value as a float.

    Numbers, booleans, numeric text and one-element arrays and tensors of any library are values.

    Raises:
        InvalidParameterValue: It is None, other text, an array of several elements, or too big.
        InvalidArgument: It is of a kind that holds no number, such as a list or a complex number.
    """
    if isinstance(value, int | float | str):
        source: Any = value
    else:
        item = getattr(value, "item", None)
        try:
            source = item() if callable(item) else value
        except (ValueError, RuntimeError) as error:
            raise InvalidParameterValue(_no_number(key, value)) from error
    try:
        return float(source)
    except (ValueError, OverflowError) as error:
        raise InvalidParameterValue(_no_number(key, value)) from error
    except TypeError as error:
        if value is None:
            raise InvalidParameterValue(_no_number(key, value)) from error
        raise InvalidArgument(_no_number(key, value)) from error


def metric_step(key: str, step: Any) -> int:
    """The step as an int; None is 0, and integral floats and NumPy integers are fine."""
    if step is None:
        return 0
    if type(step) is not int and not isinstance(step, bool | str):
        try:
            number = int(step)
            if number == step:
                step = number
        except (TypeError, ValueError, OverflowError):
            pass  # refused below, with the value as the user gave it
    return validate_step(key, step)


def metric_timestamp(key: str, timestamp: Any) -> int:
    """The timestamp in milliseconds; None and 0 are now."""
    if not timestamp:
        return names.now()
    if isinstance(timestamp, float) and timestamp.is_integer():
        timestamp = int(timestamp)
    return validate_timestamp(key, timestamp)


def _no_number(key: str, value: Any) -> str:
    return (
        f"the value of metric {key!r} must be one number; got {shown(value)} of type "
        f"{type(value).__name__}"
    )


def shown(value: Any) -> str:
    """A value in a message: its form in code, of a long one the beginning."""
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits
        return f"an integer of {value.bit_length()} bits"
    return text if len(text) <= 80 else text[:77] + "…"


def as_strings(values: Mapping[str, Any] | None) -> dict[str, str]:
    """The values of params or tags as the text that is kept of them.

    Raises:
        InvalidParameterValue: They are no mapping.
    """
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        raise InvalidParameterValue(
            f"params and tags are given as a mapping, such as {{'rate': 0.1}}; got {shown(values)}"
        )
    return {key: str(value) for key, value in values.items()}


def as_pair(kind: str, key: object, value: object) -> dict[str, str]:
    """A single param or tag, its value as the text that is kept of it.

    Raises:
        InvalidParameterValue: The key is none.
    """
    return {validate_key(kind, key): str(value)}


def as_list(what: str, values: Any, kind: Any = object) -> list[Any]:
    """What a caller gives a list of; None is an empty one.

    Args:
        what: What they are, for the message.
        values: What was given.
        kind: The type or types of an item.

    Raises:
        InvalidArgument: It is no list, or one of something else.
    """
    if values is None:
        return []
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise InvalidArgument(f"{what} are given as a list; got {shown(values)}")
    items = list(values)
    for item in items:
        if not isinstance(item, kind):
            raise InvalidArgument(f"{what} are given as a list of them; got {shown(item)} in it")
    return items


def optional_text(what: str, value: Any) -> str | None:
    """What a caller gives as a text, if anything.

    Raises:
        InvalidArgument: It is something else.
    """
    if value is None or isinstance(value, str):
        return value
    raise InvalidArgument(f"{what} is text; got {shown(value)} of type {type(value).__name__}")


def validate_text(kind: str, key: str, value: object, limit: int | None = None) -> str:
    """Check the value of a param or tag: text, as long as a text is read at all unless limited."""
    if not isinstance(value, str):
        raise InvalidParameterValue(
            f"the value of {kind} {key!r} must be text; got {value!r} of type "
            f"{type(value).__name__}"
        )
    limit = MAX_TEXT_LENGTH if limit is None else limit
    if len(value) > limit:
        raise InvalidParameterValue(
            f"the value of {kind} {key!r} has {len(value)} characters; at most {limit} are kept. "
            "log_text keeps longer ones, as files"
        )
    return value


def encoded(what: str, value: object) -> bytes:
    """The bytes of a text in UTF-8.

    Args:
        what: What it is, for the message: ``"the value of param 'lr'"``.
        value: The text.

    Raises:
        InvalidParameterValue: It is no text, or none that UTF-8 can carry.
    """
    if not isinstance(value, str):
        raise InvalidParameterValue(
            f"{what} must be text; got {value!r} of type {type(value).__name__}"
        )
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise InvalidParameterValue(
            f"{what} contains a lone surrogate, which UTF-8 cannot carry; replace it, for example "
            "with text.encode('utf-8', 'replace').decode()"
        ) from None


def validate_dataset_input(given: DatasetInput) -> None:
    """Check a dataset and the tags of its use: what each is, and its length."""
    dataset = given.dataset
    for what, value, limit in (
        ("name", dataset.name, MAX_DATASET_NAME_LENGTH),
        ("digest", dataset.digest, MAX_DATASET_DIGEST_LENGTH),
        ("source type", dataset.source_type, MAX_DATASET_SOURCE_TYPE_LENGTH),
    ):
        if not isinstance(value, str) or not value or len(value) > limit:
            raise InvalidParameterValue(
                f"the {what} of a dataset must be text of 1 to {limit} characters; got {value!r}"
            )
    for tag in given.tags:
        if not isinstance(tag.key, str) or not 0 < len(tag.key) <= MAX_INPUT_TAG_KEY_LENGTH:
            raise InvalidParameterValue(
                f"the key of an input tag must be text of 1 to {MAX_INPUT_TAG_KEY_LENGTH} "
                f"characters; got {tag.key!r}"
            )
        encoded("the key of an input tag", tag.key)
        validate_text("input tag", tag.key, tag.value, MAX_INPUT_TAG_LENGTH)
        encoded(f"the value of input tag {tag.key!r}", tag.value)
    for what, text in dataset:
        if text is not None or what == "source":
            encoded(f"the {what} of dataset {dataset.name!r}", text)


def validate_run_id(run_id: object) -> str:
    """Check the form of a run id."""
    return _validate_id("run id", run_id, _RUN_OR_MODEL_ID)


def validate_experiment_id(experiment_id: object) -> str:
    """Check the form of an experiment id."""
    return _validate_id("experiment id", experiment_id, _EXPERIMENT_ID)


def as_experiment_id(value: object) -> str:
    """The id of an experiment that a caller names, as text; a whole number is fine too.

    Raises:
        InvalidParameterValue: It is anything else, or no id.
    """
    return validate_experiment_id(str(value) if type(value) is int else value)


def as_experiment_ids(values: object) -> list[str]:
    """The ids of experiments that a caller names: one by itself, or a list of them.

    Raises:
        InvalidParameterValue: They are anything else.
    """
    if isinstance(values, str | int):
        return [as_experiment_id(values)]
    if not isinstance(values, Iterable) or isinstance(values, Mapping | bytes):
        raise InvalidParameterValue(
            f"experiment ids are given as a list, such as ['0']; got {shown(values)}"
        )
    return [as_experiment_id(value) for value in values]


def validate_model_id(model_id: object) -> str:
    """Check the form of a logged model's id."""
    return _validate_id("model id", model_id, _RUN_OR_MODEL_ID)


def _validate_id(kind: str, value: object, pattern: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
        raise InvalidParameterValue(
            f"{value!r} is not a valid {kind}: it must be text that starts with a letter or digit "
            "and goes on with letters, digits, '_' and '-'"
        )
    return value


def validate_experiment_name(name: object) -> str:
    """Check the name of an experiment: text, not blank, at most 500 characters."""
    if not isinstance(name, str) or not name.strip():
        raise InvalidParameterValue(
            f"an experiment's name must be text that is not blank; got {name!r}"
        )
    if len(name) > MAX_EXPERIMENT_NAME_LENGTH:
        raise InvalidParameterValue(
            f"an experiment's name has at most {MAX_EXPERIMENT_NAME_LENGTH} characters; "
            f"this one has {len(name)}: {name[:60]!r}…"
        )
    return name


def validate_logged_model_name(name: object) -> str:
    """Check the name of a logged model: not blank and none of ``/ : . % " '``."""
    bad = "/:.%\"'"
    if not isinstance(name, str) or not name.strip() or any(c in bad for c in name):
        raise InvalidParameterValue(
            f"{name!r} cannot name a logged model: it must be text that is not blank and has none "
            f"of the characters {' '.join(bad)}"
        )
    return name


def validate_registered_model_name(name: object) -> str:
    """Check the name of a registered model: not blank, no ``/`` and no ``:``."""
    if (
        not isinstance(name, str)
        or not name.strip()
        or any(c in "/:" for c in name)
        or name in (".", "..")
    ):
        raise InvalidParameterValue(
            f"{name!r} cannot name a registered model: it must be text that is not blank and "
            "contains neither '/' nor ':'"
        )
    return name


def validate_alias(alias: object) -> str:
    r"""Check an alias: 1 to 255 of ``[\w-]``, not ``latest`` and not like ``v3``."""
    if not isinstance(alias, str) or not re.fullmatch(_ALIAS, alias):
        raise InvalidParameterValue(
            f"{alias!r} cannot be an alias: it must have 1 to 255 letters, digits, '_' or '-'"
        )
    if alias.lower() == "latest" or re.fullmatch(_VERSION_ALIAS, alias):
        raise InvalidParameterValue(
            f"{alias!r} cannot be an alias: 'latest' and names like 'v3' are reserved for versions"
        )
    return alias


def validate_model_source(source: object) -> str:
    """Check where the model of a version comes from: a text that is not empty."""
    if not isinstance(source, str) or not source:
        raise InvalidParameterValue(
            f"a model version needs a source, the path or URI of the model; got {source!r}"
        )
    return source


def validate_version(version: Any) -> int:
    """Check a model version and return it as an int; digits as text are fine."""
    try:
        if isinstance(version, bool):
            raise ValueError
        number = int(version)
    except (TypeError, ValueError):
        raise InvalidParameterValue(f"a model version is a whole number; got {version!r}") from None
    return number


def canonical_stage(stage: object) -> str:
    """The canonical spelling of a model version's stage, given in any case."""
    canonical = stage.capitalize() if isinstance(stage, str) else ""
    if canonical not in STAGES:
        raise InvalidParameterValue(f"{stage!r} is not a stage; choose from {', '.join(STAGES)}")
    return canonical


def validate_max_results(max_results: object, limit: int = 50_000) -> int:
    """Check the size of a page."""
    if not is_whole(max_results, 1, limit):
        raise InvalidParameterValue(
            f"max_results must be a whole number from 1 to {limit}; got {max_results!r}"
        )
    return max_results


def validate_view_type(view_type: object) -> int:
    """Check a view type."""
    if view_type not in (ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY, ViewType.ALL):
        raise InvalidParameterValue(
            f"{view_type!r} is not a view type; use ViewType.ACTIVE_ONLY, DELETED_ONLY or ALL"
        )
    return view_type  # type: ignore[return-value]
