"""The database of a SQL store is made once, whoever comes first, and never half."""

from __future__ import annotations

import itertools
import os
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing, nullcontext
from pathlib import Path

import pytest
from sqlalchemy import event, text

from tracklet.entities import Metric
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist, StorageError
from tracklet.reading.tables import sqlite_statements
from tracklet_services.sql import SqlStore, values
from tracklet_services.sql.backend import SqlBackend
from tracklet_services.sql.migrations import STEPS
from tracklet_services.sql.schema import VERSION_TABLE, metadata

FIRST_SCHEMA = Path(__file__).with_name("first_schema.sql")
MLFLOW = os.environ.get("TRACKLET_MLFLOW_PYTHON", "")


@pytest.fixture
def uri(tmp_path):
    return f"sqlite:///{tmp_path}/record.db"


@pytest.fixture
def store(uri):
    store = SqlStore(uri)
    yield store
    store.close()


def python(code, *args, **options):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def finished(process, expected=0):
    output, errors = process.communicate()
    assert process.returncode == expected, errors
    return output


# -- the schema --------------------------------------------------------------------------------


def test_the_history_of_the_schema_ends_in_the_schema(store, tmp_path):
    """A database made by the migrations has the very tables and indexes of the metadata."""
    with closing(sqlite3.connect(tmp_path / "plain.db")) as db:
        for statement in sqlite_statements():
            db.execute(statement)
        plain = _columns_and_indexes(db)
    del plain["packed_runs"]  # what runs hold once more, for a search of the index alone
    with closing(sqlite3.connect(tmp_path / "record.db")) as db:
        migrated = _columns_and_indexes(db)
        applied = db.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchall()
    assert applied == [(step,) for step in STEPS]
    assert plain == {table: migrated[table] for table in plain}
    beside = {table.name for table in metadata.sorted_tables} - plain.keys()
    assert migrated.keys() == {*plain, *beside, VERSION_TABLE}


def test_a_database_of_the_first_version_is_brought_up_to_date(tmp_path, uri):
    """The tables that exist out there become those of today, and what is in them stays."""
    first_version(tmp_path / "record.db")
    with closing(SqlStore(uri)) as store:
        experiment = store.create_experiment("e")
        run = store.create_run(experiment).info.run_id
        store.log_batch(run, [Metric("a", 1.0, 1, 1)], {"p": "q"})
        (found,) = store.search_runs([experiment], "metrics.a = 1 AND params.p = 'q'")
        assert found.info.run_id == run
        assert store.traces.search_traces([experiment]) == []
    SqlStore(f"sqlite:///{tmp_path}/new.db").close()
    with (
        closing(sqlite3.connect(tmp_path / "record.db")) as old,
        closing(sqlite3.connect(tmp_path / "new.db")) as new,
    ):
        made = _columns_and_indexes(new)
        assert _columns_and_indexes(old) == made


def first_version(path):
    """Make a database as the first version left it."""
    with closing(sqlite3.connect(path)) as db:
        db.executescript(FIRST_SCHEMA.read_text())
        db.execute(f"INSERT INTO {VERSION_TABLE} VALUES ('0001')")
        db.execute(
            "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage) "
            "VALUES ('0', 'Default', '/x/0', 'active')"
        )
        db.commit()


def _columns_and_indexes(db):
    """By name: in which place a column stands, nobody asks."""
    found = {}
    for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        if table == "sqlite_sequence":
            continue
        options = db.execute(
            "SELECT wr, strict FROM pragma_table_list WHERE name = ?", (table,)
        ).fetchall()
        columns = db.execute(f"SELECT * FROM pragma_table_xinfo('{table}')").fetchall()
        keys = db.execute(f"SELECT * FROM pragma_foreign_key_list('{table}')").fetchall()
        indexes = {
            name: (
                unique,
                [
                    (place, *of)
                    for place, _, *of in db.execute(f"SELECT * FROM pragma_index_xinfo('{name}')")
                ],
            )
            for _, name, unique, _, _ in db.execute(
                f"SELECT * FROM pragma_index_list('{table}')"
            ).fetchall()
        }
        named = sorted(column[1:] for column in columns)
        found[table] = (options, named, sorted(key[2:] for key in keys), indexes)
    return found


