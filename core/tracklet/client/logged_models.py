"""Verbs on logged models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tracklet.client.verbs import Verbs, texts
from tracklet.entities import FileInfo, LoggedModel, LoggedModelStatus, PagedList
from tracklet.repositories import repository


class LoggedModelVerbs(Verbs):
    """Create, find, change and delete logged models."""

    def create_logged_model(
        self,
        experiment_id: str,
        name: str | None = None,
        source_run_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        model_type: str | None = None,
    ) -> LoggedModel:
        """Create a PENDING model in an experiment."""
        return self.store.create_logged_model(
            str(experiment_id), name, source_run_id, texts(tags), texts(params), model_type
        )

    def get_logged_model(self, model_id: str) -> LoggedModel:
        """The model; a missing or deleted one is ResourceDoesNotExist."""
        return self.store.get_logged_model(model_id)

    def finalize_logged_model(self, model_id: str, status: LoggedModelStatus | str) -> LoggedModel:
        """Set the final status: ``READY`` or ``FAILED``.

        Raises:
            ValueError: The status is another one.
        """
        final = LoggedModelStatus(status)
        if not final.is_finalized:
            raise ValueError(f"{status!r} is no final status; choose READY or FAILED")
        return self.store.finalize_logged_model(model_id, final)

    def delete_logged_model(self, model_id: str) -> None:
        """Move a model to the trash."""
        self.store.delete_logged_model(model_id)

    def log_model_params(self, model_id: str, params: Mapping[str, Any]) -> None:
        """Add params to a model; a key keeps the value that it got first."""
        self.store.log_logged_model_params(model_id, texts(params))

    def set_logged_model_tags(self, model_id: str, tags: Mapping[str, Any]) -> None:
        """Set tags of a model."""
        self.store.set_logged_model_tags(model_id, texts(tags))

    def delete_logged_model_tag(self, model_id: str, key: str) -> None:
        """Remove a tag; ResourceDoesNotExist if the model has none of that key."""
        self.store.delete_logged_model_tag(model_id, key)

    def search_logged_models(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None = None,
        datasets: Sequence[Mapping[str, str]] | None = None,
        max_results: int | None = None,
        order_by: Sequence[Mapping[str, Any]] | None = None,
        page_token: str | None = None,
    ) -> PagedList[LoggedModel]:
        """A page of models; by default newest first, 100 a page."""
        ids = [str(experiment_id) for experiment_id in experiment_ids]
        size = 100 if max_results is None else max_results
        return self.store.search_logged_models(
            ids, filter_string, datasets, size, order_by, page_token
        )

    def log_model_artifact(
        self, model_id: str, local_path: str | Path, artifact_path: str | None = None
    ) -> None:
        """Store a file with a model."""
        location = self.get_logged_model(model_id).artifact_location
        repository(location).put_file(Path(local_path), artifact_path)

    def log_model_artifacts(
        self, model_id: str, local_dir: str | Path, artifact_path: str | None = None
    ) -> None:
        """Store a folder's contents with a model."""
        location = self.get_logged_model(model_id).artifact_location
        repository(location).put_tree(Path(local_dir), artifact_path)

    def list_logged_model_artifacts(self, model_id: str, path: str | None = None) -> list[FileInfo]:
        """The files of a model."""
        return repository(self.get_logged_model(model_id).artifact_location).list(path)
