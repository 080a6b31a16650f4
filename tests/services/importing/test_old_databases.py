"""Databases of MLflow's are read whatever the age of their schema, and never written to."""

from __future__ import annotations

import math
import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tracklet import stores
from tracklet.entities import ViewType
from tracklet.errors import TrackletException
from tracklet_services.importing import import_record, open_source

Place = Callable[[str, str], str]

# As MLflow 0.9 to 1.0 made them: no steps, no flag for NaN, no tags of experiments, no registry,
# no version of the schema, no index by run.
FIRST = """
    CREATE TABLE experiments (
        experiment_id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(256) NOT NULL UNIQUE,
        artifact_location VARCHAR(256), lifecycle_stage VARCHAR(32));
    CREATE TABLE runs (
        run_uuid VARCHAR(32) NOT NULL PRIMARY KEY, name VARCHAR(250), source_type VARCHAR(20),
        source_name VARCHAR(500), entry_point_name VARCHAR(50), user_id VARCHAR(256),
        status VARCHAR(20), start_time BIGINT, end_time BIGINT, source_version VARCHAR(50),
        lifecycle_stage VARCHAR(20), artifact_uri VARCHAR(200), experiment_id INTEGER);
    CREATE TABLE tags (
        key VARCHAR(250) NOT NULL, value VARCHAR(250), run_uuid VARCHAR(32) NOT NULL,
        PRIMARY KEY (key, run_uuid));
    CREATE TABLE params (
        key VARCHAR(250) NOT NULL, value VARCHAR(250) NOT NULL, run_uuid VARCHAR(32) NOT NULL,
        PRIMARY KEY (key, run_uuid));
    CREATE TABLE metrics (
        key VARCHAR(250) NOT NULL, value FLOAT NOT NULL, timestamp BIGINT NOT NULL,
        run_uuid VARCHAR(32) NOT NULL, PRIMARY KEY (key, timestamp, run_uuid, value));
    INSERT INTO experiments VALUES (0, 'Default', './mlruns/0', 'active');
    INSERT INTO experiments VALUES (1, 'old', './mlruns/1', 'active');
    INSERT INTO runs VALUES ('a1', '', 'LOCAL', 'x.py', 'main', 'ada', 'FINISHED', 10, 20, '',
        'active', './mlruns/1/a1/artifacts', 1);
    INSERT INTO runs VALUES ('b2', '', 'LOCAL', 'x.py', 'main', 'ada', 'FAILED', 11, 21, '',
        'deleted', './mlruns/0/b2/artifacts', 0);
    INSERT INTO tags VALUES ('mlflow.runName', 'named by its tag', 'a1');
    INSERT INTO tags VALUES ('empty', NULL, 'a1');
    INSERT INTO params VALUES ('lr', '0.1', 'a1');
    INSERT INTO metrics VALUES ('loss', 0.5, 10, 'a1');
    INSERT INTO metrics VALUES ('loss', 0.25, 11, 'a1');
"""

# As MLflow 1.20 to 2.2 made them: steps, NaN, a registry without aliases; no logged models.
SECOND = """
    ALTER TABLE metrics ADD COLUMN step BIGINT DEFAULT 0 NOT NULL;
    ALTER TABLE metrics ADD COLUMN is_nan BOOLEAN DEFAULT 0 NOT NULL;
    CREATE TABLE latest_metrics (
        key VARCHAR(250), value FLOAT, timestamp BIGINT, step BIGINT, is_nan BOOLEAN,
        run_uuid VARCHAR(32), PRIMARY KEY (key, run_uuid));
    CREATE TABLE experiment_tags (
        key VARCHAR(250) NOT NULL, value VARCHAR(5000), experiment_id INTEGER NOT NULL,
        PRIMARY KEY (key, experiment_id));
    CREATE TABLE registered_models (
        name VARCHAR(256) NOT NULL PRIMARY KEY, creation_time BIGINT, last_updated_time BIGINT,
        description VARCHAR(5000));
    CREATE TABLE model_versions (
        name VARCHAR(256) NOT NULL, version INTEGER NOT NULL, creation_time BIGINT,
        last_updated_time BIGINT, description VARCHAR(5000), user_id VARCHAR(256),
        current_stage VARCHAR(20), source VARCHAR(500), run_id VARCHAR(32), status VARCHAR(20),
        status_message VARCHAR(500), run_link VARCHAR(500), PRIMARY KEY (name, version));
    CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
    INSERT INTO alembic_version VALUES ('bd07f7e963c5');
    INSERT INTO metrics VALUES ('edge', 0.0, 12, 'a1', 1, 1);
    INSERT INTO metrics VALUES ('edge', 1.7976931348623157e308, 13, 'a1', 2, 0);
    INSERT INTO metrics VALUES ('edge', -1.7976931348623157e308, 14, 'a1', -3, 0);
    INSERT INTO latest_metrics VALUES ('edge', 99, 14, 9, 0, 'a1');
    INSERT INTO experiment_tags VALUES ('team', 'x', 1);
    INSERT INTO registered_models VALUES ('reg', 5, 6, NULL);
    INSERT INTO model_versions VALUES ('reg', 1, 5, 6, NULL, NULL, 'Production',
        './mlruns/1/a1/artifacts/model', 'a1', 'READY', NULL, NULL);
"""