@pytest.mark.postgresql
@pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified expression")
@pytest.mark.filterwarnings("ignore:.*expression")
def test_the_history_of_the_schema_ends_in_the_schema_on_postgresql(fresh_database):
    """Alembic finds nothing to change between the database and the metadata."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    store = SqlStore(fresh_database)
    with store.backend.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        difference = compare_metadata(context, metadata)
    store.close()
    assert [change for change in difference if not _is_told_wrongly(change[1])] == []


def _is_told_wrongly(index):
    """Whether SQLite has it alone or otherwise, which Alembic does not know."""
    if index.name.endswith("_listing"):
        return True
    return index.name.endswith("_key_value") and index.table.name != "logged_model_metrics"


START = """
    import sys
    from tracklet_services.sql import SqlStore, values
    sys.stdout.write("ready\\n"); sys.stdout.flush()
    sys.stdin.read()
    store = SqlStore(sys.argv[1])
    assert store.get_experiment("0").name == "Default"
    run = store.create_run("0")
    store.close()
"""


def start_together(uri, count):
    processes = [python(START, uri) for _ in range(count)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.close()
        process.stdin = None
    for process in processes:
        finished(process)


@pytest.mark.exhaustive
def test_sixty_four_processes_may_come_first(uri):
    """All open an empty database at once; every one gets a store that works."""
    start_together(uri, 64)
    store = SqlStore(uri)
    assert len(store.search_runs(["0"])) == 64
    store.close()


def test_eight_processes_may_come_first(uri):
    """All open an empty database at once; every one gets a store that works."""
    start_together(uri, 8)
    store = SqlStore(uri)
    assert len(store.search_runs(["0"])) == 8
    store.close()


def test_processes_may_come_first_to_a_database_of_the_first_version(tmp_path, uri):
    """One of them brings it up to date."""
    first_version(tmp_path / "record.db")
    start_together(uri, 3)


@pytest.mark.postgresql
def test_processes_may_come_first_to_an_older_database_on_postgresql(fresh_database):
    """One of them applies the steps that it lacks."""
    with (
        closing(SqlStore(fresh_database)) as store,
        store.backend.transaction(write=True) as connection,
    ):
        for table in reversed(STEPS["0002"].split()):
            connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(text("DROP INDEX ix_runs_listing"))
        connection.execute(text("CREATE INDEX ix_runs_listing ON runs (start_time DESC)"))
        connection.execute(text(f"DELETE FROM {VERSION_TABLE} WHERE version_num > '0001'"))
    start_together(fresh_database, 3)
    with closing(SqlStore(fresh_database)) as store:
        with store.backend.transaction(write=False) as connection:
            connection.execute(text("SET LOCAL enable_sort = off"))
            connection.execute(text("SET LOCAL enable_seqscan = off"))
            plan = connection.execute(
                text(
                    "EXPLAIN SELECT id FROM runs WHERE experiment_id = '0' AND "
                    "lifecycle_stage = 'active' ORDER BY start_time DESC NULLS LAST, run_id"
                )
            ).scalars()
            assert not any("Sort" in line for line in plan)  # the index has this order
        assert len(store.search_runs(["0"])) == 3
        assert store.traces.search_traces(["0"]) == []


@pytest.mark.postgresql
def test_many_processes_may_come_first_on_postgresql(fresh_database):
    """The advisory lock lets one of them make the tables."""
    start_together(fresh_database, 8)
    store = SqlStore(fresh_database)
    assert len(store.search_runs(["0"])) == 8
    store.close()


def test_a_half_made_schema_is_made_anew(tmp_path, uri):
    """Empty tables without a version are what a crash left behind."""
    with closing(sqlite3.connect(tmp_path / "record.db")) as db:
        for statement in sqlite_statements()[:7]:
            db.execute(statement)
        db.commit()
    store = SqlStore(uri)
    assert store.create_experiment("e")
    store.close()


def test_a_failed_creation_leaves_nothing(tmp_path, uri, monkeypatch):
    """The tables are made in one transaction; the next try succeeds."""

    def fail(self, connection):
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(SqlBackend, "_create_default", fail)
        with pytest.raises(RuntimeError):
            SqlStore(uri)
    with closing(sqlite3.connect(tmp_path / "record.db")) as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == []
    SqlStore(uri).close()


def test_tables_of_another_program_are_refused(tmp_path, uri):
    """A table of the same name with rows in it is not touched."""
    with closing(sqlite3.connect(tmp_path / "record.db")) as db:
        db.execute("CREATE TABLE runs (x)")
        db.execute("INSERT INTO runs VALUES (1)")
        db.commit()
    with pytest.raises(InvalidParameterValue, match="another program"):
        SqlStore(uri)
    with closing(sqlite3.connect(tmp_path / "record.db")) as db:
        assert db.execute("SELECT * FROM runs").fetchall() == [(1,)]


def test_a_database_of_mlflows_is_refused_with_the_way_out(tmp_path, uri):
    """The error names ``tracklet import``, and nothing is written."""
    with closing(sqlite3.connect(tmp_path / "record.db")) as db:
        db.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        db.commit()
    with pytest.raises(InvalidParameterValue, match="tracklet import sqlite:///"):
        SqlStore(uri)


@pytest.mark.interop
@pytest.mark.skipif(not os.path.exists(MLFLOW), reason="TRACKLET_MLFLOW_PYTHON is not set")
def test_the_real_mlflows_database_is_refused(uri):
    """Also when mlflow itself made it."""
    code = "import mlflow, sys; mlflow.set_tracking_uri(sys.argv[1]); mlflow.create_experiment('e')"
    subprocess.run(
        [MLFLOW, "-c", code, uri],
        check=True,
        capture_output=True,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
    )
    with pytest.raises(InvalidParameterValue, match="MLflow"):
        SqlStore(uri)


def test_a_later_schema_is_refused(store, uri, tmp_path):
    """A database that a later version upgraded is left alone."""
    with closing(sqlite3.connect(tmp_path / "record.db")) as db:
        db.execute(f"INSERT INTO {VERSION_TABLE} VALUES ('9999')")
        db.commit()
    with pytest.raises(StorageError, match="later version"):
        SqlStore(uri)


# -- URIs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("uri", ["mysql://x/y", "nonsense", "sqlite+foo", ""])
def test_an_unsupported_database_is_refused(uri):
    """The error names the forms that are supported."""
    with pytest.raises(InvalidParameterValue, match=r"sqlite:///file\.db"):
        SqlStore(uri)


def test_a_relative_path_is_made_absolute_at_once(tmp_path, monkeypatch):
    """Changing the working directory later changes nothing."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    store = SqlStore("sqlite:///x/record.db")
    monkeypatch.chdir(tmp_path / "b")
    store.create_experiment("e")
    store.close()
    assert (tmp_path / "a" / "x" / "record.db").exists()
    assert store.uri == f"sqlite:///{tmp_path}/a/x/record.db"
    assert not list((tmp_path / "b").iterdir())


