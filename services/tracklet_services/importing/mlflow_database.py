"""A database of MLflow's tracking server, of any version of its schema.

Only the tables and columns that are there are read: old schemas lack steps, logged models,
aliases or workspaces. ``latest_metrics`` is not looked at; ``metrics`` has it all.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, column, func, select, table

from tracklet.entities import (
    DatasetInput,
    Experiment,
    InputTag,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
)
from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet_services.importing import heads, mlflow_logged_models, mlflow_registry
from tracklet_services.importing.adopting import (
    LoggedModelRecord,
    RegisteredModelRecord,
    RunRecord,
)
from tracklet_services.importing.databases import ReadOnlyDatabase
from tracklet_services.importing.mlflow_values import (
    Row,
    dataset,
    dataset_of,
    double,
    rank,
    stage,
    status,
    string,
)
from tracklet_services.importing.places import ArtifactPlaces, own_location
from tracklet_services.importing.source import ImportSource, Unreadable
from tracklet_services.importing.tables import Tables

_RUN_NAME_TAG: Final = "mlflow.runName"
_PAGE: Final = 500
_DEFAULT_WORKSPACE: Final = "default"
_READ: Final = frozenset(
    """
    alembic_version experiments experiment_tags runs params tags metrics latest_metrics datasets
    inputs input_tags logged_models logged_model_params logged_model_tags logged_model_metrics
    registered_models registered_model_tags registered_model_aliases model_versions
    model_version_tags workspaces sqlite_sequence
    """.split()
)
_NAMES: Final = {
    "trace_info": "traces",
    "spans": "spans",
    "assessments": "assessments",
    "webhooks": "webhooks",
    "evaluation_datasets": "evaluation datasets",
    "scorers": "scorers",
    "issues": "issues",
    "jobs": "jobs",
    "endpoints": "gateway endpoints",
    "secrets": "gateway secrets",
}
"""How tables that tracklet does not keep are called; others by their own names."""

T = TypeVar("T")


class MlflowDatabase(ImportSource):
    """The record in a database of MLflow's.

    Args:
        database: The database, which this source closes.

    Raises:
        InvalidParameterValue: It is no database of MLflow's.
    """

    def __init__(self, database: ReadOnlyDatabase) -> None:
        super().__init__()
        self._database = database
        self._tables = Tables(database)
        self.location = database.location
        columns = database.columns
        if "run_uuid" not in columns.get("runs", ()) or "experiments" not in columns:
            raise InvalidParameterValue(
                f"{self.location!r} is a database, but not one of MLflow's or tracklet's: it has "
                f"the tables {', '.join(sorted(columns)) or 'none'}; give the path of an mlflow.db"
            )
        head = self._head()
        self.schema = f"MLflow database {head or 'without a version'}"
        if head not in heads.KNOWN:
            self.notices.append(
                f"the database's schema has the version {head!r}, which this version of tracklet "
                f"does not know (the newest known is {heads.NEWEST}): what it has in common with "
                "the known ones is imported; check the report"
            )
        folder = None if database.path is None else os.path.dirname(database.path)
        self._places = ArtifactPlaces(folder, self.oddities)
        self._doubled = {
            kind: self._in_several_workspaces(kind) for kind in ("experiments", "registered_models")
        }

    def close(self) -> None:
        self._database.close()

    def count_runs(self) -> int:
        return self._database.count("runs")

    # -- experiments ---------------------------------------------------------------------------

    def experiments(self) -> Iterator[Experiment | Unreadable]:
        with self._database.reading() as connection:
            rows = self._tables.rows(connection, "experiments", order=("experiment_id",))
            tags = self._texts(connection, "experiment_tags", "experiment_id", "key", "value")
        for row in rows:
            experiment_id = str(row["experiment_id"])
            location = row["artifact_location"]
            own = own_location(location, experiment_id)
            workspace = row["workspace"] or _DEFAULT_WORKSPACE
            yield Experiment(
                experiment_id=experiment_id,
                name=self._name("experiments", str(row["name"]), workspace),
                artifact_location="" if own else str(location),
                lifecycle_stage=stage(row["lifecycle_stage"]),
                tags=tags.get(row["experiment_id"], {}),
                creation_time=row["creation_time"],
                last_update_time=row["last_update_time"],
                workspace=workspace,
            )

    # -- runs ----------------------------------------------------------------------------------

    def runs(self, experiment_id: str) -> Iterator[RunRecord | Unreadable]:
        last = ""
        wanted = int(experiment_id)
        ids = table("runs", column("run_uuid"), column("experiment_id"))
        while True:
            statement = (
                select(ids.c.run_uuid)
                .where(ids.c.experiment_id == wanted, ids.c.run_uuid > last)
                .order_by(ids.c.run_uuid)
                .limit(_PAGE)
            )
            with self._database.reading() as connection:
                page = [str(row[0]) for row in connection.execute(statement)]
            for run_id in page:
                record = self._read("run", run_id, self._run)
                if record is not None:
                    yield record
            if len(page) < _PAGE:
                return
            last = page[-1]

    def _run(self, connection: Connection, run_id: str) -> RunRecord | None:
        rows = self._tables.rows(connection, "runs", run_uuid=run_id)
        if not rows:
            return None  # removed since
        row = rows[0]
        params = self._pairs(connection, "params", run_id)
        tags = self._pairs(connection, "tags", run_id)
        histories = self._histories(connection, run_id)
        experiment_id = str(row["experiment_id"])
        info = RunInfo(
            run_id=run_id,
            experiment_id=experiment_id,
            user_id=row["user_id"] or "",
            status=status(row["status"], row["end_time"]),
            start_time=row["start_time"],
            end_time=row["end_time"],
            lifecycle_stage=stage(row["lifecycle_stage"]),
            artifact_uri=self._places.find(
                row["artifact_uri"], f"{experiment_id}/{run_id}/artifacts"
            ),
            run_name=row["name"] or tags.get(_RUN_NAME_TAG),
        )
        used, produced = self._links(connection, run_id)
        latest = {key: max(points, key=rank).value for key, points in histories.items() if points}
        run = Run(info, RunData(latest, params, tags), used, produced)
        return RunRecord(run, histories, row["deleted_time"])

    def _histories(self, connection: Connection, run_id: str) -> dict[str, list[Metric]]:
        order = ("key", "step", "timestamp")
        linked = self._linked_points(connection, run_id)
        histories: dict[str, list[Metric]] = {}
        for row in self._tables.rows(connection, "metrics", order=order, run_uuid=run_id):
            key, timestamp, step = str(row["key"]), row["timestamp"] or 0, row["step"] or 0
            value = double(row["value"], row["is_nan"])
            model_id, name, digest = linked.get((key, timestamp, step), (None, None, None))
            histories.setdefault(key, []).append(
                Metric(key, value, timestamp, step, model_id, name, digest)
            )
        return histories

    def _linked_points(
        self, connection: Connection, run_id: str
    ) -> dict[tuple[str, int, int], tuple[str, str | None, str | None]]:
        """The model and the dataset of a run's points, by key, timestamp and step."""
        return {
            (row["metric_name"], row["metric_timestamp_ms"], row["metric_step"]): (
                str(row["model_id"]),
                *dataset_of(row),
            )
            for row in self._tables.rows(
                connection, "logged_model_metrics", order=("model_id",), run_id=run_id
            )
        }

    def _links(self, connection: Connection, run_id: str) -> tuple[RunInputs, RunOutputs]:
        models: list[LoggedModelInput] = []
        outputs: list[LoggedModelOutput] = []
        links = self._tables.rows(
            connection, "inputs", order=("input_uuid",), source_type="RUN_INPUT", source_id=run_id
        )
        models += [LoggedModelInput(str(link["destination_id"])) for link in links]
        links = self._tables.rows(
            connection, "inputs", order=("input_uuid",), source_type="RUN_OUTPUT", source_id=run_id
        )
        outputs += [
            LoggedModelOutput(str(link["destination_id"]), link["step"] or 0) for link in links
        ]
        datasets: list[DatasetInput] = []
        for link in self._tables.rows(
            connection,
            "inputs",
            order=("input_uuid",),
            destination_type="RUN",
            destination_id=run_id,
            source_type="DATASET",
        ):
            found = self._tables.rows(connection, "datasets", dataset_uuid=link["source_id"])
            if not found:
                continue
            tags = [
                InputTag(str(row["name"]), str(row["value"]))
                for row in self._tables.rows(
                    connection, "input_tags", order=("name",), input_uuid=link["input_uuid"]
                )
            ]
            datasets.append(DatasetInput(dataset(found[0]), tags))
        return RunInputs(datasets, models), RunOutputs(outputs)

    # -- logged models -------------------------------------------------------------------------

    def logged_models(self, experiment_id: str) -> Iterator[LoggedModelRecord | Unreadable]:
        if "logged_models" not in self._database.columns:
            return
        ids = table("logged_models", column("model_id"), column("experiment_id"))
        statement = (
            select(ids.c.model_id)
            .where(ids.c.experiment_id == int(experiment_id))
            .order_by(ids.c.model_id)
        )
        with self._database.reading() as connection:
            model_ids = [str(row[0]) for row in connection.execute(statement)]
        for model_id in model_ids:
            record = self._read(
                "logged model",
                model_id,
                lambda connection, name: mlflow_logged_models.logged_model(
                    self._tables, connection, name, self._places
                ),
            )
            if record is not None:
                yield record

    # -- registered models ---------------------------------------------------------------------

    def registered_models(self) -> Iterator[RegisteredModelRecord | Unreadable]:
        with self._database.reading() as connection:
            rows = self._tables.rows(connection, "registered_models", order=("name",))
        for row in rows:
            name = str(row["name"])
            yield self._read(
                "registered model",
                name,
                lambda connection, _, row=row: mlflow_registry.registered_model(
                    self._tables, connection, row, self._registry_name(row)
                ),
            )

    # -- what tracklet does not keep -----------------------------------------------------------

    def left_out(self) -> dict[str, int]:
        found: Counter[str] = Counter()
        for name in sorted(set(self._database.columns) - _READ):
            count = self._database.count(name)
            if count:
                found[_NAMES.get(name, f"rows of {name}")] = count
        return dict(found)

    # -- parts ---------------------------------------------------------------------------------

    def _head(self) -> str | None:
        if "alembic_version" not in self._database.columns:
            return None
        with self._database.reading() as connection:
            rows = self._tables.rows(connection, "alembic_version")
        return str(rows[0]["version_num"]) if rows else None

    def _read(self, kind: str, name: str, read: Callable[[Connection, str], T]) -> T | Unreadable:
        """What one state of the database says of an entity."""
        try:
            with self._database.reading() as connection:
                return read(connection, name)
        except InvalidParameterValue as error:
            return Unreadable(kind, name, error.message)
        except TrackletException:
            raise
        except (ValueError, TypeError) as error:
            return Unreadable(kind, name, f"its rows hold what does not belong there: {error}")

    def _pairs(self, connection: Connection, name: str, run_id: str) -> dict[str, str]:
        """The keys and texts of a run."""
        rows = self._tables.rows(connection, name, order=("key",), run_uuid=run_id)
        return {str(row["key"]): string(row["value"]) for row in rows}

    def _texts(
        self, connection: Connection, name: str, owner: str, key: str, value: str
    ) -> dict[Any, dict[str, str]]:
        found: dict[Any, dict[str, str]] = {}
        for row in self._tables.rows(connection, name):
            found.setdefault(row[owner], {})[str(row[key])] = string(row[value])
        return found

    def _in_several_workspaces(self, name: str) -> set[str]:
        """The names that more than one workspace uses."""
        if "workspace" not in self._database.columns.get(name, ()):
            return set()
        source = table(name, column("name"))
        statement = select(source.c.name).group_by(source.c.name).having(func.count() > 1)
        with self._database.reading() as connection:
            doubled = {str(row[0]) for row in connection.execute(statement)}
        if doubled:
            self.notices.append(
                f"several workspaces have {name.replace('_', ' ')} of the same name; those "
                "outside the default workspace get its name added, as in 'name (workspace)'"
            )
        return doubled

    def _registry_name(self, row: Row) -> str:
        workspace = row["workspace"] or _DEFAULT_WORKSPACE
        return self._name("registered_models", str(row["name"]), workspace)

    def _name(self, kind: str, name: str, workspace: str) -> str:
        if workspace == _DEFAULT_WORKSPACE or name not in self._doubled[kind]:
            return name
        return f"{name} ({workspace})"
