"""A database of MLflow's tracking server, of any version of its schema.

Only the tables and columns that are there are read: old schemas lack steps, logged models,
aliases or workspaces. ``latest_metrics`` is not looked at; ``metrics`` has it all.
"""

from __future__ import annotations

import math
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, column, func, select, table

from tracklet import entities
from tracklet.errors import InvalidParameterValue
from tracklet.reading.queries import rank
from tracklet.stores.files import reader
from tracklet_services.importing import merge
from tracklet_services.importing.artifacts import own_location
from tracklet_services.importing.databases import DatabaseSource, ReadOnlyDatabase, Row, Tables
from tracklet_services.importing.source import Unreadable

E = TypeVar("E", bound=entities.Entity)

_NEWEST: Final = "dc11669786a5"
"""The Alembic revision of MLflow 3.17's schema."""

_KNOWN: Final = frozenset(
    """
    0584bdc529eb 0a8213491aaa 0c779009ac13 17e22815139b 181f10493468 1971f2d9a75b 1a0cddfcaa16
    1b5f0d9ad7c1 1bd49d398cd23 27a6a02d2cf1 2b4d017a5e9b 2c33131f4dae 2d6e25af4d3e 3500859a5d39
    39d1c3be5f05 3da73c924c2f 400f98739977 4465047574b1 451aebb31d03 534353b11cbc 5b0e9adcef9c
    5d2d30f0abce 6953534de441 6f8d9c3b2a1e 71994744cf8e 728d730b5ebd 75868b020152 76601a5f987d
    770bee3ae1dd 7ac759974ad8 7d34483879f0 7f2a7d5fae7d 84291f40a231 867495a8f9d4 89d3d66ed43f
    89d4b8295536 90e64c465722 97727af70f4d a1b2c3d4e5f6 a5b4c3d2e1f0 a8b9c0d1e2f3 a8c4a736bde6
    acf3f17fdcc7 ae8bbe7743c9 b7c8d9e0f1a2 b7e2c1a4d9f3 b7e4c1a90f23 bd07f7e963c5 bda7b8c39065
    bf29a5ff90ea c1d2e3f4a5b6 c3d6457b6d8a c3d9e7f1a2b4 c48cb773bb87 c8d9e0f1a2b3 c9d4e5f6a7b8
    cbc13b556ace cc1f77228345 cfd24bdc0731 d0e1f2a3b4c5 d3e4f5a6b7c8 da6fb0208061 dc11669786a5
    de4033877273 df50e92ffc5e e1f2a3b4c5d6 f5a4f2784254
    """.split()
)
"""All that are known. Reading depends on the tables and columns that are there, not on this list;
it only decides whether the report says that the schema is a new one.
"""

_RUN_NAME_TAG: Final = "mlflow.runName"
_DEFAULT_WORKSPACE: Final = "default"
_READ: Final = frozenset(
    """
    alembic_version experiments experiment_tags runs params tags metrics latest_metrics datasets
    inputs input_tags logged_models logged_model_params logged_model_tags logged_model_metrics
    registered_models registered_model_tags registered_model_aliases model_versions
    model_version_tags workspaces sqlite_sequence
    """.split()
)
_TIMES: Final = {
    "creation_timestamp": "creation_time",
    "last_updated_timestamp": "last_updated_time",
}
_COLUMNS: Final[Mapping[str, Mapping[str, str]]] = {
    "LoggedModel": {name: f"{name}_ms" for name in _TIMES},
    "RegisteredModel": _TIMES,
    "ModelVersion": _TIMES,
    "Dataset": {
        "source_type": "dataset_source_type",
        "source": "dataset_source",
        "schema": "dataset_schema",
        "profile": "dataset_profile",
    },
}
"""The columns whose names are not those of the fields."""

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