def test_a_store_in_memory_works():
    """For experiments with the API; it lives as long as the object."""
    store = SqlStore("sqlite:///:memory:")
    experiment = store.create_experiment("e")
    assert store.create_run(experiment).info.experiment_id == experiment
    store.close()


def test_a_file_that_is_no_database_is_a_storage_error(tmp_path):
    """The error names the file and the way out."""
    (tmp_path / "x.db").write_text("not a database at all" * 100)
    with pytest.raises(StorageError, match="choose another one"):
        SqlStore(f"sqlite:///{tmp_path}/x.db")


def test_the_library_alone_does_not_load_alembic(store, uri):
    """Only making and upgrading a schema needs it."""
    code = """
        import sys
        from tracklet_services.sql import SqlStore, values
        SqlStore(sys.argv[1]).close()
        assert "alembic" not in sys.modules
    """
    finished(python(code, uri))


@pytest.mark.parametrize(
    ("action", "extra"),
    [
        ("open_store('sqlite:///x.db')", "sql"),
        ("open_store('postgresql://me:secret@host/x')", "postgresql"),
        ("open_source('x.db')", "sql"),
    ],
)
def test_without_sqlalchemy_a_database_says_what_to_install(tmp_path, action, extra):
    """The error names the extra, without a password; folders are searched as ever."""
    code = """
        import sys
        sys.modules["sqlalchemy"] = None
        from tracklet.errors import MissingDependency
        from tracklet.stores import open_store
        from tracklet_services.importing.importer import open_source
        open("x.db", "w").close()
        assert list(open_store("mlruns").search_runs(["0"])) == []
        try:
            eval(sys.argv[1])
        except MissingDependency as error:
            print(error)
    """
    message = finished(python(code, action, cwd=tmp_path))
    assert "needs SQLAlchemy" in message
    assert f"pip install 'tracklet[{extra}]'" in message
    assert "secret" not in message


