"""A record taken from a source into a target, and what the two are, by their paths and URIs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final, ParamSpec, TypeVar

from tracklet import settings
from tracklet.entities import Experiment, LifecycleStage, ModelVersion
from tracklet.errors import InvalidParameterValue, MissingDependency, ResourceDoesNotExist
from tracklet.record import Store
from tracklet.stores import open_store
from tracklet_services.importing.artifacts import is_below
from tracklet_services.importing.merge import Merge, RegisteredModelRecord
from tracklet_services.importing.mlruns import MlrunsSource
from tracklet_services.importing.report import ImportReport
from tracklet_services.importing.source import ImportSource, Unreadable
from tracklet_services.importing.target import Target

P = ParamSpec("P")
T = TypeVar("T")

Progress = Callable[[int, int], None]
"""Called with how many runs are done and how many there are, about."""

_KINDS: Final = {
    "experiment": "experiments",
    "run": "runs",
    "logged model": "logged models",
    "registered model": "registered models",
}
_IN_A_RUN: Final = re.compile(r"/([0-9a-zA-Z][\w-]*)/artifacts(/.*)?$")


def import_record(
    path: str | os.PathLike[str],
    into: str | os.PathLike[str] | None = None,
    *,
    copy_artifacts: bool = False,
    artifacts_from: Sequence[str | os.PathLike[str]] = (),
    progress: Progress | None = None,
) -> ImportReport:
    """Take a record over from MLflow, or from another store of tracklet's.

    The source is only read. An import may be repeated at any time, also after it was killed: it
    takes what is new and adds what has grown. Experiments are the same when they have the same
    name, everything else when it has the same id.

    Args:
        path: An ``mlruns`` folder, the path of an ``mlflow.db``, or a database URI.
        into: The store that takes the record; the tracking URI by default, with registered
            models going to the registry URI.
        copy_artifacts: Whether artifacts are copied to the store's own place; by default they are
            referenced where they lie. A record may name any place: only what lies in its own
            folder, or in ``mlruns`` and ``mlartifacts`` beside it, is copied, over no link. What
            is left out stands in the report.
        artifacts_from: Further folders and URIs from below which artifacts may be copied.
        progress: Is told how far it is.

    Raises:
        InvalidParameterValue: ``path`` is no record, or the store cannot take one.
        StorageError: A disk or database refused; what was taken until then stays.
    """
    target_uri = settings.tracking_uri() if into is None else settings.absolute_uri(str(into))
    registry_uri = settings.registry_uri() if into is None else target_uri
    source = open_source(path)
    try:
        _check_different(source, target_uri)
        target = open_target(target_uri)
        registry = target if registry_uri == target_uri else open_target(registry_uri)
        importer = Importer(source, target, registry, copy_artifacts=copy_artifacts)
        importer.roots += [os.fspath(place) for place in artifacts_from]
        return importer.run(progress)
    finally:
        source.close()


class Importer:
    """One import.

    Args:
        source: What is read.
        target: What takes experiments, runs and logged models.
        registry: What takes registered models.
        copy_artifacts: Whether artifacts are copied.
    """

    def __init__(
        self,
        source: ImportSource,
        target: Target,
        registry: Target,
        *,
        copy_artifacts: bool = False,
    ) -> None:
        self.source = source
        self.target = target
        self.registry = registry
        self.store: Store = target.store
        self.copy_artifacts = copy_artifacts
        self.roots = list(source.artifact_roots)
        self.report = ImportReport(source.location, source.schema, self.store.uri)

    def run(self, progress: Progress | None = None) -> ImportReport:
        """Take everything, and say what was taken."""
        total = self.source.count_runs() if progress else 0
        done = 0
        # A run needs its experiment, and a version of a registered model the run's artifacts.
        for experiment_id, here in list(self._experiments()):
            for _ in self._runs(experiment_id, here):
                done += 1
                if progress is not None:
                    progress(done, max(total, done))
            self._logged_models(experiment_id, here)
        self._registered_models()
        self.report.left_out = self.source.left_out()
        self.report.notices += self.source.notices
        for oddity, count in sorted(self.source.oddities.items()):
            self.report.notices.append(f"{count} {oddity}")
        return self.report

    def _experiments(self) -> Iterator[tuple[str, str]]:
        """The ids of all experiments, in the source and here."""
        for experiment in self._readable(self.source.experiments()):
            given = replace(experiment, artifact_location="") if self.copy_artifacts else experiment
            try:
                here, change = self.target.merge_experiment(given)
            except InvalidParameterValue as error:
                self.report.skip("experiments", experiment.name, error.message)
                continue
            self.report.tallies["experiments"].add(change)
            if here != experiment.experiment_id:
                self.report.experiments[experiment.experiment_id] = here
            self._notice_trash(experiment, here)
            yield experiment.experiment_id, here

    def _notice_trash(self, experiment: Experiment, here: str) -> None:
        if experiment.lifecycle_stage == LifecycleStage.DELETED:
            return
        if self.store.get_experiment(here).lifecycle_stage == LifecycleStage.DELETED:
            self.report.notices.append(
                f"the experiment {experiment.name!r} is in the trash here, and so are the runs "
                f"that were taken into it; restore_experiment({here!r}) takes it back"
            )

    def _runs(self, experiment_id: str, here: str) -> Iterator[None]:
        for record in self._readable(self.source.runs(experiment_id)):
            info = replace(record.run.info, experiment_id=here)
            record = replace(record, run=replace(record.run, info=info))
            copy = self._copies("runs", info.run_id, info.artifact_uri)
            self._merge("runs", info.run_id, self.target.merge_run, record, copy_artifacts=copy)
            yield

    def _logged_models(self, experiment_id: str, here: str) -> None:
        for record in self._readable(self.source.logged_models(experiment_id)):
            record = replace(record, model=replace(record.model, experiment_id=here))
            merge, model = self.target.merge_logged_model, record.model
            copy = self._copies("logged models", model.model_id, model.artifact_location)
            self._merge("logged models", model.model_id, merge, record, copy_artifacts=copy)

    def _copies(self, kind: str, name: str, place: str | None) -> bool:
        """Whether to copy the artifacts from a place that the record names."""
        if not self.copy_artifacts or not place or any(is_below(place, r) for r in self.roots):
            return self.copy_artifacts
        self.report.skip_part(
            kind,
            name,
            f"its artifacts stay at {place}: that is no folder of the record's own, and a record "
            "may name any. If they are to be copied, say so with artifacts_from "
            "(--artifacts-from FOLDER)",
        )
        return False

    def _registered_models(self) -> None:
        for record in self._readable(self.source.registered_models()):
            if self.copy_artifacts:
                versions = [self._with_copied_source(version) for version in record.versions]
                record = RegisteredModelRecord(record.model, versions)
            merge = self.registry.merge_registered_model
            self._merge("registered models", record.model.name, merge, record)

    def _with_copied_source(self, version: ModelVersion) -> ModelVersion:
        """A version whose files are those that were copied."""
        return replace(
            version,
            source=self._copied(version.source),
            storage_location=self._copied(version.storage_location),
        )

    def _copied(self, location: str | None) -> str | None:
        """Where a location inside a run's or model's artifacts was copied to."""
        match = _IN_A_RUN.search(location or "")
        if match is None:
            return location
        owner, rest = match.groups()
        try:
            if owner.startswith("m-"):
                base = self.store.get_logged_model(owner, deleted=True).artifact_location
            else:
                base = self.store.get_run(owner).info.artifact_uri or ""
        except (ResourceDoesNotExist, InvalidParameterValue):
            return location
        return f"{base.rstrip('/')}{rest or ''}" if base else location

    def _merge(
        self,
        kind: str,
        name: str,
        merge: Callable[P, Merge],
        *arguments: P.args,
        **options: P.kwargs,
    ) -> None:
        try:
            merged = merge(*arguments, **options)
        except InvalidParameterValue as error:
            self.report.skip(kind, name, error.message)
            return
        self.report.tallies[kind].add(merged.change)
        self.report.points += merged.points
        self.report.artifacts += merged.artifacts
        for reason in merged.refused:
            self.report.skip_part(kind, name, reason)

    def _readable(self, found: Iterable[T | Unreadable]) -> Iterator[T]:
        """What could be read of a source; the rest is reported."""
        for one in found:
            if isinstance(one, Unreadable):
                self.report.skip(_KINDS[one.kind], one.name, one.reason)
            else:
                yield one


def _check_different(source: ImportSource, target_uri: str) -> None:
    path = settings.local_path(target_uri)
    if path is None and target_uri.startswith("sqlite:///"):
        path = settings.local_path(target_uri.removeprefix("sqlite:///").partition("?")[0])
    same = target_uri == source.location or (
        path is not None and os.path.realpath(path) == os.path.realpath(source.location)
    )
    if same:
        raise InvalidParameterValue(
            f"{source.location!r} is both what is to be imported and the store to import into; "
            "name another store with --into, or set_tracking_uri"
        )


def open_source(path: str | os.PathLike[str]) -> ImportSource:
    """The record at a path or URI.

    Raises:
        InvalidParameterValue: There is no record.
    """
    given = os.fspath(path)
    local = settings.local_path(given)
    if local is None and not ("://" in given and not given.startswith(("http:", "https:"))):
        raise InvalidParameterValue(
            f"{given!r} cannot be imported: it is neither an mlruns folder, nor the path of an "
            "mlflow.db, nor the URI of a database"
        )
    if local is not None:
        local = local.expanduser()
        if local.is_dir():
            return MlrunsSource(local)
        if not local.exists():
            raise InvalidParameterValue(
                f"there is nothing at {os.path.abspath(local)!r}; give the path of an mlruns "
                "folder or of an mlflow.db"
            )
        given = str(local)
    # Imported here because folders need no SQL library.
    try:
        from tracklet_services.importing.databases import ReadOnlyDatabase
        from tracklet_services.importing.mlflow_database import MlflowDatabase
        from tracklet_services.importing.tracklet_database import TrackletDatabase
        from tracklet_services.sql.schema import VERSION_TABLE
    except ModuleNotFoundError as error:
        if error.name != "sqlalchemy":
            raise
        purpose = "importing a database"
        raise MissingDependency("SQLAlchemy", extra="sql", purpose=purpose) from error

    database = ReadOnlyDatabase(given)
    try:
        if VERSION_TABLE in database.columns:
            return TrackletDatabase(database)
        return MlflowDatabase(database)
    except BaseException:
        database.close()
        raise


def open_target(uri: str) -> Target:
    """What takes records into the store at a URI.

    Raises:
        InvalidParameterValue: The store cannot take records over.
    """
    store = open_store(uri)
    if getattr(store, "backend", None) is None:
        raise InvalidParameterValue(
            f"the store at {uri!r} cannot take a record over; import into a folder or a database"
        )
    return Target(store)
