"""The error of data that does not fit a signature."""

from __future__ import annotations

from tracklet.errors import InvalidParameterValue


class SchemaMismatch(InvalidParameterValue):
    """The data does not fit the model's signature."""