# -- processes ---------------------------------------------------------------------------------

LIVE = """
    import os, sys
    from tracklet_services.sql import SqlStore, values
    store = SqlStore(sys.argv[1])
    writer = store.open_run(sys.argv[2])
    writer.log_metric("a", 1.0, 0, 123456789)
    print("ready", flush=True)
    sys.stdin.read()
    os._exit(1)
"""


def check_lost(uri):
    store = SqlStore(uri)
    run = store.create_run("0", start_time=5).info.run_id
    process = python(LIVE, uri, run)
    assert process.stdout.readline() == "ready\n"
    assert store.get_run(run).info.status == "RUNNING"
    assert len(store.search_runs(["0"], "status = 'RUNNING'")) == 1
    finished(process, expected=1)
    (found,) = store.search_runs(["0"], "status = 'KILLED'")
    assert found.data.tags["tracklet.end_reason"] == "lost"
    assert found.info.end_time == 123456789
    assert store.get_run(run) == found
    writer = store.open_run(run)
    carried_on = store.get_run(run)
    assert (carried_on.info.status, carried_on.info.end_time) == ("RUNNING", None)
    assert "tracklet.end_reason" not in carried_on.data.tags
    writer.close()
    store.close()


def test_a_run_whose_process_died_is_killed(uri):
    """Any reader decides it from the lease; opening the run again carries it on."""
    check_lost(uri)


def test_a_process_killed_while_it_starts_a_run_leaves_none_running(uri):
    """Before whichever commit it is killed, a reader finds no run, or a lost one."""
    SqlStore(uri).close()
    number, status = 0, 9
    while status:
        child = os.fork()
        if child == 0:
            start_and_die_before_commit(SqlStore(uri), number)
        status = os.waitpid(child, 0)[1]
        with closing(SqlStore(uri)) as store:
            found = [run.info.status for run in store.search_runs(["0"])]
        assert set(found) <= {"KILLED"}
        number += 1
    assert number > 1
    assert "KILLED" in found


def start_and_die_before_commit(store, number):
    """Start a run; the process ends before its commit of that number, counted from 0."""
    commits = itertools.count()
    event.listen(
        store.backend.engine, "commit", lambda _: os._exit(9) if next(commits) == number else None
    )
    store.start_run("0")
    os._exit(0)


@pytest.mark.postgresql
def test_a_run_whose_process_died_is_killed_on_postgresql(fresh_database):
    """The same there."""
    check_lost(fresh_database)


def test_a_forked_process_writes_to_the_same_run(store):
    """The child gets connections of its own, and its end is not the run's."""
    run = store.create_run("0").info.run_id
    writer = store.open_run(run)
    writer.log_metric("a", 1.0, 0, 1)
    pid = os.fork()
    if pid == 0:
        writer.log_metric("a", 2.0, 1, 2)
        writer.close()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    writer.log_metric("a", 3.0, 2, 3)
    assert [p.value for p in store.get_metric_history(run, "a")] == [1.0, 2.0, 3.0]
    assert store.get_run(run).info.status == "RUNNING"
    writer.close()