@pytest.fixture
def make(tracklet_home: Path) -> Callable[..., str]:
    """A database from statements."""

    def make(*scripts: str) -> str:
        path = tracklet_home / "old" / "mlflow.db"
        path.parent.mkdir(exist_ok=True)
        with closing(sqlite3.connect(path)) as db:
            for script in scripts:
                db.executescript(script)
            db.commit()
        return str(path)

    return make


@pytest.fixture(params=["files", "sqlite"])
def target(request: pytest.FixtureRequest, place: Place) -> str:
    return place(request.param, "target")


def values(store: Any, run_id: str, key: str) -> list[tuple[str, int, int]]:
    return [(repr(p.value), p.timestamp, p.step) for p in store.get_metric_history(run_id, key)]


def test_the_oldest_schema_is_read(make: Callable[..., str], target: str) -> None:
    path = make(FIRST)
    report = import_record(path, target)
    store: Any = stores.open_store(target)
    run = store.get_run("a1")
    assert run.info.run_name == "named by its tag"
    assert (run.info.status, run.info.start_time, run.info.end_time) == ("FINISHED", 10, 20)
    assert run.data.params == {"lr": "0.1"}
    assert run.data.tags == {"mlflow.runName": "named by its tag", "empty": ""}
    assert values(store, "a1", "loss") == [("0.5", 10, 0), ("0.25", 11, 0)]
    assert store.get_run("b2").info.lifecycle_stage == "deleted"
    assert store.get_experiment_by_name("old").experiment_id == "1"
    assert any("schema has the version None" in notice for notice in report.notices)
    assert import_record(path, target).changed == 0


def test_special_values_and_the_registry_of_a_later_schema_are_read(
    make: Callable[..., str], target: str
) -> None:
    path = make(FIRST, SECOND)
    report = import_record(path, target)
    store: Any = stores.open_store(target)
    edge = [("-inf", 14, -3), ("nan", 12, 1), ("inf", 13, 2)]
    assert values(store, "a1", "edge") == edge
    assert math.isinf(store.get_run("a1").data.metrics["edge"])
    assert store.get_experiment("1").tags == {"team": "x"}
    assert store.get_model_version("reg", 1).current_stage == "Production"
    assert report.notices == []
    assert report.left_out == {}
    assert import_record(path, target).changed == 0


def test_relative_places_of_artifacts_are_found_beside_the_database(
    make: Callable[..., str], target: str, tracklet_home: Path
) -> None:
    path = make(FIRST)
    artifacts = tracklet_home / "old" / "mlruns" / "1" / "a1" / "artifacts"
    artifacts.mkdir(parents=True)
    (artifacts / "x.txt").write_text("x")
    import_record(path, target)
    run = stores.open_store(target).get_run("a1")
    assert run.info.artifact_uri == str(artifacts)


def test_served_artifacts_are_found_in_mlartifacts_or_announced(
    make: Callable[..., str], target: str, tracklet_home: Path
) -> None:
    path = make(FIRST)
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE runs SET artifact_uri = 'mlflow-artifacts:/1/' || run_uuid")
        db.commit()
    artifacts = tracklet_home / "old" / "mlartifacts" / "1" / "a1"
    artifacts.mkdir(parents=True)
    report = import_record(path, target)
    store = stores.open_store(target)
    assert store.get_run("a1").info.artifact_uri == str(artifacts)
    assert store.get_run("b2").info.artifact_uri == "mlflow-artifacts:/1/b2"
    assert [n for n in report.notices if n.startswith("1 artifact locations begin with")]


