"""An order is a list of keys with directions."""

from __future__ import annotations

import pytest

from tracklet.errors import InvalidParameterValue
from tracklet.search import (
    EXPERIMENTS,
    LOGGED_MODELS,
    MODEL_VERSIONS,
    REGISTERED_MODELS,
    RUNS,
    Key,
    OrderBy,
    parse_order_by,
)


@pytest.mark.parametrize(
    ("item", "kind", "name", "ascending"),
    [
        ("metrics.a", "metric", "a", True),
        ("metrics.a  DESC", "metric", "a", False),
        (" metrics.a asc ", "metric", "a", True),
        ("metrics.`a desc` desc", "metric", "a desc", False),
        ("metrics.desc", "metric", "desc", True),
        ("params.`x y` asc", "param", "x y", True),
        ("`metrics`.a", "metric", "a", True),
        ("tags.mlflow.runName desc", "tag", "mlflow.runName", False),
        ("start_time", "attribute", "start_time", True),
        ("attribute.start_time", "attribute", "start_time", True),
        ("Created desc", "attribute", "start_time", False),
        ("run name", "attribute", "run_name", True),
        ("Run Name DESC", "attribute", "run_name", False),
        ("`Run Name` DESC", "attribute", "run_name", False),
        ("end_time", "attribute", "end_time", True),
    ],
)
def test_an_item_is_a_key_and_perhaps_a_direction(item, kind, name, ascending):
    """Runs are ordered by any metric, param, tag or attribute."""
    assert parse_order_by([item], RUNS) == (OrderBy(Key(kind, name), ascending),)


@pytest.mark.parametrize(
    "items",
    [
        ["metrics.a ASCC"],
        ["metrics.a ASC DESC"],
        ["metrics.a b desc"],
        ["metrics.a, metrics.b"],
        ["a"],
        [""],
        ["datasets.name"],
        ["metrics.a", "metric.a desc"],
        ["start_time", "Created"],
        "metrics.a",
        [1],
        [{"field": "metrics.a"}],
    ],
)
def test_a_malformed_order_is_refused(items):
    """Typos, unknown keys, datasets and keys that come twice are errors."""
    with pytest.raises(InvalidParameterValue):
        parse_order_by(items, RUNS)


def test_logged_models_are_ordered_by_dictionaries():
    """Each names a field, and may restrict a metric to a dataset."""
    assert parse_order_by(
        [
            {"field_name": "metrics.acc", "ascending": False, "dataset_name": "d"},
            {"field_name": "creation_time"},
        ],
        LOGGED_MODELS,
    ) == (
        OrderBy(Key("metric", "acc"), False, "d"),
        OrderBy(Key("attribute", "creation_timestamp"), True),
    )
    for bad in (
        {"field_name": "params.a"},
        {"field_name": "metrics.a", "dataset_digest": "x"},
        {"field_name": "name", "dataset_name": "x"},
        {"field_name": "name", "ascending": "no"},
        {"field_name": "name", "typo": 1},
    ):
        with pytest.raises(InvalidParameterValue):
            parse_order_by([bad], LOGGED_MODELS)


def test_the_registry_and_experiments_have_their_own_orders():
    """``timestamp`` is the last update of a registered model."""
    (order,) = parse_order_by(["timestamp DESC"], REGISTERED_MODELS)
    assert order == OrderBy(Key("attribute", "last_updated_timestamp"), False)
    assert parse_order_by(["version_number", "creation_timestamp desc"], MODEL_VERSIONS)
    assert parse_order_by(["experiment_id", "last_update_time desc"], EXPERIMENTS)
    with pytest.raises(InvalidParameterValue):
        parse_order_by(["tags.a"], EXPERIMENTS)