def test_what_a_handler_logs_in_the_midst_of_a_write_is_written_after_it(store, caplog):
    """A signal handler or finalizer may come at any step; it never waits for what it interrupts."""
    writer = store.open_run(store.create_run("0").info.run_id)
    home = os.path.dirname(str(sys.modules[SqlStore.__module__].__file__))
    seen, refused = set(), []

    def handler():
        writer.log_metric(f"m{len(seen)}", 1.0, 0, 1)
        writer.log_params({f"p{len(seen)}": "1"})
        try:
            store.create_experiment(f"e{len(seen)}")
        except StorageError as error:
            refused.append(str(error))

    def trace(frame, event, _):
        if not frame.f_code.co_filename.startswith(home):
            return None
        place = frame.f_code, frame.f_lineno
        if event == "line" and place not in seen:
            seen.add(place)
            handler()
        return trace

    sys.settrace(trace)
    try:
        writer.log_metric("m0", 1.0, 0, 1)
    finally:
        sys.settrace(None)
    run = store.get_run(writer.run_id)
    assert len(seen) > 10
    assert set(run.data.metrics) == {f"m{number}" for number in range(len(seen) + 1)}
    assert set(run.data.params) == {f"p{number + 1}" for number in range(len(seen))}
    assert refused
    assert all("in the midst of a write of the same thread" in message for message in refused)
    assert not caplog.records
    writer.close()


@pytest.mark.parametrize("leaves", [False, True])
def test_a_handler_may_end_the_run_into_which_it_comes(store, monkeypatch, leaves):
    """As SIGTERM's do: what they log stays, whether the write that they came into does or not."""
    run = store.create_run("0").info.run_id
    writer = store.open_run(run)
    put_points = values.put_points

    def ended(*given):
        monkeypatch.undo()
        writer.set_tags({"why": "SIGTERM"})
        assert store.update_run(run, "KILLED", 7).status == "KILLED"
        writer.close()
        if leaves:
            raise SystemExit(3)
        put_points(*given)

    monkeypatch.setattr(values, "put_points", ended)
    with pytest.raises(SystemExit) if leaves else nullcontext():
        writer.log_metric("a", 1.0, 0, 1)
    found = store.get_run(run)
    assert (found.info.status, found.info.end_time) == ("KILLED", 7)
    assert found.data.tags["why"] == "SIGTERM"
    assert found.data.metrics == ({} if leaves else {"a": 1.0})


RACE = """
    import sys
    from tracklet.errors import InvalidParameterValue
    from tracklet_services.sql import SqlStore, values
    store = SqlStore(sys.argv[1])
    sys.stdout.write("ready\\n"); sys.stdout.flush()
    sys.stdin.readline()
    lost = 0
    for number in range(20):
        try:
            store.log_batch(sys.argv[2], params={f"p{number}": sys.argv[3]})
        except InvalidParameterValue:
            lost += 1
    print(lost)
"""


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_of_two_different_values_of_a_param_one_writer_gets_an_error(database, uri, request):
    """A param is set once, also when two processes set it at the same time."""
    if database == "postgresql":
        uri = request.getfixturevalue("fresh_database")
    store = SqlStore(uri)
    run = store.create_run("0").info.run_id
    processes = [python(RACE, uri, run, value) for value in "ab"]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    lost = [int(finished(process)) for process in processes]
    params = store.get_run(run).data.params
    assert sum(lost) == 20
    assert sorted(params.values()).count("a") == 20 - lost[0]
    store.close()


def test_a_text_that_postgresql_cannot_keep_is_refused_by_name(request):
    """NUL is InvalidParameterValue there, and nothing of the call is stored."""
    store = SqlStore(request.getfixturevalue("fresh_database"))
    run = store.create_run("0").info.run_id
    with pytest.raises(InvalidParameterValue, match="NUL"):
        store.log_batch(run, [Metric("a", 1.0, 1, 1)], {"p": "a\x00b"})
    assert store.get_run(run).data.metrics == {}
    with pytest.raises(ResourceDoesNotExist):
        store.get_run("0" * 32)
    store.close()


