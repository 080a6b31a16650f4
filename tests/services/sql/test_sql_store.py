"""The SQL store passes the contract of a store, on SQLite and on PostgreSQL."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager

import pytest

from tracklet.testing import StoreContract
from tracklet_services.sql import SqlStore
from tracklet_testing.store import store_machine


class TestSqliteStore(StoreContract):
    """Every sentence of the contract holds for a SQLite file."""

    @pytest.fixture(autouse=True)
    def _database(self, store_file):
        self.uri = store_file

    def make_store(self, tmp_path):
        return SqlStore(self.uri)


@contextmanager
def fresh_sqlite_store():
    with tempfile.TemporaryDirectory() as folder:
        store = SqlStore(f"sqlite:///{folder}/record.db")
        try:
            yield store
        finally:
            store.close()


TestSqliteStoreMachine = store_machine(fresh_sqlite_store).TestCase


@pytest.mark.postgresql
class TestPostgresqlStore(StoreContract):
    """Every sentence of the contract holds for PostgreSQL."""

    keeps_nul = False

    @pytest.fixture(autouse=True)
    def _database(self, store_database):
        self.uri = store_database

    def make_store(self, tmp_path):
        return SqlStore(self.uri)


@pytest.mark.postgresql
def test_random_histories_agree_with_a_dictionary_on_postgresql(fresh_database):
    """The state machine of the contract holds for PostgreSQL too."""
    from hypothesis import settings
    from hypothesis.stateful import run_state_machine_as_test
    from sqlalchemy import text

    @contextmanager
    def emptied():
        store = SqlStore(fresh_database)
        try:
            with store.backend.transaction(write=True) as connection:
                connection.execute(
                    text("TRUNCATE experiments, runs, logged_models, registered_models CASCADE")
                )
                store.backend._create_default(connection)
            yield store
        finally:
            store.close()

    run_state_machine_as_test(
        store_machine(emptied), settings=settings(max_examples=15, deadline=None)
    )
