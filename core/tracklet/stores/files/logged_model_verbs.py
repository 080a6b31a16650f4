"""The file store's logged models."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from tracklet import entities, names, validation
from tracklet.entities import LifecycleStage
from tracklet.stores import creation, disk
from tracklet.stores.files import contents, documents, key_values, layout, reader
from tracklet.stores.files.folder import announce
from tracklet.stores.files.run_verbs import Runs


@disk.reported
class LoggedModels(Runs):
    """Logged models: folders below ``models`` of their experiment's folder."""

    def create_logged_model(
        self,
        experiment_id: str,
        name: str | None = None,
        source_run_id: str | None = None,
        tags: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        model_type: str | None = None,
    ) -> entities.LoggedModel:
        name = names.run_name() if name is None else validation.validate_logged_model_name(name)
        keyed = {
            layout.TAGS: key_values.encoded_all("model tag", tags or {}),
            layout.PARAMS: key_values.encoded_all("model param", params or {}),
        }
        experiment_dir = self._active_experiment_dir(experiment_id, "create a model in")
        for data in keyed.values():
            key_values.check_free("model param or tag", f"{experiment_dir}/-", data)
        model_id = names.model_id()
        folder = layout.logged_model(experiment_dir, model_id)
        location = reader.experiment_location(
            experiment_dir, contents.read_meta(experiment_dir, "experiment")
        )
        now = names.now()
        model = entities.LoggedModel(
            experiment_id,
            model_id,
            name,
            creation.below(location, f"{layout.MODELS}/{model_id}/{layout.ARTIFACTS}"),
            now,
            now,
            model_type,
            source_run_id,
            entities.LoggedModelStatus.PENDING,
        )
        try:
            disk.make_dirs(folder, os.path.dirname(experiment_dir))
            for part in (layout.METRICS, layout.PARAMS, layout.TAGS):
                disk.mkdir(f"{folder}/{part}")
            for part, data in keyed.items():
                for key, text in data.items():  # in place: nobody reads it without a document
                    path = f"{folder}/{part}/{key}"
                    disk.make_dirs(os.path.dirname(path), folder)
                    disk.write_new(path, text)
            content = documents.dumps(documents.logged_model(model))
            disk.publish(layout.meta(folder), content, layout.private(folder))
            self._announce_model(folder)
            return reader.read_logged_model(folder)
        except BaseException:
            disk.remove_quietly(folder)
            raise

    def get_logged_model(self, model_id: str, *, deleted: bool = False) -> entities.LoggedModel:
        model = reader.read_logged_model(self._model_dir(model_id))
        if model.lifecycle_stage == LifecycleStage.DELETED and not deleted:
            raise creation.deleted_model(model_id)
        return model

    def finalize_logged_model(
        self, model_id: str, status: entities.LoggedModelStatus
    ) -> entities.LoggedModel:
        number = creation.model_status(status).to_int()
        folder = self._active_model_dir(model_id)
        self._edit_model(folder, {"status": number})
        return reader.read_logged_model(folder)

    def delete_logged_model(self, model_id: str) -> None:
        folder = self._active_model_dir(model_id)
        self._edit_model(folder, {"lifecycle_stage": LifecycleStage.DELETED})

    def log_logged_model_params(self, model_id: str, params: Mapping[str, str]) -> None:
        data = key_values.encoded_all("model param", params)
        folder = self._active_model_dir(model_id)
        key_values.put_params(
            "model param",
            f"{folder}/{layout.PARAMS}",
            data,
            layout.private(folder),
            f"model {model_id}",
        )
        self._edit_model(folder, {})

    def set_logged_model_tags(self, model_id: str, tags: Mapping[str, str]) -> None:
        data = key_values.encoded_all("model tag", tags)
        folder = self._active_model_dir(model_id)
        key_values.put_tags("model tag", f"{folder}/{layout.TAGS}", data, layout.private(folder))
        self._edit_model(folder, {})

    def delete_logged_model_tag(self, model_id: str, key: str) -> None:
        folder = self._active_model_dir(model_id)
        key_values.remove("model tag", f"{folder}/{layout.TAGS}", key, f"model {model_id}")
        self._edit_model(folder, {})

    def purge_logged_model(self, model_id: str) -> None:
        folder = self._model_dir(model_id)
        if reader.read_logged_model(folder).lifecycle_stage != LifecycleStage.DELETED:
            raise creation.not_in_trash("model", model_id)
        disk.remove_tree(folder)
        self._announce_model(folder)

    # -- parts ---------------------------------------------------------------------------------

    def _active_model_dir(self, model_id: str) -> str:
        folder = self._model_dir(model_id)
        meta = contents.read_meta(folder, "logged model")
        in_trash = self._in_trash(os.path.dirname(os.path.dirname(folder)))
        if in_trash or meta.get("lifecycle_stage") == LifecycleStage.DELETED:
            raise creation.deleted_model(model_id)
        return folder

    def _edit_model(self, folder: str, values: dict[str, Any]) -> None:
        values = {**values, "last_updated_timestamp": names.now()}
        contents.edit_meta(
            folder,
            "logged model",
            lambda meta: meta.update(values),
            lock=layout.run_lock(folder),
            staging=layout.private(folder),
        )
        self._announce_model(folder)

    def _announce_model(self, folder: str) -> None:
        experiment_id = os.path.basename(os.path.dirname(os.path.dirname(folder)))
        entry = f"{experiment_id}/{layout.MODELS}/{os.path.basename(folder)}"
        announce(self.root, entry)