def test_a_server_that_is_down_is_a_storage_error():
    """The password is not in the message."""
    pytest.importorskip("psycopg")
    with pytest.raises(StorageError) as caught:
        SqlStore("postgresql://me:secret@127.0.0.1:1/db?connect_timeout=2")
    assert "secret" not in str(caught.value)


def test_engines_are_let_go(uri):
    """Closing releases the file; a closed store opens again by itself."""
    store = SqlStore(uri)
    store.close()
    assert store.get_experiment("0").name == "Default"
    store.close()


@pytest.mark.postgresql
def test_no_statement_and_no_lock_is_waited_for_for_ever(fresh_database):
    """PostgreSQL ends what takes too long; the message says so, and how to allow more."""
    with closing(SqlStore(fresh_database)) as store:
        run = store.create_run("0").info.run_id
        with store.backend.transaction(write=False) as connection:
            limits = [
                connection.execute(text(f"SHOW {name}")).scalar()
                for name in ("statement_timeout", "lock_timeout")
            ]
    assert limits == ["1min", "30s"]
    hurried = f"{fresh_database}&options=-c%20lock_timeout%3D20ms"
    with (
        closing(SqlStore(fresh_database)) as holder,
        closing(SqlStore(hurried)) as store,
        holder.backend.transaction(write=True) as connection,
    ):
        connection.execute(text("SELECT id FROM runs FOR UPDATE"))
        with pytest.raises(StorageError, match="took longer than it may"):
            store.log_batch(run, [Metric("a", 1.0, 1, 1)])


@pytest.mark.postgresql
def test_what_is_large_keeps_within_the_limit_of_a_statement(store_database):
    """A long history goes in parts, in its order; what a removal takes with it has its time."""
    from tracklet_services.sql.values import AT_ONCE

    sent: list[int] = []
    count = 2 * AT_ONCE + 1
    given = [Metric("a", float(step), 1, step) for step in range(count)]
    with closing(SqlStore(store_database)) as store:

        def sees(connection, cursor, statement, parameters, *of):
            if statement.startswith("INSERT INTO metrics"):
                sent.append(len(parameters["step"]))

        event.listen(store.backend.engine, "before_cursor_execute", sees)
        run = store.create_run("0").info.run_id
        store.log_batch(run, given)
        assert sent == [AT_ONCE, AT_ONCE, 1]
        assert [point.step for point in store.get_metric_history(run, "a")] == list(range(count))
        assert store.get_run(run).data.metrics == {"a": count - 1.0}
        with store.backend.transaction(write=True) as connection:
            connection.execute(text("CREATE TABLE seen (setting TEXT)"))
            connection.execute(
                text(
                    "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                    "INSERT INTO seen VALUES (current_setting('statement_timeout')); "
                    "RETURN OLD; END $$"
                )
            )
            connection.execute(
                text(
                    "CREATE TRIGGER sees BEFORE DELETE ON runs FOR EACH ROW EXECUTE FUNCTION see()"
                )
            )
        store.delete_run(run)
        store.purge_run(run)
        with store.backend.transaction(write=False) as connection:
            assert connection.execute(text("SELECT setting FROM seen")).scalars().all() == ["0"]
            assert connection.execute(text("SHOW statement_timeout")).scalar() == "1min"


@pytest.mark.postgresql
def test_the_size_of_the_pool_is_chosen_by_mlflow_s_variables(fresh_database, monkeypatch):
    """What is no number is refused by name."""
    monkeypatch.setenv("MLFLOW_SQLALCHEMYSTORE_POOL_SIZE", "3")
    with closing(SqlStore(fresh_database)) as store:
        assert store.backend.engine.pool.size() == 3
    monkeypatch.setenv("MLFLOW_SQLALCHEMYSTORE_POOL_SIZE", "many")
    with pytest.raises(InvalidParameterValue, match="POOL_SIZE is a whole number"):
        SqlStore(fresh_database)
