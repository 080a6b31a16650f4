"""The part of the store contract on params and tags."""

from __future__ import annotations

from typing import Any

import pytest

from tracklet.entities import (
    Metric,
)
from tracklet.errors import (
    InvalidParameterValue,
    ResourceDoesNotExist,
)
from tracklet_testing.store.fixtures import MISSING_RUN, StoreFixtures


class TextContract(StoreFixtures):
    """What every store does with params and tags."""

    @pytest.mark.parametrize(
        "value", ["", " ", "a\nb\r\nc\n", "x" * 100_000, "ünï 😀", "'\"\\", "\x00\x07"]
    )
    def test_texts_are_kept_exactly(self, store: Any, run_id: str, value: str) -> None:
        """Params and tags of any length come back whole, line ends included."""
        if "\x00" in value and not self.keeps_nul:
            pytest.skip("this store cannot keep NUL characters")
        store.log_batch(run_id, params={"p": value}, tags={"t": value})
        data = store.get_run(run_id).data
        assert data.params == {"p": value}
        assert data.tags["t"] == value

    keeps_nul = True
    """Whether texts may contain the character NUL; PostgreSQL cannot keep it."""

    @pytest.mark.parametrize(
        "key", ["a", "a/b", "a b-c_d.e:f", "中文", "x" * 250, "é/ü", "$", "😀"]
    )
    def test_keys_are_kept_exactly(self, store: Any, run_id: str, key: str) -> None:
        """Any text that can be a relative path in canonical form is a key."""
        store.log_batch(run_id, [Metric(key, 1.0, 1, 1)], {key: "p"}, {key: "t"})
        data = store.get_run(run_id).data
        assert data.metrics == {key: 1.0}
        assert data.params == {key: "p"}
        assert data.tags[key] == "t"
        assert len(store.get_metric_history(run_id, key)) == 1

    @pytest.mark.parametrize("key", ["", ".", "..", "../a", "/a", "a//b", "a/", "a/./b", "x" * 251])
    def test_a_bad_key_is_refused(self, store: Any, run_id: str, key: str) -> None:
        """It is InvalidParameterValue for metrics, params and tags, and nothing is stored."""
        for batch in ({"params": {key: "v"}}, {"tags": {key: "v"}}):
            with pytest.raises(InvalidParameterValue):
                store.log_batch(run_id, **batch)
        with pytest.raises(InvalidParameterValue):
            store.log_batch(run_id, [Metric(key, 1.0, 1, 1)])
        data = store.get_run(run_id).data
        assert (data.metrics, data.params, set(data.tags)) == ({}, {}, {"mlflow.runName"})

    def test_a_key_must_be_text(self, store: Any, run_id: str) -> None:
        """None is InvalidParameterValue, another type is TypeError."""
        with pytest.raises(InvalidParameterValue):
            store.log_batch(run_id, params={None: "v"})
        with pytest.raises(TypeError):
            store.log_batch(run_id, params={3: "v"})

    @pytest.mark.parametrize("value", [None, 3, b"x", "\ud800"])
    def test_a_value_must_be_valid_text(self, store: Any, run_id: str, value: Any) -> None:
        """Anything else is InvalidParameterValue, never a changed text."""
        for batch in ({"params": {"k": value}}, {"tags": {"k": value}}):
            with pytest.raises(InvalidParameterValue):
                store.log_batch(run_id, **batch)
        assert store.get_run(run_id).data.params == {}

    def test_a_param_is_set_once(self, store: Any, run_id: str) -> None:
        """The same value again is fine; another is refused and named with run, old and new."""
        store.log_batch(run_id, params={"p": "1"})
        store.log_batch(run_id, params={"p": "1"})
        with pytest.raises(InvalidParameterValue) as error:
            store.log_batch(run_id, params={"p": "2x"})
        for part in ("'p'", run_id, "'1'", "'2x'"):
            assert part in str(error.value)
        assert store.get_run(run_id).data.params == {"p": "1"}

    def test_a_conflicting_param_keeps_its_batch_out(self, store: Any, run_id: str) -> None:
        """With one conflict, no param, metric or tag of the call is stored."""
        store.log_batch(run_id, params={"p": "1"})
        with pytest.raises(InvalidParameterValue):
            store.log_batch(
                run_id, [Metric("m", 1.0, 1, 1)], {"a": "1", "p": "2", "z": "1"}, {"t": "1"}
            )
        data = store.get_run(run_id).data
        assert (data.params, data.metrics) == ({"p": "1"}, {})
        assert "t" not in data.tags

    def test_many_params_are_kept(self, store: Any, run_id: str) -> None:
        """250 params in one call."""
        params = {f"p{i}": str(i) for i in range(250)}
        store.log_batch(run_id, params=params)
        assert store.get_run(run_id).data.params == params

    def test_a_tag_is_replaced_and_removed(self, store: Any, run_id: str) -> None:
        """The last value counts; removing a missing one is ResourceDoesNotExist."""
        store.log_batch(run_id, tags={"t": "1"})
        store.log_batch(run_id, tags={"t": "2"})
        assert store.get_run(run_id).data.tags["t"] == "2"
        store.delete_tag(run_id, "t")
        assert "t" not in store.get_run(run_id).data.tags
        with pytest.raises(ResourceDoesNotExist):
            store.delete_tag(run_id, "t")

    def test_an_empty_batch_is_fine(self, store: Any, run_id: str) -> None:
        """It changes nothing."""
        before = store.get_run(run_id)
        store.log_batch(run_id)
        assert store.get_run(run_id) == before

    def test_a_batch_needs_a_run(self, store: Any) -> None:
        """An unknown run is ResourceDoesNotExist."""
        with pytest.raises(ResourceDoesNotExist):
            store.log_batch(MISSING_RUN, params={"a": "1"})
