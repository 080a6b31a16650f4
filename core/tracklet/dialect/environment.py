"""MLflow's environment variables, as objects that know their name and default."""

from __future__ import annotations

import os
from typing import Any, Final


class Variable:
    """An environment variable.

    Args:
        type: Makes its value of the text; texts for truth are ``true``, ``1``, ``false``, ``0``.
        default: What :meth:`get` answers where it is not set.
    """

    def __init__(self, name: str, type: type, default: Any) -> None:
        self.name = name
        self.type = type
        self.default = default

    @property
    def defined(self) -> bool:
        """Whether it is there."""
        return self.name in os.environ

    def is_set(self) -> bool:
        """Whether it is there."""
        return self.defined

    def get_raw(self) -> str | None:
        """Its text; None if it is not there."""
        return os.environ.get(self.name)

    def get(self) -> Any:
        """Its value.

        Raises:
            ValueError: The text is none of its type.
        """
        text = self.get_raw()
        if text is None:
            return self.default
        try:
            if self.type is bool:
                return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
            return self.type(text)
        except (KeyError, ValueError):
            raise ValueError(f"{self.name} is {text!r}, which is no {self.type.__name__}") from None

    def set(self, value: Any) -> None:
        """Set it, for this process and its children."""
        os.environ[self.name] = str(value)

    def unset(self) -> None:
        """Remove it."""
        os.environ.pop(self.name, None)

    def __repr__(self) -> str:
        return repr(self.name)

    def __str__(self) -> str:
        return f"{self.name} (default: {self.default})"

    def __format__(self, spec: str) -> str:
        return self.name.__format__(spec)


_DEFAULTS: Final[dict[Any, str]] = {
    None: (
        "ACTIVE_MODEL_ID DEFAULT_PREDICTION_DEVICE EXPERIMENT_ID EXPERIMENT_NAME LOGGING_LEVEL "
        "REGISTRY_URI RUN_CONTEXT RUN_ID S3_ENDPOINT_URL SERVER_ALLOWED_HOSTS "
        "SYSTEM_METRICS_NODE_ID TRACKING_AUTH TRACKING_CLIENT_CERT_PATH TRACKING_PASSWORD "
        "TRACKING_SERVER_CERT_PATH TRACKING_TOKEN TRACKING_URI TRACKING_USERNAME"
    ),
    False: (
        "DISABLE_ENV_CREATION DISABLE_TELEMETRY ENABLE_ASYNC_LOGGING "
        "ENABLE_SYSTEM_METRICS_LOGGING S3_IGNORE_TLS SUPPRESS_PRINTING_URL_TO_STDOUT "
        "TRACKING_INSECURE_TLS"
    ),
    True: (
        "ALLOW_PICKLE_DESERIALIZATION CONFIGURE_LOGGING ENABLE_ARTIFACTS_PROGRESS_BAR "
        "RECORD_ENV_VARS_IN_MODEL_LOGGING TRUNCATE_LONG_VALUES"
    ),
    7: "HTTP_REQUEST_MAX_RETRIES",
    10: "ASYNC_LOGGING_THREADPOOL_SIZE",
    60: "SCORING_SERVER_REQUEST_TIMEOUT",
    120: "HTTP_REQUEST_TIMEOUT REQUIREMENTS_INFERENCE_TIMEOUT",
    180: "INPUT_EXAMPLE_INFERENCE_TIMEOUT",
}
_UNSET_NUMBERS: Final = {
    "ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT": int,
    "SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING": int,
    "SYSTEM_METRICS_SAMPLING_INTERVAL": float,
}


def _variables() -> dict[str, Variable]:
    kinds: list[tuple[str, Any, Any]] = [
        (name, str if default is None else type(default), default)
        for default, names in _DEFAULTS.items()
        for name in names.split()
    ]
    kinds += [(name, kind, None) for name, kind in _UNSET_NUMBERS.items()]
    kinds.append(("TRACE_SAMPLING_RATIO", float, 1.0))  # not above: 1.0 is the same key as True
    return {f"MLFLOW_{name}": Variable(f"MLFLOW_{name}", *rest) for name, *rest in kinds}


VARIABLES: Final = _variables()
"""Those that tracklet reads, and those that programs ask for; by name."""