class MlflowDatabase(DatabaseSource):
    """The record in a database of MLflow's.

    Args:
        database: The database, which this source closes.

    Raises:
        InvalidParameterValue: It is no database of MLflow's.
    """

    def __init__(self, database: ReadOnlyDatabase) -> None:
        super().__init__(database)
        self._tables = Tables(database)
        columns = database.columns
        if "run_uuid" not in columns.get("runs", ()) or "experiments" not in columns:
            raise InvalidParameterValue(
                f"{self.location!r} is a database, but not one of MLflow's or tracklet's: it has "
                f"the tables {', '.join(sorted(columns)) or 'none'}; give the path of an mlflow.db"
            )
        head = self._head()
        self.schema = f"MLflow database {head or 'without a version'}"
        if head not in _KNOWN:
            self.notices.append(
                f"the database's schema has the version {head!r}, which this version of tracklet "
                f"does not know (the newest known is {_NEWEST}): what it has in common with "
                "the known ones is imported; check the report"
            )
        self._doubled = {
            kind: self._in_several_workspaces(kind) for kind in ("experiments", "registered_models")
        }

    # -- experiments ---------------------------------------------------------------------------

    def experiments(self) -> Iterator[entities.Experiment | Unreadable]:
        with self._database.reading() as connection:
            rows = self._tables.rows(connection, "experiments", order=("experiment_id",))
            tags = self._texts_by(connection, "experiment_tags", "experiment_id")
        for row in rows:
            experiment_id = str(row["experiment_id"])
            location = row["artifact_location"]
            own = own_location(location, experiment_id)
            workspace = row["workspace"] or _DEFAULT_WORKSPACE
            yield _entity(
                entities.Experiment,
                row,
                experiment_id=experiment_id,
                name=self._name("experiments", str(row["name"]), workspace),
                artifact_location="" if own else str(location),
                lifecycle_stage=_stage(row["lifecycle_stage"]),
                tags=tags[row["experiment_id"]],
                workspace=workspace,
            )

    # -- runs ----------------------------------------------------------------------------------

    def runs(self, experiment_id: str) -> Iterator[merge.RunRecord | Unreadable]:
        yield from self._entities("run", self._run, self._ids("runs", "run_uuid", experiment_id))

    def _ids(self, name: str, key: str, experiment_id: str) -> Iterator[tuple[str, str]]:
        """The ids of an experiment's runs or models, as keys and as names."""
        ids = table(name, column(key), column("experiment_id"))
        statement = select(ids.c[key]).where(ids.c.experiment_id == int(experiment_id))
        for (entity_id,) in self._paged(statement, ids.c[key], ""):
            yield str(entity_id), str(entity_id)

    def _run(self, connection: Connection, run_id: str) -> merge.RunRecord | None:
        rows = self._tables.rows(connection, "runs", run_uuid=run_id)
        if not rows:
            return None  # removed since
        row = rows[0]
        params = self._texts(connection, "params", run_uuid=run_id)
        tags = self._texts(connection, "tags", run_uuid=run_id)
        histories = self._histories(connection, run_id)
        experiment_id = str(row["experiment_id"])
        info = _entity(
            entities.RunInfo,
            row,
            run_id=run_id,
            experiment_id=experiment_id,
            status=_status(row["status"], row["end_time"]),
            lifecycle_stage=_stage(row["lifecycle_stage"]),
            artifact_uri=self._places.find(
                row["artifact_uri"], f"{experiment_id}/{run_id}/artifacts"
            ),
            run_name=row["name"] or tags.get(_RUN_NAME_TAG),
        )
        used, produced = self._links(connection, run_id)
        latest = {key: max(points, key=rank).value for key, points in histories.items() if points}
        run = entities.Run(info, entities.RunData(latest, params, tags), used, produced)
        return merge.RunRecord(run, histories, row["deleted_time"])

    def _histories(self, connection: Connection, run_id: str) -> dict[str, list[entities.Metric]]:
        order = ("key", "step", "timestamp")
        linked = self._linked_points(connection, run_id)
        histories: dict[str, list[entities.Metric]] = {}
        for row in self._tables.rows(connection, "metrics", order=order, run_uuid=run_id):
            key, timestamp, step = str(row["key"]), row["timestamp"] or 0, row["step"] or 0
            value = _double(row["value"], row["is_nan"])
            model_id, name, digest = linked.get((key, timestamp, step), (None, None, None))
            histories.setdefault(key, []).append(
                entities.Metric(key, value, timestamp, step, model_id, name, digest)
            )
        return histories

    def _linked_points(
        self, connection: Connection, run_id: str
    ) -> dict[tuple[str, int, int], tuple[str, str | None, str | None]]:
        """The model and the dataset of a run's points, by key, timestamp and step."""
        return {
            (row["metric_name"], row["metric_timestamp_ms"], row["metric_step"]): (
                str(row["model_id"]),
                *_dataset_of(row),
            )
            for row in self._tables.rows(
                connection, "logged_model_metrics", order=("model_id",), run_id=run_id
            )
        }

    def _links(
        self, connection: Connection, run_id: str
    ) -> tuple[entities.RunInputs, entities.RunOutputs]:
        def linked(**ends: str) -> list[Row]:
            return self._tables.rows(connection, "inputs", order=("input_uuid",), **ends)

        models = [
            entities.LoggedModelInput(str(link["destination_id"]))
            for link in linked(source_type="RUN_INPUT", source_id=run_id)
        ]
        outputs = [
            entities.LoggedModelOutput(str(link["destination_id"]), link["step"] or 0)
            for link in linked(source_type="RUN_OUTPUT", source_id=run_id)
        ]
        datasets: list[entities.DatasetInput] = []
        of_run = {"destination_type": "RUN", "destination_id": run_id}
        for link in linked(**of_run, source_type="DATASET"):
            found = self._tables.rows(connection, "datasets", dataset_uuid=link["source_id"])
            if not found:
                continue
            tags = [
                entities.InputTag(str(row["name"]), str(row["value"]))
                for row in self._tables.rows(
                    connection, "input_tags", order=("name",), input_uuid=link["input_uuid"]
                )
            ]
            datasets.append(entities.DatasetInput(_entity(entities.Dataset, found[0]), tags))
        return entities.RunInputs(datasets, models), entities.RunOutputs(outputs)

    # -- logged models -------------------------------------------------------------------------

    def logged_models(self, experiment_id: str) -> Iterator[merge.LoggedModelRecord | Unreadable]:
        if "logged_models" not in self._database.columns:
            return
        ids = self._ids("logged_models", "model_id", experiment_id)
        yield from self._entities("logged model", self._logged_model, ids)

    def _logged_model(
        self, connection: Connection, model_id: str
    ) -> merge.LoggedModelRecord | None:
        rows = self._tables.rows(connection, "logged_models", model_id=model_id)
        if not rows:
            return None
        row = rows[0]
        experiment_id = str(row["experiment_id"])
        tail = f"{experiment_id}/models/{model_id}/artifacts"
        model = _entity(
            entities.LoggedModel,
            row,
            experiment_id=experiment_id,
            model_id=model_id,
            artifact_location=self._places.find(row["artifact_location"], tail) or "",
            status=reader.model_status(row["status"]),
            tags=self._texts(
                connection, "logged_model_tags", "tag_key", "tag_value", model_id=model_id
            ),
            params=self._texts(
                connection, "logged_model_params", "param_key", "param_value", model_id=model_id
            ),
            lifecycle_stage=_stage(row["lifecycle_stage"]),
        )
        return merge.LoggedModelRecord(model, self._model_points(connection, model_id))

    def _model_points(self, connection: Connection, model_id: str) -> list[entities.Metric]:
        order = ("metric_name", "metric_step", "metric_timestamp_ms")
        rows = self._tables.rows(connection, "logged_model_metrics", order=order, model_id=model_id)
        # MLflow turns NaN into 0 here, and says so only in the metrics of the run.
        nans = {
            (run_id, nan["key"], nan["timestamp"], nan["step"])
            for run_id in {row["run_id"] for row in rows if row["metric_value"] == 0}
            for nan in self._tables.rows(connection, "metrics", run_uuid=run_id)
            if nan["is_nan"]
        }
        points: list[entities.Metric] = []
        for row in rows:
            key, timestamp, step = (
                str(row["metric_name"]),
                row["metric_timestamp_ms"] or 0,
                row["metric_step"] or 0,
            )
            value = _double(row["metric_value"], (row["run_id"], key, timestamp, step) in nans)
            points.append(
                entities.Metric(
                    key, value, timestamp, step, model_id, *_dataset_of(row), row["run_id"]
                )
            )
        return points

    # -- registered models ---------------------------------------------------------------------

    def registered_models(self) -> Iterator[merge.RegisteredModelRecord | Unreadable]:
        with self._database.reading() as connection:
            rows = self._tables.rows(connection, "registered_models", order=("name",))
        named = ((row, str(row["name"])) for row in rows)
        yield from self._entities("registered model", self._registered_model, named)

    def _registered_model(self, connection: Connection, row: Row) -> merge.RegisteredModelRecord:
        stored, workspace = str(row["name"]), row["workspace"]
        name = self._name("registered_models", stored, workspace or _DEFAULT_WORKSPACE)
        scope: dict[str, Any] = {"name": stored}
        if workspace is not None:
            scope["workspace"] = workspace
        aliases = {
            str(found["alias"]): int(found["version"])
            for found in self._tables.rows(
                connection, "registered_model_aliases", order=("alias",), **scope
            )
        }
        version_tags = self._texts_by(connection, "model_version_tags", "version", **scope)
        versions = [
            _version(found, name, version_tags[found["version"]])
            for found in self._tables.rows(
                connection, "model_versions", order=("version",), **scope
            )
        ]
        model = _entity(
            entities.RegisteredModel,
            row,
            name=name,
            last_updated_timestamp=row["last_updated_time"] or row["creation_time"] or 0,
            tags=self._texts(connection, "registered_model_tags", **scope),
            aliases=aliases,
        )
        return merge.RegisteredModelRecord(model, versions)

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

    def _texts(
        self,
        connection: Connection,
        name: str,
        /,
        key: str = "key",
        value: str = "value",
        **of: Any,
    ) -> dict[str, str]:
        """The keys and texts that a table has of one entity."""
        rows = self._tables.rows(connection, name, order=(key,), **of)
        return {str(row[key]): _string(row[value]) for row in rows}

    def _texts_by(
        self, connection: Connection, name: str, owner: str, /, **of: Any
    ) -> defaultdict[Any, dict[str, str]]:
        """The keys and texts that a table has of many entities, by the column that tells them."""
        found: defaultdict[Any, dict[str, str]] = defaultdict(dict)
        for row in self._tables.rows(connection, name, **of):
            found[row[owner]][str(row["key"])] = _string(row["value"])
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

    def _name(self, kind: str, name: str, workspace: str) -> str:
        if workspace == _DEFAULT_WORKSPACE or name not in self._doubled[kind]:
            return name
        return f"{name} ({workspace})"