def test_a_new_schema_is_read_as_far_as_it_is_known(make: Callable[..., str], target: str) -> None:
    path = make(
        FIRST,
        SECOND,
        """
        UPDATE alembic_version SET version_num = 'ffffffffffff';
        ALTER TABLE runs ADD COLUMN colour VARCHAR(10);
        CREATE TABLE trace_info (request_id VARCHAR(50) PRIMARY KEY);
        INSERT INTO trace_info VALUES ('tr-1'), ('tr-2');
        CREATE TABLE moods (name TEXT);
        INSERT INTO moods VALUES ('good');
        """,
    )
    report = import_record(path, target)
    assert report.tallies["runs"].taken == 2
    assert report.left_out == {"rows of moods": 1, "traces": 2}
    assert "'ffffffffffff', which this version of tracklet does not know" in report.notices[0]


def test_equal_names_of_several_workspaces_are_told_apart(
    make: Callable[..., str], target: str
) -> None:
    path = make(
        """
        CREATE TABLE experiments (
            experiment_id INTEGER NOT NULL PRIMARY KEY, name TEXT, artifact_location TEXT,
            lifecycle_stage TEXT, workspace TEXT);
        CREATE TABLE runs (run_uuid TEXT PRIMARY KEY, experiment_id INTEGER, status TEXT);
        INSERT INTO experiments VALUES
            (0, 'Default', '', 'active', 'default'), (1, 'Default', '', 'active', 'team-b'),
            (2, 'only b', '', 'active', 'team-b');
        INSERT INTO runs VALUES ('r0', 0, 'RUNNING'), ('r1', 1, 'SCHEDULED'), ('r2', 2, 'odd');
        """
    )
    report = import_record(path, target)
    store: Any = stores.open_store(target)
    experiments = store.search_experiments(ViewType.ALL)
    assert {e.name for e in experiments} == {"Default", "Default (team-b)", "only b"}
    by_name = store.get_experiment_by_name("Default (team-b)")
    assert store.get_run("r1").info.experiment_id == by_name.experiment_id
    assert any("several workspaces" in notice for notice in report.notices)


def test_a_database_in_a_folder_that_is_read_only_is_read(
    make: Callable[..., str], target: str
) -> None:
    path = make(FIRST, "PRAGMA journal_mode = WAL")
    folder = os.path.dirname(path)
    os.chmod(path, stat.S_IRUSR)
    os.chmod(folder, stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert import_record(path, target).tallies["runs"].taken == 2
    finally:
        os.chmod(folder, stat.S_IRWXU)


def test_the_source_is_open_for_reading_only(make: Callable[..., str]) -> None:
    path = make(FIRST)
    before = Path(path).read_bytes()
    source: Any = open_source(path)
    try:
        assert len(list(source.runs("1"))) == 1
        with (
            pytest.raises(Exception, match="readonly"),
            source._database.reading() as connection,
        ):
            connection.exec_driver_sql("DELETE FROM main.runs")
    finally:
        source.close()
    assert Path(path).read_bytes() == before
    assert os.listdir(os.path.dirname(path)) == ["mlflow.db"]


def test_a_database_may_be_written_to_while_it_is_imported(
    make: Callable[..., str], target: str
) -> None:
    path = make(FIRST, SECOND)

    def write(done: int, total: int) -> None:
        with closing(sqlite3.connect(path, timeout=0)) as db:
            db.execute("INSERT INTO params VALUES (?, '1', 'b2')", (f"p{done}",))
            db.commit()

    report = import_record(path, target, progress=write)
    assert report.tallies["runs"].taken == 2
    assert import_record(path, target).tallies["runs"].updated == 1


def test_a_damaged_database_is_refused(tracklet_home: Path, target: str) -> None:
    path = tracklet_home / "damaged.db"
    path.write_bytes(b"SQLite format 3\x00" + b"x" * 4096)
    with pytest.raises(TrackletException, match=r"damaged\.db"):
        import_record(path, target)
    assert not (tracklet_home / "target").exists()
