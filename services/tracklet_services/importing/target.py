"""Whole records from another store into one of ours, with their ids and times.

What is there already is only added to: missing points, params, tags, inputs and outputs come in, a
tag of a run takes the source's value, and a run that was not over takes the source's end. Nothing
is removed, and the life-cycle stage stays what it is here. What is new is there whole or not at
all, and all may be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from tracklet import entities, names, validation
from tracklet.entities import LifecycleStage
from tracklet.errors import InvalidParameterValue
from tracklet.record import Store, rules
from tracklet.record.backend import Entry, Kind, Part, Past, Session
from tracklet.record.experiments import DEFAULT_ID, DEFAULT_NAME
from tracklet_services.importing import merge
from tracklet_services.importing.artifacts import settled
from tracklet_services.importing.merge import Change, Merge

T = TypeVar("T")


class Target:
    """Takes records into a store.

    Args:
        store: The store; it has a backend.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._backend = store.backend

    # -- experiments ---------------------------------------------------------------------------

    def merge_experiment(self, experiment: entities.Experiment) -> tuple[str, Change]:
        """Take an experiment and return its id here.

        An experiment of the same name is the same one, whatever its id. Otherwise it keeps its
        id if that is free. An empty ``artifact_location`` stands for the store's own place.
        """
        rules.experiment_name(experiment.name)
        tags = self._texts("experiment", "tags", experiment.tags, [])
        experiment = replace(experiment, tags=tags)
        with self._backend.writing(exclusive=True) as at:
            named = experiment.name, experiment.experiment_id
            default = named == (DEFAULT_NAME, DEFAULT_ID)  # taken with the times that it has
            known = at.experiment_named(experiment.name, offered=not default)
            if known is not None:
                new = merge.missing_tags(at.load(known), experiment)
                if new:
                    at.record(known, tags=new)
                return known.key, Change.UPDATED if new else Change.UNCHANGED

            def is_taken(wanted: str) -> bool:
                return at.find("experiment", wanted) is not None

            wanted = experiment.experiment_id
            experiment_id = wanted if default else merge.free_id(wanted, is_taken)
            place = experiment.artifact_location
            made = replace(
                merge.dated(experiment),
                experiment_id=experiment_id,
                artifact_location=place or f"{self._backend.artifact_root}/{experiment_id}",
                lifecycle_stage=LifecycleStage.ACTIVE if default else experiment.lifecycle_stage,
            )
            at.create(made, past=Past())
        return experiment_id, Change.TAKEN

    # -- runs ----------------------------------------------------------------------------------

    def merge_run(self, record: merge.RunRecord, *, copy_artifacts: bool = False) -> Merge:
        """Take a run.

        Args:
            record: The run; its experiment must be here.
            copy_artifacts: Whether its artifacts are copied to this store's own place; otherwise
                they are referenced where they lie.
        """
        run_id = validation.validate_run_id(record.run.info.run_id)
        refused: list[str] = []
        record = self._checked(record, refused)
        there = record.run.info
        with self._backend.writing() as at:
            entry = at.find("run", run_id, lock=True)
            owner = there.experiment_id if entry is None else entry.info.experiment_id
            place = self._place(at, owner, f"{run_id}/artifacts")
            if entry is None:
                points = _without_models(p for h in record.histories.values() for p in h)
                deleted = there.lifecycle_stage == LifecycleStage.DELETED
                gone = record.deleted_time or there.end_time or names.now()
                info = replace(there, artifact_uri=there.artifact_uri or place)
                past = Past(points, deleted_time=gone if deleted else None)
                entry = at.create(replace(record.run, info=info), past=past)
                change, written = Change.TAKEN, len(points)
            else:
                change, written = self._update_run(at, entry, record, refused)
        source = there.artifact_uri if copy_artifacts else None
        files = self._copy(entry, "artifact_uri", source, place, refused)
        return _merged(change, written, files, refused)

    def _update_run(
        self, at: Session, entry: Entry, record: merge.RunRecord, refused: list[str]
    ) -> tuple[Change, int]:
        points: list[entities.Metric] = []
        for key, given in record.histories.items():
            points += merge.missing_points(at.history(entry, key), given)
        points = _without_models(points)
        changes = merge.run_changes(at.load(entry), record.run, refused)
        params, tags, inputs, outputs, info = changes
        at.record(entry, points, params, tags)
        at.connect(entry, inputs, outputs)
        if info:
            at.change(entry, **info)
        changed = points or params or tags or info or any(dict(inputs).values())
        changed = changed or outputs.model_outputs
        return Change.UPDATED if changed else Change.UNCHANGED, len(points)

    # -- logged models -------------------------------------------------------------------------

    def merge_logged_model(
        self, record: merge.LoggedModelRecord, *, copy_artifacts: bool = False
    ) -> Merge:
        """Take a logged model; its experiment must be here."""
        model_id = validation.validate_model_id(record.model.model_id)
        refused: list[str] = []
        there = replace(
            record.model,
            params=self._texts("logged model", "params", record.model.params, refused),
            tags=self._texts("logged model", "tags", record.model.tags, refused),
        )
        points = self._points(record.points, refused)
        with self._backend.writing() as at:
            entry = at.find("logged model", model_id, lock=True)
            owner = there.experiment_id if entry is None else entry.info.experiment_id
            place = self._place(at, owner, f"models/{model_id}/artifacts")
            if entry is None:
                model = replace(there, artifact_location=there.artifact_location or place)
                entry = at.create(model, past=Past(points))
                change, written = Change.TAKEN, len(points)
            else:
                change, written = self._update_model(at, entry, there, points)
        source = there.artifact_location if copy_artifacts else None
        files = self._copy(entry, "artifact_location", source, place, refused)
        return _merged(change, written, files, refused)

    def _update_model(
        self,
        at: Session,
        entry: Entry,
        there: entities.LoggedModel,
        points: Sequence[entities.Metric],
    ) -> tuple[Change, int]:
        here = at.load(entry)
        new = merge.missing_points(at.history(entry), points)
        params, tags, fields = merge.model_changes(here, there)
        if not (new or params or tags or fields):
            return Change.UNCHANGED, 0
        at.record(entry, new, params, tags)
        latest = max(here.last_updated_timestamp, there.last_updated_timestamp)
        at.change(entry, last_updated_timestamp=latest, **fields)
        return Change.UPDATED, len(new)

    # -- registered models ---------------------------------------------------------------------

    def merge_registered_model(self, record: merge.RegisteredModelRecord) -> Merge:
        """Take a registered model with its versions.

        A version of the same number that is another model stays as it is here, and is refused.
        """
        name = rules.registered_model_name(record.model.name)
        refused: list[str] = []
        tags = self._texts("registered model", "tags", record.model.tags, refused)
        model = replace(record.model, tags=tags)
        versions = [
            replace(one, tags=self._texts("model version", "tags", one.tags, refused))
            for one in record.versions
        ]
        with self._backend.writing(exclusive=True) as at:
            entry = at.find("registered model", name, lock=True)
            if entry is None:
                at.create(model, past=Past(versions=versions))
                return Merge(Change.TAKEN, refused=refused)
            known = {one.key[1]: one for one in at.children(entry, "model version")}
            here = at.load(entry)
            versions_here = {number: at.load(one) for number, one in known.items()}
            record = merge.RegisteredModelRecord(model, versions)
            merged, new, changing = merge.merged_registered_model(
                here, versions_here, record, refused
            )
            for version in new:
                at.create(version, past=Past())
            for old, version in changing:
                found = known[version.version]
                at.record(found, tags=merge.merged_texts(old.tags, version.tags, overwrite=True))
                at.change(found, **merge.version_changes(version))
            if merged != here:
                at.record(
                    entry,
                    tags=merge.merged_texts(here.tags, merged.tags, overwrite=True),
                    aliases={a: str(number) for a, number in merged.aliases.items()},
                )
                at.change(
                    entry,
                    description=merged.description,
                    last_updated_timestamp=merged.last_updated_timestamp,
                )
        changed = new or changing or merged != here
        return Merge(Change.UPDATED if changed else Change.UNCHANGED, refused=refused)

    # -- parts ---------------------------------------------------------------------------------

    def _place(self, at: Session, experiment_id: str, tail: str) -> str:
        """The store's own place for artifacts."""
        experiment = at.find("experiment", experiment_id)
        if experiment is None:
            raise rules.missing("experiment", experiment_id, self._backend.where)
        return rules.below(experiment.info.artifact_location, tail)

    def _copy(
        self, entry: Entry, field: str, source: str | None, place: str, refused: list[str]
    ) -> int:
        """Copy the artifacts of a run or model that is here, and say where they are from then on.

        A killed import leaves it with those of the source; the next one copies what is missing.
        """
        if not source:
            return 0
        with self._backend.reading() as at:
            target = at.files(entry, place)
        uri, files = settled(source, target, place, refused)
        with self._backend.writing() as at:
            found = at.find(entry.kind, entry.key)
            recorded = (found and getattr(found.info, field)) or ""
            if found and uri == place and recorded.rstrip("/") == source.rstrip("/"):
                at.change(found, **{field: place})
        return files

    def _texts(
        self, kind: Kind, part: Part, given: Mapping[str, str], refused: list[str]
    ) -> dict[str, str]:
        """The texts that this store can keep."""
        kept: dict[str, str] = {}
        called = rules.word(kind, part)
        for key in sorted(given):
            with merge.noting(refused):
                checked = rules.texts(kind, part, {key: given[key]})
                self._backend.check_text(called, key, given[key], kept)
                kept |= checked
        return kept

    def _points(
        self, given: Iterable[entities.Metric], refused: list[str]
    ) -> list[entities.Metric]:
        """The points that this store can keep; the others are refused, once per metric."""
        kept: list[entities.Metric] = []
        reasons: dict[str, str] = {}
        keys: set[str] = set()
        for point in given:
            try:
                checked = rules.points([point])
                if point.key not in keys:
                    self._backend.check_text("metric", point.key, "", keys)
                    keys.add(point.key)
                kept += checked
            except InvalidParameterValue as error:
                reasons[point.key] = error.message
        refused += reasons.values()
        return kept

    def _checked(self, record: merge.RunRecord, refused: list[str]) -> merge.RunRecord:
        """The record without what this store cannot keep."""
        run = record.run
        data = replace(
            run.data,
            params=self._texts("run", "params", run.data.params, refused),
            tags=self._texts("run", "tags", run.data.tags, refused),
        )
        datasets = _kept(run.inputs.dataset_inputs, validation.validate_dataset_input, refused)
        used = _kept(run.inputs.model_inputs, _check_model, refused)
        produced = _kept(run.outputs.model_outputs, _check_model, refused)
        entities.RunStatus.from_string(run.info.status)
        ordered = (point for key in sorted(record.histories) for point in record.histories[key])
        histories = merge.by_key(self._points(ordered, refused))
        inputs = entities.RunInputs(datasets, used)
        checked = entities.Run(run.info, data, inputs, entities.RunOutputs(produced))
        return merge.RunRecord(checked, histories, record.deleted_time)


def _merged(change: Change, points: int, files: int, refused: list[str]) -> Merge:
    if files and change is Change.UNCHANGED:
        change = Change.UPDATED
    return Merge(change, points, files, refused)


def _kept(given: Iterable[T], check: Callable[[T], object], refused: list[str]) -> list[T]:
    """What passes a check."""
    kept: list[T] = []
    for one in given:
        with merge.noting(refused):
            check(one)
            kept.append(one)
    return kept


def _check_model(link: entities.LoggedModelInput | entities.LoggedModelOutput) -> None:
    validation.validate_model_id(link.model_id)


def _without_models(points: Iterable[entities.Metric]) -> list[entities.Metric]:
    """The points of a run; those of its models are on the models' own record."""
    return [p if p.model_id is None else replace(p, model_id=None) for p in points]
