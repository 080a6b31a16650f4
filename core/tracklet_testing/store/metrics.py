"""The part of the store contract on metrics."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tracklet.entities import (
    Metric,
)
from tracklet.errors import (
    InvalidParameterValue,
    ResourceDoesNotExist,
)
from tracklet_testing.store.fixtures import MISSING_RUN, StoreFixtures, points_of


class MetricContract(StoreFixtures):
    """What every store does with metrics."""

    def test_points_are_kept_in_order_and_exactly(self, store: Any, run_id: str) -> None:
        """Value, step and timestamp come back bit for bit, in the order of logging."""
        given = [
            (0.1, 5, 3),
            (-1e-308, 4, 2),
            (5e-324, 4, -(2**63)),
            (1.7976931348623157e308, 0, 2**63 - 1),
            (-0.0, 7, 1),
            (1 / 3, 7, 0),
        ]
        store.log_batch(run_id, [Metric("m", v, t, s) for v, t, s in given])
        history = points_of(store.get_metric_history(run_id, "m"))
        assert history == given
        assert math.copysign(1, history[4][0]) == -1

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_nan_and_infinity_are_kept(self, store: Any, run_id: str, value: float) -> None:
        """They are values like others, in the history and as the latest value."""
        store.log_batch(run_id, [Metric("m", value, 1, 0)])
        for stored in (
            store.get_metric_history(run_id, "m")[0].value,
            store.get_run(run_id).data.metrics["m"],
        ):
            assert repr(stored) == repr(value)

    def test_the_latest_point_is_the_greatest_by_step(self, store: Any, run_id: str) -> None:
        """Then by timestamp, then by value, whatever the order of logging."""
        given = [(1.0, 5, 2), (9.0, 9, 1), (3.0, 6, 2), (4.0, 6, 2), (2.0, 6, 2), (7.0, 1, -5)]
        store.log_batch(run_id, [Metric("m", v, t, s) for v, t, s in given])
        assert store.get_run(run_id).data.metrics == {"m": 4.0}

    def test_the_same_point_twice_is_a_point_of_the_history(self, store: Any, run_id: str) -> None:
        """Logging a point again loses nothing."""
        store.log_batch(run_id, [Metric("m", 1.0, 1, 1)])
        store.log_batch(run_id, [Metric("m", 1.0, 1, 1)])
        assert set(points_of(store.get_metric_history(run_id, "m"))) == {(1.0, 1, 1)}

    def test_an_unknown_metric_has_no_history(self, store: Any, run_id: str) -> None:
        """It is an empty list; an unknown run is an error."""
        assert store.get_metric_history(run_id, "m") == []
        with pytest.raises(ResourceDoesNotExist):
            store.get_metric_history(MISSING_RUN, "m")

    @pytest.mark.parametrize(
        "metric",
        [
            Metric("m", "x", 1, 0),  # type: ignore[arg-type]
            Metric("m", None, 1, 0),  # type: ignore[arg-type]
            Metric("m", True, 1, 0),
            Metric("m", 1.0, -1, 0),
            Metric("m", 1.0, 1, 2**63),
            Metric("m", 1.0, 1, 1.5),  # type: ignore[arg-type]
            Metric("m", 1.0, 1, "1"),  # type: ignore[arg-type]
            Metric("../m", 1.0, 1, 0),
        ],
    )
    def test_a_bad_point_is_refused_with_its_batch(
        self, store: Any, run_id: str, metric: Metric
    ) -> None:
        """It is InvalidParameterValue, and nothing of the batch is stored."""
        with pytest.raises(InvalidParameterValue):
            store.log_batch(run_id, [Metric("good", 1.0, 1, 0), metric], {"p": "1"}, {"t": "1"})
        run = store.get_run(run_id)
        assert run.data.metrics == {}
        assert run.data.params == {}
        assert "t" not in run.data.tags

    def test_a_metric_of_a_dataset_keeps_its_step(self, store: Any, run_id: str) -> None:
        """Dataset name and digest come back with step, timestamp and value."""
        store.log_batch(
            run_id, [Metric("m", 0.5, 9, 7, dataset_name="iris", dataset_digest="abc12345")]
        )
        (point,) = store.get_metric_history(run_id, "m")
        assert (point.value, point.timestamp, point.step) == (0.5, 9, 7)
        assert (point.dataset_name, point.dataset_digest) == ("iris", "abc12345")

    def test_a_metric_of_a_model_is_on_the_run_and_on_the_model(
        self, store: Any, run_id: str, model_id: str
    ) -> None:
        """The model's latest value is its greatest by step, per dataset."""
        store.log_batch(
            run_id,
            [
                Metric("acc", 0.5, 1, 1, model_id=model_id),
                Metric("acc", 0.6, 1, 2, model_id=model_id),
                Metric("acc", 0.7, 1, 1, model_id, "iris", "abc"),
            ],
        )
        assert len(store.get_metric_history(run_id, "acc")) == 3
        metrics = store.get_logged_model(model_id).metrics
        found = {(m.value, m.step, m.dataset_name, m.dataset_digest) for m in metrics}
        assert found == {(0.6, 2, None, None), (0.7, 1, "iris", "abc")}
        assert {m.run_id for m in metrics} == {run_id}
        assert {m.model_id for m in metrics} == {model_id}
