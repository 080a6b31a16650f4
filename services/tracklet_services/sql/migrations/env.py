"""What Alembic runs to apply the schema's history to the connection that it is given."""

from __future__ import annotations

from alembic import context

from tracklet_services.sql.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
    transaction_per_migration=False,
)
context.run_migrations()