def _version(row: Row, name: str, tags: dict[str, str]) -> entities.ModelVersion:
    source = row["source"]
    is_model = isinstance(source, str) and source.startswith("models:/m-")
    deleted = row["current_stage"] == merge.DELETED_VERSION_STAGE
    return _entity(
        entities.ModelVersion,
        row,
        name=name,
        tags=tags,
        model_id=source.removeprefix("models:/").partition("/")[0] if is_model else None,
        **dict.fromkeys(("description", "run_id", "run_link") if deleted else ()),
    )


def _entity(kind: type[E], row: Row, **known: Any) -> E:
    """The entity of a row: each field by its column, but for those that are known."""
    columns = _COLUMNS.get(kind.__name__, {})
    return reader.of(kind, {name: row[columns.get(name, name)] for name in kind._fields}, **known)


# -- what the values in MLflow's tables stand for ----------------------------------------------


def _double(value: Any, is_nan: Any) -> float:
    """The value that was logged: MLflow writes NaN as 0 with a flag, and ±inf as ±DBL_MAX."""
    if is_nan or value is None:
        return math.nan
    number = float(value)
    if abs(number) >= sys.float_info.max:
        return math.copysign(math.inf, number)
    return number


def _dataset_of(row: Row) -> tuple[str | None, str | None]:
    """The dataset that a point was measured on."""
    name, digest = row["dataset_name"], row["dataset_digest"]
    return (str(name), str(digest)) if name and digest else (None, None)


def _stage(value: Any) -> str:
    """The life-cycle stage."""
    deleted = value == entities.LifecycleStage.DELETED
    return entities.LifecycleStage.DELETED if deleted else entities.LifecycleStage.ACTIVE


def _status(value: Any, end_time: Any) -> str:
    """The name of a run's status; one that is unknown is decided by the end time."""
    try:
        return entities.RunStatus.to_string(entities.RunStatus.from_string(value))
    except InvalidParameterValue:
        return "RUNNING" if end_time is None else "FINISHED"


def _string(value: Any) -> str:
    """A text; NULL is an empty one."""
    return "" if value is None else str(value)
