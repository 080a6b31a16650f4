"""The filter language: one grammar for everything that can be searched.

``parse_filter`` turns a filter into a small tree of frozen values, ``parse_order_by`` the order
asked for; a store compiles them, to SQL in :mod:`tracklet.reading.compile`. Whatever MLflow's
grammars accept means the same here; beyond them there are ``OR``, ``NOT``, parentheses, ``IN``
and null tests on every key.
"""

from __future__ import annotations

from tracklet.search.fields import (
    EXPERIMENTS,
    LOGGED_MODELS,
    MODEL_VERSIONS,
    REGISTERED_MODELS,
    RUNS,
    TRACES,
    Vocabulary,
)
from tracklet.search.page import Page
from tracklet.search.parser import parse_filter, parse_order_by
from tracklet.search.syntax import And, Comparison, Filter, Key, Not, Or, OrderBy, keys

__all__ = [
    "EXPERIMENTS",
    "LOGGED_MODELS",
    "MODEL_VERSIONS",
    "REGISTERED_MODELS",
    "RUNS",
    "TRACES",
    "And",
    "Comparison",
    "Filter",
    "Key",
    "Not",
    "Or",
    "OrderBy",
    "Page",
    "Vocabulary",
    "keys",
    "parse_filter",
    "parse_order_by",
]
