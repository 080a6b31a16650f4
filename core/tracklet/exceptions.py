"""The exceptions under the module and class names that MLflow scripts import."""

from __future__ import annotations

from tracklet.errors import (
    BadRequest,
    ExecutionException,
    InvalidArgument,
    InvalidParameterValue,
    InvalidState,
    MissingDependency,
    MlflowException,
    PluginError,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
    RestException,
    StorageError,
    TrackletException,
)

__all__ = [
    "BadRequest",
    "ExecutionException",
    "InvalidArgument",
    "InvalidParameterValue",
    "InvalidState",
    "MissingDependency",
    "MlflowException",
    "PluginError",
    "ResourceAlreadyExists",
    "ResourceDoesNotExist",
    "RestException",
    "StorageError",
    "TrackletException",
]
