"""Verbs on experiments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracklet.client.verbs import Verbs, texts
from tracklet.entities import Experiment, PagedList, ViewType


class ExperimentVerbs(Verbs):
    """Create, find, change and delete experiments."""

    def create_experiment(
        self,
        name: str,
        artifact_location: str | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> str:
        """Create an experiment and return its id.

        Raises:
            InvalidParameterValue: The name is no text, blank or longer than 500 characters.
            ResourceAlreadyExists: An experiment has this name, perhaps a deleted one.
        """
        return self.store.create_experiment(name, artifact_location, texts(tags))

    def get_experiment(self, experiment_id: str) -> Experiment:
        """The experiment, also a deleted one; ResourceDoesNotExist if there is none."""
        return self.store.get_experiment(str(experiment_id))

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        """The experiment of that name, also a deleted one; None if there is none."""
        return self.store.get_experiment_by_name(name)

    def search_experiments(
        self,
        view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int | None = 1000,
        filter_string: str | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[Experiment]:
        """A page of experiments; by default newest first."""
        size = 1000 if max_results is None else max_results
        return self.store.search_experiments(view_type, size, filter_string, order_by, page_token)

    def rename_experiment(self, experiment_id: str, new_name: str) -> None:
        """Rename an active experiment."""
        self.store.rename_experiment(str(experiment_id), new_name)

    def delete_experiment(self, experiment_id: str) -> None:
        """Move an experiment and its runs to the trash."""
        self.store.delete_experiment(str(experiment_id))

    def restore_experiment(self, experiment_id: str) -> None:
        """Take a deleted experiment and its runs back."""
        self.store.restore_experiment(str(experiment_id))

    def set_experiment_tag(self, experiment_id: str, key: str, value: Any) -> None:
        """Set a tag of an experiment; the value is kept as text."""
        self.store.set_experiment_tag(str(experiment_id), key, str(value))

    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        """Remove a tag of an experiment; ResourceDoesNotExist if it has none of that key."""
        self.store.delete_experiment_tag(str(experiment_id), key)
